/** Which pods nobody else would remove: pure functions. */
import type { Pod } from '../../../kube/objects.js';
import { createdAt, timestamp, withCondition } from '../meta.js';

export type Garbage = 'orphan' | 'unscheduled';

/**
 * A pod on a Kubernetes node that is no more is an orphan: no kubelet ends it. One that goes and was given no node is
 * nobody's either. Those that were removed already and stay for their finalizers' sake are left alone.
 */
export const garbageOf = (pod: Pod, hasNode: (name: string) => boolean): Garbage | undefined => {
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata ?? {};
  if (deletionTimestamp !== undefined && deletionGracePeriodSeconds === 0) return undefined;
  const { nodeName } = pod.spec ?? {};
  if (nodeName === undefined) return deletionTimestamp === undefined ? undefined : 'unscheduled';
  return hasNode(nodeName) ? undefined : 'orphan';
};

/** The status of an orphan that had not ended. */
export const orphanStatus = (pod: Pod, now: number): Pod['status'] => ({
  ...pod.status,
  phase: 'Failed',
  conditions: withCondition(pod.status?.conditions ?? [], {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByPodGC',
    message: 'PodGC: node no longer exists',
    lastTransitionTime: timestamp(now),
  }),
});

const isEvicted = ({ status }: Pod): boolean => status?.phase === 'Failed' && status.reason === 'Evicted';

/** Of the pods that ended, those beyond the threshold: evicted ones first, then the oldest. */
export const surplus = (ended: readonly Pod[], threshold: number): Pod[] =>
  [...ended]
    .sort((a, b) => Number(isEvicted(b)) - Number(isEvicted(a)) || createdAt(a) - createdAt(b))
    .slice(0, Math.max(0, ended.length - threshold));
