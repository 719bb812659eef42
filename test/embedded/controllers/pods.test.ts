import t from 'tap';
import type { Test } from 'tap';
import { createEventRecorder } from '../../../devcluster/controllers/events.js';
import { startHeartbeat } from '../../../devcluster/kubelet/node.js';
import { CONFIG_MAPS, KubeError, LEASES, NODES, PODS, SECRETS } from '../../../kube/index.js';
import type { LogQuery, Pod } from '../../../kube/index.js';
import { NAMESPACE, podOf, podSpec, startCluster, waitsFor } from './cluster.js';

const cluster = await startCluster(t);
const { kube, eventually } = cluster;

type PodSpec = Parameters<typeof podOf>[1];

const create = (name: string, spec: PodSpec): Promise<Pod> => kube.create(PODS, NAMESPACE, podOf(name, spec));
const pod = (name: string): Promise<Pod> => kube.get(PODS, { namespace: NAMESPACE, name });
const phase = (name: string, wanted: string): Promise<Pod> =>
  eventually(
    () => pod(name),
    ({ status }) => status?.phase === wanted,
    `${name} is ${wanted}`,
  );
const waiting = (name: string, reason: string): Promise<Pod> =>
  eventually(
    () => pod(name),
    (found) => waitsFor(found) === reason,
    `${name} waits for ${reason}`,
  );
const told = (name: string, event: RegExp): Promise<string[]> =>
  eventually(
    () => cluster.events(name),
    (events) => events.some((line) => event.test(line)),
    `${name} has the event ${event}`,
  );

const log = async (name: string, query: LogQuery = {}, signal?: AbortSignal): Promise<string> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of kube.logs({ namespace: NAMESPACE, name }, query, { signal })) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};
const refused = async (t: Test, call: Promise<unknown>, message: string): Promise<void> => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  t.ok(error instanceof KubeError, message);
  t.match(error, { code: 400, status: { reason: 'BadRequest', message } });
};

t.test('the node', async (t) => {
  const [node, ...more] = (await kube.list(NODES, undefined)).items;
  t.same(more, []);
  t.match(
    node?.status?.conditions?.find(({ type }) => type === 'Ready'),
    { status: 'True' },
  );
  t.ok(node?.status?.nodeInfo?.kubeletVersion);
});

t.test('the node lives', async (t) => {
  const lease = () => kube.list(LEASES, 'kube-node-lease').then(({ items }) => items[0]);
  const made = await eventually(lease, (found) => found !== undefined, 'there is a lease');
  const node = await kube.get(NODES, { name: 'embedded' });
  const { uid = '' } = node.metadata ?? {};
  t.match(made, {
    metadata: {
      name: 'embedded',
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'embedded', uid }],
    },
    spec: { holderIdentity: 'embedded', leaseDurationSeconds: 40 },
  });
  await told('embedded', /^Starting: Starting kubelet\. \(1\)$/);
  await told('embedded', /^NodeReady: Node embedded status is now: NodeReady \(1\)$/);

  // The same again, at a pace that a test can wait for.
  const aside = {
    type: 'Aside',
    status: 'True',
    lastHeartbeatTime: '2020-01-01T00:00:00Z',
    lastTransitionTime: '2020-01-01T00:00:00Z',
  };
  const body = { status: { conditions: [...(node.status?.conditions ?? []), aside] } };
  await kube.patch(NODES, { name: 'embedded' }, { type: 'merge', body }, { subresource: 'status' });
  let now = Date.parse('2099-01-01T00:00:00Z');
  const events = createEventRecorder({ kube, component: 'kubelet' });
  const heartbeat = startHeartbeat({
    ...{ kube, name: 'embedded', log: undefined, events, renewMs: 1, reportMs: 10_000 },
    clock: () => (now += 1_000),
    ready: Promise.resolve(node),
  });
  await eventually(
    lease,
    (found) => (found?.spec?.renewTime ?? '') > '2099-01-01T00:00:05.000000Z',
    'the lease is renewed',
  );
  const beaten = await eventually(
    () => kube.get(NODES, { name: 'embedded' }),
    ({ status }) =>
      status?.conditions?.every(
        ({ type, lastHeartbeatTime = '' }) => type === 'Aside' || lastHeartbeatTime > '2099',
      ) ?? false,
    'the conditions are fresh',
  );
  t.match(beaten.status?.conditions?.at(-1), aside, 'but for those of others');
  const since = (one: typeof node) =>
    one.status?.conditions?.map(({ lastTransitionTime }) => lastTransitionTime);
  t.same(since(beaten)?.slice(0, -1), since(node));
  await heartbeat.stop();
  await events.stop();
});

