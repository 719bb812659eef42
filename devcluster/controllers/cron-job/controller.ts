/** The CronJob controller: carries out the plans of plan.ts. */
import { CRON_JOBS, JOBS, KubeError, keyOf } from '../../../kube/index.js';
import type { CronJob, Job, Kube, KubeLog } from '../../../kube/index.js';
import { sameJson } from '../canonical.js';
import type { EventRecorder } from '../events.js';
import { createExpectations } from '../expectations.js';
import { ownedBy, ownerKeys } from '../informer.js';
import type { Informer } from '../informer.js';
import { createLatest } from '../latest.js';
import { atOf, controllerOf, timestamp, uidOf } from '../meta.js';
import { startQueue } from '../queue.js';
import { planCronJob } from './plan.js';
import type { CronJobStatus, Plan } from './plan.js';

export interface CronJobControllerOptions {
  kube: Kube;
  log?: KubeLog | undefined;
  events: EventRecorder;
  cronJobs: Informer<CronJob>;
  jobs: Informer<Job>;
  clock?: () => number;
}

export const startCronJobController = (options: CronJobControllerOptions): { stop(): Promise<void> } => {
  const { kube, log, events, cronJobs, jobs, clock = Date.now } = options;
  const jobsUnder = jobs.index(ownerKeys);
  const jobOf = jobs.byUid();
  const creation = createExpectations((uid) => jobOf(uid) !== undefined, { clock });
  const latest = createLatest<CronJob>();

  /** The Job of a plan, also when it was made before and that was not written down. */
  const create = async (cronJob: CronJob, job: Job, signal: AbortSignal): Promise<Job> => {
    try {
      const created = await kube.create(JOBS, job.metadata?.namespace, job, { signal });
      creation.expect(keyOf(cronJob), uidOf(created));
      const message = `Created job ${created.metadata?.name}`;
      events.record(CRON_JOBS, cronJob, { type: 'Normal', reason: 'SuccessfulCreate', message });
      return created;
    } catch (error) {
      if (error instanceof KubeError && error.is(409)) {
        const existing = await kube.get(JOBS, atOf(job), { signal });
        if (controllerOf(existing)?.uid === uidOf(cronJob)) return existing;
      }
      const message = `Error creating job: ${(error as Error).message}`;
      if (!signal.aborted)
        events.record(CRON_JOBS, cronJob, { type: 'Warning', reason: 'FailedCreate', message });
      throw error;
    }
  };

  const carryOut = async (cronJob: CronJob, plan: Plan, signal: AbortSignal): Promise<CronJobStatus> => {
    for (const job of plan.remove) {
      const preconditions = { uid: uidOf(job) };
      await kube.delete(JOBS, atOf(job), { signal, preconditions, propagationPolicy: 'Background' });
      const message = `Deleted job ${job.metadata?.name}`;
      events.record(CRON_JOBS, cronJob, { type: 'Normal', reason: 'SuccessfulDelete', message });
    }
    if (plan.create === undefined) return plan.status;
    const { metadata } = await create(cronJob, plan.create.job, signal);
    const { name = '', namespace = '', uid = '', resourceVersion = '' } = metadata ?? {};
    const reference = { apiVersion: 'batch/v1', kind: 'Job', name, namespace, uid, resourceVersion };
    return {
      ...plan.status,
      active: [...(plan.status.active ?? []), reference],
      lastScheduleTime: timestamp(plan.create.scheduledAt),
    };
  };

  const queue = startQueue({
    name: 'cronjob',
    log,
    after: jobs.synced,
    reconcile: async (key, signal) => {
      const stored = cronJobs.store.get(key);
      if (stored === undefined) {
        for (const each of [creation, latest]) each.forget(key);
        return undefined;
      }
      const awaited = creation.pending(key);
      if (awaited !== undefined) return { requeueAfterMs: awaited };
      const cronJob = latest.of(key, stored);
      const plan = planCronJob({ cronJob, jobs: jobsUnder(ownedBy(uidOf(cronJob))), now: clock() });
      const status = await carryOut(cronJob, plan, signal);
      if (!sameJson(status, cronJob.status ?? {})) {
        const body = { ...cronJob, status };
        const written = await kube.replace(CRON_JOBS, atOf(cronJob), body, { signal, subresource: 'status' });
        latest.wrote(key, written);
      }
      for (const event of plan.events) events.record(CRON_JOBS, cronJob, event);
      return plan.requeueAfterMs === undefined ? undefined : { requeueAfterMs: plan.requeueAfterMs };
    },
  });

  cronJobs.subscribe(({ object }) => queue.add(keyOf(object)));
  jobs.subscribe(({ object }) => {
    creation.seen(uidOf(object));
    const owner = controllerOf(object);
    if (owner?.kind === 'CronJob') queue.add(`${object.metadata?.namespace}/${owner.name}`);
  });
  return { stop: () => queue.stop() };
};
