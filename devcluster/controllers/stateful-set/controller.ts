/** The StatefulSet controller: carries out the plans of plan.ts. */
import {
  CONTROLLER_REVISIONS,
  KubeError,
  PERSISTENT_VOLUME_CLAIMS,
  PODS,
  STATEFUL_SETS,
  keyOf,
} from '../../../kube/index.js';
import type {
  ControllerRevision,
  Kube,
  KubeLog,
  PersistentVolumeClaim,
  StatefulSet,
} from '../../../kube/index.js';
import { sameJson } from '../canonical.js';
import type { EventRecorder } from '../events.js';
import type { Informer } from '../informer.js';
import { createLatest } from '../latest.js';
import { createMembership } from '../membership.js';
import { atOf, uidOf } from '../meta.js';
import { createOwnedPods } from '../owned-pods.js';
import type { PodIndex } from '../owned-pods.js';
import { startQueue } from '../queue.js';
import { createRevision, renumberRevision } from '../revision-writes.js';
import { slowStart } from '../slow-start.js';
import { nameOf, ordinalOf } from './identity.js';
import { planStatefulSet } from './plan.js';
import type { Change } from './plan.js';
import type { StatefulSetStatus } from './status.js';

export interface StatefulSetControllerOptions extends PodIndex {
  kube: Kube;
  log?: KubeLog | undefined;
  events: EventRecorder;
  statefulSets: Informer<StatefulSet>;
  revisions: Informer<ControllerRevision>;
  claims: Informer<PersistentVolumeClaim>;
  clock?: () => number;
}

const VERBS = { 'create pod': 'Create', 'label pod': 'Update', 'delete pod': 'Delete' } as const;

/** Changes that come before the others, one by one: what is made next is named after them. */
const isHistory = ({ type }: Change): boolean => type.endsWith('revision');