t.test('a pod that no node takes says so, and is taken when one does', async (t) => {
  await create('picky', podSpec('nginx:1', { nodeSelector: { disk: 'ssd' } }));
  const message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.";
  const refusedPod = await eventually(
    () => pod('picky'),
    ({ status }) => status?.conditions?.some(({ reason }) => reason === 'Unschedulable') ?? false,
    'it is unschedulable',
  );
  t.match(refusedPod.status?.conditions, [{ type: 'PodScheduled', status: 'False', message }]);
  t.equal(refusedPod.status?.phase, 'Pending');
  await told('picky', /^FailedScheduling: 0\/1 nodes are available/);
  const huge = podSpec();
  huge.containers = [{ name: 'main', image: 'nginx:1', resources: { requests: { cpu: '1M' } } }];
  await create('huge', huge);
  await told('huge', /^FailedScheduling: 0\/1 nodes are available: 1 Insufficient cpu\./);

  const [node] = (await kube.list(NODES, undefined)).items;
  const name = node?.metadata?.name ?? '';
  const label = (disk: string) =>
    kube.patch(NODES, { name }, { type: 'merge', body: { metadata: { labels: { disk } } } });
  await label('hdd');
  await told('picky', /^FailedScheduling: .* \(2\)$/);
  await label('ssd');
  const taken = await phase('picky', 'Running');
  t.equal(taken.spec?.nodeName, name);
  t.match(
    taken.status?.conditions?.find(({ type }) => type === 'PodScheduled'),
    { status: 'True' },
  );
  await told('picky', new RegExp(`^Scheduled: Successfully assigned default/picky to ${name} `));
});

t.test('pods that bear no other beside them', async () => {
  const affinity = (kind: string) => ({
    affinity: {
      [kind]: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { labelSelector: { matchLabels: { app: 'loner' } }, topologyKey: 'kubernetes.io/hostname' },
        ],
      },
    },
  });
  await create('friend', podSpec('nginx:1', affinity('podAffinity')));
  await told(
    'friend',
    /^FailedScheduling: 0\/1 nodes are available: 1 node\(s\) didn't match pod affinity rules\./,
  );
  await create('loner', podSpec('nginx:1'));
  await phase('loner', 'Running');
  await phase('friend', 'Running');
  await create('foe', podSpec('nginx:1', affinity('podAntiAffinity')));
  await told(
    'foe',
    /^FailedScheduling: 0\/1 nodes are available: 1 node\(s\) didn't match pod anti-affinity rules\./,
  );
  await kube.delete(PODS, { namespace: NAMESPACE, name: 'loner' });
  await phase('foe', 'Running');

  const ports = [{ containerPort: 80, hostPort: 8080 }];
  const taker = { containers: [{ name: 'main', image: 'nginx:1', ports }] };
  await create('taker', taker);
  await phase('taker', 'Running');
  await create('waiter', taker);
  await told('waiter', /^FailedScheduling: 0\/1 nodes are available: 1 node\(s\) didn't have free ports/);
  await kube.delete(PODS, { namespace: NAMESPACE, name: 'taker' });
  await phase('waiter', 'Running');
});

