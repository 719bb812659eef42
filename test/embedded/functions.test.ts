/** Every function on the embedded cluster; the same bodies run on a real one in test/cluster. */
import t from 'tap';
import { startOperator } from '../helpers/operator.js';
import { deploymentSuite } from '../suites/deployments.js';

const operator = await startOperator('embedded');
t.teardown(() => operator.stop());

await t.test('deployments', (t) =>
  deploymentSuite(t, {
    url: operator.url,
    namespace: 'default',
    images: ['nginx:1.27', 'nginx:1.28'],
    object: async (path) => (await fetch(operator.clusterUrl + path)).json() as Promise<Record<string, unknown>>,
  }),
);
