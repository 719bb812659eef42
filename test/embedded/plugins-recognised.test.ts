/** A plugin that proved its pod to the operator's host: calls never go to another pod that got its address. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import t from 'tap';
import { createConnectClient } from '../../connect/index.js';
import { PODS } from '../../kube/index.js';
import { HandshakeService, ServiceRegistry } from '../../proto/gen/connectplugin/v1/plugin_pb.js';
import { createMetrics } from '../../server/ops/metrics.js';
import { createIdentify } from '../../server/plugin-host/discovery/identify.js';
import { startHost } from '../../server/plugin-host/host.js';
import { NAMESPACE, podOf, podSpec, startCluster } from './controllers/cluster.js';

t.setTimeout(120_000);
const { kube, eventually } = await startCluster(t);

/** The token of a pod, as it is mounted into it. */
async function tokenOf(pod: string): Promise<string> {
  const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: pod };
  const response = await fetch(
    `${kube.cluster.url}/api/v1/namespaces/${NAMESPACE}/serviceaccounts/default/token`,
    {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { audiences: ['xi-k8s-plugin-host'], boundObjectRef },
      }),
    },
  );
  return ((await response.json()) as { status: { token: string } }).status.token;
}

/** A server at the plugin's address, and the paths of the calls that came to it. */
async function serveAt(host: string, status: number) {
  const calls: string[] = [];
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/pay/') === true) calls.push(request.url);
    response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
  });
  await once(server.listen(8080, host), 'listening');
  return {
    calls,
    async stop() {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}

t.test('one that starts anew in its pod is called again, another pod at its address never', async (t) => {
  const gone: string[] = [];
  const log = {
    info: (_: object, text: string) => void (text.includes(' is gone: ') && gone.push(text)),
    warn: () => undefined,
  };
  const host = await startHost({
    ...{ address: { host: '127.0.0.1', port: 0 }, log, metrics: createMetrics(), showStatus: false },
    registry: {
      allowBaseUrl: () => {
        throw new Error('nobody vouches for it');
      },
      identify: createIdentify({ kube, namespaces: [] }),
    },
    admit: () => undefined,
  });
  const client = createConnectClient({ baseUrl: host.url });
  t.teardown(() => Promise.all([client.close(), host.close()]));
  await kube.create(PODS, NAMESPACE, podOf('pay', podSpec()));
  const { status } = await eventually(
    () => kube.get(PODS, { namespace: NAMESPACE, name: 'pay' }),
    (pod) => pod.status?.podIP !== undefined,
    'it has an address',
  );
  const address = status!.podIP!;
  const first = await serveAt(address, 200);
  const { runtimeId, runtimeToken } = await client.unary(
    HandshakeService.method.handshake,
    {
      ...{ coreProtocolVersion: 1, appProtocolVersion: 1, selfId: 'pay', selfVersion: '1.0.0' },
      ...{ magicCookieKey: 'CONNECT_PLUGIN', magicCookieValue: 'd3f40b3c2e1a5f8b9c4d7e6a1b2c3d4e' },
    },
    { headers: { authorization: `Bearer ${await tokenOf('pay')}` } },
  );
  const headers = { 'x-plugin-runtime-id': runtimeId, authorization: `Bearer ${runtimeToken}` };
  const metadata = { base_url: `http://${address}:8080` };
  const offer = { serviceType: 'pay', version: '1.0.0', endpointPath: '/pay/', metadata };
  await client.unary(ServiceRegistry.method.registerService, offer, { headers });
  const pay = async (): Promise<number> =>
    (await fetch(`${host.url}/services/pay/-/Charge`, { method: 'POST', body: '{}', headers })).status;
  t.equal(await pay(), 200);

  await first.stop();
  t.not(await pay(), 200);
  const second = await serveAt(address, 200);
  await eventually(pay, (code) => code === 200, 'it is called again');
  t.same(second.calls, ['/pay/Charge']);

  await second.stop();
  t.not(await pay(), 200);
  await kube.delete(PODS, { namespace: NAMESPACE, name: 'pay' }, { gracePeriodSeconds: 0 });
  const stranger = await serveAt(address, 404);
  t.teardown(() => stranger.stop());
  await eventually(
    async () => gone,
    ({ length }) => length > 0,
    'its identity ends',
  );
  t.same(gone, [`${runtimeId} is gone: another may have its address`]);
  t.equal(await pay(), 401);
  t.same(stranger.calls, []);
});
