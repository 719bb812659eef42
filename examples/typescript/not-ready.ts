/**
 * Prints the pods that are not ready, with what keeps them; exits 1 when there are any.
 *
 *     npm run build && node dist/examples/typescript/not-ready.js [http://localhost:8080 [NAMESPACE]]
 */
import { createClient } from '@xi-k8s/client';
import type { ListPodsParams, Pod } from '@xi-k8s/client';

const [baseUrl = 'http://localhost:8080', namespace] = process.argv.slice(2);
const xi = createClient({ baseUrl });

/** All pods, page by page. */
async function* pods(params: ListPodsParams): AsyncGenerator<Pod> {
  let page = await xi.list_pods(params);
  yield* page.items;
  while (page.continue !== undefined) {
    page = await xi.list_pods({ ...params, continue: page.continue });
    yield* page.items;
  }
}

for await (const pod of pods(namespace === undefined ? { all_namespaces: true } : { namespace })) {
  // A pod that has done its work is not ready, and need not be.
  if (pod.ready || pod.phase === 'Succeeded') continue;
  console.log(
    `${pod.namespace}/${pod.name}: ${pod.status}${pod.message === undefined ? '' : `: ${pod.message}`}`,
  );
  process.exitCode = 1;
}
