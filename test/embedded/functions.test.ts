/** Every function on the embedded cluster; the same bodies run on a real one in test/cluster. */
import t from 'tap';
import { startOperator } from '../helpers/operator.js';
import { deploymentSuite } from '../suites/deployments.js';
import { clusterSuite, podSuite } from '../suites/pods.js';
import type { Target } from '../suites/target.js';

const operator = await startOperator('embedded');
t.teardown(() => operator.stop());

const target: Target = {
  url: operator.url,
  namespace: 'default',
  images: ['nginx:1.27', 'nginx:1.28'],
  crash: ['false'],
  object: async (path) =>
    (await fetch(operator.clusterUrl + path)).json() as Promise<Record<string, unknown>>,
};

await t.test('deployments', (t) => deploymentSuite(t, target));
await t.test('pods', (t) => podSuite(t, target));
await t.test('cluster', (t) => clusterSuite(t, target));
