import t from 'tap';
import { claim } from '../../../devcluster/controllers/claim.js';
import { createExpectations } from '../../../devcluster/controllers/expectations.js';
import { judge } from '../../../devcluster/controllers/garbage/judge.js';
import type { Item, OwnerState, Verdict } from '../../../devcluster/controllers/garbage/judge.js';
import { podFrom } from '../../../devcluster/controllers/pod-template.js';
import { planReplicas, replicaSetStatus } from '../../../devcluster/controllers/replica-set/plan.js';
import { startQueue } from '../../../devcluster/controllers/queue.js';
import { selects, selectsAny } from '../../../devcluster/controllers/selector.js';
import { REPLICA_SETS } from '../../../kube/objects.js';
import type { Pod, ReplicaSet } from '../../../kube/objects.js';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const ago = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();

const pod = (
  name: string,
  {
    phase = 'Running',
    readyFor,
    created = 100,
    node = 'n',
    restarts = 0,
    labels = { app: 'web' },
    cost,
  }: {
    phase?: string;
    readyFor?: number;
    created?: number;
    node?: string | undefined;
    restarts?: number;
    labels?: Record<string, string>;
    cost?: number;
  } = {},
): Pod => ({
  metadata: {
    name,
    uid: name,
    labels,
    creationTimestamp: ago(created),
    ...(cost === undefined
      ? {}
      : { annotations: { 'controller.kubernetes.io/pod-deletion-cost': String(cost) } }),
  },
  spec: { containers: [], ...(node === '' ? {} : { nodeName: node }) },
  status: {
    phase,
    containerStatuses: [{ name: 'c', image: 'i', imageID: '', ready: true, restartCount: restarts }],
    conditions:
      readyFor === undefined ? [] : [{ type: 'Ready', status: 'True', lastTransitionTime: ago(readyFor) }],
  },
});

const replicaSet = (replicas: number, minReadySeconds = 0): ReplicaSet => ({
  metadata: { name: 'web-abc', namespace: 'default', uid: 'rs', generation: 3 },
  spec: {
    replicas,
    minReadySeconds,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
  },
});

const podOf = (owner: ReplicaSet): Pod => podFrom(owner.spec?.template, { resource: REPLICA_SETS, owner });

t.test('which pods a ReplicaSet deletes first', async (t) => {
  const order: [string, Pod, Pod][] = [
    ['not assigned', pod('a', { node: '', phase: 'Pending' }), pod('b', { phase: 'Pending' })],
    ['pending', pod('a', { phase: 'Pending' }), pod('b')],
    ['not ready', pod('a'), pod('b', { readyFor: 5 })],
    ['cheaper', pod('a', { readyFor: 5, cost: -1 }), pod('b', { readyFor: 5 })],
    ['ready for less time', pod('a', { readyFor: 5 }), pod('b', { readyFor: 50 })],
    ['more restarts', pod('a', { readyFor: 5, restarts: 2 }), pod('b', { readyFor: 5 })],
    ['newer', pod('a', { readyFor: 5, created: 10 }), pod('b', { readyFor: 5 })],
  ];
  for (const [what, first, second] of order) {
    for (const active of [
      [first, second],
      [second, first],
    ]) {
      t.same(
        planReplicas(replicaSet(1), active).remove.map(({ metadata }) => metadata?.name),
        ['a'],
        what,
      );
    }
  }
  t.same(planReplicas(replicaSet(3), [pod('a')]), { create: 2, remove: [] });
  t.same(planReplicas(replicaSet(1), [pod('a')]), { create: 0, remove: [] });
});

t.test('a pod from a template', async (t) => {
  const made = podOf(replicaSet(1));
  t.equal(made.metadata?.generateName, 'web-abc-');
  t.same(made.metadata?.labels, { app: 'web' });
  t.match(made.metadata?.ownerReferences, [
    {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      name: 'web-abc',
      uid: 'rs',
      controller: true,
      blockOwnerDeletion: true,
    },
  ]);
  const long = { ...replicaSet(1), metadata: { name: 'x'.repeat(80) } };
  t.equal(podOf(long).metadata?.generateName?.length, 58);
});

