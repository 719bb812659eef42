/** Every function on a real cluster, by its kubeconfig: the same bodies as on the embedded one. */
import t from 'tap';
import { kubeconfigConnection } from '../../kube/index.js';
import { startOperator } from '../helpers/operator.js';
import { deploymentSuite } from '../suites/deployments.js';
import { clusterSuite, podSuite } from '../suites/pods.js';
import type { Target } from '../suites/target.js';
import { rawReader } from '../helpers/raw.js';

t.setTimeout(600_000);
const kubeconfig = process.env['KUBECONFIG'];
if (kubeconfig === undefined) {
  t.plan(0, 'no KUBECONFIG: run it by `npm run cluster`');
} else {
  const operator = await startOperator('kubeconfig');
  t.teardown(() => operator.stop());
  const read = rawReader(await kubeconfigConnection({ paths: [kubeconfig], env: process.env }));
  const target: Target = {
    url: operator.url,
    namespace: 'default',
    images: ['nginx:1.15.4', 'nginx:1.27'],
    crash: ['node', '-e', 'process.exit(1)'],
    object: read,
  };
  await t.test('deployments', (t) => deploymentSuite(t, target));
  await t.test('pods', (t) => podSuite(t, target));
  await t.test('cluster', (t) => clusterSuite(t, target));
}
