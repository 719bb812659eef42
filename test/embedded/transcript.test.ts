/** README's kubectl transcript on the embedded cluster, where there is a kubectl; test/cluster runs it on a real one. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { startDevcluster } from '../../devcluster/devcluster.js';
import { kubeconfigOf } from '../../devcluster/kubeconfig.js';
import { whyNoKubectl } from '../helpers/stock-kubectl.js';
import { transcriptSuite } from '../suites/transcript.js';

const noKubectl = whyNoKubectl();
if (noKubectl !== undefined) {
  t.plan(0, noKubectl);
  process.stderr.write(`transcript.test: skipped: ${noKubectl}\n`);
} else {
  const home = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
  const cluster = await startDevcluster();
  const kubeconfig = join(home, 'config');
  await writeFile(kubeconfig, kubeconfigOf(cluster.url));
  t.teardown(async () => {
    await cluster.close();
    await rm(home, { recursive: true });
  });
  await t.test('README’s kubectl transcript', (t) => transcriptSuite(t, kubeconfig));
}
