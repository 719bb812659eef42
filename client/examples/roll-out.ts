/**
 * A Deployment's life: created and followed until it is ready, its pods and their logs, scaled, deleted.
 *
 *     npm run build && node dist/client/examples/roll-out.js [http://localhost:8080]
 */
import { XiError, createClient } from '@xi-k8s/client';

const xi = createClient({ baseUrl: process.argv[2] ?? 'http://localhost:8080' });
const name = 'roll-out-example';

async function rollOut(): Promise<void> {
  const made = await xi.create_deployment({ name, image: 'nginx:1.27', replicas: 2 });
  console.log(`created ${made.namespace}/${made.name}`);
  try {
    const rolling = xi.wait_for_deployment({ name, timeout_seconds: 120 });
    for await (const { message, stuck } of rolling) {
      console.log(message);
      for (const { pod, reason } of stuck) console.log(`  ${pod} is stuck: ${reason}`);
    }
    const { replicas } = await rolling.result;
    console.log(`ready: ${replicas.ready} of ${replicas.desired}`);

    const { items } = await xi.list_pods({ deployment: name });
    for (const pod of items) console.log(`pod ${pod.name} is ${pod.status} at ${pod.ip ?? 'no address'}`);

    for await (const { pod, line } of xi.pod_logs({ deployment: name, tail_lines: 3 }))
      if (line !== undefined) console.log(`${pod}: ${line}`);

    const scaled = await xi.scale_deployment({ name, replicas: 3, wait: true });
    console.log(`scaled to ${scaled.replicas.available}`);
  } finally {
    const { gone } = await xi.delete_deployment({ name, wait: true });
    console.log(gone ? `deleted ${name}` : `${name} is still going`);
  }
}

try {
  await rollOut();
} catch (error) {
  if (!(error instanceof XiError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
