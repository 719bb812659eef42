/** Plugins of other pods, found through the API of the embedded cluster, with real servers on their pods' addresses. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { DEPLOYMENTS, ENDPOINT_SLICES, PODS, SERVICES, keyOf } from '../../kube/index.js';
import type { Deployment } from '../../kube/index.js';
import { reflectOf } from '../../server/app.js';
import { startDiscovery } from '../../server/plugin-host/discovery/discovery.js';
import { createIdentify } from '../../server/plugin-host/discovery/identify.js';
import { createRegistry } from '../../server/plugin-host/registry/registry.js';
import type { Registry } from '../../server/plugin-host/registry/registry.js';
import type { Log } from '../../server/ports.js';
import { startPlugin } from '../../plugin-sdk/src/index.js';
import { startHost } from '../../server/plugin-host/host.js';
import type { PluginHost } from '../../server/plugin-host/host.js';
import { createMetrics } from '../../server/ops/metrics.js';
import { servePlugins, sliceByHand, startTestPlugin } from '../helpers/plugins.js';
import { runningPod } from '../helpers/running-pod.js';
import type { TestPlugin } from '../helpers/plugins.js';
import { startCluster, deploymentOf, podOf, podSpec } from './controllers/cluster.js';

t.setTimeout(120_000);
const NAMESPACE = 'default';
const HOST_URL = 'http://xi-k8s-plugins.xi-k8s:8444';
const { kube, eventually, pods } = await startCluster(t);
const served = servePlugins(kube, async (host, port, spec) =>
  spec.selfId === 'busy'
    ? startBusy(host, port)
    : startTestPlugin(host, port, { ...spec, metadata: { protocol: spec.selfId } }),
);
t.teardown(() => served.stop());

const warned: string[] = [];
const log: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: (fields, message) => warned.push(`${message}: ${String((fields as { why?: string }).why ?? '')}`),
  error: () => undefined,
  child: () => log,
};

/** A plugin as one writes it, which a pod's end lets finish what it is at. */
async function startBusy(host: string, port: number): Promise<Pick<TestPlugin, 'identity' | 'stop'>> {
  const work = async (): Promise<object> => {
    await delay(5);
    return { by: host };
  };
  const plugin = await startPlugin({
    id: 'busy',
    version: '1.0.0',
    host,
    port,
    heartbeatMs: 50,
    provides: [{ type: 'busy', version: '1.0.0', path: '/busy.v1.Busy/', methods: { Work: work } }],
  });
  return {
    identity: () => undefined,
    async stop() {
      // As a preStop hook does: the others have to learn first that it goes.
      await delay(300);
      await plugin.close();
    },
  };
}

/** A registry with discovery on it. */
async function startFinding(t: Test, namespaces: string[] = []): Promise<Registry> {
  const registry = createRegistry({ log, allowBaseUrl: () => undefined });
  const discovery = startDiscovery({
    kube,
    reflect: reflectOf(kube),
    registry,
    log,
    namespaces,
    hostUrl: HOST_URL,
  });
  t.teardown(async () => {
    await discovery.stop();
    await registry.close();
  });
  await discovery.synced;
  return registry;
}

/** A host with discovery on it. */
async function startFindingHost(t: Test): Promise<PluginHost> {
  const host = await startHost({
    showStatus: true,
    address: { host: '127.0.0.1', port: 0 },
    log,
    metrics: createMetrics(),
    registry: { allowBaseUrl: () => undefined },
    admit: () => undefined,
  });
  const { registry, url: hostUrl } = host;
  const discovery = startDiscovery({
    ...{ kube, reflect: reflectOf(kube), registry, log },
    ...{ namespaces: [], hostUrl },
  });
  t.teardown(async () => {
    await discovery.stop();
    await host.close();
  });
  return host;
}

