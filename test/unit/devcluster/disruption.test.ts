import t from 'tap';
import {
  asksOwners,
  budgetStatus,
  failedStatus,
  unmanagedMessage,
} from '../../../devcluster/controllers/disruption/plan.js';
import type { Pod, PodDisruptionBudget } from '../../../kube/objects.js';

const NOW = Date.parse('2026-01-01T00:00:00Z');
type Spec = NonNullable<PodDisruptionBudget['spec']>;

const budget = (spec: Spec, status?: PodDisruptionBudget['status']): PodDisruptionBudget => ({
  metadata: { name: 'b', generation: 3 },
  spec,
  ...(status === undefined ? {} : { status }),
});
const pod = (name: string, { ready = true, going = false } = {}): Pod => ({
  metadata: { name, ...(going ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}) },
  status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
});
const pods = (ready: number, unready = 0): Pod[] => [
  ...Array.from({ length: ready }, (_, at) => pod(`r${at}`)),
  ...Array.from({ length: unready }, (_, at) => pod(`u${at}`, { ready: false })),
];

t.test('how many may go', async (t) => {
  const rows: [string, Spec, Pod[], number, [number, number, number]][] = [
    ['at least two of three', { minAvailable: 2 }, pods(3), 3, [3, 2, 1]],
    ['one is not ready', { minAvailable: 2 }, pods(2, 1), 3, [2, 2, 0]],
    ['fewer than wanted', { minAvailable: 5 }, pods(3), 3, [3, 5, 0]],
    ['at least half of five', { minAvailable: '50%' }, pods(5), 5, [5, 3, 2]],
    ['at most one', { maxUnavailable: 1 }, pods(3), 3, [3, 2, 1]],
    ['at most half of five', { maxUnavailable: '50%' }, pods(5), 5, [5, 2, 3]],
    ['at most more than all', { maxUnavailable: 9 }, pods(2), 2, [2, 0, 2]],
    ['of owners that want more', { maxUnavailable: 1 }, pods(3), 5, [3, 4, 0]],
    ['no pods expected', { maxUnavailable: 1 }, pods(1), 0, [1, 0, 0]],
    ['going ones do not count', { minAvailable: 1 }, [...pods(1), pod('g', { going: true })], 2, [1, 1, 0]],
    ['neither', {}, pods(1), 1, [1, 0, 1]],
  ];
  for (const [what, spec, guarded, expected, [current, desired, allowed]] of rows) {
    const { status } = budgetStatus(budget(spec), guarded, expected, NOW);
    t.same(
      [status.currentHealthy, status.desiredHealthy, status.disruptionsAllowed],
      [current, desired, allowed],
      what,
    );
    t.match(status.conditions, [
      {
        type: 'DisruptionAllowed',
        status: allowed > 0 ? 'True' : 'False',
        reason: allowed > 0 ? 'SufficientPods' : 'InsufficientPods',
        observedGeneration: 3,
      },
    ]);
  }
  t.notOk(asksOwners(budget({ minAvailable: 1 })));
  t.ok(asksOwners(budget({ minAvailable: '1%' })));
  t.ok(asksOwners(budget({ maxUnavailable: 1 })));
});

t.test('a pod that was let go does not count until it is overdue', async (t) => {
  const spec = { minAvailable: 1 };
  const before = budgetStatus(budget(spec), pods(3), 3, NOW - 60_000).status;
  const disruptedPods = { r0: new Date(NOW - 30_000).toISOString(), gone: new Date(NOW).toISOString() };
  const { status, requeueAfterMs } = budgetStatus(
    budget(spec, { ...before, disruptedPods }),
    pods(3),
    3,
    NOW,
  );
  t.equal(status.currentHealthy, 2);
  t.same(Object.keys(status.disruptedPods ?? {}), ['r0']);
  t.equal(requeueAfterMs, 90_000);
  t.same(status.conditions, before.conditions, 'a condition that lasts keeps its time');
  const later = budgetStatus(budget(spec, { ...before, disruptedPods }), pods(3), 3, NOW + 90_000);
  t.equal(later.status.currentHealthy, 3);
  t.notOk(later.status.disruptedPods);
});

t.test('where nothing can be counted nothing may go', async (t) => {
  const status = failedStatus(budget({ maxUnavailable: 1 }), 'why', NOW);
  t.match(status, {
    disruptionsAllowed: 0,
    conditions: [{ status: 'False', reason: 'SyncFailed', message: 'why' }],
  });
  const selector = {
    matchLabels: { b: 'c', a: 'b' },
    matchExpressions: [{ key: 'k', operator: 'In', values: ['x', 'y'] }],
  };
  t.match(
    unmanagedMessage(budget({ selector })),
    '(selector: &LabelSelector{MatchLabels:map[string]string{a: b,b: c,},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:k,Operator:In,Values:[x y],},},})',
  );
});
