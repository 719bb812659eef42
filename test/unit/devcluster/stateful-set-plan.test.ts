import t from 'tap';
import { historyOf, surplusRevisions } from '../../../devcluster/controllers/revisions.js';
import { wantedOwners } from '../../../devcluster/controllers/stateful-set/claims.js';
import { REVISIONS, nameOf, podOf } from '../../../devcluster/controllers/stateful-set/identity.js';
import { planStatefulSet } from '../../../devcluster/controllers/stateful-set/plan.js';
import type { Change, Plan } from '../../../devcluster/controllers/stateful-set/plan.js';
import type { ControllerRevision, PersistentVolumeClaim, Pod, StatefulSet } from '../../../kube/objects.js';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const ago = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();

type Spec = NonNullable<StatefulSet['spec']>;
type Status = NonNullable<StatefulSet['status']>;
const template = (image: string): Spec['template'] => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image }] },
});

const setOf = (spec: Partial<Spec> = {}, status: Partial<Status> = {}): StatefulSet => ({
  metadata: { name: 'web', namespace: 'default', uid: 'set', generation: 2 },
  spec: {
    replicas: 3,
    serviceName: 'web',
    selector: { matchLabels: { app: 'web' } },
    template: template('new'),
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
    ...spec,
  },
  ...(Object.keys(status).length === 0 ? {} : { status: { replicas: 0, ...status } }),
});

const revisionOf = (image: string, revision: number): ControllerRevision => ({
  ...historyOf(setOf({ template: template(image) }), REVISIONS, []).update,
  revision,
});
const NEW = revisionOf('new', 2);
const OLD = revisionOf('old', 1);

/** `0 ready`, `1 old pending`, `2 old ready 5s going`: an ordinal and what is so about the pod. */
const podLike = (text: string, set = setOf()): Pod => {
  const [ordinal = '', ...words] = text.split(' ');
  const pod = podOf(set, words.includes('old') ? OLD : NEW, Number(ordinal));
  const seconds = Number(/(\d+)s/.exec(text)?.[1] ?? 100);
  const phase =
    words.find((word) => /^[A-Z]/.test(word)) ?? (words.includes('pending') ? 'Pending' : 'Running');
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      uid: `${ordinal}-uid`,
      ...(words.includes('going') ? { deletionTimestamp: ago(0) } : {}),
    },
    status: {
      phase,
      conditions: words.includes('ready')
        ? [{ type: 'Ready', status: 'True', lastTransitionTime: ago(seconds) }]
        : [],
    },
  };
};

const plan = (set: StatefulSet, pods: readonly string[], claims: PersistentVolumeClaim[] = []): Plan =>
  planStatefulSet({
    set,
    pods: pods.map((text) => podLike(text, set)),
    revisions: [NEW, OLD],
    claim: (name) => claims.find((claim) => nameOf(claim) === name),
    now: NOW,
  });

const images: Record<string, string> = { [nameOf(NEW)]: 'new', [nameOf(OLD)]: 'old' };
const said = (change: Change): string => {
  if ('claim' in change) return `${change.type} ${nameOf(change.claim)}`;
  if ('revision' in change) return `${change.type} ${images[nameOf(change.revision)] ?? '?'}`;
  const image = change.pod.spec?.containers[0]?.image;
  return `${change.type} ${nameOf(change.pod).slice(4)}${change.type === 'create pod' ? ` ${image}` : ''}`;
};