const pluginDeployment = (name: string, replicas: number, version = '1.0.0'): Deployment => {
  const spec = podSpec();
  spec.containers = [{ name: 'main', image: 'plugin:1', ports: [{ name: 'plugin', containerPort: 8082 }] }];
  spec.terminationGracePeriodSeconds = 1;
  const made = deploymentOf(name, replicas, spec);
  made.spec!.template.metadata = { labels: { app: name, 'test-plugin': `${name}_${version}` } };
  return made;
};
const makeService = (name: string, label = name) =>
  kube.create(SERVICES, NAMESPACE, {
    metadata: { name, labels: { 'xi-k8s.dev/plugin': label } },
    spec: { selector: { app: name }, ports: [{ name: 'plugin', port: 8082, targetPort: 8082 }] },
  });

/** Where calls to a type go, as the router would learn it. */
const targetsOf = (registry: Registry, type: string): string[] => {
  try {
    return registry.resolve(type, '-').targets.map(({ baseUrl }) => baseUrl);
  } catch {
    return [];
  }
};
const addressesOf = async (app: string): Promise<string[]> =>
  (await pods(app))
    .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
    .map(({ status }) => `http://${status?.podIP}:8082`)
    .sort();
const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

t.test('pods of a labelled Service are found, given an identity, and left out when they go', async (t) => {
  await kube.create(DEPLOYMENTS, NAMESPACE, pluginDeployment('storage', 2));
  await makeService('storage');
  const registry = await startFinding(t);
  await eventually(
    async () => targetsOf(registry, 'storage').sort(),
    (targets) => targets.length === 2,
    'both pods are routed to',
  );
  t.same(targetsOf(registry, 'storage').sort(), await addressesOf('storage'));
  const [plugin, ...more] = registry.plugins();
  t.same(more, [], 'two pods that say the same are one plugin');
  t.match(plugin, { selfId: 'storage', selfVersion: '1.0.0', origin: 'discovered', routable: true });
  const identities = await Promise.all(
    [...served.plugins.values()].map(async (one) => (await one).identity()),
  );
  t.equal(identities.length, 2);
  for (const identity of identities) {
    t.match(identity, { runtimeId: plugin!.runtimeId, hostUrl: HOST_URL });
    const headers: Record<string, string> = {
      'x-plugin-runtime-id': identity!.runtimeId,
      authorization: `Bearer ${identity!.runtimeToken}`,
    };
    t.same(
      registry.authenticate((name) => headers[name]).runtimeId,
      plugin!.runtimeId,
      'the identity is good',
    );
  }

  const [pod] = await pods('storage');
  const gone = `http://${pod!.status?.podIP}:8082`;
  await kube.delete(PODS, { namespace: NAMESPACE, name: pod!.metadata!.name! });
  await eventually(
    async () => targetsOf(registry, 'storage'),
    (targets) => !targets.includes(gone),
    'the pod that goes is left out',
  );
  await eventually(
    async () => [targetsOf(registry, 'storage').sort(), await addressesOf('storage')],
    ([targets, addresses]) => targets!.length === 2 && same(targets, addresses),
    'its successor is routed to',
  );
  t.equal(registry.plugins()[0]?.runtimeId, plugin!.runtimeId, 'it is the same plugin');

  await kube.patch(
    DEPLOYMENTS,
    { namespace: NAMESPACE, name: 'storage' },
    { type: 'merge', body: { spec: { replicas: 0 } } },
  );
  await eventually(
    async () => targetsOf(registry, 'storage'),
    (targets) => targets.length === 0,
    'nobody is routed to',
  );
  t.match(registry.plugin(plugin!.runtimeId), { routable: false, unroutableBecause: /no ready address/ });
  t.throws(() => registry.resolve('storage', plugin!.runtimeId), /no ready address/);

  await kube.delete(SERVICES, { namespace: NAMESPACE, name: 'storage' });
  await eventually(
    async () => registry.plugins(),
    (all) => all.length === 0,
    'it goes with its Service',
  );
});