export const startStatefulSetController = (
  options: StatefulSetControllerOptions,
): { stop(): Promise<void> } => {
  const { kube, log, events, statefulSets, revisions, claims, clock = Date.now } = options;
  const owned = createOwnedPods({
    ...{ ...options, owners: statefulSets, clock },
    wake: (key) => queue.add(key),
  });
  const members = createMembership({ kube, owners: statefulSets, revisions, wake: (key) => queue.add(key) });
  const latest = createLatest<StatefulSet>();

  /** Does what the message tells of, and records how it went. */
  const told = async <T>(
    set: StatefulSet,
    { verb, what, well = 'successful' }: { verb: string; what: string; well?: string },
    act: () => Promise<T>,
  ): Promise<T> => {
    const message = `${verb} ${what} in StatefulSet ${nameOf(set)}`;
    try {
      const result = await act();
      events.record(STATEFUL_SETS, set, {
        type: 'Normal',
        reason: `Successful${verb}`,
        message: `${message} ${well}`,
      });
      return result;
    } catch (error) {
      // A name that is taken shows that the copies lag behind.
      const isNews = error instanceof KubeError && !error.is(409) && error.reason !== 'cancelled';
      if (isNews)
        events.record(STATEFUL_SETS, set, {
          type: 'Warning',
          reason: `Failed${verb}`,
          message: `${message} failed error: ${error.message}`,
        });
      throw error;
    }
  };

  const carryOut = async (set: StatefulSet, change: Change, signal: AbortSignal): Promise<void> => {
    switch (change.type) {
      case 'create revision': {
        const isThere = await createRevision(kube, change.revision, signal);
        if (isThere) return;
        const collisionCount = (set.status?.collisionCount ?? 0) + 1;
        const status = { replicas: 0, ...set.status, collisionCount };
        await writeStatus(set, status, signal);
        throw new KubeError(`The name ${nameOf(change.revision)} is taken; another one is made.`, {
          ...{ reason: 'status', outcome: 'refused', code: 409 },
        });
      }
      case 'renumber revision':
        return renumberRevision(kube, change.revision, signal);
      case 'delete revision':
        await kube.delete(CONTROLLER_REVISIONS, atOf(change.revision), { signal });
        return;
      case 'create claim': {
        const what = `Claim ${nameOf(change.claim)} Pod ${nameOf(change.pod)}`;
        await told(set, { verb: 'Create', what, well: 'success' }, () =>
          kube.create(PERSISTENT_VOLUME_CLAIMS, set.metadata?.namespace, change.claim, { signal }),
        );
        return;
      }
      case 'own claim': {
        const { uid, resourceVersion } = change.claim.metadata ?? {};
        const body = { metadata: { uid, resourceVersion, ownerReferences: change.owners } };
        await kube.patch(PERSISTENT_VOLUME_CLAIMS, atOf(change.claim), { type: 'merge', body }, { signal });
        return;
      }
      case 'wait for claim':
        events.record(STATEFUL_SETS, set, {
          type: 'Warning',
          reason: 'FailedCreate',
          message: `Create Pod ${nameOf(change.pod)} in StatefulSet ${nameOf(set)} failed error: pvc ${nameOf(change.claim)} is being deleted`,
        });
        return;
      default:
        await told(set, { verb: VERBS[change.type], what: `Pod ${nameOf(change.pod)}` }, () =>
          changePod(set, change, signal),
        );
    }
  };

  const changePod = async (
    set: StatefulSet,
    change: Change & { type: keyof typeof VERBS },
    signal: AbortSignal,
  ): Promise<void> => {
    const { pod } = change;
    if (change.type === 'create pod') {
      const created = await kube.create(PODS, set.metadata?.namespace, pod, { signal });
      owned.created(keyOf(set), created);
    } else if (change.type === 'delete pod') {
      await kube.delete(PODS, atOf(pod), { signal, preconditions: { uid: uidOf(pod) } });
      owned.deleted(keyOf(set), pod);
    } else {
      const body = { metadata: { uid: uidOf(pod), labels: change.labels } };
      await kube.patch(PODS, atOf(pod), { type: 'merge', body }, { signal });
    }
  };

  const writeStatus = async (
    set: StatefulSet,
    status: StatefulSetStatus,
    signal: AbortSignal,
  ): Promise<void> => {
    if (sameJson(status, set.status ?? {})) return;
    const body = { ...set, status };
    const written = await kube.replace(STATEFUL_SETS, atOf(set), body, { signal, subresource: 'status' });
    latest.wrote(keyOf(set), written);
  };

  const queue = startQueue({
    name: 'statefulset',
    log,
    concurrency: 4,
    reconcile: async (key, signal) => {
      const stored = statefulSets.store.get(key);
      if (stored === undefined) {
        for (const each of [owned, latest]) each.forget(key);
        return undefined;
      }
      const awaited = owned.pending(key);
      if (awaited !== undefined) return { requeueAfterMs: awaited };
      const set = latest.of(key, stored);
      const candidates = owned.candidates(set).filter((pod) => ordinalOf(set, pod) !== undefined);
      const found = await members(set, candidates, signal);
      if (found === undefined) return undefined;
      const { changes, status, requeueAfterMs } = planStatefulSet({
        ...{ set, ...found, now: clock() },
        claim: (name) => claims.store.get(`${set.metadata?.namespace}/${name}`),
      });
      let failure: { error: unknown } | undefined;
      try {
        for (const change of changes.filter(isHistory)) await carryOut(set, change, signal);
        const others = changes.filter((change) => !isHistory(change));
        const first = others.filter(({ type }) => type.endsWith('claim'));
        for (const change of first) await carryOut(set, change, signal);
        const last = others.filter((change) => !first.includes(change));
        await slowStart(last.length, (nth) => carryOut(set, last[nth] as Change, signal));
      } catch (error) {
        failure = { error };
      }
      await writeStatus(latest.of(key, set), status, signal);
      if (failure !== undefined) throw failure.error;
      return requeueAfterMs === undefined ? undefined : { requeueAfterMs };
    },
  });

  statefulSets.subscribe(({ object }) => queue.add(keyOf(object)));
  // A claim that goes holds up the pod that is to have the next one of its name.
  claims.subscribe(({ type, object }) => {
    if (type !== 'deleted') return;
    for (const set of statefulSets.store.values()) {
      const isHere = set.metadata?.namespace === object.metadata?.namespace;
      if (isHere && (set.spec?.volumeClaimTemplates ?? []).length > 0) queue.add(keyOf(set));
    }
  });
  return { stop: () => queue.stop() };
};
