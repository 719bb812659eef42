import t from 'tap';
import {
  CONTROLLER_REVISIONS,
  DAEMON_SETS,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PODS,
  STATEFUL_SETS,
  keyOf,
} from '../../../kube/index.js';
import type { ControllerRevision, DaemonSet, Pod, StatefulSet } from '../../../kube/index.js';
import { NAMESPACE, podSpec, startCluster } from './cluster.js';

const cluster = await startCluster(t);
const { kube, eventually } = cluster;

type Spec = NonNullable<StatefulSet['spec']>;
const setOf = (name: string, replicas: number, more: Partial<Spec> = {}): StatefulSet => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name, namespace: NAMESPACE },
  spec: {
    replicas,
    serviceName: name,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: podSpec() },
    ...more,
  },
});

const create = (set: StatefulSet): Promise<StatefulSet> => kube.create(STATEFUL_SETS, NAMESPACE, set);
const read = (name: string): Promise<StatefulSet> => kube.get(STATEFUL_SETS, { namespace: NAMESPACE, name });
const patch = (name: string, spec: object): Promise<StatefulSet> =>
  kube.patch(STATEFUL_SETS, { namespace: NAMESPACE, name }, { type: 'strategic', body: { spec } });
const setImage = (name: string, image: string): Promise<StatefulSet> =>
  patch(name, { template: { spec: { containers: [{ name: 'main', image }] } } });
const complete = (name: string): Promise<StatefulSet> =>
  eventually(
    () => read(name),
    ({ metadata, spec, status }) =>
      status?.observedGeneration === metadata?.generation &&
      status?.replicas === spec?.replicas &&
      (status?.availableReplicas ?? 0) === spec?.replicas &&
      (status?.updatedReplicas ?? 0) === spec?.replicas &&
      status?.currentRevision === status?.updateRevision,
    `${name} is complete`,
  );
const settled = (name: string, wanted: (pods: readonly Pod[]) => boolean): Promise<Pod[]> =>
  eventually(() => cluster.pods(name), wanted, `the pods of ${name} are as wanted`);
const namesOf = (pods: readonly Pod[]): string[] => pods.map(({ metadata }) => metadata?.name ?? '').sort();
const imageOf = ({ spec }: Pod): string | undefined => spec?.containers[0]?.image;
const revisions = async (app: string): Promise<ControllerRevision[]> => {
  const { items } = await kube.list(CONTROLLER_REVISIONS, NAMESPACE, { labelSelector: `app=${app}` });
  return items.sort((a, b) => a.revision - b.revision);
};

/** What becomes of the pods of an app, in the order in which a watch shows it. */
const stories = async (app: string): Promise<{ told: string[]; end(): Promise<void> }> => {
  const told: string[] = [];
  const stop = new AbortController();
  const labelSelector = `app=${app}`;
  const { metadata } = await kube.list(PODS, NAMESPACE, { labelSelector });
  const query = { labelSelector, resourceVersion: metadata.resourceVersion };
  const read = async (): Promise<void> => {
    for await (const { type, object } of kube.watch(PODS, NAMESPACE, query, { signal: stop.signal })) {
      if (type === 'BOOKMARK') continue;
      const { name = '', deletionTimestamp } = object.metadata ?? {};
      const isReady = object.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True');
      const what =
        type === 'DELETED' ? 'gone' : deletionTimestamp ? 'going' : isReady === true ? 'ready' : 'made';
      const line = `${name} ${what}`;
      if (!told.includes(line)) told.push(line);
    }
  };
  const reading = read().catch(() => undefined);
  return {
    told,
    end: async () => {
      stop.abort();
      await reading;
    },
  };
};

t.test('pods come up one after another, each with its identity', async (t) => {
  const story = await stories('web');
  await create(setOf('web', 3));
  const { status } = await complete('web');
  await story.end();
  t.same(
    story.told,
    ['web-0 made', 'web-0 ready', 'web-1 made', 'web-1 ready', 'web-2 made', 'web-2 ready'],
    'in this order',
  );
  const [revision] = await revisions('web');
  const name = revision?.metadata?.name ?? '';
  t.same(status, {
    replicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    currentReplicas: 3,
    updatedReplicas: 3,
    currentRevision: name,
    updateRevision: name,
    collisionCount: 0,
    observedGeneration: 1,
  });
  const [pod] = await cluster.pods('web');
  t.match(pod, {
    metadata: {
      name: 'web-0',
      labels: {
        'apps.kubernetes.io/pod-index': '0',
        'statefulset.kubernetes.io/pod-name': 'web-0',
        'controller-revision-hash': name,
      },
      ownerReferences: [{ kind: 'StatefulSet', name: 'web', controller: true }],
    },
    spec: { hostname: 'web-0', subdomain: 'web' },
  });
  t.match(revision, {
    revision: 1,
    metadata: {
      labels: { 'controller.kubernetes.io/hash': name.slice('web-'.length) },
      ownerReferences: [{ kind: 'StatefulSet', name: 'web', controller: true }],
    },
    data: { spec: { template: { $patch: 'replace', metadata: { labels: { app: 'web' } } } } },
  });
  await eventually(
    () => cluster.events('web'),
    (events) => events.length === 3,
    'the events are written',
  );
  t.same(
    await cluster.events('web'),
    [0, 1, 2].map((nth) => `SuccessfulCreate: Create Pod web-${nth} in StatefulSet web successful (1)`),
  );
});