t.test('the status of a ReplicaSet', async (t) => {
  const active = [pod('a', { readyFor: 3 }), pod('b', { readyFor: 30 }), pod('c', { labels: {} })];
  const { status, requeueAfterMs } = replicaSetStatus(
    replicaSet(3, 10),
    { active, terminating: 1, failure: undefined },
    NOW,
  );
  t.same(status, {
    replicas: 3,
    terminatingReplicas: 1,
    fullyLabeledReplicas: 2,
    readyReplicas: 2,
    availableReplicas: 1,
    observedGeneration: 3,
  });
  t.equal(requeueAfterMs, 7000, 'looks again when the next pod becomes available');
  const failing = { active: [], terminating: 0, failure: { reason: 'FailedCreate', message: 'no' } as const };
  const failed = replicaSetStatus(replicaSet(3), failing, NOW).status;
  t.match(failed.conditions, [
    { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'no' },
  ]);
  const later = replicaSetStatus({ ...replicaSet(3), status: failed }, failing, NOW + 9e3);
  t.same(later.status.conditions, failed.conditions, 'a failure that lasts does not change');
  t.notOk(
    replicaSetStatus({ ...replicaSet(3), status: failed }, { ...failing, failure: undefined }, NOW).status
      .conditions,
  );
});

t.test('selectors that may want everything', async (t) => {
  t.ok(selectsAny({}, undefined));
  t.notOk(selectsAny(undefined, { app: 'web' }));
  t.ok(selectsAny({ matchLabels: { app: 'web' } }, { app: 'web' }));
  t.notOk(selectsAny({ matchExpressions: [{ key: 'app', operator: 'Exists' }] }, {}));
});

t.test('what an owner claims', async (t) => {
  const rs = replicaSet(1);
  const owned = (name: string, labels: Record<string, string>, uid: string, deleted = false): Pod => {
    const made = pod(name, { labels });
    const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'x', uid, controller: true }];
    const deletion = deleted ? { deletionTimestamp: ago(0) } : {};
    return {
      ...made,
      metadata: { ...made.metadata, ...(uid === '' ? {} : { ownerReferences }), ...deletion },
    };
  };
  const candidates = [
    owned('mine', { app: 'web' }, 'rs'),
    owned('orphan', { app: 'web' }, ''),
    owned('going orphan', { app: 'web' }, '', true),
    owned('relabelled', { app: 'debug' }, 'rs'),
    owned('another', { app: 'web' }, 'other'),
    owned('stranger', { app: 'db' }, ''),
  ];
  const names = (objects: Pod[]): (string | undefined)[] => objects.map(({ metadata }) => metadata?.name);
  const found = claim(rs, rs.spec?.selector, candidates);
  t.same(
    [names(found.owned), names(found.adopt), names(found.release)],
    [['mine'], ['orphan'], ['relabelled']],
  );
  const going = { ...rs, metadata: { ...rs.metadata, deletionTimestamp: ago(0) } };
  t.same(claim(going, rs.spec?.selector, candidates).adopt, [], 'an owner that goes adopts nothing');
});

t.test('label selectors', async (t) => {
  const labels = { app: 'web', tier: 'front' };
  const rows: [Parameters<typeof selects>[0], boolean][] = [
    [{}, false],
    [undefined, false],
    [{ matchLabels: { app: 'web' } }, true],
    [{ matchLabels: { app: 'web', tier: 'back' } }, false],
    [{ matchExpressions: [{ key: 'tier', operator: 'In', values: ['front', 'back'] }] }, true],
    [{ matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['front'] }] }, false],
    [{ matchExpressions: [{ key: 'zone', operator: 'NotIn', values: ['a'] }] }, true],
    [{ matchExpressions: [{ key: 'tier', operator: 'Exists' }] }, true],
    [{ matchExpressions: [{ key: 'tier', operator: 'DoesNotExist' }] }, false],
    [{ matchExpressions: [{ key: 'tier', operator: 'Sometimes' }] }, false],
  ];
  for (const [selector, expected] of rows)
    t.equal(selects(selector, labels), expected, JSON.stringify(selector));
});

