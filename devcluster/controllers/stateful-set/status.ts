/** A StatefulSet's status as its pods make it. */
import type { Pod, StatefulSet } from '../../../kube/objects.js';
import { isReady, nonZero, untilAvailable } from '../meta.js';
import { revisionOf } from './identity.js';

export type StatefulSetStatus = NonNullable<StatefulSet['status']>;

export interface Revisions {
  current: string;
  update: string;
}

export const isRunning = (pod: Pod): boolean => pod.status?.phase === 'Running' && isReady(pod);
export const isGoing = (pod: Pod): boolean => pod.metadata?.deletionTimestamp !== undefined;

export const isAvailable = (set: StatefulSet, pod: Pod, now: number): boolean =>
  untilAvailable(pod, set.spec?.minReadySeconds ?? 0, now) === 0;

/** `deleted` are those of the former revision that go now, for the update. */
export const statusOf = (
  set: StatefulSet,
  pods: readonly Pod[],
  { revisions, now, deleted = 0 }: { revisions: Revisions; now: number; deleted?: number },
): StatefulSetStatus => {
  const { current, update } = revisions;
  const running = pods.filter(isRunning);
  const staying = pods.filter((pod) => !isGoing(pod));
  const replicas = pods.length;
  const readyReplicas = running.length;
  const updatedReplicas = staying.filter((pod) => revisionOf(pod) === update).length;
  const wanted = set.spec?.replicas ?? 1;
  const isComplete =
    set.spec?.updateStrategy?.type !== 'OnDelete' &&
    [replicas, readyReplicas, updatedReplicas].every((count) => count === wanted);
  const { conditions, collisionCount = 0 } = set.status ?? {};
  return {
    replicas,
    availableReplicas: running.filter((pod) => isAvailable(set, pod, now)).length,
    collisionCount,
    currentRevision: isComplete ? update : current,
    updateRevision: update,
    ...nonZero({
      observedGeneration: set.metadata?.generation ?? 0,
      readyReplicas,
      updatedReplicas,
      currentReplicas: isComplete
        ? updatedReplicas
        : Math.max(0, staying.filter((pod) => revisionOf(pod) === current).length - deleted),
    }),
    ...(conditions === undefined ? {} : { conditions }),
  };
};