t.test('scaled down from the end, one after another', async (t) => {
  const story = await stories('web');
  await patch('web', { replicas: 1 });
  await complete('web');
  await settled('web', (pods) => pods.length === 1);
  await eventually(
    () => Promise.resolve(story.told),
    (told) => told.includes('web-1 gone'),
    'the watch told of it',
  );
  await story.end();
  t.same(story.told, ['web-2 going', 'web-2 gone', 'web-1 going', 'web-1 gone']);
  await patch('web', { replicas: 3 });
  await complete('web');
});

t.test('a pod that is deleted comes back under its name', async (t) => {
  const before = (await cluster.pods('web')).find(({ metadata }) => metadata?.name === 'web-1');
  await kube.delete(PODS, { namespace: NAMESPACE, name: 'web-1' });
  await settled('web', (pods) =>
    pods.some(({ metadata }) => metadata?.name === 'web-1' && metadata.uid !== before?.metadata?.uid),
  );
  await complete('web');
  t.same(namesOf(await cluster.pods('web')), ['web-0', 'web-1', 'web-2']);
});

t.test('a new image rolls out from the end, and a rollback brings the revision back', async (t) => {
  const [first] = await revisions('web');
  const story = await stories('web');
  await setImage('web', 'nginx:1.16');
  const rolled = await complete('web');
  await story.end();
  t.same(
    story.told.filter((line) => line.endsWith('going')),
    ['web-2 going', 'web-1 going', 'web-0 going'],
  );
  t.same((await cluster.pods('web')).map(imageOf), ['nginx:1.16', 'nginx:1.16', 'nginx:1.16']);
  const both = await revisions('web');
  t.same(
    both.map(({ revision }) => revision),
    [1, 2],
  );
  t.equal(rolled.status?.currentRevision, both[1]?.metadata?.name);

  // What `kubectl rollout undo` sends.
  const at = { namespace: NAMESPACE, name: 'web' };
  await kube.patch(STATEFUL_SETS, at, { type: 'strategic', body: both[0]?.data });
  const back = await complete('web');
  t.equal(back.status?.currentRevision, first?.metadata?.name);
  t.same(
    (await revisions('web')).map(({ metadata, revision }) => [metadata?.name, revision]),
    [
      [both[1]?.metadata?.name, 2],
      [first?.metadata?.name, 3],
    ],
  );
});

t.test('a partition holds back the pods below it', async (t) => {
  await patch('web', { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } });
  await setImage('web', 'nginx:1.17');
  const { status } = await eventually(
    () => read('web'),
    ({ status }) => status?.updatedReplicas === 1 && status.readyReplicas === 3,
    'one pod is new',
  );
  t.not(status?.currentRevision, status?.updateRevision);
  t.equal(status?.currentReplicas, 2);
  await kube.delete(PODS, { namespace: NAMESPACE, name: 'web-0' });
  await eventually(
    () => cluster.events('web'),
    (events) => events.some((event) => event.includes('Create Pod web-0') && !event.endsWith('(1)')),
    'web-0 is made again',
  );
  await eventually(
    () => read('web'),
    ({ status }) => status?.readyReplicas === 3 && status.currentReplicas === 2,
    'all are ready',
  );
  t.same((await cluster.pods('web')).map(imageOf), ['nginx:1.15.4', 'nginx:1.15.4', 'nginx:1.17']);
});

t.test('the history ends at its limit', async (t) => {
  await patch('web', {
    revisionHistoryLimit: 1,
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
  });
  for (const image of ['nginx:1.18', 'nginx:1.19']) {
    await setImage('web', image);
    await complete('web');
  }
  await eventually(
    () => revisions('web'),
    (found) => found.length === 2,
    'the current one and one more are there',
  );
  t.same((await cluster.pods('web')).map(imageOf), ['nginx:1.19', 'nginx:1.19', 'nginx:1.19']);
});

t.test('in parallel, from another ordinal, replaced only when deleted', async (t) => {
  const more: Partial<Spec> = {
    ...{ podManagementPolicy: 'Parallel', ordinals: { start: 5 }, updateStrategy: { type: 'OnDelete' } },
  };
  await create(setOf('par', 3, more));
  await complete('par');
  t.same(namesOf(await cluster.pods('par')), ['par-5', 'par-6', 'par-7']);
  const changed = await setImage('par', 'nginx:1.16');
  await eventually(
    () => read('par'),
    ({ status }) => status?.observedGeneration === changed.metadata?.generation,
    'the change is seen',
  );
  t.same((await cluster.pods('par')).map(imageOf), ['nginx:1.15.4', 'nginx:1.15.4', 'nginx:1.15.4']);
  await kube.delete(PODS, { namespace: NAMESPACE, name: 'par-6' });
  await eventually(
    () => read('par'),
    ({ status }) => status?.updatedReplicas === 1 && status.readyReplicas === 3,
    'the deleted one is new',
  );
  t.same((await cluster.pods('par')).map(imageOf), ['nginx:1.15.4', 'nginx:1.16', 'nginx:1.15.4']);
});

