/**
 * What to do next for one Job: pure functions from what is observed. A pod's end is counted in two steps, so that none is
 * lost and none counts twice: its uid is written down as uncounted; then its finalizer goes and the count is written.
 */
import type { Pod } from '../../../kube/objects.js';
import type { EventInit } from '../events.js';
import { findCondition, isReady, timestamp, uidOf, withCondition } from '../meta.js';
import { completionOf, condition, endingOf, finalOf, untilDeadline } from './ending.js';
import { formatIndexes, indexOf } from './indexes.js';
import { manage } from './manage.js';
import { judgeFailure } from './policies.js';
import { hasFailed, isInRange, isTracked, viewOf } from './view.js';
import type { Condition, JobStatus, Observed, View } from './view.js';
import type { Backoff } from './backoff.js';

export interface Plan {
  create: Pod[];
  remove: Pod[];
  /** The pods to remove do not count: their finalizers go before they do. */
  isUncounted: boolean;
  /** To be written before the finalizers of `release` go. */
  status: JobStatus;
  release: Pod[];
  /** Complete or Failed, for when every pod is counted and gone. */
  final?: Condition;
  /** To be told once the status is written. */
  events: EventInit[];
  backoff: Backoff;
  requeueAfterMs?: number;
}

/** The status with its zeros and empty lists where the API has them. */
const tidy = ({
  active,
  succeeded,
  failed,
  completedIndexes,
  uncountedTerminatedPods,
  ...rest
}: JobStatus): JobStatus => {
  const { succeeded: well = [], failed: badly = [] } = uncountedTerminatedPods ?? {};
  return {
    ...rest,
    ...(active ? { active } : {}),
    ...(succeeded ? { succeeded } : {}),
    ...(failed ? { failed } : {}),
    ...(completedIndexes ? { completedIndexes } : {}),
    uncountedTerminatedPods: {
      ...(well.length > 0 ? { succeeded: well } : {}),
      ...(badly.length > 0 ? { failed: badly } : {}),
    },
  };
};

/** Counts those that are written down and no longer held by the finalizer. */
const countReleased = (status: JobStatus, held: ReadonlySet<string>, isIndexed: boolean): JobStatus => {
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {};
  const stillSucceeded = succeeded.filter((uid) => held.has(uid));
  const stillFailed = failed.filter((uid) => held.has(uid));
  return {
    ...status,
    succeeded: (status.succeeded ?? 0) + (isIndexed ? 0 : succeeded.length - stillSucceeded.length),
    failed: (status.failed ?? 0) + failed.length - stillFailed.length,
    uncountedTerminatedPods: { succeeded: stillSucceeded, failed: stillFailed },
  };
};

/** Writes down what ended, and answers whose finalizers may go then. */
const track = (view: View, ending: Condition | undefined): { release: Pod[]; status: JobStatus } => {
  const { job, spec, status, pods, uncounted, isIndexed, succeededIndexes, failedIndexes, retried } = view;
  const held = pods.filter(isTracked);
  const counted = countReleased(status, new Set(held.map(uidOf)), isIndexed);
  const { succeeded = [], failed = [] } = counted.uncountedTerminatedPods ?? {};
  const isBadEnd = ending?.type === 'FailureTarget';
  const isRetried = (pod: Pod): boolean => retried.get(indexOf(pod) ?? -1) === pod;
  const release = held.filter(
    (pod) =>
      job.metadata?.deletionTimestamp !== undefined ||
      ending !== undefined ||
      pod.status?.phase === 'Succeeded' ||
      (hasFailed(pod, spec) && !isRetried(pod)),
  );
  for (const pod of release) {
    const uid = uidOf(pod);
    if (pod.status?.phase === 'Succeeded' && !uncounted.failed.has(uid)) {
      if (!isIndexed && !uncounted.succeeded.has(uid)) succeeded.push(uid);
    } else if ((hasFailed(pod, spec) || isBadEnd) && !uncounted.failed.has(uid) && isInRange(pod, spec)) {
      if (judgeFailure(spec, pod).isCounted) failed.push(uid);
    }
  }
  return {
    release,
    status: {
      ...counted,
      ...(isIndexed
        ? { succeeded: succeededIndexes.size, completedIndexes: formatIndexes(succeededIndexes) }
        : {}),
      ...(failedIndexes === undefined ? {} : { failedIndexes: formatIndexes(failedIndexes) }),
      uncountedTerminatedPods: { succeeded, failed },
    },
  };
};

