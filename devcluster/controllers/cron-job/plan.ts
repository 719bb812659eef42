/** What to do next for one CronJob: a pure function from its Jobs and the time. */
import type { CronJob, Job } from '../../../kube/objects.js';
import { CRON_JOBS } from '../../../kube/objects.js';
import type { EventInit } from '../events.js';
import { finishOf } from '../job/ending.js';
import { createdAt, millis, ownerReferenceTo, timestamp, uidOf } from '../meta.js';
import { latestBetween, parseSchedule } from './schedule.js';
import type { Schedule } from './schedule.js';

export type CronJobStatus = NonNullable<CronJob['status']>;

/** A little late, so that the clock has certainly come to the time. */
const DELAY_MS = 100;
const SCHEDULED_AT = 'batch.kubernetes.io/cronjob-scheduled-timestamp';

export interface Observed {
  cronJob: CronJob;
  /** Those that it controls. */
  jobs: readonly Job[];
  now: number;
}

export interface Plan {
  remove: Job[];
  create?: { job: Job; scheduledAt: number };
  /** Without the Job that is to be created. */
  status: CronJobStatus;
  events: EventInit[];
  requeueAfterMs?: number;
}

const nameOf = ({ metadata }: Job): string => metadata?.name ?? '';
const normal = (reason: string, message: string): EventInit => ({ type: 'Normal', reason, message });
const warning = (reason: string, message: string): EventInit => ({ type: 'Warning', reason, message });

/** The Job of a time: its name keeps it from being made twice. */
export const jobOf = (cronJob: CronJob, scheduledAt: number): Job => {
  const { jobTemplate } = cronJob.spec as NonNullable<CronJob['spec']>;
  const { labels, annotations } = jobTemplate.metadata ?? {};
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: `${cronJob.metadata?.name}-${Math.floor(scheduledAt / 60_000)}`,
      namespace: cronJob.metadata?.namespace ?? '',
      ...(labels === undefined ? {} : { labels }),
      annotations: { ...annotations, [SCHEDULED_AT]: timestamp(scheduledAt) },
      ownerReferences: [ownerReferenceTo(CRON_JOBS, cronJob)],
    },
    ...(jobTemplate.spec === undefined ? {} : { spec: jobTemplate.spec }),
  };
};

/** What became of the Jobs that it made. */
const follow = ({ cronJob, jobs }: Observed): { status: CronJobStatus; events: EventInit[] } => {
  const { active = [], ...rest } = cronJob.status ?? {};
  const events: EventInit[] = [];
  let { lastSuccessfulTime } = rest;
  for (const job of jobs) {
    const finish = finishOf(job.status ?? {});
    const isKnown = active.some(({ uid }) => uid === uidOf(job));
    if (finish === undefined && !isKnown)
      events.push(
        warning('UnexpectedJob', `Saw a job that the controller did not create or forgot: ${nameOf(job)}`),
      );
    if (finish !== undefined && isKnown)
      events.push(normal('SawCompletedJob', `Saw completed job: ${nameOf(job)}, condition: ${finish.type}`));
    const { completionTime } = job.status ?? {};
    if (completionTime !== undefined && millis(completionTime) > millis(lastSuccessfulTime))
      lastSuccessfulTime = completionTime;
  }
  const still = active.filter(({ uid, name }) => {
    const job = jobs.find((each) => uidOf(each) === uid);
    if (job === undefined) events.push(normal('MissingJob', `Active job went missing: ${name}`));
    return job !== undefined && finishOf(job.status ?? {}) === undefined;
  });
  return {
    status: {
      ...rest,
      ...(still.length === 0 ? {} : { active: still }),
      ...(lastSuccessfulTime === undefined ? {} : { lastSuccessfulTime }),
    },
    events,
  };
};

const surplus = ({ cronJob, jobs }: Observed): Job[] => {
  const { successfulJobsHistoryLimit = 3, failedJobsHistoryLimit = 1 } = cronJob.spec ?? {};
  const oldest = (type: string, limit: number): Job[] => {
    const ended = jobs.filter((job) => finishOf(job.status ?? {})?.type === type);
    const startedAt = (job: Job): number => millis(job.status?.startTime) || createdAt(job);
    return ended.sort((a, b) => startedAt(a) - startedAt(b)).slice(0, Math.max(0, ended.length - limit));
  };
  return [
    ...oldest('Complete', successfulJobsHistoryLimit),
    ...oldest('Failed', failedJobsHistoryLimit),
  ].filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
};

const scheduleOf = ({ spec }: CronJob, events: EventInit[]): Schedule | undefined => {
  const { schedule = '', timeZone } = spec ?? {};
  try {
    const parsed = parseSchedule(schedule, timeZone);
    if (parsed === undefined)
      events.push(warning('UnparseableSchedule', `unparseable schedule: "${schedule}"`));
    return parsed;
  } catch {
    events.push(warning('UnknownTimeZone', `invalid timeZone: "${timeZone}": unknown time zone ${timeZone}`));
    return undefined;
  }
};

export const planCronJob = (observed: Observed): Plan => {
  const { cronJob, jobs, now } = observed;
  const { status, events } = follow(observed);
  const plan: Plan = { remove: surplus(observed), status, events };
  if (cronJob.metadata?.deletionTimestamp !== undefined || cronJob.spec?.suspend === true) return plan;
  const schedule = scheduleOf(cronJob, events);
  if (schedule === undefined) return plan;
  const last = status.lastScheduleTime === undefined ? createdAt(cronJob) : millis(status.lastScheduleTime);
  const scheduledAt = latestBetween(schedule, last, now);
  const next = schedule.next(now);
  if (next !== undefined) plan.requeueAfterMs = next + DELAY_MS - now;
  if (scheduledAt === undefined) return plan;
  const { startingDeadlineSeconds = Infinity, concurrencyPolicy } = cronJob.spec ?? {};
  const active = status.active ?? [];
  if (scheduledAt + startingDeadlineSeconds * 1000 < now) {
    const time = new Date(scheduledAt).toUTCString().replace('GMT', '+0000');
    events.push(warning('MissSchedule', `Missed scheduled time to start a job: ${time}`));
    return plan;
  }
  const job = jobOf(cronJob, scheduledAt);
  if (active.some(({ name }) => name === nameOf(job))) return plan;
  if (concurrencyPolicy === 'Forbid' && active.length > 0) {
    const message = 'Not starting job because prior execution is running and concurrency policy is Forbid';
    events.push(normal('JobAlreadyActive', message));
    return plan;
  }
  plan.create = { job, scheduledAt };
  if (concurrencyPolicy === 'Replace') {
    const isActive = (each: Job): boolean => active.some(({ uid }) => uid === uidOf(each));
    plan.remove.push(...jobs.filter(isActive));
    const { active: _active, ...rest } = status;
    plan.status = rest;
  }
  return plan;
};