t.test('a roll-out to another version leaves nobody without a provider', async (t) => {
  const made = pluginDeployment('rolling', 1);
  // Pods that pretend end at once: the new one has so long to be met.
  made.spec!.minReadySeconds = 2;
  await kube.create(DEPLOYMENTS, NAMESPACE, made);
  await makeService('rolling');
  const registry = await startFinding(t);
  await eventually(
    async () => targetsOf(registry, 'rolling'),
    ({ length }) => length === 1,
    'it is there',
  );
  let missing = 0;
  const unwatch = registry.watch(() => (missing += targetsOf(registry, 'rolling').length === 0 ? 1 : 0));
  const labels = { 'test-plugin': 'rolling_1.1.0' };
  await kube.patch(
    DEPLOYMENTS,
    { namespace: NAMESPACE, name: 'rolling' },
    { type: 'merge', body: { spec: { template: { metadata: { labels } } } } },
  );
  await eventually(
    async () => registry.plugins().map(({ selfVersion }) => selfVersion),
    (versions) => same(versions, ['1.1.0']),
    'only the new version is left',
  );
  unwatch();
  t.equal(missing, 0);
  await kube.delete(SERVICES, { namespace: NAMESPACE, name: 'rolling' });
});

t.test('an identity that the registry ended is given anew', async (t) => {
  await kube.create(DEPLOYMENTS, NAMESPACE, pluginDeployment('again', 1));
  await makeService('again');
  const registry = await startFinding(t);
  await eventually(
    async () => targetsOf(registry, 'again'),
    ({ length }) => length === 1,
    'it is there',
  );
  const [before] = registry.plugins();
  registry.remove(before!.runtimeId, 'for a test');
  t.same(targetsOf(registry, 'again'), []);
  await eventually(
    async () => targetsOf(registry, 'again'),
    ({ length }) => length === 1,
    'it is back',
  );
  await kube.delete(SERVICES, { namespace: NAMESPACE, name: 'again' });
});

t.test('what is no plugin, another plugin, or elsewhere is left alone', async (t) => {
  // It says of itself what no plugin may be.
  await kube.create(DEPLOYMENTS, NAMESPACE, pluginDeployment('liar', 1, 'not.semver'));
  await makeService('liar', 'storage');
  // It shakes hands by itself.
  await kube.create(PODS, NAMESPACE, podOf('alone', podSpec()));
  await makeService('alone');
  // A slice by hand, which names an address that its pod does not have.
  await kube.create(PODS, NAMESPACE, podOf('victim', podSpec()));
  const alone = await startTestPlugin((await runningPod(kube, NAMESPACE, 'alone')).ip, 8082, {
    selfId: 'alone',
    version: '1.0.0',
    managed: false,
  });
  const elsewhere = await startTestPlugin('127.0.0.1', 0, { selfId: 'victim', version: '1.0.0' });
  t.teardown(() => Promise.all([alone.stop(), elsewhere.stop()]));
  const { pod: victim } = await runningPod(kube, NAMESPACE, 'victim');
  const elsewherePort = Number(elsewhere.address.split(':')[1]);
  await kube.create(
    ENDPOINT_SLICES,
    NAMESPACE,
    sliceByHand(victim, elsewherePort, { name: 'by-hand', address: '127.0.0.1' }),
  );
  warned.length = 0;
  const registry = await startFinding(t);
  await eventually(
    async () => warned.filter((line) => line.startsWith('plugin left alone')).sort(),
    ({ length }) => length === 3,
    'each is looked at',
  );
  t.match(warned.sort(), [
    /no address of pod default\/victim/,
    /serves no PluginIdentity/,
    /no semantic version/,
  ]);
  t.same(registry.plugins(), []);
  t.equal(elsewhere.identity(), undefined, 'nobody spoke to the address that the API did not give');
});

