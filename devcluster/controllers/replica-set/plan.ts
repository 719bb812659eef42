/** What to do next for one ReplicaSet: pure functions from its pods to changes and a status. */
import type { Pod, ReplicaSet } from '../../../kube/objects.js';
import { REPLICA_SETS } from '../../../kube/objects.js';
import {
  createdAt,
  findCondition,
  isReady,
  millis,
  nonZero,
  ownerReferenceTo,
  timestamp,
  untilAvailable,
} from '../meta.js';
import { hasLabels } from '../selector.js';

export type ReplicaSetStatus = NonNullable<ReplicaSet['status']>;
type Condition = NonNullable<ReplicaSetStatus['conditions']>[number];

export interface Failure {
  reason: 'FailedCreate' | 'FailedDelete';
  message: string;
}

export const podFrom = (rs: ReplicaSet): Pod => {
  const { template } = rs.spec ?? {};
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      // Names end at 63 characters, and the server adds five.
      generateName: `${rs.metadata?.name}-`.slice(0, 58),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
      ...(finalizers === undefined ? {} : { finalizers }),
      ownerReferences: [ownerReferenceTo(REPLICA_SETS, rs)],
    },
    ...(template?.spec === undefined ? {} : { spec: template.spec }),
  };
};

const PHASES = ['Pending', 'Unknown', 'Running'];
const restartsOf = (pod: Pod): number =>
  Math.max(0, ...(pod.status?.containerStatuses ?? []).map(({ restartCount }) => restartCount));
const deletionCost = (pod: Pod): number =>
  Number(pod.metadata?.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0) || 0;
const readySince = (pod: Pod): number =>
  millis(findCondition(pod.status?.conditions, 'Ready')?.lastTransitionTime);

/** Each measure is lower for the pod that goes sooner; a later one only decides between equals. */
const DELETION_ORDER: readonly ((pod: Pod) => number)[] = [
  (pod) => (pod.spec?.nodeName === undefined ? 0 : 1),
  (pod) => PHASES.indexOf(pod.status?.phase ?? ''),
  (pod) => (isReady(pod) ? 1 : 0),
  deletionCost,
  (pod) => (isReady(pod) ? -readySince(pod) : 0),
  (pod) => -restartsOf(pod),
  (pod) => -createdAt(pod),
];

export const firstToDelete = (a: Pod, b: Pod): number => {
  for (const measure of DELETION_ORDER) {
    const difference = measure(a) - measure(b);
    if (difference !== 0) return difference;
  }
  return (a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1;
};

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

/** The status, and in how many milliseconds one more pod will count as available. */
export const replicaSetStatus = (
  rs: ReplicaSet,
  active: readonly Pod[],
  failure: Failure | undefined,
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
