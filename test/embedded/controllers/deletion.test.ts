import t from 'tap';
import {
  CONFIG_MAPS,
  CUSTOM_RESOURCE_DEFINITIONS,
  DEPLOYMENTS,
  NAMESPACES,
  PODS,
  REPLICA_SETS,
} from '../../../kube/index.js';
import type { DeleteOptions, KubeObject, Resource } from '../../../kube/index.js';
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

t.test('an owner elsewhere is none', async (t) => {
  const elsewhere = await kube.create(CONFIG_MAPS, 'kube-public', { metadata: { name: 'elsewhere' } });
  const { name = '', uid = '' } = elsewhere.metadata ?? {};
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid }];
  await kube.create(NAMESPACES, undefined, { metadata: { name: 'wide', ownerReferences } });
  await kube.create(CONFIG_MAPS, NAMESPACE, { metadata: { name: 'across', ownerReferences } });
  await eventually(
    () => cluster.exists(CONFIG_MAPS, 'across'),
    (is) => !is,
    'what it owns across namespaces goes',
  );
  const told = `OwnerRefInvalidNamespace: ownerRef [v1/ConfigMap, namespace: , name: elsewhere, uid: ${uid}] does not exist in namespace "" (1)`;
  await eventually(
    () => cluster.events('wide'),
    (events) => events.includes(told),
    'what has no namespace is told of it',
  );
  t.ok(await kube.get(NAMESPACES, { name: 'wide' }), 'and stays');
});

t.test('custom kinds own and are owned, for as long as there are any', async (t) => {
  const THINGS: Resource = {
    ...{ group: 'example.org', version: 'v1', plural: 'things', kind: 'Thing', namespaced: true },
  };
  const names = { plural: 'things', kind: 'Thing' };
  const thing = (name: string, more: object = {}): KubeObject => ({
    ...{ apiVersion: 'example.org/v1', kind: 'Thing' },
    metadata: { name, ...more },
  });
  const schema = { openAPIV3Schema: { type: 'object' } };
  const define = () =>
    kube.create(CUSTOM_RESOURCE_DEFINITIONS, undefined, {
      metadata: { name: 'things.example.org' },
      spec: {
        ...{ group: 'example.org', scope: 'Namespaced', names },
        versions: [{ name: 'v1', served: true, storage: true, schema }],
      },
    });
  const ownedBy = (owner: KubeObject) => [
    {
      apiVersion: 'example.org/v1',
      kind: 'Thing',
      name: owner.metadata?.name ?? '',
      uid: owner.metadata?.uid ?? '',
    },
  ];
  const made = (name: string): Promise<KubeObject> =>
    eventually(
      () => kube.create(THINGS, NAMESPACE, thing(name)).catch(() => undefined),
      (found) => found !== undefined,
      'the kind is served',
    ) as Promise<KubeObject>;
  await define();
  const first = await made('first');
  await kube.create(CONFIG_MAPS, NAMESPACE, {
    metadata: { name: 'of-first', ownerReferences: ownedBy(first) },
  });
  await kube.create(THINGS, NAMESPACE, thing('below', { ownerReferences: ownedBy(first) }));
  await kube.delete(THINGS, { namespace: NAMESPACE, name: 'first' }, { propagationPolicy: 'Foreground' });
  await eventually(
    async () => [await cluster.exists(CONFIG_MAPS, 'of-first'), await cluster.exists(THINGS, 'below')],
    (found) => !found.includes(true),
    'what it owned goes with it',
  );
  const second = await made('second');
  await kube.create(CONFIG_MAPS, NAMESPACE, {
    metadata: { name: 'of-second', ownerReferences: ownedBy(second) },
  });
  await kube.create(NAMESPACES, undefined, { metadata: { name: 'thingy' } });
  await kube.create(THINGS, 'thingy', thing('there'));
  await kube.delete(NAMESPACES, { name: 'thingy' });
  await eventually(
    async () => (await kube.list(NAMESPACES, undefined)).items.map(({ metadata }) => metadata?.name),
    (found) => !found.includes('thingy'),
    'a namespace goes with those in it',
  );
  t.notOk((await kube.list(THINGS, undefined)).items.some(({ metadata }) => metadata?.name === 'there'));
  await kube.delete(CUSTOM_RESOURCE_DEFINITIONS, { name: 'things.example.org' });
  await eventually(
    () => cluster.exists(CONFIG_MAPS, 'of-second'),
    (is) => !is,
    'with the kind goes all that was owned by its objects',
  );
  const uid = '00000000-0000-4000-8000-000000000001';
  const gone = [{ apiVersion: 'example.org/v1', kind: 'Thing', name: 'never', uid }];
  await kube.create(CONFIG_MAPS, NAMESPACE, { metadata: { name: 'waits', ownerReferences: gone } });
  await define();
  await eventually(
    () => cluster.exists(CONFIG_MAPS, 'waits'),
    (is) => !is,
    'when it is back, what its objects should own is looked at again',
  );
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
