import t from 'tap';
import { DEPLOYMENTS, NODES, PODS, POD_DISRUPTION_BUDGETS } from '../../../kube/index.js';
import type { Pod, PodDisruptionBudget } from '../../../kube/index.js';
import { startKinds } from '../../../devcluster/controllers/kinds.js';
import { startPodGarbageCollector } from '../../../devcluster/controllers/pod-garbage/controller.js';
import { NAMESPACE, deploymentOf, isComplete, podOf, podSpec, startCluster } from './cluster.js';

const cluster = await startCluster(t, { nodes: 3 });
const { kube, eventually } = cluster;

type Budget = NonNullable<PodDisruptionBudget['spec']>;

interface Answer {
  code: number;
  status: { reason?: string; message?: string };
}

/** What `kubectl drain` posts. Our own client would try again after a 429. */
const evict = async (name: string, deleteOptions: object = {}): Promise<Answer> => {
  const metadata = { name, namespace: NAMESPACE };
  const response = await fetch(`${cluster.url}/api/v1/namespaces/${NAMESPACE}/pods/${name}/eviction`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ apiVersion: 'policy/v1', kind: 'Eviction', metadata, deleteOptions }),
  });
  return { code: response.status, status: (await response.json()) as Answer['status'] };
};
const guard = (name: string, spec: Budget): Promise<PodDisruptionBudget> =>
  kube.create(POD_DISRUPTION_BUDGETS, NAMESPACE, { metadata: { name }, spec });
const budget = (name: string): Promise<PodDisruptionBudget> =>
  kube.get(POD_DISRUPTION_BUDGETS, { namespace: NAMESPACE, name });
const allows = (name: string, count: number): Promise<PodDisruptionBudget> =>
  eventually(
    () => budget(name),
    ({ status, metadata }) =>
      status?.disruptionsAllowed === count && status.observedGeneration === metadata?.generation,
    `${name} allows ${count}`,
  );
const deploy = async (name: string, replicas: number): Promise<Pod[]> => {
  await kube.create(DEPLOYMENTS, NAMESPACE, deploymentOf(name, replicas));
  await eventually(() => cluster.deployment(name), isComplete, `${name} is complete`);
  return cluster.pods(name);
};
const pod = (name: string) => kube.get(PODS, { namespace: NAMESPACE, name });
const nodesOf = async (app: string): Promise<string[]> =>
  (await cluster.pods(app)).map(({ spec }) => spec?.nodeName ?? '').sort();
const cordon = (name: string, unschedulable: boolean) =>
  kube.patch(NODES, { name }, { type: 'merge', body: { spec: { unschedulable } } });

t.test('pods are spread over the nodes, and kept from some', async (t) => {
  await deploy('spread', 6);
  t.same(await nodesOf('spread'), [
    'embedded',
    'embedded',
    'embedded-2',
    'embedded-2',
    'embedded-3',
    'embedded-3',
  ]);
  await cordon('embedded', true);
  const taints = [{ key: 'only', value: 'some', effect: 'NoSchedule' }];
  await kube.patch(NODES, { name: 'embedded-2' }, { type: 'merge', body: { spec: { taints } } });
  await deploy('kept', 3);
  t.same(await nodesOf('kept'), ['embedded-3', 'embedded-3', 'embedded-3']);
  const tolerations = [{ key: 'only', value: 'some' }];
  const nodeSelector = { 'kubernetes.io/hostname': 'embedded-2' };
  await kube.create(PODS, NAMESPACE, podOf('tolerant', podSpec('nginx:1', { tolerations, nodeSelector })));
  await kube.create(PODS, NAMESPACE, podOf('refused', podSpec('nginx:1', { nodeSelector })));
  await eventually(
    () => pod('tolerant'),
    ({ spec }) => spec?.nodeName === 'embedded-2',
    'a toleration lets it in',
  );
  await eventually(
    () => cluster.events('refused'),
    (events) =>
      events.some((line) =>
        line.includes(
          "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable.",
        ),
      ),
    'the other is told why not',
  );
  await kube.patch(NODES, { name: 'embedded-2' }, { type: 'merge', body: { spec: { taints: null } } });
  await eventually(
    () => pod('refused'),
    ({ spec }) => spec?.nodeName === 'embedded-2',
    'until the taint is gone',
  );
  await cordon('embedded', false);
});

