/** The functions about networks on the embedded cluster, with small real peers. */
import t from 'tap';
import { createKube, plainConnection } from '../../kube/index.js';
import { servePeers } from '../helpers/lightpeers.js';
import { startOperator } from '../helpers/operator.js';
import { networkSuite } from '../suites/networks.js';

t.setTimeout(180_000);
const operator = await startOperator('embedded', { XI_NETWORK_HEALTH_SECONDS: '0.5' });
const kube = createKube(plainConnection({ url: operator.clusterUrl, how: 'embedded' }));
const peers = servePeers(kube);
t.teardown(async () => {
  await operator.stop();
  await peers.stop();
  await kube.close();
});

t.test('networks', { timeout: 150_000 }, (t) =>
  networkSuite(
    t,
    {
      url: operator.url,
      namespace: 'default',
      images: ['nginx:1.27', 'nginx:1.28'],
      crash: ['false'],
      object: async (path) =>
        (await fetch(operator.clusterUrl + path)).json() as Promise<Record<string, unknown>>,
    },
    { kube, kinds: ['ours', 'reference'], containers: () => [{ name: 'klightpeer', image: 'peer' }] },
  ),
);

t.test('metrics', async (t) => {
  const response = await fetch(`${operator.opsUrl}/metrics`);
  t.match(response.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
  const text = await response.text();
  t.match(text, /^# TYPE xi_network_steps_total counter$/m);
  t.match(text, /^xi_network_steps_total\{result="ok",step="join"\} [1-9]/m);
  t.match(text, /^xi_network_join_seconds_bucket\{how="join",le="\+Inf"\} [1-9]/m);
  t.match(text, /^xi_leader 1$/m);
});