t.test('what is done next', async (t) => {
  const parallel = { podManagementPolicy: 'Parallel' };
  const onDelete = { updateStrategy: { type: 'OnDelete' } };
  const partition = { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } };
  const rows: [string, Partial<Spec>, string[], string[]][] = [
    ['begins with the first', {}, [], ['create pod 0 new']],
    ['waits for it', {}, ['0 pending'], []],
    ['goes on when it is ready', {}, ['0 ready'], ['create pod 1 new']],
    ['fills a gap first', {}, ['0 ready', '2 ready'], ['create pod 1 new']],
    ['is content', {}, ['0 ready', '1 ready', '2 ready'], []],
    ['makes all at once', parallel, ['1 pending'], ['create pod 0 new', 'create pod 2 new']],
    ['starts elsewhere', { ordinals: { start: 4 } }, ['4 ready'], ['create pod 5 new']],
    ['replaces what failed', {}, ['0 Failed', '1 ready', '2 ready'], ['delete pod 0']],
    ['replaces what ended well', {}, ['0 Succeeded', '1 ready', '2 ready'], ['delete pod 0']],
    ['waits for what failed to go', {}, ['0 Failed going', '1 ready', '2 ready'], []],
    ['scales down from the end', { replicas: 1 }, ['0 ready', '1 ready', '2 ready'], ['delete pod 2']],
    ['scales down one by one', { replicas: 1 }, ['0 ready', '1 ready', '2 ready going'], []],
    ['does not scale down what may yet fail', { replicas: 1 }, ['0 pending', '1 ready'], []],
    ['takes the ill one that is to go', { replicas: 1 }, ['0 ready', '1 pending'], ['delete pod 1']],
    ['waits for the ill one below', { replicas: 0 }, ['0 pending', '1 ready', '2 pending'], []],
    [
      'scales down all at once',
      { ...parallel, replicas: 1 },
      ['0 pending', '1 ready', '2 ready'],
      ['delete pod 2', 'delete pod 1'],
    ],
    [
      'moves with the start',
      { ordinals: { start: 1 }, replicas: 1 },
      ['0 ready', '1 ready'],
      ['delete pod 0'],
    ],
    ['rolls out from the end', {}, ['0 old ready', '1 old ready', '2 old ready'], ['delete pod 2']],
    ['makes the new one', {}, ['0 old ready', '1 old ready'], ['create pod 2 new']],
    ['waits for the new one', {}, ['0 old ready', '1 old ready', '2 pending'], []],
    ['goes on to the next', {}, ['0 old ready', '1 old ready', '2 ready'], ['delete pod 1']],
    ['leaves the partition', partition, ['0 old ready', '1 old ready', '2 ready'], []],
    ['makes the held back as they were', partition, ['1 old ready', '2 ready'], ['create pod 0 old']],
    ['leaves all until they are deleted', onDelete, ['0 old ready', '1 old ready', '2 old ready'], []],
    ['and makes the new one then', onDelete, ['0 old ready', '2 old ready'], ['create pod 1 new']],
    ['rolls out one by one in parallel too', parallel, ['0 old ready', '1 old ready', '2 pending'], []],
    ['waits for availability', { minReadySeconds: 10 }, ['0 ready 3s'], []],
    ['and goes on with it', { minReadySeconds: 10 }, ['0 ready 30s'], ['create pod 1 new']],
  ];
  for (const [what, spec, pods, changes] of rows) {
    const set = setOf(spec, { currentRevision: nameOf(OLD) });
    t.same(plan(set, pods).changes.map(said), changes, what);
  }
});

t.test('the status', async (t) => {
  const set = setOf({ minReadySeconds: 10 }, { currentRevision: nameOf(OLD) });
  const { status, requeueAfterMs } = plan(set, ['0 old ready', '1 old ready 4s', '2 pending']);
  t.same(status, {
    replicas: 3,
    readyReplicas: 2,
    availableReplicas: 1,
    currentReplicas: 2,
    updatedReplicas: 1,
    currentRevision: nameOf(OLD),
    updateRevision: nameOf(NEW),
    collisionCount: 0,
    observedGeneration: 2,
  });
  t.equal(requeueAfterMs, 6000, 'looks again when the next pod becomes available');
  const begun = plan(setOf({}, { currentRevision: nameOf(OLD) }), [
    '0 old ready',
    '1 old ready',
    '2 old ready',
  ]);
  t.match(begun.status, { replicas: 3, currentReplicas: 2 }, 'the one that goes now is counted out');
  const done = plan(setOf({}, { currentRevision: nameOf(OLD) }), ['0 ready', '1 ready', '2 ready']);
  t.match(done.status, { currentRevision: nameOf(NEW), currentReplicas: 3, updatedReplicas: 3 });
  t.same(plan(setOf({}, done.status), ['0 ready', '1 ready', '2 ready']).status, done.status);
});

