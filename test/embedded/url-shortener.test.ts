/**
 * The URL shortener on the embedded cluster as a user starts it: its own manifests and chart by kubectl and helm, four containers
 * that are real programs, real calls between them.
 */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { kubeconfigOf } from '../../devcluster/kubeconfig.js';
import { NO_HELM, findHelm } from '../helpers/helm.js';
import { serve } from '../helpers/serve.js';
import { whyNoKubectl } from '../helpers/stock-kubectl.js';
import { chartSuite, exampleSuite } from '../suites/url-shortener.js';

t.setTimeout(600_000);
const noKubectl = whyNoKubectl();
if (noKubectl !== undefined) {
  t.plan(0, noKubectl);
  process.stderr.write(`url-shortener.test: skipped: ${noKubectl}\n`);
} else {
  const home = await mkdtemp(join(tmpdir(), 'shortener-'));
  t.teardown(() => rm(home, { recursive: true }));
  const pods = join(home, 'pods');
  await mkdir(pods);
  const operator = await serve(t, pods);
  const file = join(home, 'kubeconfig');
  await writeFile(file, kubeconfigOf(operator.clusterUrl));
  // What kubectl, helm and the scripts go by.
  process.env['KUBECONFIG'] = file;

  await t.test('kubectl apply -k', exampleSuite);
  const helm = await findHelm();
  if (helm === undefined) process.stderr.write(`url-shortener.test: the chart is skipped: ${NO_HELM}\n`);
  else await t.test('the chart', (t) => chartSuite(t, helm));
  await t.test('nothing is left of it', async (t) => {
    t.same(await operator.stop(), [0, null]);
    t.same(await readdir(pods), []);
  });
}
