/** What is seen of a Job: its pods sorted by what became of them, and the counts that follow. */
import type { Job, Pod } from '../../../kube/objects.js';
import { isActive, isTerminating, uidOf } from '../meta.js';
import { nextBackoff } from './backoff.js';
import type { Backoff } from './backoff.js';
import { indexOf, indexesOf, parseIndexes } from './indexes.js';
import { judgeFailure } from './policies.js';

/** Keeps a pod until its end is counted. */
export const TRACKING = 'batch.kubernetes.io/job-tracking';

export type JobSpec = NonNullable<Job['spec']>;
export type JobStatus = NonNullable<Job['status']>;
export type Condition = NonNullable<JobStatus['conditions']>[number];

export interface Observed {
  job: Job;
  /** Those that the Job controls, also those that go. */
  pods: readonly Pod[];
  backoff: Backoff;
  now: number;
}

export interface View extends Observed {
  spec: JobSpec;
  status: JobStatus;
  isIndexed: boolean;
  isSuspended: boolean;
  active: Pod[];
  /** On their way out and not ended yet. */
  terminating: Pod[];
  /** Counted and to be counted. */
  succeeded: number;
  failed: number;
  /** Uids whose end is written down and not counted yet. */
  uncounted: { succeeded: ReadonlySet<string>; failed: ReadonlySet<string> };
  succeededIndexes: Set<number>;
  /** There only when each index has a back-off limit of its own. */
  failedIndexes: Set<number> | undefined;
  /** The last failed pod of each index that is to be tried again: its failures are told to the next one. */
  retried: ReadonlyMap<number, Pod>;
}

export const isTracked = ({ metadata }: Pod): boolean => metadata?.finalizers?.includes(TRACKING) ?? false;

/** A Job with rules about failures waits until a pod has really ended. */
export const replacesOnlyFailed = ({ podReplacementPolicy, podFailurePolicy }: JobSpec): boolean =>
  podReplacementPolicy === 'Failed' || podFailurePolicy !== undefined;

/** A deleted pod has failed as well, even if its node never says so. */
export const hasFailed = (pod: Pod, spec: JobSpec): boolean => {
  const { phase } = pod.status ?? {};
  if (phase === 'Failed') return true;
  return !replacesOnlyFailed(spec) && pod.metadata?.deletionTimestamp !== undefined && phase !== 'Succeeded';
};

export const INDEX_FAILURES = 'batch.kubernetes.io/job-index-failure-count';
export const INDEX_IGNORED_FAILURES = 'batch.kubernetes.io/job-index-ignored-failure-count';

export const failuresIn = ({ metadata }: Pod, annotation: string): number =>
  Number(metadata?.annotations?.[annotation] ?? 0) || 0;
export const failuresOf = (pod: Pod): number =>
  failuresIn(pod, INDEX_FAILURES) + failuresIn(pod, INDEX_IGNORED_FAILURES);

const failsIndex = (pod: Pod, spec: JobSpec): boolean => {
  if (!hasFailed(pod, spec)) return false;
  const { action, isCounted } = judgeFailure(spec, pod);
  const limit = spec.backoffLimitPerIndex ?? Infinity;
  return action === 'FailIndex' || (isCounted && failuresIn(pod, INDEX_FAILURES) >= limit);
};

/** True for pods that an Indexed Job of this size can use. */
export const isInRange = (pod: Pod, { completionMode, completions = 0 }: JobSpec): boolean => {
  const index = indexOf(pod);
  return completionMode !== 'Indexed' || (index !== undefined && index < completions);
};

const retriedPods = (failed: readonly Pod[], isDone: (index: number) => boolean): Map<number, Pod> => {
  const retried = new Map<number, Pod>();
  for (const pod of failed) {
    const index = indexOf(pod);
    if (index === undefined || isDone(index)) continue;
    const before = retried.get(index);
    if (before === undefined || failuresOf(before) <= failuresOf(pod)) retried.set(index, pod);
  }
  return retried;
};

export const viewOf = (observed: Observed): View => {
  const { job, pods } = observed;
  const spec = job.spec as JobSpec;
  const status = job.status ?? {};
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {};
  const uncounted = { succeeded: new Set(succeeded), failed: new Set(failed) };
  const isIndexed = spec.completionMode === 'Indexed';
  const usable = pods.filter((pod) => isTracked(pod) && isInRange(pod, spec));
  const newlySucceeded = usable.filter(
    (pod) => pod.status?.phase === 'Succeeded' && !uncounted.succeeded.has(uidOf(pod)),
  );
  const allFailed = usable.filter((pod) => hasFailed(pod, spec));
  const newlyFailed = allFailed.filter((pod) => !uncounted.failed.has(uidOf(pod)));
  const counted = newlyFailed.filter((pod) => judgeFailure(spec, pod).isCounted);
  const active = pods.filter(isActive);

  const completions = spec.completions ?? 0;
  const succeededIndexes = new Set(
    isIndexed
      ? [
          ...parseIndexes(status.completedIndexes, completions),
          ...indexesOf(usable.filter((pod) => pod.status?.phase === 'Succeeded')),
        ]
      : [],
  );
  const failedIndexes =
    isIndexed && spec.backoffLimitPerIndex !== undefined
      ? new Set([
          ...parseIndexes(status.failedIndexes, completions),
          ...indexesOf(usable.filter((pod) => failsIndex(pod, spec))),
        ])
      : undefined;
  const activeIndexes = indexesOf(active);
  const isDone = (index: number): boolean =>
    succeededIndexes.has(index) || failedIndexes?.has(index) === true || activeIndexes.has(index);
  return {
    ...observed,
    ...{ spec, status, isIndexed, active, uncounted, succeededIndexes, failedIndexes },
    isSuspended: spec.suspend === true,
    terminating: pods.filter(isTerminating),
    succeeded: isIndexed
      ? succeededIndexes.size
      : (status.succeeded ?? 0) + newlySucceeded.length + uncounted.succeeded.size,
    failed: (status.failed ?? 0) + counted.length + uncounted.failed.size,
    retried: failedIndexes === undefined ? new Map() : retriedPods(allFailed, isDone),
    backoff: nextBackoff(observed.backoff, newlySucceeded, newlyFailed),
  };
};