t.test('volume claims are made, kept and deleted as the set says', async (t) => {
  const claims = async (): Promise<string[]> =>
    (await kube.list(PERSISTENT_VOLUME_CLAIMS, NAMESPACE, { labelSelector: 'app=vol' })).items
      .map(({ metadata }) => `${metadata?.name} ${metadata?.ownerReferences?.[0]?.kind}`)
      .sort();
  await create(
    setOf('vol', 2, {
      podManagementPolicy: 'Parallel',
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Delete' },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data', labels: { kind: 'data' } },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
        },
      ],
    }),
  );
  await eventually(
    claims,
    (found) => found.join() === 'data-vol-0 StatefulSet,data-vol-1 StatefulSet',
    'both claims are there and go with the set',
  );
  const [pod] = await settled('vol', (pods) => pods.length === 2);
  t.match(pod?.spec?.volumes, [{ name: 'data', persistentVolumeClaim: { claimName: 'data-vol-0' } }]);
  const made = await kube.get(PERSISTENT_VOLUME_CLAIMS, { namespace: NAMESPACE, name: 'data-vol-0' });
  t.same(made.metadata?.labels, { app: 'vol', kind: 'data' });
  await patch('vol', { replicas: 1 });
  await eventually(
    claims,
    (found) => found.join() === 'data-vol-0 StatefulSet',
    'the claim of the pod that went is gone',
  );
  await kube.delete(STATEFUL_SETS, { namespace: NAMESPACE, name: 'vol' });
  await eventually(claims, (found) => found.length === 0, 'the others went with the set');
  t.notOk(await cluster.exists(PODS, 'vol-0'));
});

t.test('a DaemonSet has a pod on each node that fits, and rolls out its revisions', async (t) => {
  const read = (): Promise<DaemonSet> => kube.get(DAEMON_SETS, { namespace: NAMESPACE, name: 'ds' });
  const rolledOut = (what: string): Promise<DaemonSet> =>
    eventually(
      read,
      ({ metadata, status }) =>
        status?.observedGeneration === metadata?.generation &&
        status?.updatedNumberScheduled === status?.desiredNumberScheduled &&
        status?.numberAvailable === 1,
      what,
    );
  const template = { metadata: { labels: { app: 'ds' } }, spec: podSpec() };
  await kube.create(DAEMON_SETS, NAMESPACE, {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'ds', namespace: NAMESPACE },
    spec: { selector: { matchLabels: { app: 'ds' } }, template },
  });
  const { status } = await rolledOut('the pod is available');
  t.same(status, {
    ...{ desiredNumberScheduled: 1, currentNumberScheduled: 1, numberMisscheduled: 0, numberReady: 1 },
    ...{ numberAvailable: 1, updatedNumberScheduled: 1, observedGeneration: 1 },
  });
  const body = { spec: { template: { spec: { containers: [{ name: 'main', image: 'nginx:1.16' }] } } } };
  await kube.patch(DAEMON_SETS, { namespace: NAMESPACE, name: 'ds' }, { type: 'strategic', body });
  await rolledOut('the new one is available');
  await settled('ds', (pods) => pods.length === 1 && pods.every((pod) => imageOf(pod) === 'nginx:1.16'));
  t.same(
    (await revisions('ds')).map(({ revision }) => revision),
    [1, 2],
  );

  await kube.create(NODES, undefined, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'another' } });
  await settled('ds', (pods) => pods.length === 2);
  t.equal((await read()).status?.numberReady, 1);
  await kube.delete(DAEMON_SETS, { namespace: NAMESPACE, name: 'ds' });
  await kube.delete(NODES, { name: 'another' });
  await settled('ds', (pods) => pods.length === 0);
});

t.test('nothing is written when nothing changes', async (t) => {
  const annotations = { touched: 'yes' };
  for (const name of ['web', 'par']) {
    const at = { namespace: NAMESPACE, name };
    const touched = await kube.patch(STATEFUL_SETS, at, {
      type: 'merge',
      body: { metadata: { annotations } },
    });
    // A change of another object, made later, is acted upon after this one.
    await create(setOf(`${name}-after`, 0));
    await eventually(
      () => read(`${name}-after`),
      ({ status }) => status?.observedGeneration === 1,
      'the later one is seen',
    );
    const now = await read(name);
    t.equal(now.metadata?.resourceVersion, touched.metadata?.resourceVersion, keyOf(now));
  }
  t.same(cluster.warnings, []);
});
