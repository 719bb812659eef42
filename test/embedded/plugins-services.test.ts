/** Which Services and EndpointSlices name a plugin's pods: several of one pod, those of another tenant, those that cannot be used. */
import t from 'tap';
import type { Test } from 'tap';
import { DEPLOYMENTS, ENDPOINT_SLICES, NAMESPACES, PODS, SERVICES } from '../../kube/index.js';
import { reflectOf } from '../../server/app.js';
import { startDiscovery } from '../../server/plugin-host/discovery/discovery.js';
import { createRegistry } from '../../server/plugin-host/registry/registry.js';
import type { Registry } from '../../server/plugin-host/registry/registry.js';
import type { Log } from '../../server/ports.js';
import { servePlugins, sliceByHand, startTestPlugin } from '../helpers/plugins.js';
import { runningPod } from '../helpers/running-pod.js';
import { NAMESPACE, deploymentOf, isComplete, podOf, podSpec, startCluster } from './controllers/cluster.js';

t.setTimeout(120_000);
const { kube, eventually, deployment, pods } = await startCluster(t);
const served = servePlugins(kube, startTestPlugin);
t.teardown(() => served.stop());

/** A registry with discovery on it, and what that warns of. */
async function startFinding(t: Test, namespaces: string[]) {
  const warned: string[] = [];
  const log: Log = {
    debug: () => undefined,
    info: () => undefined,
    warn(fields, text) {
      const { service, why } = fields as { service?: string; why?: string };
      warned.push(`${service}: ${text}: ${why}`);
    },
    error: () => undefined,
    child: () => log,
  };
  const registry = createRegistry({ log, allowBaseUrl: () => undefined });
  const discovery = startDiscovery({
    ...{ kube, reflect: reflectOf(kube), registry, log, namespaces },
    hostUrl: 'http://xi-k8s-plugins.xi-k8s:8444',
  });
  t.teardown(async () => {
    await discovery.stop();
    await registry.close();
  });
  await discovery.synced;
  return { registry, warned };
}

/** Runs pods of a plugin that is called as its Deployment is, and waits until they are ready. */
async function deploy(name: string, replicas = 1): Promise<void> {
  const spec = podSpec();
  spec.containers = [{ name: 'main', image: 'plugin:1', ports: [{ name: 'plugin', containerPort: 8082 }] }];
  const made = deploymentOf(name, replicas, spec);
  made.spec!.template.metadata = { labels: { app: name, 'test-plugin': `${name}_1.0.0` } };
  await kube.create(DEPLOYMENTS, NAMESPACE, made);
  await eventually(() => deployment(name), isComplete, `the pods of ${name} are ready`);
}

const serviceOf = (name: string, app: string, ports: readonly string[]) => ({
  metadata: { name, labels: { 'xi-k8s.dev/plugin': app } },
  spec: {
    selector: { app },
    ports: ports.map((port, i) => ({ name: port, port: 8082 + i, targetPort: 8082 })),
  },
});
const slicesOf = async (service: string) =>
  (await kube.list(ENDPOINT_SLICES, NAMESPACE, { labelSelector: `kubernetes.io/service-name=${service}` }))
    .items;
async function makeService(name: string, app = name): Promise<void> {
  await kube.create(SERVICES, NAMESPACE, serviceOf(name, app, ['plugin']));
  await eventually(
    () => slicesOf(name),
    (slices) => slices.some(({ endpoints }) => (endpoints ?? []).length > 0),
    `Service ${name} has endpoints`,
  );
}
async function deleteService(name: string): Promise<void> {
  await kube.delete(SERVICES, { namespace: NAMESPACE, name });
  await eventually(
    () => slicesOf(name),
    ({ length }) => length === 0,
    `Service ${name} has no endpoints`,
  );
}

const targetsOf = (registry: Registry, type: string): string[] => {
  try {
    return registry.resolve(type, '-').targets.map(({ baseUrl }) => baseUrl);
  } catch {
    return [];
  }
};
const isFound = (registry: Registry, type: string, pods = 1) =>
  eventually(
    async () => targetsOf(registry, type),
    ({ length }) => length === pods,
    `${type} is routed to`,
  );

/** Resolves when discovery knows of all that was changed before: EndpointSlices are told of in the order of their changes. */
async function caughtUp(registry: Registry): Promise<void> {
  await makeService('marker');
  await isFound(registry, 'marker');
  await deleteService('marker');
  await eventually(
    async () => registry.plugins().some(({ selfId }) => selfId === 'marker'),
    (there) => !there,
    'the marker is gone',
  );
}

/** The plugins that the pods of a Deployment are, by the identities that they have; refused ones throw. */
async function whoAre(registry: Registry, app: string): Promise<string[]> {
  const names = (await pods(app)).map(({ metadata }) => metadata!.name!);
  const ids = await Promise.all(
    names.map(async (name) => {
      const { runtimeId = '', runtimeToken } = (await served.plugins.get(name))?.identity() ?? {};
      const headers: Record<string, string> = {
        'x-plugin-runtime-id': runtimeId,
        authorization: `Bearer ${runtimeToken}`,
      };
      return registry.authenticate((header) => headers[header]).runtimeId;
    }),
  );
  return [...new Set(ids)];
}
const routedTo = (registry: Registry, selfId: string): string[] =>
  registry
    .plugins()
    .filter((plugin) => plugin.selfId === selfId)
    .map(({ runtimeId }) => runtimeId);

