/** The ReplicaSet controller: as many pods as wanted, and the status that tells of them. */
import { PODS, REPLICA_SETS, keyOf } from '../../../kube/index.js';
import type { Kube, KubeLog, Pod, ReplicaSet } from '../../../kube/index.js';
import { settleClaim } from '../adopt.js';
import { sameJson } from '../canonical.js';
import { claim } from '../claim.js';
import type { EventRecorder } from '../events.js';
import { ownedBy } from '../informer.js';
import type { Informer } from '../informer.js';
import { atOf, findCondition, isActive, isTerminating, uidOf } from '../meta.js';
import { createOwnedPods } from '../owned-pods.js';
import type { PodIndex } from '../owned-pods.js';
import { podFrom } from '../pod-template.js';
import { startQueue } from '../queue.js';
import { selects } from '../selector.js';
import { slowStart } from '../slow-start.js';
import { planReplicas, replicaSetStatus } from './plan.js';
import type { Failure } from './plan.js';

/** Milliseconds for which the changes of pods are gathered before their ReplicaSet is looked at. */
const GATHER_MS = 20;
export interface ReplicaSetControllerOptions extends PodIndex {
  kube: Kube;
  log?: KubeLog | undefined;
  events: EventRecorder;
  replicaSets: Informer<ReplicaSet>;
  clock?: () => number;
}

export const startReplicaSetController = (
  options: ReplicaSetControllerOptions,
): { stop(): Promise<void> } => {
  const { kube, log, events, replicaSets, podsUnder, clock = Date.now } = options;
  const owned = createOwnedPods({
    ...{ ...options, owners: replicaSets, clock },
    wake: (key) => queue.addAfter(key, GATHER_MS),
  });

  const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

  const createPods = async (rs: ReplicaSet, count: number, signal: AbortSignal): Promise<void> => {
    const body = podFrom(rs.spec?.template, { resource: REPLICA_SETS, owner: rs });
    await slowStart(count, async () => {
      try {
        const pod = await kube.create(PODS, rs.metadata?.namespace, body, { signal });
        owned.created(keyOf(rs), pod);
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
      owned.deleted(keyOf(rs), pod);
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

  const terminatingOf = (rs: ReplicaSet): number =>
    podsUnder(ownedBy(uidOf(rs))).filter(
      (pod) => isTerminating(pod) && selects(rs.spec?.selector, pod.metadata?.labels),
    ).length;

  const queue = startQueue({
    name: 'replicaset',
    log,
    concurrency: 4,
    reconcile: async (key, signal) => {
      const rs = replicaSets.store.get(key);
      if (rs === undefined) {
        owned.forget(key);
        return undefined;
      }
      const claimed = claim(rs, rs.spec?.selector, owned.candidates(rs).filter(isActive));
      await settleClaim(kube, PODS, claimed, { owner: rs, ownerResource: REPLICA_SETS, signal });
      // What was adopted or released comes back by the watch, and must not be made up for before.
      const settled = claimed.adopt.length + claimed.release.length === 0;
      const awaited = owned.pending(key);
      const manages = settled && awaited === undefined && rs.metadata?.deletionTimestamp === undefined;
      const failed = manages ? await manage(rs, claimed.owned, signal) : undefined;
      const failure = manages ? failed?.failure : knownFailure(rs);
      const counted = { active: claimed.owned, terminating: terminatingOf(rs), failure };
      const { status, requeueAfterMs } = replicaSetStatus(rs, counted, clock());
      if (!sameJson(status, rs.status ?? {})) {
        await kube.replace(REPLICA_SETS, atOf(rs), { ...rs, status }, { signal, subresource: 'status' });
      }
      if (failed !== undefined) throw failed.error;
      const again = Math.min(awaited ?? Infinity, requeueAfterMs ?? Infinity);
      return Number.isFinite(again) ? { requeueAfterMs: again } : undefined;
    },
  });

  replicaSets.subscribe(({ object }) => queue.add(keyOf(object)));
  return { stop: () => queue.stop() };
};
