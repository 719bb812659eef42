/** Whether a Job has come to its end, well or badly, and why. */
import { findCondition, isTerminal, millis, timestamp } from '../meta.js';
import { judgeFailure, metSuccessPolicy } from './policies.js';
import { hasFailed } from './view.js';
import type { Condition, JobStatus, View } from './view.js';

export const condition = (
  type: string,
  { status = 'True', reason, message }: { status?: string; reason: string; message: string },
  now: number,
): Condition => ({
  ...{ type, status, reason, message },
  lastProbeTime: timestamp(now),
  lastTransitionTime: timestamp(now),
});

const holding = ({ conditions }: JobStatus, type: string): Condition | undefined => {
  const found = findCondition(conditions, type);
  return found?.status === 'True' ? found : undefined;
};

/** The condition of a Job that is over: Complete or Failed. */
export const finishOf = ({ conditions }: JobStatus): Condition | undefined =>
  conditions?.find(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True');

/** Containers that are restarted in place fail as often as they are. */
const restartsExceed = ({ spec, pods }: View): boolean => {
  if (spec.template.spec?.restartPolicy !== 'OnFailure') return false;
  const restarts = pods
    .filter((pod) => !isTerminal(pod))
    .flatMap(({ status }) => [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])])
    .reduce((total, { restartCount }) => total + restartCount, 0);
  return restarts >= Math.max(1, spec.backoffLimit ?? 6);
};

/** Milliseconds until the Job has been active for too long; undefined while nothing is measured. */
export const untilDeadline = ({ spec, status, isSuspended, now }: View): number | undefined =>
  spec.activeDeadlineSeconds === undefined || status.startTime === undefined || isSuspended
    ? undefined
    : millis(status.startTime) + spec.activeDeadlineSeconds * 1000 - now;

const failureOf = (view: View): { reason: string; message: string } | undefined => {
  const { spec, pods, failed, failedIndexes, succeededIndexes } = view;
  const failsJob = pods
    .filter((pod) => hasFailed(pod, spec))
    .map((pod) => judgeFailure(spec, pod).failsJob)
    .find((message) => message !== undefined);
  if (failsJob !== undefined) return { reason: 'PodFailurePolicy', message: failsJob };
  if (failed > (spec.backoffLimit ?? 6) || restartsExceed(view))
    return { reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' };
  if ((untilDeadline(view) ?? 1) <= 0)
    return { reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' };
  if (failedIndexes === undefined || failedIndexes.size === 0) return undefined;
  if (failedIndexes.size > (spec.maxFailedIndexes ?? Infinity))
    return {
      reason: 'MaxFailedIndexesExceeded',
      message: 'Job has exceeded the specified maximal number of failed indexes',
    };
  return failedIndexes.size + succeededIndexes.size >= (spec.completions ?? 0)
    ? { reason: 'FailedIndexes', message: 'Job has failed indexes' }
    : undefined;
};

/**
 * SuccessCriteriaMet or FailureTarget: from then on nothing but the end can come, while pods are still to go. One that
 * was found before stays.
 */
export const endingOf = (view: View): Condition | undefined => {
  const known = holding(view.status, 'SuccessCriteriaMet') ?? holding(view.status, 'FailureTarget');
  if (known !== undefined) return known;
  const failure = failureOf(view);
  if (failure !== undefined) return condition('FailureTarget', failure, view.now);
  const message = view.isIndexed ? metSuccessPolicy(view.spec, view.succeededIndexes) : undefined;
  return message === undefined
    ? undefined
    : condition('SuccessCriteriaMet', { reason: 'SuccessPolicy', message }, view.now);
};

/** Without a number of completions one success is enough, once the others have ended. */
export const completionOf = (view: View, activeCount: number): Condition | undefined => {
  const { spec, succeeded, now } = view;
  if (activeCount > 0 || succeeded < (spec.completions ?? 1)) return undefined;
  return condition(
    'SuccessCriteriaMet',
    { reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' },
    now,
  );
};

/** What the Job is once its last pod is counted and gone. */
export const finalOf = ({ type, reason = '', message = '' }: Condition, now: number): Condition =>
  condition(type === 'SuccessCriteriaMet' ? 'Complete' : 'Failed', { reason, message }, now);