t.test('a pod with scheduling gates waits for them to go', async (t) => {
  const made = await create('gated', podSpec('nginx:1', { schedulingGates: [{ name: 'a.b/c' }] }));
  t.same(made.status?.conditions, [
    {
      type: 'PodScheduled',
      status: 'False',
      lastProbeTime: null,
      lastTransitionTime: null,
      reason: 'SchedulingGated',
      message: 'Scheduling is blocked due to non-empty scheduling gates',
    },
  ]);
  const headers = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
  const url = `${cluster.url}/api/v1/namespaces/${NAMESPACE}/pods/gated`;
  const table = (await (await fetch(url, { headers })).json()) as { rows: { cells: string[] }[] };
  t.equal(table.rows[0]?.cells[2], 'SchedulingGated');
  const body = { spec: { schedulingGates: null } };
  await kube.patch(PODS, { namespace: NAMESPACE, name: 'gated' }, { type: 'merge', body });
  const free = await phase('gated', 'Running');
  t.match(
    free.status?.conditions?.find(({ type }) => type === 'PodScheduled'),
    { status: 'True', reason: undefined },
  );
});

t.test('images that cannot be had', async (t) => {
  await create('uppercase', podSpec('Nginx'));
  const invalid = await waiting('uppercase', 'InvalidImageName');
  t.match(
    invalid.status?.containerStatuses?.[0]?.state?.waiting?.message,
    /couldn't parse image name "Nginx"/,
  );
  await told('uppercase', /^Failed: Error: InvalidImageName/);
  await create('absent', podSpec('nginx:does-not-exist'));
  await waiting('absent', 'ErrImagePull');
  await refused(t, log('absent'), 'container "main" in pod "absent" is trying and failing to pull image');
  const backing = await waiting('absent', 'ImagePullBackOff');
  t.equal(backing.status?.phase, 'Pending');
  await told('absent', /^BackOff: Back-off pulling image "nginx:does-not-exist"/);
  await refused(t, log('absent'), 'container "main" in pod "absent" is waiting to start: ImagePullBackOff');
});