t.test('a pod that is no plugin yet is asked again, and one that was started anew too', async (t) => {
  await kube.create(PODS, NAMESPACE, podOf('late', podSpec()));
  const { pod, ip: host } = await runningPod(kube, NAMESPACE, 'late');
  // What its container serves before its routes are there.
  let asked = 0;
  const serveNothing = async () => {
    const server = createServer((_request, response) => {
      asked += 1;
      response.writeHead(404).end();
    });
    await once(server.listen(8082, host), 'listening');
    return async () => {
      server.closeAllConnections();
      await once(server.close(), 'close');
    };
  };
  const slice = (ready: boolean) => sliceByHand(pod, 8082, { ready });
  const becomes = (ready: boolean) =>
    kube.patch(
      ENDPOINT_SLICES,
      { namespace: NAMESPACE, name: 'late' },
      { type: 'merge', body: { endpoints: slice(ready).endpoints } },
    );
  const spec = { selfId: 'late', version: '1.0.0' };
  const stopNothing = await serveNothing();
  await kube.create(ENDPOINT_SLICES, NAMESPACE, slice(false));
  const registry = await startFinding(t);
  const isFound = (what: string) =>
    eventually(
      async () => targetsOf(registry, 'late'),
      ({ length }) => length === 1,
      what,
    );
  await eventually(
    async () => asked,
    (times) => times > 1,
    'it is asked again',
  );
  await stopNothing();
  const first = await startTestPlugin(host, 8082, spec);
  await becomes(true);
  await isFound('its routes are there');

  // Its container ends, and the next one is ready too soon.
  await becomes(false);
  await first.stop();
  const stopNext = await serveNothing();
  warned.length = 0;
  await becomes(true);
  await eventually(
    async () => warned,
    (lines) => lines.some((line) => line.startsWith('plugin left alone')),
    'one that is ready and no plugin is left alone',
  );
  await becomes(false);
  await stopNext();
  const second = await startTestPlugin(host, 8082, spec);
  t.teardown(() => second.stop());
  await becomes(true);
  await eventually(
    async () => second.identity(),
    (identity) => identity !== undefined,
    'the one that was started anew is met',
  );
  await isFound('it is routed to');
  t.match(registry.plugins(), [{ runtimeId: second.identity()!.runtimeId, routable: true }]);
  await kube.delete(ENDPOINT_SLICES, { namespace: NAMESPACE, name: 'late' });
});

t.test('other namespaces are not looked at', async (t) => {
  await kube.create(DEPLOYMENTS, NAMESPACE, pluginDeployment('here', 1));
  await makeService('here');
  const elsewhere = await startFinding(t, ['kube-system']);
  const here = await startFinding(t, [NAMESPACE]);
  await eventually(
    async () => targetsOf(here, 'here'),
    ({ length }) => length === 1,
    'it is found where it is',
  );
  t.same(elsewhere.plugins(), []);
});

t.test('what a plugin says of its services holds when it is found: one of HTTP/2 is called so', async (t) => {
  const types = { h2c: '2.0', plain: '1.1' };
  for (const type of Object.keys(types)) {
    await kube.create(DEPLOYMENTS, NAMESPACE, pluginDeployment(type, 1));
    await makeService(type);
  }
  const { registry, url } = await startFindingHost(t);
  const { runtimeId, token } = registry.admit({
    ...{ selfId: 'caller', selfVersion: '1.0.0', origin: 'managed' },
    ...{ baseUrls: [], provides: [], requires: {} },
  });
  for (const [type, http] of Object.entries(types)) {
    await eventually(
      async () => targetsOf(registry, type),
      ({ length }) => length === 1,
      `${type} is there`,
    );
    t.same(registry.resolve(type, '-').metadata, { protocol: type });
    const answer = await fetch(`${url}/services/${type}/-/Echo`, {
      method: 'POST',
      headers: { 'x-plugin-runtime-id': runtimeId, authorization: `Bearer ${token}` },
      body: '{}',
    });
    t.match(await answer.json(), { sent: '{}', http });
    await kube.delete(SERVICES, { namespace: NAMESPACE, name: type });
  }
});