t.test('identity', async (t) => {
  const pod = podLike('1', setOf());
  t.match(pod, {
    metadata: {
      name: 'web-1',
      generateName: 'web-',
      labels: {
        app: 'web',
        'apps.kubernetes.io/pod-index': '1',
        'statefulset.kubernetes.io/pod-name': 'web-1',
        'controller-revision-hash': nameOf(NEW),
      },
      ownerReferences: [{ kind: 'StatefulSet', name: 'web', uid: 'set', controller: true }],
    },
    spec: { hostname: 'web-1', subdomain: 'web' },
  });
  const lost = { ...pod, metadata: { ...pod.metadata, labels: { app: 'web' } } };
  const set = setOf({ replicas: 2 });
  const { changes } = planStatefulSet({
    ...{ set, revisions: [NEW], claim: () => undefined, now: NOW },
    pods: [podLike('0 ready'), { ...lost, status: podLike('1 ready').status ?? {} }],
  });
  t.match(changes[0], {
    type: 'label pod',
    labels: { 'statefulset.kubernetes.io/pod-name': 'web-1', 'apps.kubernetes.io/pod-index': '1' },
  });
});

t.test('revisions', async (t) => {
  const noted: Spec['template'] = {
    metadata: { annotations: { note: '<a> & b' }, labels: { app: 'web' } },
    spec: { containers: [{ image: 'nginx:1', name: 'c' }] },
  };
  const first = historyOf(setOf({ template: noted }), REVISIONS, []);
  t.equal(nameOf(first.update), 'web-66f988cccb', 'named as by a real cluster');
  t.match(first, { change: { type: 'create revision', revision: { revision: 1 } } });
  const collided = setOf({ template: noted }, { collisionCount: 1 });
  t.equal(nameOf(historyOf(collided, REVISIONS, []).update), 'web-66f988cccc');

  const same = historyOf(setOf(), REVISIONS, [NEW, OLD]);
  t.equal(same.update, NEW);
  t.notOk(same.change);
  t.match(historyOf(setOf({ template: template('old') }), REVISIONS, [NEW, OLD]), {
    update: { metadata: { name: nameOf(OLD) }, revision: 3 },
    change: { type: 'renumber revision' },
  });

  const many = [1, 2, 3, 4, 5].map((nth) => revisionOf(`image-${nth}`, nth));
  const history = historyOf(setOf({ revisionHistoryLimit: 1 }), REVISIONS, many);
  const used = nameOf(many[1] as ControllerRevision);
  t.same(
    surplusRevisions(setOf({ revisionHistoryLimit: 1 }), history, (name) => name === used).map(
      ({ revision }) => revision,
    ),
    [1, 3, 4],
    'the oldest go, but for one that is used',
  );
});

const withClaims: Partial<Spec> = {
  volumeClaimTemplates: [
    { metadata: { name: 'data', labels: { x: 'y' } }, spec: { accessModes: ['ReadWriteOnce'] } },
  ],
};
type Owners = NonNullable<NonNullable<PersistentVolumeClaim['metadata']>['ownerReferences']>;
const claimOf = (ordinal: number, ownerReferences: Owners = [], going = false): PersistentVolumeClaim => ({
  metadata: {
    name: `data-web-${ordinal}`,
    ownerReferences,
    ...(going ? { deletionTimestamp: ago(0) } : {}),
  },
});
const owner = (kind: string, name: string, uid: string, controller = true): Owners[number] => ({
  ...{ kind, name, uid, controller },
  apiVersion: kind === 'StatefulSet' ? 'apps/v1' : 'v1',
});