t.test('a crash loop', async (t) => {
  await create('crash', {
    containers: [{ name: 'main', image: 'nginx:1', command: ['sh', '-c', 'exit 7'] }],
  });
  const looping = await waiting('crash', 'CrashLoopBackOff');
  const [status] = looping.status?.containerStatuses ?? [];
  t.match(status, {
    ready: false,
    restartCount: 1,
    lastState: { terminated: { exitCode: 7, reason: 'Error' } },
  });
  t.match(
    status?.state?.waiting?.message,
    /^back-off 10s restarting failed container=main pod=crash_default\(/,
  );
  await told('crash', /^BackOff: Back-off restarting failed container main in pod crash_default/);
  t.match(await log('crash'), /ended with exit code 7\n$/, 'its log is that of the run that failed');
  t.match(await log('crash', { previous: true }), /ended with exit code 7\n$/);
});

t.test('pods that end', async (t) => {
  await create('once', podSpec('busybox:1', { restartPolicy: 'Never' }));
  const ended = await phase('once', 'Succeeded');
  t.match(ended.status?.containerStatuses?.[0]?.state?.terminated, { exitCode: 0, reason: 'Completed' });
  t.match(await log('once', { follow: true }), /ended with exit code 0\n$/, 'following an ended log ends');
  const command = ['false'];
  await create('failed', {
    restartPolicy: 'Never',
    containers: [{ name: 'main', image: 'busybox:1', command }],
  });
  await phase('failed', 'Failed');
});

t.test('a pod that is active for longer than it may', async (t) => {
  await create('overdue', podSpec('nginx:1', { activeDeadlineSeconds: 1 }));
  const ended = await phase('overdue', 'Failed');
  t.match(ended.status, { reason: 'DeadlineExceeded' });
  await told('overdue', /^DeadlineExceeded: Pod was active on the node longer than the specified deadline/);
});

t.test('what a container needs is waited for', async (t) => {
  const envFrom = [{ configMapRef: { name: 'settings' } }];
  await create('env', { containers: [{ name: 'main', image: 'nginx:1', envFrom }] });
  const lacking = await waiting('env', 'CreateContainerConfigError');
  t.equal(lacking.status?.containerStatuses?.[0]?.state?.waiting?.message, 'configmap "settings" not found');
  await create('mount', podSpec('nginx:1', { volumes: [{ name: 'v', secret: { secretName: 'key' } }] }));
  await told('mount', /^FailedMount: MountVolume\.SetUp failed for volume "v" : secret "key" not found/);
  t.equal(waitsFor(await pod('mount')), 'ContainerCreating');
  await refused(t, log('mount'), 'container "main" in pod "mount" is waiting to start: ContainerCreating');
  await kube.create(CONFIG_MAPS, NAMESPACE, { metadata: { name: 'settings' }, data: {} });
  await kube.create(SECRETS, NAMESPACE, { metadata: { name: 'key' }, data: {} });
  await phase('env', 'Running');
  await phase('mount', 'Running');
});

t.test('init containers', async (t) => {
  const initContainers = [{ name: 'init', image: 'busybox:1' }];
  await create('init', podSpec('nginx:1', { initContainers }));
  const running = await phase('init', 'Running');
  t.match(running.status?.initContainerStatuses, [
    { name: 'init', ready: true, state: { terminated: { exitCode: 0 } } },
  ]);
  t.match(await log('init', { container: 'init' }), /container init started/);
});

t.test('logs', async (t) => {
  await create('logs', podSpec());
  await phase('logs', 'Running');
  const all = await log('logs');
  const [first, second] = all.split('\n');
  t.match(first, /^xi-k8s embedded cluster: container main \(image nginx:1\.15\.4\) only pretends to run/);
  t.match(second, /^container main started at /);
  t.equal(await log('logs', { limitBytes: 6 }), 'xi-k8s');
  t.match(await log('logs', { tailLines: 1, timestamps: true }), /^\d{4}-\d\d-\d\dT[\d:.]+Z \S.*\n$/);
  t.equal(await log('logs', { sinceTime: '2999-01-01T00:00:00Z' }), '');
  t.equal(await log('logs', { sinceSeconds: 3600 }).then((text) => text.startsWith(first ?? '')), true);
  const previous = 'previous terminated container "main" in pod "logs" not found';
  await refused(t, log('logs', { previous: true }), previous);
  await refused(t, log('logs', { previous: true, follow: true }), previous);
  await refused(t, log('logs', { container: 'none' }), 'container none is not valid for pod logs');

  const two = podSpec();
  two.containers = [...two.containers, { name: 'side', image: 'nginx:1' }];
  await create('two', two);
  await phase('two', 'Running');
  await refused(t, log('two'), 'a container name must be specified for pod two, choose one of: [main side]');
  t.match(await log('two', { container: 'side' }), /container side \(image/);
});

t.test('a log is followed until its pod is deleted', async (t) => {
  await create('followed', podSpec());
  await phase('followed', 'Running');
  const following = log('followed', { follow: true });
  await kube.delete(PODS, { namespace: NAMESPACE, name: 'followed' });
  t.match(await following, /^xi-k8s embedded cluster: [^]*ended with exit code 0\n$/);
  const leaving = new AbortController();
  const left = log('logs', { follow: true }, leaving.signal);
  leaving.abort();
  t.match(await left.catch((error: unknown) => error), { reason: 'cancelled' });
});

t.test('a log of many bytes is streamed', async (t) => {
  const bytes = 20_000_000;
  const env = [{ name: 'XI_PRETEND_LOG_BYTES', value: String(bytes) }];
  await create('bulk', { containers: [{ name: 'main', image: 'nginx:1', env }] });
  await phase('bulk', 'Running');
  let length = 0;
  const query = { limitBytes: bytes };
  for await (const chunk of kube.logs({ namespace: NAMESPACE, name: 'bulk' }, query)) length += chunk.length;
  t.equal(length, bytes);
  t.match(await log('bulk', { tailLines: 1 }), /^pretended line 200000 |^still pretending/);
});

t.test('nothing was warned of', async (t) => {
  t.same(cluster.warnings, []);
});
