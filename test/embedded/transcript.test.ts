/** README's kubectl transcript on the embedded cluster, where there is a kubectl; test/cluster runs it on a real one. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { startDevcluster } from '../../devcluster/devcluster.js';
import { kubeconfigOf } from '../../devcluster/kubeconfig.js';
import { transcriptSuite } from '../suites/transcript.js';

if (spawnSync('kubectl', ['version', '--client']).status !== 0) {
  t.plan(0, 'there is no kubectl on the PATH');
  process.stderr.write('transcript.test: skipped, there is no kubectl on the PATH\n');
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
