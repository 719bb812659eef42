/** Several pods of one plugin that say different things of themselves, and pods that are no plugin yet, on the embedded cluster. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import t from 'tap';
import type { Test } from 'tap';
import { DEPLOYMENTS, ENDPOINT_SLICES, PODS, SERVICES } from '../../kube/index.js';
import { startPlugin } from '../../plugin-sdk/src/index.js';
import type { Plugin } from '../../plugin-sdk/src/index.js';
import { reflectOf } from '../../server/app.js';
import { createMetrics } from '../../server/ops/metrics.js';
import { startDiscovery } from '../../server/plugin-host/discovery/discovery.js';
import { startHost } from '../../server/plugin-host/host.js';
import type { Log } from '../../server/ports.js';
import { until } from '../helpers/eventually.js';
import { servePlugins, sliceByHand, startTestPlugin } from '../helpers/plugins.js';
import { runningPod } from '../helpers/running-pod.js';
import { deploymentOf, podOf, podSpec, startCluster } from './controllers/cluster.js';

t.setTimeout(120_000);
const NAMESPACE = 'default';
const { kube, eventually, pods } = await startCluster(t);

/** The plugins that run, by the addresses of their pods. */
const running = new Map<string, Plugin>();
let beats = 0;
const served = servePlugins(kube, async (host, port, { selfId, version }) => {
  const plugin = await startPlugin({
    ...{ id: selfId, version, host, port, heartbeatMs: 30 },
    provides: [{ type: selfId, version, path: '/s.v1.S/', methods: { Where: () => ({ by: host }) } }],
  });
  running.set(host, plugin);
  return {
    stop: async () => {
      running.delete(host);
      await plugin.close();
    },
  };
});
t.teardown(() => served.stop());

/** A host that finds plugins, and what its discovery warns of. */
async function startFinding(t: Test) {
  const warned: string[] = [];
  const log: Log = {
    debug: () => undefined,
    info: () => undefined,
    warn: (fields, text) => warned.push(`${text}: ${String((fields as { why?: string }).why ?? '')}`),
    error: () => undefined,
    child: () => log,
  };
  const host = await startHost({
    ...{ log, metrics: createMetrics(), showStatus: true, admit: () => undefined },
    address: { host: '127.0.0.1', port: 0 },
    registry: { allowBaseUrl: () => undefined },
  });
  // What pods report, counted where it comes in.
  const counting = createServer((request, response) => {
    if (request.url?.endsWith('/ReportHealth') === true) beats += 1;
    host.handle(request, response);
  });
  await once(counting.listen(0, '127.0.0.1'), 'listening');
  const { port } = counting.address() as { port: number };
  const discovery = startDiscovery({
    ...{ kube, reflect: reflectOf(kube), registry: host.registry, log, namespaces: [NAMESPACE] },
    hostUrl: `http://127.0.0.1:${port}`,
  });
  t.teardown(async () => {
    await discovery.stop();
    counting.closeAllConnections();
    counting.close();
    await host.close();
  });
  await discovery.synced;
  return { registry: host.registry, warned };
}

t.test(
  'pods that say different things: what is shown stands still, and calls go to those that are well',
  async (t) => {
    const spec = podSpec();
    spec.containers = [{ name: 'main', image: 'plugin:1', ports: [{ name: 'plugin', containerPort: 8082 }] }];
    const made = deploymentOf('twins', 2, spec);
    made.spec!.template.metadata = { labels: { app: 'twins', 'test-plugin': 'twins_1.0.0' } };
    await kube.create(DEPLOYMENTS, NAMESPACE, made);
    await kube.create(SERVICES, NAMESPACE, {
      metadata: { name: 'twins', labels: { 'xi-k8s.dev/plugin': 'twins' } },
      spec: { selector: { app: 'twins' }, ports: [{ name: 'plugin', port: 8082, targetPort: 8082 }] },
    });
    const { registry } = await startFinding(t);
    const shown = () => registry.plugins().map(({ health, reason }) => ({ health, reason }));
    const called = () =>
      registry.services().flatMap(({ targets }) => targets.map(({ baseUrl }) => new URL(baseUrl).hostname));
    const callsGoTo = (hosts: readonly string[]) =>
      eventually(
        async () => called().sort(),
        (now) => JSON.stringify(now) === JSON.stringify([...hosts].sort()),
        `calls go to ${hosts.join(', ')}`,
      );
    const hosts = async () => (await pods('twins')).map(({ status }) => status?.podIP ?? '').sort();
    await eventually(
      async () => called().length,
      (count) => count === 2,
      'both are routed to',
    );
    const [ill = '', well = ''] = await hosts();
    running.get(ill)!.setHealth('unhealthy', 'no disk');
    await callsGoTo([well]);
    let changes = 0;
    t.teardown(registry.watch(() => (changes += 1)));
    // Either pod may have to register first; then there is nothing to tell any more.
    await eventually(
      async () => {
        const before = { changes, beats };
        await until(() => beats >= before.beats + 20);
        return changes - before.changes;
      },
      (changed) => changed === 0,
      'nothing changes while both report again and again',
    );
    t.same(shown(), [{ health: 'healthy', reason: `http://${ill}:8082 is unhealthy: no disk` }]);

    running.get(well)!.setHealth('degraded', 'slow');
    await eventually(
      async () => shown(),
      ([plugin]) => plugin?.health === 'degraded',
      'none is healthy',
    );
    t.same(shown(), [{ health: 'degraded', reason: `slow; http://${ill}:8082 is unhealthy: no disk` }]);

    // The pod that goes takes along what it said.
    const [gone] = (await pods('twins')).filter(({ status }) => status?.podIP === ill);
    await kube.delete(PODS, { namespace: NAMESPACE, name: gone!.metadata!.name! });
    await eventually(hosts, (now) => now.length === 2 && !now.includes(ill), 'another one is there');
    await callsGoTo(await hosts());
    await eventually(
      async () => shown(),
      ([plugin]) => plugin?.health === 'healthy',
      'the new one is well',
    );
    t.same(shown(), [{ health: 'healthy', reason: `http://${well}:8082 is degraded: slow` }]);
    t.equal(registry.plugins().length, 1);
    await kube.delete(SERVICES, { namespace: NAMESPACE, name: 'twins' });
  },
);

t.test('a pod that is ready before its program is asked again, and spoken of once', async (t) => {
  await kube.create(PODS, NAMESPACE, podOf('early', podSpec()));
  const { pod, ip: host } = await runningPod(kube, NAMESPACE, 'early');
  let asked = 0;
  const nothing = createServer((_request, response) => {
    asked += 1;
    response.writeHead(404).end();
  });
  await once(nothing.listen(8082, host), 'listening');
  await kube.create(ENDPOINT_SLICES, NAMESPACE, sliceByHand(pod, 8082));
  const { registry, warned } = await startFinding(t);
  await eventually(
    async () => asked,
    (times) => times > 2,
    'it is asked again and again',
  );
  t.match(warned, [/^plugin left alone: .*no PluginIdentity/], 'which is said once');
  nothing.closeAllConnections();
  await once(nothing.close(), 'close');
  const program = await startTestPlugin(host, 8082, { selfId: 'early', version: '1.0.0' });
  t.teardown(() => program.stop());
  await eventually(
    async () => registry.plugins(),
    ([plugin]) => plugin?.routable === true,
    'it is found, though its pod is as it was',
  );
  t.match(registry.plugins(), [{ selfId: 'early', runtimeId: program.identity()!.runtimeId }]);
});
