/** The Job controller: carries out the plans of plan.ts, and deletes Jobs that have been over for long enough. */
import { JOBS, KubeError, PODS, keyOf } from '../../../kube/index.js';
import type { Job, Kube, KubeLog, Pod } from '../../../kube/index.js';
import { settleClaim } from '../adopt.js';
import { sameJson } from '../canonical.js';
import { claim } from '../claim.js';
import type { Claim } from '../claim.js';
import type { EventInit, EventRecorder } from '../events.js';
import { createExpectations } from '../expectations.js';
import { ownedBy } from '../informer.js';
import type { Informer } from '../informer.js';
import { createLatest } from '../latest.js';
import { atOf, controllerOf, millis, ownerReferenceTo, uidOf } from '../meta.js';
import { createOwnedPods } from '../owned-pods.js';
import type { PodIndex } from '../owned-pods.js';
import { startQueue } from '../queue.js';
import { slowStart } from '../slow-start.js';
import { NO_BACKOFF } from './backoff.js';
import type { Backoff } from './backoff.js';
import { finishOf } from './ending.js';
import { planJob, settle } from './plan.js';
import type { Plan } from './plan.js';
import { TRACKING, isTracked } from './view.js';
import type { JobStatus } from './view.js';

/** Milliseconds for which the changes of pods are gathered before their Job is looked at. */
const GATHER_MS = 20;
const MANAGER = 'kubernetes.io/job-controller';

export interface JobControllerOptions extends PodIndex {
  kube: Kube;
  log?: KubeLog | undefined;
  events: EventRecorder;
  jobs: Informer<Job>;
  clock?: () => number;
}

