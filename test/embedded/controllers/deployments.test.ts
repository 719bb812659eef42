import t from 'tap';
import { DEPLOYMENTS, PODS } from '../../../kube/index.js';
import type { Deployment, ReplicaSet } from '../../../kube/index.js';
import { NAMESPACE, deploymentOf, isComplete, podSpec, startCluster, waitsFor } from './cluster.js';

const cluster = await startCluster(t);
const { kube, eventually } = cluster;

const revision = (object: Deployment | ReplicaSet | undefined): string | undefined =>
  object?.metadata?.annotations?.['deployment.kubernetes.io/revision'];
const progressing = ({ status }: Deployment): string | undefined =>
  status?.conditions?.find(({ type }) => type === 'Progressing')?.reason;
const complete = (name: string): Promise<Deployment> =>
  eventually(() => cluster.deployment(name), isComplete, `${name} is complete`);
const patch = (name: string, spec: object): Promise<Deployment> =>
  kube.patch(DEPLOYMENTS, { namespace: NAMESPACE, name }, { type: 'strategic', body: { spec } });
const setImage = (name: string, image: string): Promise<Deployment> =>
  patch(name, { template: { spec: { containers: [{ name: 'main', image }] } } });
const imagesOf = async (app: string): Promise<(string | undefined)[]> =>
  (await cluster.pods(app)).map(({ spec }) => spec?.containers[0]?.image);
/** Sizes of the ReplicaSets by revision. */
const sizes = async (app: string): Promise<Record<string, number>> =>
  Object.fromEntries(
    (await cluster.replicaSets(app)).map((rs) => [revision(rs) ?? '', rs.spec?.replicas ?? -1]),
  );

t.test('a Deployment comes up, and tells of it', async (t) => {
  await kube.create(DEPLOYMENTS, NAMESPACE, deploymentOf('web', 3));
  const done = await complete('web');
  t.match(done.status, {
    replicas: 3,
    updatedReplicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    observedGeneration: 1,
  });
  t.match(done.status?.conditions?.map(({ type, status, reason }) => `${type} ${status} ${reason}`).sort(), [
    'Available True MinimumReplicasAvailable',
    'Progressing True NewReplicaSetAvailable',
  ]);
  const pods = await cluster.pods('web');
  const [rs] = await cluster.replicaSets('web');
  t.equal(pods.length, 3);
  t.equal(new Set(pods.map(({ status }) => status?.podIP)).size, 3, 'each has an address of its own');
  for (const pod of pods) {
    t.match(pod.metadata?.ownerReferences, [
      { kind: 'ReplicaSet', name: rs?.metadata?.name, controller: true },
    ]);
    t.match(pod.status?.podIP, /^127\./);
    t.equal(pod.metadata?.labels?.['pod-template-hash'], rs?.metadata?.labels?.['pod-template-hash']);
  }
  const name = pods[0]?.metadata?.name ?? '';
  await eventually(
    () => cluster.events(name),
    (events) => events.some((event) => event.startsWith('Started')),
    'the events are written',
  );
  t.same(await cluster.events('web'), [
    `ScalingReplicaSet: Scaled up replica set ${rs?.metadata?.name} from 0 to 3 (1)`,
  ]);
  const reasons = (await cluster.events(name)).map((event) => event.split(':')[0]);
  t.match(reasons.join(), /^Created,Pulled,(Pulling,)?Scheduled,Started$/);
});

t.test('scaled, up, down and to nothing', async (t) => {
  for (const replicas of [5, 2, 0, 3]) {
    await patch('web', { replicas });
    await complete('web');
    await eventually(
      () => cluster.pods('web'),
      (pods) => pods.length === replicas,
      `${replicas} pods are there`,
    );
  }
  t.same(await sizes('web'), { 1: 3 }, 'by one ReplicaSet');
});

t.test('a pod that is deleted is made again', async () => {
  const [victim] = await cluster.pods('web');
  const name = victim?.metadata?.name ?? '';
  await kube.delete(PODS, { namespace: NAMESPACE, name });
  await eventually(
    () => cluster.pods('web'),
    (pods) => pods.length === 3 && !pods.some(({ metadata }) => metadata?.name === name),
    'another takes its place',
  );
  await complete('web');
});

t.test('a new image rolls out, and a rollback goes back to the ReplicaSet that was', async (t) => {
  const before = await cluster.replicaSets('web');
  await setImage('web', 'nginx:1.16');
  const rolled = await complete('web');
  t.equal(revision(rolled), '2');
  t.same(await sizes('web'), { 1: 0, 2: 3 });
  await eventually(
    () => imagesOf('web'),
    (images) => images.length === 3,
    'the old pods are gone',
  );
  t.same(await imagesOf('web'), ['nginx:1.16', 'nginx:1.16', 'nginx:1.16']);

  await setImage('web', 'nginx:1.15.4');
  const back = await complete('web');
  t.equal(revision(back), '3');
  t.same(await sizes('web'), { 2: 0, 3: 3 });
  const now = (await cluster.replicaSets('web')).find((rs) => revision(rs) === '3');
  t.equal(now?.metadata?.uid, before[0]?.metadata?.uid);
  t.equal(now?.metadata?.annotations?.['deployment.kubernetes.io/revision-history'], '1');
});

