/** What to do next for one ReplicaSet: pure functions from its pods to changes and a status. */
import type { Pod, ReplicaSet } from '../../../kube/objects.js';
import { firstToDelete } from '../deletion-order.js';
import { findCondition, isReady, nonZero, timestamp, untilAvailable } from '../meta.js';
import { hasLabels } from '../selector.js';

export type ReplicaSetStatus = NonNullable<ReplicaSet['status']>;
type Condition = NonNullable<ReplicaSetStatus['conditions']>[number];

export interface Failure {
  reason: 'FailedCreate' | 'FailedDelete';
  message: string;
}

/** How many pods to create, or which of the active ones to delete. */
export const planReplicas = (rs: ReplicaSet, active: readonly Pod[]): { create: number; remove: Pod[] } => {
  const missing = (rs.spec?.replicas ?? 1) - active.length;
  return {
    create: Math.max(0, missing),
    remove: missing < 0 ? [...active].sort(firstToDelete).slice(0, -missing) : [],
  };
};

const failureCondition = (before: ReplicaSetStatus | undefined, failure: Failure, now: number): Condition => {
  const known = findCondition(before?.conditions, 'ReplicaFailure');
  if (known?.reason === failure.reason) return known;
  return { type: 'ReplicaFailure', status: 'True', ...failure, lastTransitionTime: timestamp(now) };
};

export interface Counted {
  active: readonly Pod[];
  /** How many pods are on their way out. */
  terminating: number;
  failure: Failure | undefined;
}

/** The status, and in how many milliseconds one more pod will count as available. */
export const replicaSetStatus = (
  rs: ReplicaSet,
  { active, terminating, failure }: Counted,
  now: number,
): { status: ReplicaSetStatus; requeueAfterMs?: number } => {
  const waits = active.map((pod) => untilAvailable(pod, rs.spec?.minReadySeconds ?? 0, now));
  const soonest = Math.min(...waits.filter((wait) => wait !== undefined && wait > 0).map(Number));
  const isLabelled = (pod: Pod): boolean =>
    hasLabels(pod.metadata?.labels ?? {}, rs.spec?.template?.metadata?.labels);
  const others = (rs.status?.conditions ?? []).filter(({ type }) => type !== 'ReplicaFailure');
  const conditions = failure === undefined ? others : [...others, failureCondition(rs.status, failure, now)];
  return {
    status: {
      replicas: active.length,
      terminatingReplicas: terminating,
      ...nonZero({
        fullyLabeledReplicas: active.filter(isLabelled).length,
        readyReplicas: active.filter(isReady).length,
        availableReplicas: waits.filter((wait) => wait === 0).length,
        observedGeneration: rs.metadata?.generation ?? 0,
      }),
      ...(conditions.length === 0 ? {} : { conditions }),
    },
    ...(Number.isFinite(soonest) ? { requeueAfterMs: soonest } : {}),
  };
};
