import t from 'tap';
import { claim } from '../../../devcluster/controllers/claim.js';
import { createExpectations } from '../../../devcluster/controllers/expectations.js';
import { judge } from '../../../devcluster/controllers/garbage/judge.js';
import type { Item, OwnerState, Verdict } from '../../../devcluster/controllers/garbage/judge.js';
import { planReplicas, podFrom, replicaSetStatus } from '../../../devcluster/controllers/replica-set/plan.js';
import { findNode, requestsOf } from '../../../devcluster/controllers/scheduler/fit.js';
import { createUsage } from '../../../devcluster/controllers/scheduler/usage.js';
import { selects } from '../../../devcluster/controllers/selector.js';
import type { Node, Pod, ReplicaSet } from '../../../kube/objects.js';

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
  const made = podFrom(replicaSet(1));
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
  t.equal(podFrom(long).metadata?.generateName?.length, 58);
});

t.test('the status of a ReplicaSet', async (t) => {
  const active = [pod('a', { readyFor: 3 }), pod('b', { readyFor: 30 }), pod('c', { labels: {} })];
  const { status, requeueAfterMs } = replicaSetStatus(replicaSet(3, 10), active, undefined, NOW);
  t.same(status, {
    replicas: 3,
    fullyLabeledReplicas: 2,
    readyReplicas: 2,
    availableReplicas: 1,
    observedGeneration: 3,
  });
  t.equal(requeueAfterMs, 7000, 'looks again when the next pod becomes available');
  const failed = replicaSetStatus(replicaSet(3), [], { reason: 'FailedCreate', message: 'no' }, NOW).status;
  t.match(failed.conditions, [
    { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'no' },
  ]);
  const later = replicaSetStatus(
    { ...replicaSet(3), status: failed },
    [],
    { reason: 'FailedCreate', message: 'no' },
    NOW + 9e3,
  );
  t.same(later.status.conditions, failed.conditions, 'a failure that lasts does not change');
  t.notOk(replicaSetStatus({ ...replicaSet(3), status: failed }, [], undefined, NOW).status.conditions);
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

t.test('where a pod may run', async (t) => {
  const node = (name: string, more: Partial<Node['spec']> = {}, labels = {}): Node => ({
    metadata: { name, labels },
    spec: { ...more },
    status: { allocatable: { cpu: '1', memory: '1Gi', pods: '2' } },
  });
  const asks = (cpu: string, spec: Partial<Pod['spec']> = {}): Pod => ({
    metadata: { name: 'p', uid: 'p' },
    spec: { containers: [{ name: 'c', resources: { requests: { cpu } } }], ...spec },
  });
  const usage = createUsage();
  const zone = (values: string[]): Partial<Pod['spec']> => ({
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values }] }],
        },
      },
    },
  });
  const message = (text: string): { message: string } => ({ message: text });
  const rows: [string, Pod, Node[], ReturnType<typeof findNode>][] = [
    ['fits', asks('1'), [node('n')], { node: 'n' }],
    ['no node', asks('1'), [], message('no nodes available to schedule pods')],
    [
      'selector',
      asks('1', { nodeSelector: { disk: 'ssd' } }),
      [node('n')],
      message("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."),
    ],
    [
      'selector that fits',
      asks('1', { nodeSelector: { disk: 'ssd' } }),
      [node('n', {}, { disk: 'ssd' })],
      { node: 'n' },
    ],
    [
      'affinity',
      asks('1', zone(['a'])),
      [node('n', {}, { zone: 'b' }), node('m', {}, { zone: 'a' })],
      { node: 'm' },
    ],
    ['too much', asks('1500m'), [node('n')], message('0/1 nodes are available: 1 Insufficient cpu.')],
    [
      'cordoned',
      asks('1'),
      [node('n', { unschedulable: true })],
      message('0/1 nodes are available: 1 node(s) were unschedulable.'),
    ],
    [
      'several reasons',
      asks('2', { nodeSelector: { disk: 'ssd' } }),
      [node('n'), node('m', {}, { disk: 'ssd' })],
      message(
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector.",
      ),
    ],
  ];
  for (const [what, subject, nodes, expected] of rows)
    t.same(findNode(subject, nodes, usage.of), expected, what);

  usage.charge('x', 'n', requestsOf(asks('300m')));
  usage.charge('x', 'n', requestsOf(asks('600m')));
  t.same(findNode(asks('400m'), [node('n')], usage.of), { node: 'n' }, 'a pod is charged once');
  t.same(
    findNode(asks('401m'), [node('n')], usage.of),
    message('0/1 nodes are available: 1 Insufficient cpu.'),
  );
  t.same(findNode(asks('100m'), [node('n'), node('m')], usage.of), { node: 'm' }, 'the emptier node');
  usage.charge('y', 'n', requestsOf(asks('0')));
  t.same(findNode(asks('0'), [node('n')], usage.of), message('0/1 nodes are available: 1 Too many pods.'));
  t.ok(usage.release('y'));
  t.notOk(usage.release('y'));
  t.same(findNode(asks('0'), [node('n')], usage.of), { node: 'n' });
  const init = asks('100m', { initContainers: [{ name: 'i', resources: { requests: { cpu: '700m' } } }] });
  t.equal(requestsOf(init).get('cpu'), 700_000_000n, 'the largest init container counts where it is more');
});