t.test('volume claims', async (t) => {
  const [create, pod] = plan(setOf(withClaims), []).changes;
  t.match(create, {
    type: 'create claim',
    claim: {
      metadata: { name: 'data-web-0', namespace: 'default', labels: { x: 'y', app: 'web' } },
      spec: { accessModes: ['ReadWriteOnce'] },
    },
  });
  t.match(pod, {
    type: 'create pod',
    pod: { spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data-web-0' } }] } },
  });
  const rows: [string, Partial<Spec>, string[], PersistentVolumeClaim[], string[]][] = [
    ['uses the one that is there', {}, [], [claimOf(0)], ['create pod 0 new']],
    ['waits for one that goes', {}, [], [claimOf(0, [], true)], ['wait for claim data-web-0']],
    ['makes one that got lost', {}, ['0 pending'], [], ['create claim data-web-0']],
    [
      'waits for the one of a former pod',
      { persistentVolumeClaimRetentionPolicy: { whenScaled: 'Delete', whenDeleted: 'Retain' } },
      [],
      [claimOf(0, [owner('Pod', 'web-0', 'former')])],
      [],
    ],
  ];
  for (const [what, spec, pods, claims, changes] of rows)
    t.same(plan(setOf({ ...withClaims, ...spec }), pods, claims).changes.map(said), changes, what);
});

t.test('who owns a claim', async (t) => {
  const set = owner('StatefulSet', 'web', 'set');
  const pod = owner('Pod', 'web-1', '1-uid');
  const other = owner('Other', 'o', 'o');
  const rows: [whenDeleted: string, whenScaled: string, down: boolean, Owners, string[] | undefined][] = [
    ['Retain', 'Retain', false, [], undefined],
    ['Retain', 'Retain', false, [set, other], ['o']],
    ['Delete', 'Retain', false, [], ['web']],
    ['Delete', 'Retain', true, [set], undefined],
    ['Retain', 'Delete', false, [], undefined],
    ['Retain', 'Delete', true, [], ['web-1']],
    ['Delete', 'Delete', false, [pod], ['web']],
    ['Delete', 'Delete', true, [set], ['web-1']],
    ['Delete', 'Delete', false, [{ ...set, controller: false }], ['web']],
    ['Delete', 'Delete', false, [other], undefined],
    ['Delete', 'Delete', false, [other, set], ['o']],
    ['Delete', 'Delete', false, [owner('StatefulSet', 'web', 'former')], undefined],
  ];
  for (const [whenDeleted, whenScaled, isScaledDown, owners, wanted] of rows) {
    const policy = { persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled } };
    const found = wantedOwners(setOf(policy), podLike('1 ready'), {
      claim: claimOf(1, owners),
      isScaledDown,
    });
    const names = owners.map(({ name, uid }) => `${name}/${uid}`).join();
    t.same(
      found?.map(({ name }) => name),
      wanted,
      `${whenDeleted} ${whenScaled} ${isScaledDown ? 'down ' : ''}[${names}]`,
    );
  }
});

t.test('a roll-out goes from the end to the beginning, one pod at a time', async (t) => {
  for (const policy of ['OrderedReady', 'Parallel']) {
    const spec = { podManagementPolicy: policy, replicas: 4 };
    let status: Partial<Status> = { currentRevision: nameOf(OLD) };
    let pods = ['0 old ready', '1 old ready', '2 old ready', '3 old ready'];
    const deleted: string[] = [];
    for (let step = 0; step < 40; step++) {
      const planned = plan(setOf(spec, status), pods);
      status = planned.status;
      if (planned.changes.length === 0) {
        // Time goes by: what goes is gone, what is pending is ready.
        pods = pods.filter((pod) => !pod.includes('going')).map((pod) => pod.replace('pending', 'ready'));
      }
      t.ok(planned.changes.length <= 1, 'one step at a time');
      for (const change of planned.changes.map(said)) {
        const [, what, ordinal = ''] = /^(\w+) pod (\d+)/.exec(change) ?? [];
        if (what === 'delete') deleted.push(ordinal);
        if (what === 'delete') pods = pods.map((pod) => (pod.startsWith(ordinal) ? `${pod} going` : pod));
        else pods = [...pods, `${ordinal} pending`];
      }
    }
    t.same(deleted, ['3', '2', '1', '0'], policy);
    t.same([...pods].sort(), ['0 ready', '1 ready', '2 ready', '3 ready']);
    t.match(status, { currentRevision: nameOf(NEW), currentReplicas: 4, updatedReplicas: 4 });
  }
});