/** A pause and its end are conditions; a Job that was never suspended says nothing of it. */
const suspension = ({ status, isSuspended, now }: View): { status: JobStatus; events: EventInit[] } => {
  const before = findCondition(status.conditions, 'Suspended')?.status ?? 'False';
  if ((before === 'True') === isSuspended) return { status, events: [] };
  const wanted = isSuspended
    ? { status: 'True', reason: 'JobSuspended', message: 'Job suspended' }
    : { status: 'False', reason: 'JobResumed', message: 'Job resumed' };
  return {
    status: {
      ...status,
      conditions: withCondition(status.conditions ?? [], condition('Suspended', wanted, now)),
      ...(isSuspended ? {} : { startTime: timestamp(now) }),
    },
    events: [{ type: 'Normal', reason: isSuspended ? 'Suspended' : 'Resumed', message: wanted.message }],
  };
};

const withStart = ({ job, ...rest }: Observed): Observed => {
  const startTime = job.status?.startTime ?? (job.spec?.suspend === true ? undefined : timestamp(rest.now));
  return {
    ...rest,
    job: { ...job, status: { ...job.status, ...(startTime === undefined ? {} : { startTime }) } },
  };
};

export const planJob = (observed: Observed): Plan => {
  let view = viewOf(withStart(observed));
  const { job, now, active, backoff } = view;
  let ending = endingOf(view);
  const isEnding = ending !== undefined;
  const goes = job.metadata?.deletionTimestamp !== undefined;
  const { create, remove, waitMs } = isEnding
    ? { create: [], remove: active, waitMs: undefined }
    : goes
      ? { create: [], remove: [], waitMs: undefined }
      : manage(view);
  // While the back-off lasts, the real controller says that no pod is active.
  const activeCount =
    create.length === 0 && waitMs !== undefined ? 0 : active.length + create.length - remove.length;
  ending ??= completionOf(view, activeCount);
  let events: EventInit[] = [];
  if (ending === undefined && !goes) {
    const told = suspension(view);
    events = told.events;
    view = { ...view, status: told.status };
  }
  const { release, status } = track(view, ending);
  const { conditions = [] } = status;
  const kept = active.filter((pod) => !remove.includes(pod));
  const late = isEnding ? undefined : untilDeadline(view);
  const again = Math.min(late ?? Infinity, waitMs ?? Infinity);
  return {
    ...{ create, remove, release, events, backoff },
    isUncounted: !isEnding,
    status: tidy({
      ...status,
      active: activeCount,
      ready: kept.filter(isReady).length,
      terminating: view.terminating.length + remove.length,
      ...(ending === undefined || findCondition(conditions, ending.type) !== undefined
        ? {}
        : { conditions: [...conditions, ending] }),
    }),
    ...(ending === undefined ? {} : { final: finalOf(ending, now) }),
    ...(Number.isFinite(again) ? { requeueAfterMs: Math.max(again, 0) } : {}),
  };
};

/** The status after the finalizers are gone; `held` are the uids of the pods that still have theirs. */
export const settle = (
  { status, final }: Pick<Plan, 'status' | 'final'>,
  held: ReadonlySet<string>,
  { spec }: Observed['job'],
): { status: JobStatus; events: EventInit[] } => {
  const counted = tidy(countReleased(status, held, spec?.completionMode === 'Indexed'));
  const { succeeded = [], failed = [] } = counted.uncountedTerminatedPods ?? {};
  const isWaiting = succeeded.length + failed.length + (counted.terminating ?? 0) > 0;
  if (final === undefined || isWaiting) return { status: counted, events: [] };
  const isComplete = final.type === 'Complete';
  const tooMany = isComplete && (counted.succeeded ?? 0) > (spec?.completions ?? Infinity);
  const message = 'Too many succeeded pods running after completion count reached';
  return {
    status: {
      ...counted,
      conditions: [...(counted.conditions ?? []), final],
      ...(isComplete ? { completionTime: final.lastTransitionTime as string } : {}),
    },
    events: [
      ...(tooMany ? [{ type: 'Warning', reason: 'TooManySucceededPods', message } as const] : []),
      isComplete
        ? { type: 'Normal', reason: 'Completed', message: 'Job completed' }
        : { type: 'Warning', reason: final.reason ?? '', message: final.message ?? '' },
    ],
  };
};