await deploy('marker');

t.test(
  'a pod behind two Services keeps its identity until both are gone, whichever goes first',
  async (t) => {
    await deploy('shared', 2);
    await makeService('shared');
    const { registry } = await startFinding(t, [NAMESPACE]);
    await isFound(registry, 'shared', 2);
    const [id = ''] = routedTo(registry, 'shared');
    let least = Infinity;
    t.teardown(
      registry.watch(() => {
        least = Math.min(least, targetsOf(registry, 'shared').length);
      }),
    );

    await makeService('short', 'shared');
    await caughtUp(registry);
    t.same(routedTo(registry, 'shared'), [id], 'it is one plugin');
    await deleteService('short');
    await caughtUp(registry);
    t.same(await whoAre(registry, 'shared'), [id], 'the later Service is gone');

    // As at a renaming.
    await makeService('renamed', 'shared');
    await caughtUp(registry);
    await deleteService('shared');
    await caughtUp(registry);
    t.same(await whoAre(registry, 'shared'), [id], 'the earlier Service is gone');
    t.same(routedTo(registry, 'shared'), [id]);
    t.equal(least, 2, 'calls went to both pods all the time');

    // It is a member as any other.
    const [pod] = await pods('shared');
    await kube.delete(PODS, { namespace: NAMESPACE, name: pod!.metadata!.name! });
    await eventually(
      async () => [targetsOf(registry, 'shared').length, await whoAre(registry, 'shared').catch(() => [])],
      ([count, ids]) => count === 2 && JSON.stringify(ids) === JSON.stringify([id]),
      'its successor is of the same plugin',
    );
    await deleteService('renamed');
    await eventually(
      async () => routedTo(registry, 'shared'),
      ({ length }) => length === 0,
      'it goes with its last Service',
    );
  },
);

t.test('a pod that two Services name from the start is met as one plugin', async (t) => {
  await deploy('both');
  await makeService('both');
  await makeService('both-too', 'both');
  const { registry } = await startFinding(t, [NAMESPACE]);
  await isFound(registry, 'both');
  await caughtUp(registry);
  t.same(await whoAre(registry, 'both'), routedTo(registry, 'both'));
  await deleteService('both-too');
  await caughtUp(registry);
  t.same(await whoAre(registry, 'both'), routedTo(registry, 'both'));
  await deleteService('both');
});

t.test('a slice that names a pod of another namespace is refused', async (t) => {
  const spec = podSpec();
  spec.containers = [{ name: 'main', image: 'plugin:1', ports: [{ name: 'plugin', containerPort: 8082 }] }];
  const made = podOf('theirs', spec);
  made.metadata!.labels = { 'test-plugin': 'theirs_1.0.0' };
  await kube.create(PODS, NAMESPACE, made);
  const { pod } = await runningPod(kube, NAMESPACE, 'theirs');
  await kube.create(NAMESPACES, undefined, { metadata: { name: 'tenant-b' } });
  await kube.create(ENDPOINT_SLICES, 'tenant-b', sliceByHand(pod, 8082));
  const { registry, warned } = await startFinding(t, ['tenant-b']);
  await eventually(
    async () => warned,
    ({ length }) => length > 0,
    'it is said',
  );
  t.match(warned, [/^tenant-b\/theirs: .*names pods of namespace "default"/]);
  t.same(registry.plugins(), []);
  t.equal((await served.plugins.get('theirs'))!.identity(), undefined, 'the pod was not spoken to');
});

t.test('a Service of which nobody knows the port is named, once until it changes', async (t) => {
  await deploy('ports');
  await kube.create(SERVICES, NAMESPACE, serviceOf('ports', 'ports', ['http', 'metrics']));
  const { registry, warned } = await startFinding(t, [NAMESPACE]);
  const isSaid = (times: number) =>
    eventually(
      async () => warned,
      ({ length }) => length === times,
      `it is said ${times} times`,
    );
  const becomes = (ports: string[]) =>
    kube.patch(
      SERVICES,
      { namespace: NAMESPACE, name: 'ports' },
      {
        type: 'json',
        body: [{ op: 'replace', path: '/spec/ports', value: serviceOf('', '', ports).spec.ports }],
      },
    );
  await isSaid(1);
  t.match(warned, [/^default\/ports: .*http 8082, metrics 8082.*none .*plugin/]);
  await kube.patch(
    DEPLOYMENTS,
    { namespace: NAMESPACE, name: 'ports' },
    { type: 'merge', body: { spec: { replicas: 2 } } },
  );
  await eventually(
    () => slicesOf('ports'),
    (slices) => slices.some(({ endpoints }) => endpoints?.length === 2),
    'it has one more pod',
  );
  await caughtUp(registry);
  t.equal(warned.length, 1, 'that was said');
  await becomes(['plugin', 'metrics']);
  await isFound(registry, 'ports', 2);
  t.equal(warned.length, 1);
  await becomes(['http', 'metrics']);
  await isSaid(2);
  await becomes(['http', 'admin']);
  await isSaid(3);
  t.match(warned[2], /admin/);
  await deleteService('ports');
});