t.test('pods are deleted under load, and no call fails', async (t) => {
  await kube.create(DEPLOYMENTS, NAMESPACE, pluginDeployment('busy', 2));
  await makeService('busy');
  const host = await startFindingHost(t);
  const { registry } = host;
  const caller = await startPlugin({
    id: 'caller',
    version: '1.0.0',
    host: '127.0.0.1',
    port: 0,
    hostUrl: host.url,
    requires: [{ type: 'busy', minVersion: '1.0.0' }],
  });
  let over = false;
  t.teardown(async () => {
    over = true;
    await caller.close();
  });
  await caller.whenReady();
  const twoReady = () =>
    eventually(
      async () => [targetsOf(registry, 'busy').sort(), await addressesOf('busy')],
      ([targets, addresses]) => targets!.length === 2 && same(targets, addresses),
      'both pods are routed to',
    );
  await twoReady();

  const failed: string[] = [];
  const by = new Set<string>();
  let calls = 0;
  const { runtimeId = '' } = caller;
  const busy = caller.service('busy');
  const work = async (): Promise<void> => {
    while (!over) {
      const answer = await busy.call('Work', {}).catch((error: unknown) => void failed.push(String(error)));
      calls++;
      if (answer !== undefined) by.add((answer as { by: string }).by);
    }
  };
  const workers = Array.from({ length: 8 }, work);
  for (let round = 0; round < 2; round++) {
    const [pod] = await pods('busy');
    await kube.delete(PODS, { namespace: NAMESPACE, name: pod!.metadata!.name! });
    await eventually(
      () => pods('busy'),
      (all) => all.every(({ metadata }) => metadata?.name !== pod!.metadata?.name),
      'it is gone',
    );
    await twoReady();
    const before = calls;
    await eventually(
      async () => calls,
      (now) => now > before + 50,
      'calls go on',
    );
  }
  over = true;
  await Promise.all(workers);
  t.same([...new Set(failed)], []);
  t.ok(by.size >= 3, `${by.size} pods answered`);
  t.ok(host.status().calls.some(({ caller }) => caller === runtimeId));
});

t.test('who a plugin is by its token', async (t) => {
  const token = async (name: string, audiences: string[], pod?: string): Promise<string> => {
    const body = {
      spec: {
        audiences,
        ...(pod === undefined ? {} : { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: pod } }),
      },
    };
    const response = await fetch(
      `${kube.cluster.url}/api/v1/namespaces/default/serviceaccounts/${name}/token`,
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', ...body }),
      },
    );
    const answer = (await response.json()) as { status: { token: string } };
    return answer.status.token;
  };
  await kube.create(PODS, NAMESPACE, podOf('bearer', podSpec()));
  const pod = await eventually(
    () => kube.get(PODS, { namespace: NAMESPACE, name: 'bearer' }),
    ({ status }) => status?.podIP !== undefined,
    'it has an address',
  );
  const identify = createIdentify({ kube, namespaces: [] });
  const by = (authorization: string | undefined, who = identify) =>
    who({
      selfId: 'storage',
      selfVersion: '1.0.0',
      remoteAddress: '127.0.0.1',
      header: (name) => (name === 'authorization' ? authorization : undefined),
    });

  const good = await token('default', ['xi-k8s-plugin-host'], 'bearer');
  const vouched = await by(`Bearer ${good}`);
  t.equal(vouched.principal, 'system:serviceaccount:default:default');
  t.doesNotThrow(() => vouched.allowBaseUrl?.(new URL(`http://${pod.status!.podIP}:8082`)));
  t.throws(() => vouched.allowBaseUrl?.(new URL('http://127.0.0.1:8082')), /own pod/);
  t.equal(await by(`Bearer ${good}`), vouched, 'the answer is kept');

  await t.rejects(by(undefined), /send it at the handshake/);
  await t.rejects(by('Basic abc'), /send it at the handshake/);
  await t.rejects(by(`Bearer ${good}, Bearer ${good}`), /send it at the handshake/, 'two headers');
  await t.rejects(by(`Bearer ${await token('default', ['other'], 'bearer')}`), /audience xi-k8s-plugin-host/);
  await t.rejects(by(`Bearer ${await token('default', ['xi-k8s-plugin-host'])}`), /bound to no pod/);
  await t.rejects(by(`Bearer ${good.slice(0, -4)}AAAA`), /not accepted.*signature/);
  await t.rejects(
    by(`Bearer ${good}`, createIdentify({ kube, namespaces: ['shop'] })),
    /takes no plugins of namespace default/,
  );
  await kube.delete(PODS, { namespace: NAMESPACE, name: 'bearer' }, { gracePeriodSeconds: 0 });
  await t.rejects(by(`Bearer ${good}`, createIdentify({ kube, namespaces: [] })), /is gone/);
  t.equal(keyOf(pod), 'default/bearer');
});
