/** The ReplicaSet controller: as many pods as wanted, and the status that tells of them. */
import { PODS, REPLICA_SETS, keyOf } from '../../../kube/index.js';
import type { Kube, KubeLog, Pod, ReplicaSet } from '../../../kube/index.js';
import { settleClaim } from '../adopt.js';
import { sameJson } from '../canonical.js';
import { claim } from '../claim.js';
import type { EventRecorder } from '../events.js';
import { createExpectations } from '../expectations.js';
import { orphansOf, ownedBy } from '../informer.js';
import type { Informer } from '../informer.js';
import { atOf, controllerOf, findCondition, isActive, uidOf } from '../meta.js';
import { startQueue } from '../queue.js';
import { selects } from '../selector.js';
import { planReplicas, podFrom, replicaSetStatus } from './plan.js';
import type { Failure } from './plan.js';

/** Milliseconds for which the changes of pods are gathered before their ReplicaSet is looked at. */
const GATHER_MS = 20;
/** Calls at once, at most. */
const LARGEST_BATCH = 32;

/** Runs `times` calls, in batches that grow while all goes well; the first failure ends it after its batch. */
const slowStart = async (times: number, call: (nth: number) => Promise<void>): Promise<void> => {
  for (let done = 0, size = 1; done < times; size = Math.min(size * 2, LARGEST_BATCH)) {
    const batch = Array.from({ length: Math.min(size, times - done) }, (_, nth) => call(done + nth));
    const failed = (await Promise.allSettled(batch)).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
    done += batch.length;
  }
};

export interface ReplicaSetControllerOptions {
  kube: Kube;
  log?: KubeLog | undefined;
  events: EventRecorder;
  replicaSets: Informer<ReplicaSet>;
  pods: Informer<Pod>;
  /** Pods by the keys of `ownerKeys`. */
  podsUnder(key: string): readonly Pod[];
  clock?: () => number;
}

export const startReplicaSetController = (
  options: ReplicaSetControllerOptions,
): { stop(): Promise<void> } => {
  const { kube, log, events, replicaSets, pods, podsUnder, clock = Date.now } = options;
  const byUid = pods.index((pod) => [uidOf(pod)]);
  const creation = createExpectations((uid) => byUid(uid).length > 0, { clock });
  const deletion = createExpectations((uid) => !byUid(uid).some(isActive), { clock });

  const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

  const createPods = async (rs: ReplicaSet, count: number, signal: AbortSignal): Promise<void> => {
    const body = podFrom(rs);
    await slowStart(count, async () => {
      try {
        const pod = await kube.create(PODS, rs.metadata?.namespace, body, { signal });
        creation.expect(keyOf(rs), uidOf(pod));
        const message = `Created pod: ${pod.metadata?.name}`;
        events.record(REPLICA_SETS, rs, { type: 'Normal', reason: 'SuccessfulCreate', message });
      } catch (error) {
        const message = `Error creating: ${textOf(error)}`;
        if (!signal.aborted)
          events.record(REPLICA_SETS, rs, { type: 'Warning', reason: 'FailedCreate', message });
        throw error;
      }
    });
  };

  const deletePods = async (rs: ReplicaSet, surplus: readonly Pod[], signal: AbortSignal): Promise<void> => {
    await slowStart(surplus.length, async (nth) => {
      const pod = surplus[nth] as Pod;
      await kube.delete(PODS, atOf(pod), { signal, preconditions: { uid: uidOf(pod) } });
      deletion.expect(keyOf(rs), uidOf(pod));
      const message = `Deleted pod: ${pod.metadata?.name}`;
      events.record(REPLICA_SETS, rs, { type: 'Normal', reason: 'SuccessfulDelete', message });
    });
  };

  /** Creates or deletes, and answers what went wrong. */
  const manage = async (
    rs: ReplicaSet,
    active: readonly Pod[],
    signal: AbortSignal,
  ): Promise<{ failure: Failure; error: unknown } | undefined> => {
    const { create, remove } = planReplicas(rs, active);
    try {
      if (create > 0) await createPods(rs, create, signal);
      else await deletePods(rs, remove, signal);
      return undefined;
    } catch (error) {
      return {
        failure: { reason: create > 0 ? 'FailedCreate' : 'FailedDelete', message: textOf(error) },
        error,
      };
    }
  };

  const knownFailure = (rs: ReplicaSet): Failure | undefined => {
    const known = findCondition(rs.status?.conditions, 'ReplicaFailure');
    return known && { reason: known.reason as Failure['reason'], message: known.message ?? '' };
  };

  const queue = startQueue({
    name: 'replicaset',
    log,
    concurrency: 4,
    reconcile: async (key, signal) => {
      const rs = replicaSets.store.get(key);
      if (rs === undefined) {
        creation.forget(key);
        deletion.forget(key);
        return undefined;
      }
      const candidates = [...podsUnder(ownedBy(uidOf(rs))), ...podsUnder(orphansOf(rs.metadata?.namespace))];
      const claimed = claim(rs, rs.spec?.selector, candidates.filter(isActive));
      await settleClaim(kube, PODS, claimed, { owner: rs, ownerResource: REPLICA_SETS, signal });
      // What was adopted or released comes back by the watch, and must not be made up for before.
      const settled = claimed.adopt.length + claimed.release.length === 0;
      const awaited = creation.pending(key) ?? deletion.pending(key);
      const manages = settled && awaited === undefined && rs.metadata?.deletionTimestamp === undefined;
      const failed = manages ? await manage(rs, claimed.owned, signal) : undefined;
      const failure = manages ? failed?.failure : knownFailure(rs);
      const { status, requeueAfterMs } = replicaSetStatus(rs, claimed.owned, failure, clock());
      if (!sameJson(status, rs.status ?? {})) {
        await kube.replace(REPLICA_SETS, atOf(rs), { ...rs, status }, { signal, subresource: 'status' });
      }
      if (failed !== undefined) throw failed.error;
      const again = Math.min(awaited ?? Infinity, requeueAfterMs ?? Infinity);
      return Number.isFinite(again) ? { requeueAfterMs: again } : undefined;
    },
  });

  replicaSets.subscribe(({ object }) => queue.add(keyOf(object)));
  pods.subscribe(({ type, object, previous }) => {
    creation.seen(uidOf(object));
    if (type === 'deleted' || !isActive(object)) deletion.seen(uidOf(object));
    const { namespace } = object.metadata ?? {};
    for (const owner of [controllerOf(object), previous && controllerOf(previous)]) {
      if (owner?.kind === 'ReplicaSet') queue.addAfter(`${namespace}/${owner.name}`, GATHER_MS);
    }
    if (controllerOf(object) !== undefined || type === 'deleted') return;
    for (const rs of replicaSets.store.values()) {
      const here = rs.metadata?.namespace === namespace;
      if (here && selects(rs.spec?.selector, object.metadata?.labels)) queue.addAfter(keyOf(rs), GATHER_MS);
    }
  });
  return { stop: () => queue.stop() };
};