export const startJobController = (options: JobControllerOptions): { stop(): Promise<void> } => {
  const { kube, log, events, jobs, pods, podsUnder, podOf, clock = Date.now } = options;
  const owned = createOwnedPods({
    ...{ ...options, owners: jobs, clock },
    wake: (key) => queue.addAfter(key, GATHER_MS),
  });
  const isUntracked = (pod: Pod | undefined): boolean => pod === undefined || !isTracked(pod);
  const untracking = createExpectations((uid) => isUntracked(podOf(uid)), { clock });
  const latest = createLatest<Job>();
  const backoffs = new Map<string, Backoff>();

  const tell = (job: Job, told: readonly EventInit[]): void =>
    told.forEach((event) => events.record(JOBS, job, event));
  const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

  /** A pod that is gone has lost its finalizer too. */
  const untrack = async (pod: Pod, signal: AbortSignal): Promise<void> => {
    const body = { metadata: { uid: uidOf(pod), '$deleteFromPrimitiveList/finalizers': [TRACKING] } };
    try {
      await kube.patch(PODS, atOf(pod), { type: 'strategic', body }, { signal });
    } catch (error) {
      if (!(error instanceof KubeError) || !error.is(404)) throw error;
    }
  };

  const createPods = async (job: Job, { create }: Plan, signal: AbortSignal): Promise<number> => {
    let created = 0;
    await slowStart(create.length, async (nth) => {
      try {
        const pod = await kube.create(PODS, job.metadata?.namespace, create[nth] as Pod, { signal });
        owned.created(keyOf(job), pod);
        created++;
        const message = `Created pod: ${pod.metadata?.name}`;
        tell(job, [{ type: 'Normal', reason: 'SuccessfulCreate', message }]);
      } catch (error) {
        if (!signal.aborted)
          tell(job, [
            { type: 'Warning', reason: 'FailedCreate', message: `Error creating: ${textOf(error)}` },
          ]);
        throw error;
      }
    });
    return created;
  };

  const deletePods = async (job: Job, plan: Plan, signal: AbortSignal): Promise<void> => {
    await slowStart(plan.remove.length, async (nth) => {
      const pod = plan.remove[nth] as Pod;
      if (plan.isUncounted && isTracked(pod)) {
        await untrack(pod, signal);
        untracking.expect(keyOf(job), uidOf(pod));
      }
      await kube.delete(PODS, atOf(pod), { signal, preconditions: { uid: uidOf(pod) } });
      owned.deleted(keyOf(job), pod);
      tell(job, [
        { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${pod.metadata?.name}` },
      ]);
    });
  };

  const writeStatus = async (job: Job, status: JobStatus, signal: AbortSignal): Promise<Job> => {
    if (sameJson(status, job.status ?? {})) return job;
    const written = await kube.replace(
      JOBS,
      atOf(job),
      { ...job, status },
      { signal, subresource: 'status' },
    );
    latest.wrote(keyOf(job), written);
    return written;
  };

  /** Deletes a Job that is over when its time has come. */
  const expire = async (job: Job, signal: AbortSignal): Promise<void | { requeueAfterMs: number }> => {
    const seconds = job.spec?.ttlSecondsAfterFinished;
    if (seconds === undefined || job.metadata?.deletionTimestamp !== undefined) return;
    const left = millis(finishOf(job.status ?? {})?.lastTransitionTime) + seconds * 1000 - clock();
    if (left > 0) return { requeueAfterMs: left };
    const preconditions = { uid: uidOf(job) };
    await kube.delete(JOBS, atOf(job), { signal, preconditions, propagationPolicy: 'Foreground' });
  };

  /** An adopted pod is tracked from then on. Answers whether anything changed. */
  const settleClaims = async (job: Job, claimed: Claim<Pod>, signal: AbortSignal): Promise<boolean> => {
    for (const pod of claimed.adopt) {
      const { uid, resourceVersion, ownerReferences = [], finalizers = [] } = pod.metadata ?? {};
      const owners = [...ownerReferences, ownerReferenceTo(JOBS, job)];
      const held = [...finalizers.filter((name) => name !== TRACKING), TRACKING];
      const metadata = { uid, resourceVersion, ownerReferences: owners, finalizers: held };
      await kube.patch(PODS, atOf(pod), { type: 'merge', body: { metadata } }, { signal });
    }
    const { release } = claimed;
    await settleClaim(kube, PODS, { ...claimed, adopt: [] }, { owner: job, ownerResource: JOBS, signal });
    return claimed.adopt.length + release.length > 0;
  };

  const queue = startQueue({
    name: 'job',
    log,
    concurrency: 4,
    reconcile: async (key, signal) => {
      const stored = jobs.store.get(key);
      const observed = stored && latest.of(key, stored);
      if (observed === undefined || finishOf(observed.status ?? {}) !== undefined) backoffs.delete(key);
      if (observed === undefined) {
        for (const each of [latest, owned, untracking]) each.forget(key);
        return undefined;
      }
      if ((observed.spec?.managedBy ?? MANAGER) !== MANAGER) return undefined;
      if (finishOf(observed.status ?? {}) !== undefined) return expire(observed, signal);
      const awaited = owned.pending(key) ?? untracking.pending(key);
      if (awaited !== undefined) return { requeueAfterMs: awaited };
      const claimed = claim(observed, observed.spec?.selector, owned.candidates(observed));
      if (await settleClaims(observed, claimed, signal)) return undefined;

      const backoff = backoffs.get(key) ?? NO_BACKOFF;
      const plan = planJob({ job: observed, pods: claimed.owned, backoff, now: clock() });
      await deletePods(observed, plan, signal);
      let failure: { error: unknown } | undefined;
      let created = 0;
      try {
        created = await createPods(observed, plan, signal);
      } catch (error) {
        failure = { error };
      }
      const { active, ...others } = plan.status;
      const running = (active ?? 0) - (failure === undefined ? 0 : plan.create.length - created);
      const status = running > 0 ? { ...others, active: running } : others;
      const job = await writeStatus(observed, status, signal);
      backoffs.set(key, plan.backoff);
      tell(job, plan.events);
      await slowStart(plan.release.length, async (nth) => {
        const pod = plan.release[nth] as Pod;
        await untrack(pod, signal);
        untracking.expect(key, uidOf(pod));
      });
      const released = new Set(plan.release.map(uidOf));
      const held = claimed.owned.filter((pod) => isTracked(pod) && !released.has(uidOf(pod)));
      const settled = settle({ ...plan, status }, new Set(held.map(uidOf)), job);
      tell(await writeStatus(job, settled.status, signal), settled.events);
      if (failure !== undefined) throw failure.error;
      return plan.requeueAfterMs === undefined ? undefined : { requeueAfterMs: plan.requeueAfterMs };
    },
  });

  /** Pods that no Job counts any more are not to be kept by its finalizer. */
  const strays = startQueue({
    name: 'job-strays',
    log,
    after: jobs.synced,
    concurrency: 4,
    reconcile: async (key, signal) => {
      const pod = pods.store.get(key);
      if (pod === undefined || !isTracked(pod)) return;
      const owner = controllerOf(pod);
      if (owner !== undefined && owner.kind !== 'Job') return;
      const job = owner && jobs.store.get(`${pod.metadata?.namespace}/${owner.name}`);
      const isCounted =
        job !== undefined && uidOf(job) === owner?.uid && finishOf(job.status ?? {}) === undefined;
      if (!isCounted) await untrack(pod, signal);
    },
  });
  const addStrays = (job: Job): void =>
    podsUnder(ownedBy(uidOf(job)))
      .filter(isTracked)
      .forEach((pod) => strays.add(keyOf(pod)));

  jobs.subscribe(({ type, object }) => {
    queue.add(keyOf(object));
    if (type === 'deleted' || finishOf(object.status ?? {}) !== undefined) addStrays(object);
  });
  pods.subscribe(({ type, object }) => {
    if (type === 'deleted' || !isTracked(object)) return untracking.seen(uidOf(object));
    if ((controllerOf(object)?.kind ?? 'Job') === 'Job') strays.add(keyOf(object));
  });
  return {
    stop: async () => {
      await Promise.all([queue.stop(), strays.stop()]);
    },
  };
};