t.test('expectations', async (t) => {
  let now = 0;
  const visible = new Set(['fast']);
  const expectations = createExpectations((uid) => visible.has(uid), { timeoutMs: 1000, clock: () => now });
  expectations.expect('k', 'fast');
  t.equal(expectations.pending('k'), undefined, 'what the watch showed already is not awaited');
  expectations.expect('k', 'a');
  expectations.expect('k', 'b');
  expectations.seen('a');
  t.equal(expectations.pending('k'), 1000);
  t.equal(expectations.pending('other'), undefined);
  now = 1000;
  t.equal(expectations.pending('k'), undefined, 'what never came is forgotten');
  expectations.expect('k', 'c');
  expectations.forget('k');
  t.equal(expectations.pending('k'), undefined);
});

t.test('what the garbage collector does', async (t) => {
  const owner = (uid: string, blockOwnerDeletion = true): Item['owners'][number] => ({
    apiVersion: 'v1',
    kind: 'X',
    name: uid,
    uid,
    blockOwnerDeletion,
  });
  const item = (owners: Item['owners'], finalizers: string[] = [], deleting = false): Item => ({
    uid: 'item',
    deleting,
    finalizers,
    owners,
  });
  const blocking = { ...item([owner('item')]), uid: 'dependent' };
  const loose = { ...item([owner('item', false)]), uid: 'dependent' };
  const rows: [string, Item, OwnerState[], Item[], Verdict][] = [
    ['no owner', item([]), [], [], { do: 'keep' }],
    ['an owner that is there', item([owner('a')]), ['solid'], [], { do: 'keep' }],
    ['no owner left', item([owner('a')]), ['absent'], [], { do: 'delete', policy: 'Background' }],
    ['its owner waits for it', item([owner('a')]), ['waiting'], [], { do: 'delete', policy: 'Background' }],
    [
      'and for its dependents',
      item([owner('a')]),
      ['waiting'],
      [loose],
      { do: 'delete', policy: 'Foreground' },
    ],
    [
      'one of two owners left',
      item([owner('a'), owner('b')]),
      ['absent', 'solid'],
      [],
      { do: 'drop_owners', uids: ['a'] },
    ],
    ['to be orphaned', item([owner('a')], ['orphan']), ['absent'], [], { do: 'delete', policy: 'Orphan' }],
    ['being deleted', item([owner('a')], [], true), ['absent'], [], { do: 'keep' }],
    [
      'foreground, held back',
      item([], ['foregroundDeletion'], true),
      [],
      [blocking],
      { do: 'wait_for_dependents' },
    ],
    [
      'foreground, not held back',
      item([], ['foregroundDeletion'], true),
      [],
      [loose],
      { do: 'remove_finalizer', finalizer: 'foregroundDeletion' },
    ],
    ['orphaning', item([], ['orphan'], true), [], [loose], { do: 'orphan_dependents' }],
    ['orphaned', item([], ['orphan'], true), [], [], { do: 'remove_finalizer', finalizer: 'orphan' }],
  ];
  for (const [what, subject, states, dependents, expected] of rows) {
    t.same(judge(subject, states, dependents), expected, what);
  }
});

t.test('a queue that waits for something begins nothing before, and can be stopped', async (t) => {
  const begun: string[] = [];
  let open = (): void => {};
  const after = new Promise<void>((resolve) => (open = resolve));
  const run = (gate: Promise<void>) =>
    startQueue({ name: 'test', after: gate, reconcile: async (key) => void begun.push(key) });
  const queue = run(after);
  queue.add('a');
  await new Promise(setImmediate);
  t.same(begun, []);
  open();
  await new Promise(setImmediate);
  t.same(begun, ['a']);
  await queue.stop();
  const never = run(new Promise(() => {}));
  never.add('b');
  await new Promise(setImmediate);
  await never.stop();
  t.same(begun, ['a'], 'what waits when it is stopped is not begun');
});
