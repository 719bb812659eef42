/** The example's Makefile, whatever namespace the reader's kubectl is set to. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { serve } from '../helpers/serve.js';
import { whyNoKubectl } from '../helpers/stock-kubectl.js';

t.setTimeout(180_000);

t.test("deploy finds the example's pods", { skip: whyNoKubectl() ?? false }, async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'lightchain-make-'));
  t.teardown(() => rm(home, { recursive: true }));
  const operator = await serve(t, home);
  const config = join(home, 'kubeconfig');
  const named = { name: 'embedded' };
  await writeFile(
    config,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ ...named, cluster: { server: operator.clusterUrl } }],
      contexts: [{ ...named, context: { cluster: 'embedded', user: 'embedded', namespace: 'elsewhere' } }],
      users: [{ ...named, user: {} }],
      'current-context': 'embedded',
    }),
  );
  const env = { ...process.env, KUBECONFIG: config, HOME: home };
  const make = (target: string) =>
    promisify(execFile)('make', ['-C', 'k8s-yamls/examples/lightchain', target], { env });
  const { stdout } = await make('deploy');
  t.match(stdout, /pod\/lightwriter condition met\npod\/lightreader condition met/);
  t.match(stdout, /kubectl logs -n default -f lightreader/);
  await make('remove');
  await operator.stop();
});