t.test('an eviction that no budget minds', async (t) => {
  const [first] = await deploy('free', 2);
  const name = first?.metadata?.name ?? '';
  t.match(await evict(name, { dryRun: ['All'] }), { code: 201, status: { status: 'Success' } });
  t.notOk((await pod(name)).metadata?.deletionTimestamp, 'a dry run changes nothing');
  t.notOk((await pod(name)).status?.conditions?.some(({ type }) => type === 'DisruptionTarget'));
  const wrong = await evict(name, { preconditions: { uid: 'another' } });
  t.match(wrong, { code: 409, status: { reason: 'Conflict' } });
  t.notOk((await pod(name)).status?.conditions?.some(({ type }) => type === 'DisruptionTarget'));
  await kube.patch(
    PODS,
    { namespace: NAMESPACE, name },
    { type: 'merge', body: { metadata: { finalizers: ['example.org/hold'] } } },
  );
  t.match(await evict(name), { code: 201, status: { status: 'Success' } });
  t.match(
    (await pod(name)).status?.conditions?.find(({ type }) => type === 'DisruptionTarget'),
    { status: 'True', reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting' },
  );
  t.ok((await pod(name)).metadata?.deletionTimestamp);
  await kube.patch(
    PODS,
    { namespace: NAMESPACE, name },
    { type: 'merge', body: { metadata: { finalizers: null } } },
  );
  t.match(await evict('nowhere'), { code: 404 });
});

t.test('a budget lets go as many as it says', async (t) => {
  const pods = await deploy('guarded', 3);
  const [first = '', second = ''] = pods.map(({ metadata }) => metadata?.name ?? '');
  await guard('guarded', { minAvailable: 2, selector: { matchLabels: { app: 'guarded' } } });
  const { status } = await allows('guarded', 1);
  t.match(status, { currentHealthy: 3, desiredHealthy: 2, expectedPods: 3 });
  t.match(status?.conditions, [{ type: 'DisruptionAllowed', status: 'True', reason: 'SufficientPods' }]);
  const answers = await Promise.all([evict(first), evict(second)]);
  const refused = answers.filter(({ code }) => code !== 201);
  t.equal(refused.length, 1, 'of two at once one goes');
  t.match(refused[0], {
    code: 429,
    status: {
      reason: 'TooManyRequests',
      message: "Cannot evict pod as it would violate the pod's disruption budget.",
      details: { causes: [{ reason: 'DisruptionBudget' }] },
    },
  });
  await allows('guarded', 1);
  t.equal((await cluster.pods('guarded')).length, 3, 'when another has taken its place one more may go');

  await guard('second', { maxUnavailable: '10%', selector: { matchLabels: { app: 'guarded' } } });
  await allows('second', 1);
  const [name = ''] = (await cluster.pods('guarded')).map(({ metadata }) => metadata?.name ?? '');
  t.match(await evict(name), {
    code: 500,
    status: { message: /^This pod has more than one PodDisruptionBudget/ },
  });
  await kube.delete(POD_DISRUPTION_BUDGETS, { namespace: NAMESPACE, name: 'second' });
});

t.test('what is not healthy', async (t) => {
  const sick = podSpec('nginx:1');
  sick.containers = [
    {
      name: 'main',
      image: 'nginx:1',
      readinessProbe: { tcpSocket: { port: 80 }, initialDelaySeconds: 3600 },
    },
  ];
  await kube.create(PODS, NAMESPACE, podOf('sick', sick));
  await eventually(
    () => pod('sick'),
    ({ status }) => status?.phase === 'Running',
    'it runs',
  );
  await guard('sick', { minAvailable: 1, selector: { matchLabels: { app: 'sick' } } });
  await allows('sick', 0);
  t.match(await evict('sick'), {
    code: 429,
    status: {
      details: {
        causes: [{ message: 'The disruption budget sick needs 1 healthy pods and has 0 currently' }],
      },
    },
  });
  const at = { namespace: NAMESPACE, name: 'sick' };
  const body = { spec: { unhealthyPodEvictionPolicy: 'AlwaysAllow' } };
  await kube.patch(POD_DISRUPTION_BUDGETS, at, { type: 'merge', body });
  await allows('sick', 0);
  t.match(await evict('sick'), { code: 201, status: { status: 'Success' } });
  await guard('nobody', { maxUnavailable: 1, selector: { matchLabels: { app: 'nobody' } } });
  await eventually(
    () => cluster.events('nobody'),
    (events) => events.some((line) => line.startsWith('NoPods: No matching pods found')),
    'a budget without pods says so',
  );
  await guard('unmanaged', { maxUnavailable: 1, selector: { matchLabels: { app: 'tolerant' } } });
  await eventually(
    () => cluster.events('unmanaged'),
    (events) => events.some((line) => line.startsWith('UnmanagedPods: Pods selected by this')),
    'and one whose pods have no owner',
  );
});

t.test('pods of a Kubernetes node that went', async (t) => {
  const kinds = startKinds({ kube });
  const collector = startPodGarbageCollector({
    kube,
    pods: kinds.of(PODS),
    nodes: kinds.of(NODES),
    quarantineMs: 50,
    threshold: 2,
  });
  t.teardown(async () => {
    await kinds.stop();
    await collector.stop();
  });
  const on = (name: string, nodeName: string, finalizers: string[]) =>
    kube.create(PODS, NAMESPACE, {
      ...podOf(name, podSpec('nginx:1', { nodeName })),
      metadata: { name, finalizers },
    });
  await on('lost', 'never-was', ['example.org/hold']);
  const lost = await eventually(
    () => pod('lost'),
    ({ metadata }) => metadata?.deletionGracePeriodSeconds === 0,
    'it is removed',
  );
  t.equal(lost.status?.phase, 'Failed');
  t.match(
    lost.status?.conditions?.find(({ type }) => type === 'DisruptionTarget'),
    { status: 'True', reason: 'DeletionByPodGC', message: 'PodGC: node no longer exists' },
  );
  await kube.patch(
    PODS,
    { namespace: NAMESPACE, name: 'lost' },
    { type: 'merge', body: { metadata: { finalizers: null } } },
  );

  for (const name of ['done-1', 'done-2', 'done-3', 'done-4']) {
    const once = podSpec('busybox:1', { restartPolicy: 'Never', activeDeadlineSeconds: 3600 });
    once.containers = [{ name: 'main', image: 'busybox:1', command: ['true'] }];
    await kube.create(PODS, NAMESPACE, podOf(name, once));
    await eventually(
      async () => (await cluster.exists(PODS, name)) && (await pod(name)).status?.phase,
      (phase) => phase === 'Succeeded' || phase === false,
      `${name} ended`,
    );
  }
  await eventually(
    async () => (await kube.list(PODS, NAMESPACE, { fieldSelector: 'status.phase=Succeeded' })).items.length,
    (count) => count === 2,
    'of those that ended, the latest are kept',
  );
});

t.test('nothing was warned of', async (t) => {
  t.same(cluster.warnings, []);
});
