/** How long a Job waits before it replaces a failed pod: twice as long after each failure in a row. */
import type { Pod } from '../../../kube/objects.js';
import { createdAt, findCondition, millis } from '../meta.js';

const FIRST_MS = 10_000;
const LONGEST_MS = 600_000;

export interface Backoff {
  /** Failures since the last success. */
  readonly failures: number;
  /** When the latest of them was. */
  readonly lastFailureAt: number;
}

export const NO_BACKOFF: Backoff = { failures: 0, lastFailureAt: 0 };

/** When a pod ended, as far as its status tells. */
export const endedAt = (pod: Pod): number => {
  const { status, metadata } = pod;
  const ends = (status?.containerStatuses ?? []).map(({ state }) => millis(state?.terminated?.finishedAt));
  if (ends.length > 0 && ends.every((end) => end > 0)) return Math.max(...ends);
  const ready = findCondition(status?.conditions, 'Ready');
  if (ready?.status === 'False' && ready.lastTransitionTime !== undefined)
    return millis(ready.lastTransitionTime);
  if (metadata?.deletionTimestamp !== undefined)
    return millis(metadata.deletionTimestamp) - (metadata.deletionGracePeriodSeconds ?? 0) * 1000;
  return createdAt(pod);
};

/** Goes on from the last record with the pods that ended since. */
export const nextBackoff = (before: Backoff, succeeded: readonly Pod[], failed: readonly Pod[]): Backoff => {
  const lastSuccessAt = Math.max(-Infinity, ...succeeded.map(endedAt));
  const since = failed.map(endedAt).filter((at) => at > lastSuccessAt);
  const kept = succeeded.length === 0 ? before : NO_BACKOFF;
  return {
    failures: kept.failures + since.length,
    lastFailureAt: since.length === 0 ? kept.lastFailureAt : Math.max(...since),
  };
};

/** Milliseconds until the next pod may be created; 0 when it may. */
export const backoffLeft = ({ failures, lastFailureAt }: Backoff, now: number): number =>
  failures === 0
    ? 0
    : Math.max(0, lastFailureAt + Math.min(FIRST_MS * 2 ** (failures - 1), LONGEST_MS) - now);
