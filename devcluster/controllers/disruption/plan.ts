/** What a PodDisruptionBudget allows: pure functions from its pods and their owners to a status. */
import type { Pod, PodDisruptionBudget } from '../../../kube/objects.js';
import { findCondition, isReady, millis, timestamp, withCondition } from '../meta.js';
import type { LabelSelector } from '../selector.js';

export type BudgetStatus = NonNullable<PodDisruptionBudget['status']>;

/** How long a pod that was let go may still be there before it counts again. */
const DELETION_MS = 120_000;
const ALLOWED = 'DisruptionAllowed';

/** Pods that must be there in all; and those whose owner is not known, as nobody would replace them. */
export interface Expected {
  count: number;
  unmanaged: boolean;
}

const scaled = (value: number | string, total: number): number =>
  typeof value === 'number' ? value : Math.ceil((Number.parseFloat(value) / 100) * total);

/** Whether the owners of its pods must be asked how many there are to be. */
export const asksOwners = ({ spec }: PodDisruptionBudget): boolean =>
  spec?.maxUnavailable !== undefined || typeof spec?.minAvailable === 'string';

const desired = ({ spec }: PodDisruptionBudget, expected: number): number => {
  if (spec?.maxUnavailable !== undefined)
    return Math.max(0, expected - scaled(spec.maxUnavailable, expected));
  return spec?.minAvailable === undefined ? 0 : scaled(spec.minAvailable, expected);
};

const conditionsOf = (
  budget: PodDisruptionBudget,
  { status, reason, message = '' }: { status: 'True' | 'False'; reason: string; message?: string },
  { generation, now }: { generation: number; now: number },
): NonNullable<BudgetStatus['conditions']> => {
  const before = budget.status?.conditions ?? [];
  const known = findCondition(before, ALLOWED);
  const since = known?.status === status ? known.lastTransitionTime : timestamp(now);
  const wanted = { type: ALLOWED, status, reason, message, observedGeneration: generation };
  return withCondition(before, { ...wanted, lastTransitionTime: since });
};

/** The status, and in how many milliseconds a pod that was let go and stayed counts again. */
export const budgetStatus = (
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  expectedPods: number,
  now: number,
): { status: BudgetStatus; requeueAfterMs?: number } => {
  const generation = budget.metadata?.generation ?? 0;
  const staying = pods.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
  const names = new Set(staying.map(({ metadata }) => metadata?.name ?? ''));
  const until = (since: string): number => millis(since) + DELETION_MS;
  const disrupted = Object.entries(budget.status?.disruptedPods ?? {}).filter(
    ([name, since]) => names.has(name) && until(since) > now,
  );
  const isDisrupted = ({ metadata }: Pod): boolean => disrupted.some(([name]) => name === metadata?.name);
  const currentHealthy = staying.filter((pod) => isReady(pod) && !isDisrupted(pod)).length;
  const desiredHealthy = desired(budget, expectedPods);
  const disruptionsAllowed = expectedPods > 0 ? Math.max(0, currentHealthy - desiredHealthy) : 0;
  const condition =
    disruptionsAllowed > 0
      ? ({ status: 'True', reason: 'SufficientPods' } as const)
      : ({ status: 'False', reason: 'InsufficientPods' } as const);
  const soonest = Math.min(...disrupted.map(([, since]) => until(since) - now));
  return {
    status: {
      conditions: conditionsOf(budget, condition, { generation, now }),
      currentHealthy,
      desiredHealthy,
      ...(disrupted.length === 0 ? {} : { disruptedPods: Object.fromEntries(disrupted) }),
      disruptionsAllowed,
      expectedPods,
      observedGeneration: generation,
    },
    ...(Number.isFinite(soonest) ? { requeueAfterMs: soonest } : {}),
  };
};

/** The status where the number of expected pods cannot be known: nothing may go. */
export const failedStatus = (budget: PodDisruptionBudget, message: string, now: number): BudgetStatus => {
  const generation = budget.status?.observedGeneration ?? 0;
  const condition = { status: 'False', reason: 'SyncFailed', message } as const;
  return {
    currentHealthy: 0,
    desiredHealthy: 0,
    expectedPods: 0,
    ...budget.status,
    disruptionsAllowed: 0,
    conditions: conditionsOf(budget, condition, { generation, now }),
  };
};

/** A selector as the controller's event prints it. */
const printed = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string => {
  const labels = Object.entries(matchLabels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}: ${value},`);
  const expressions = matchExpressions.map(
    ({ key, operator, values = [] }) =>
      `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
  );
  return `&LabelSelector{MatchLabels:map[string]string{${labels.join('')}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`;
};

export const unmanagedMessage = ({ spec }: PodDisruptionBudget): string =>
  `Pods selected by this PodDisruptionBudget (selector: ${printed(spec?.selector ?? {})}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`;
