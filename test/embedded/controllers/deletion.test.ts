import t from 'tap';
import { CONFIG_MAPS, DEPLOYMENTS, PODS, REPLICA_SETS } from '../../../kube/index.js';
import type { DeleteOptions } from '../../../kube/index.js';
import { NAMESPACE, deploymentOf, isComplete, podOf, podSpec, startCluster } from './cluster.js';

const cluster = await startCluster(t);
const { kube, eventually } = cluster;

const started = async (name: string): Promise<void> => {
  await kube.create(DEPLOYMENTS, NAMESPACE, deploymentOf(name, 2));
  await eventually(() => cluster.deployment(name), isComplete, `${name} is complete`);
};
const left = async (app: string): Promise<{ deployment: boolean; replicaSets: number; pods: number }> => ({
  deployment: await cluster.exists(DEPLOYMENTS, app),
  replicaSets: (await cluster.replicaSets(app)).length,
  pods: (await cluster.pods(app)).length,
});
const remove = (name: string, propagationPolicy: DeleteOptions['propagationPolicy']) =>
  kube.delete(DEPLOYMENTS, { namespace: NAMESPACE, name }, { propagationPolicy });
const isAllGone = (found: Awaited<ReturnType<typeof left>>): boolean =>
  !found.deployment && found.replicaSets === 0 && found.pods === 0;

t.test('in the background the owner goes first', async (t) => {
  await started('back');
  await remove('back', 'Background');
  t.equal(await cluster.exists(DEPLOYMENTS, 'back'), false, 'the Deployment is gone at once');
  await eventually(() => left('back'), isAllGone, 'and then all that it owned');
});

t.test('in the foreground the owner goes last', async (t) => {
  await started('fore');
  await remove('fore', 'Foreground');
  const going = await cluster.deployment('fore');
  t.ok(going.metadata?.deletionTimestamp);
  t.same(going.metadata?.finalizers, ['foregroundDeletion']);
  await eventually(
    () => cluster.exists(DEPLOYMENTS, 'fore'),
    (is) => !is,
    'the Deployment goes',
  );
  t.same(await left('fore'), { deployment: false, replicaSets: 0, pods: 0 }, 'nothing outlives it');
});

t.test('orphans stay, and are adopted again', async (t) => {
  await started('orphan');
  const [rs] = await cluster.replicaSets('orphan');
  await remove('orphan', 'Orphan');
  await eventually(
    () => cluster.exists(DEPLOYMENTS, 'orphan'),
    (is) => !is,
    'the Deployment goes',
  );
  const [stayed] = await cluster.replicaSets('orphan');
  t.equal(stayed?.metadata?.uid, rs?.metadata?.uid);
  t.notOk(stayed?.metadata?.ownerReferences?.length, 'its ReplicaSet stays, without an owner');
  t.equal((await cluster.pods('orphan')).length, 2);

  await started('orphan');
  const [adopted] = await cluster.replicaSets('orphan');
  t.equal(adopted?.metadata?.uid, rs?.metadata?.uid, 'a Deployment of the same template takes it over');
  t.equal((await cluster.pods('orphan')).length, 2);
  await remove('orphan', 'Background');
  await eventually(() => left('orphan'), isAllGone, 'all is gone');
});

t.test('a pod whose labels change is let go, and replaced', async (t) => {
  await started('labels');
  const [pod] = await cluster.pods('labels');
  const name = pod?.metadata?.name ?? '';
  await kube.patch(
    PODS,
    { namespace: NAMESPACE, name },
    { type: 'merge', body: { metadata: { labels: { app: 'debug' } } } },
  );
  await eventually(
    () => cluster.pods('labels'),
    (pods) => pods.length === 2,
    'another takes its place',
  );
  const [debugged] = await eventually(
    () => cluster.pods('debug'),
    ([found]) => (found?.metadata?.ownerReferences ?? []).length === 0,
    'it has no owner',
  );
  t.equal(debugged?.metadata?.uid, pod?.metadata?.uid);
  await kube.patch(
    PODS,
    { namespace: NAMESPACE, name },
    { type: 'merge', body: { metadata: { labels: { app: 'labels' } } } },
  );
  await eventually(
    () => cluster.pods('labels'),
    (pods) => pods.length === 2 && pods.every(({ metadata }) => metadata?.ownerReferences?.length === 1),
    'with its labels back it is adopted, and one pod too many goes',
  );
});

t.test('whatever has an owner goes with the last of its owners', async (t) => {
  const owner = (name: string) => kube.create(CONFIG_MAPS, NAMESPACE, { metadata: { name } });
  const owners = [await owner('first'), await owner('second')];
  const ownerReferences = owners.map(({ metadata }) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
  }));
  await kube.create(CONFIG_MAPS, NAMESPACE, { metadata: { name: 'owned', ownerReferences } });
  const of = async (name: string) =>
    (await kube.get(CONFIG_MAPS, { namespace: NAMESPACE, name })).metadata?.ownerReferences;
  await kube.delete(CONFIG_MAPS, { namespace: NAMESPACE, name: 'first' });
  await eventually(
    () => of('owned'),
    (found) => found?.length === 1,
    'it loses the owner that went',
  );
  t.match(await of('owned'), [{ name: 'second' }]);
  await kube.delete(CONFIG_MAPS, { namespace: NAMESPACE, name: 'second' });
  await eventually(
    () => cluster.exists(CONFIG_MAPS, 'owned'),
    (is) => !is,
    'it goes with the second',
  );

  const uid = '00000000-0000-4000-8000-000000000000';
  const never = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'never', uid }];
  await kube.create(CONFIG_MAPS, NAMESPACE, { metadata: { name: 'astray', ownerReferences: never } });
  await eventually(
    () => cluster.exists(CONFIG_MAPS, 'astray'),
    (is) => !is,
    'an owner that never was is as good as gone',
  );
  const unknown = [{ apiVersion: 'example.org/v1', kind: 'Thing', name: 'x', uid }];
  await kube.create(CONFIG_MAPS, NAMESPACE, { metadata: { name: 'kept', ownerReferences: unknown } });
  await kube.create(CONFIG_MAPS, NAMESPACE, { metadata: { name: 'later', ownerReferences: never } });
  await eventually(
    () => cluster.exists(CONFIG_MAPS, 'later'),
    (is) => !is,
    'the collector has been here',
  );
  t.ok(await cluster.exists(CONFIG_MAPS, 'kept'), 'an owner of a kind that is not known keeps it');
});

t.test('a pod on its own', async (t) => {
  await kube.create(PODS, NAMESPACE, podOf('lone', podSpec()));
  const pod = () => kube.get(PODS, { namespace: NAMESPACE, name: 'lone' });
  await eventually(pod, ({ status }) => status?.phase === 'Running', 'it runs');
  const answer = await kube.delete(PODS, { namespace: NAMESPACE, name: 'lone' });
  t.ok('deletionTimestamp' in (answer.metadata ?? {}), 'it is asked to stop');
  await eventually(
    () => cluster.exists(PODS, 'lone'),
    (is) => !is,
    'and goes when it has',
  );
  await eventually(
    () => cluster.events('lone'),
    (events) => events.includes('Killing: Stopping container main (1)'),
    'its event is written',
  );
  t.equal((await kube.list(REPLICA_SETS, NAMESPACE, { labelSelector: 'app=lone' })).items.length, 0);
});

t.test('nothing was warned of', async (t) => {
  t.same(cluster.warnings, []);
});