t.test('a restart makes all pods anew', async (t) => {
  const before = new Set((await cluster.pods('web')).map(({ metadata }) => metadata?.uid));
  const annotations = { 'kubectl.kubernetes.io/restartedAt': '2026-01-01T00:00:00Z' };
  await patch('web', { template: { metadata: { annotations } } });
  await complete('web');
  const pods = await eventually(
    () => cluster.pods('web'),
    (found) => found.length === 3,
    'three pods',
  );
  t.notOk(pods.some(({ metadata }) => before.has(metadata?.uid)));
});

t.test('history beyond its limit goes', async () => {
  await patch('web', { revisionHistoryLimit: 1 });
  await eventually(
    () => sizes('web'),
    (found) => Object.keys(found).length === 2,
    'one old ReplicaSet is left',
  );
});

t.test('an image that does not exist keeps the roll-out from going on', async (t) => {
  await patch('web', { progressDeadlineSeconds: 1 });
  await setImage('web', 'nginx:does-not-exist');
  const stuck = await eventually(
    () => cluster.deployment('web'),
    (found) => progressing(found) === 'ProgressDeadlineExceeded' && found.status?.updatedReplicas === 1,
    'it times out with one new pod',
  );
  t.equal(stuck.status?.availableReplicas, 3, 'the old pods still serve');
  await eventually(
    () => cluster.pods('web'),
    (pods) => pods.some((pod) => waitsFor(pod) === 'ImagePullBackOff'),
    'a pod says why',
  );
  await setImage('web', 'nginx:1.17');
  const mended = await complete('web');
  t.equal(progressing(mended), 'NewReplicaSetAvailable');
});

t.test('paused, it scales but does not roll out', async (t) => {
  await patch('web', { paused: true });
  await eventually(
    () => cluster.deployment('web'),
    (found) => progressing(found) === 'DeploymentPaused',
    'it says so',
  );
  await setImage('web', 'nginx:1.18');
  await patch('web', { replicas: 4 });
  await eventually(
    () => cluster.deployment('web'),
    ({ metadata, status }) =>
      status?.observedGeneration === metadata?.generation && status?.availableReplicas === 4,
    'it scales',
  );
  t.same(new Set(await imagesOf('web')), new Set(['nginx:1.17']));
  await patch('web', { paused: false });
  await complete('web');
  await eventually(
    () => imagesOf('web'),
    (images) => images.every((image) => image === 'nginx:1.18'),
    'resumed, it rolls out',
  );
});

t.test('Recreate never runs two versions at once', async (t) => {
  await kube.create(
    DEPLOYMENTS,
    NAMESPACE,
    deploymentOf('one', 2, podSpec(), { strategy: { type: 'Recreate' } }),
  );
  await complete('one');
  let mixed = false;
  const leaving = new AbortController();
  const seen = new Map<string, string>();
  const { metadata } = await kube.list(PODS, NAMESPACE, { labelSelector: 'app=one' });
  for (const pod of await cluster.pods('one'))
    seen.set(pod.metadata?.uid ?? '', pod.spec?.containers[0]?.image ?? '');
  const watching = (async () => {
    const query = { labelSelector: 'app=one', resourceVersion: metadata.resourceVersion };
    for await (const { type, object } of kube.watch(PODS, NAMESPACE, query, { signal: leaving.signal })) {
      if (type === 'BOOKMARK') continue;
      if (type === 'DELETED') seen.delete(object.metadata?.uid ?? '');
      else seen.set(object.metadata?.uid ?? '', object.spec?.containers[0]?.image ?? '');
      mixed ||= new Set(seen.values()).size > 1;
    }
  })().catch((error: unknown) => {
    if (!leaving.signal.aborted) throw error;
  });
  await setImage('one', 'nginx:1.16');
  await complete('one');
  leaving.abort();
  await watching;
  t.same([...new Set(seen.values())], ['nginx:1.16'], 'the watch saw the new pods');
  t.notOk(mixed);
});

t.test('minReadySeconds delays availability', async (t) => {
  await kube.create(DEPLOYMENTS, NAMESPACE, deploymentOf('slow', 1, podSpec(), { minReadySeconds: 3 }));
  await eventually(
    () => cluster.deployment('slow'),
    ({ status }) => status?.readyReplicas === 1,
    'it is ready',
  );
  t.notOk((await cluster.deployment('slow')).status?.availableReplicas, 'and not available yet');
  await complete('slow');
});

t.test('many pods', async (t) => {
  await kube.create(DEPLOYMENTS, NAMESPACE, deploymentOf('many', 200));
  await complete('many');
  await patch('many', { replicas: 1 });
  await complete('many');
  const pods = await eventually(
    () => cluster.pods('many'),
    (found) => found.length === 1,
    'one is left',
  );
  t.equal(pods[0]?.status?.phase, 'Running');
});

t.test('nothing was warned of', async (t) => {
  t.same(cluster.warnings, []);
});
