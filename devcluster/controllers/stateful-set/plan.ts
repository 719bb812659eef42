/**
 * What to do next for one StatefulSet: a pure function from what is observed to changes and a status. OrderedReady goes
 * from pod to pod and stops at the first that needs something or is not ready; Parallel does what it can for all.
 */
import type { ControllerRevision, PersistentVolumeClaim, Pod, StatefulSet } from '../../../kube/objects.js';
import { isTerminal, untilAvailable } from '../meta.js';
import type { OwnerReference } from '../meta.js';
import { historyOf, surplusRevisions } from '../revisions.js';
import type { History, RevisionChange } from '../revisions.js';
import { mustGoFirst, wantedOwners } from './claims.js';
import { REVISIONS, claimsOf, missingLabels, nameOf, ordinalOf, podOf, revisionOf } from './identity.js';
import { isAvailable, isGoing, isRunning, statusOf } from './status.js';
import type { StatefulSetStatus } from './status.js';

export interface Observed {
  set: StatefulSet;
  /** Those that the set controls. */
  pods: readonly Pod[];
  revisions: readonly ControllerRevision[];
  /** The claim of this name in the set's namespace. */
  claim(name: string): PersistentVolumeClaim | undefined;
  now: number;
}

export type Change =
  | RevisionChange
  | { type: 'delete revision'; revision: ControllerRevision }
  | { type: 'create claim'; claim: PersistentVolumeClaim; pod: Pod }
  | { type: 'own claim'; claim: PersistentVolumeClaim; owners: OwnerReference[] }
  | { type: 'create pod'; pod: Pod }
  | { type: 'label pod'; pod: Pod; labels: Record<string, string> }
  | { type: 'delete pod'; pod: Pod }
  /** A pod cannot be made while a claim of its name goes. */
  | { type: 'wait for claim'; claim: PersistentVolumeClaim; pod: Pod };

export interface Plan {
  /** In the order in which they are to be done. */
  changes: Change[];
  status: StatefulSetStatus;
  requeueAfterMs?: number;
}

/** A place in the set: its pod, or the one that is to be made. */
interface Place {
  ordinal: number;
  pod: Pod;
  exists: boolean;
}

interface Scene extends Observed {
  isOrdered: boolean;
  places: Place[];
  /** Pods beyond the wanted ordinals, highest first. */
  condemned: Place[];
}

const startOf = ({ spec }: StatefulSet): number => spec?.ordinals?.start ?? 0;

/** A pod below the partition is made of the revision that the set is coming from. */
const isHeldBack = ({ spec, status }: StatefulSet, nth: number): boolean => {
  const { type, rollingUpdate } = spec?.updateStrategy ?? {};
  if (rollingUpdate !== undefined) return nth < (rollingUpdate.partition ?? 0);
  return type === 'RollingUpdate' && nth < (status?.currentReplicas ?? 0);
};

const sceneOf = (observed: Observed, current: ControllerRevision, update: ControllerRevision): Scene => {
  const { set, pods } = observed;
  const start = startOf(set);
  const count = set.spec?.replicas ?? 1;
  const byOrdinal = new Map(pods.map((pod) => [ordinalOf(set, pod), pod]));
  const places = Array.from({ length: count }, (_, nth): Place => {
    const ordinal = start + nth;
    const found = byOrdinal.get(ordinal);
    const pod = found ?? podOf(set, isHeldBack(set, nth) ? current : update, ordinal);
    return { ordinal, pod, exists: found !== undefined };
  });
  const condemned = [...byOrdinal]
    .flatMap(([ordinal, pod]) => (ordinal === undefined ? [] : [{ ordinal, pod, exists: true }]))
    .filter(({ ordinal }) => ordinal < start || ordinal >= start + count)
    .sort((a, b) => b.ordinal - a.ordinal);
  const isOrdered = set.spec?.podManagementPolicy !== 'Parallel';
  return { ...observed, isOrdered, places, condemned };
};

const ownerChanges = ({ set, claim }: Scene, { pod, ordinal }: Place, isScaledDown: boolean): Change[] =>
  claimsOf(set, ordinal).flatMap((wanted): Change[] => {
    const found = claim(nameOf(wanted));
    const owners = found && wantedOwners(set, pod, { claim: found, isScaledDown });
    return owners === undefined ? [] : [{ type: 'own claim', claim: found as PersistentVolumeClaim, owners }];
  });

/** The missing claims of a pod, made as the retention policy wants them, and what stands in their way. */
const claimChanges = ({ set, claim }: Scene, { pod, ordinal }: Place): Change[] =>
  claimsOf(set, ordinal).flatMap((wanted): Change[] => {
    const found = claim(nameOf(wanted));
    if (found?.metadata?.deletionTimestamp !== undefined)
      return [{ type: 'wait for claim', claim: found, pod }];
    if (found !== undefined) return [];
    return [{ type: 'create claim', claim: wanted, pod }];
  });

interface Step {
  changes: Change[];
  /** An ordered set goes on only with the next event. */
  stops: boolean;
}

const visit = (scene: Scene, place: Place): Step => {
  const { set, claim, now } = scene;
  const { pod, ordinal, exists } = place;
  if (!exists) {
    const claims = claimsOf(set, ordinal).map((wanted) => claim(nameOf(wanted)));
    if (claims.some((found) => found !== undefined && mustGoFirst(set, pod, found)))
      return { changes: [], stops: true };
    const needed = claimChanges(scene, place);
    const waits = needed.some(({ type }) => type === 'wait for claim');
    return { changes: waits ? needed : [...needed, { type: 'create pod', pod }], stops: true };
  }
  // Whatever its end, as an eviction may leave it Succeeded.
  if (isTerminal(pod)) return { changes: isGoing(pod) ? [] : [{ type: 'delete pod', pod }], stops: true };
  const changes = pod.status?.phase === 'Pending' ? claimChanges(scene, place) : [];
  if (isGoing(pod) || !isRunning(pod) || !isAvailable(set, pod, now))
    return { changes: [...changes, ...ownerChanges(scene, place, false)], stops: true };
  const labels = missingLabels(pod, ordinal);
  return {
    changes: [
      ...changes,
      ...(labels === undefined ? [] : [{ type: 'label pod', pod, labels } as const]),
      ...ownerChanges(scene, place, false),
    ],
    stops: false,
  };
};

/** Scaling down: from the highest ordinal; an ordered set waits for the others to be well, but not for its first ill one. */
const condemn = (scene: Scene, { pod }: Place, firstUnavailable: Pod | undefined): Step => {
  const { isOrdered, set, now } = scene;
  if (isGoing(pod)) return { changes: [], stops: true };
  const isWell = isRunning(pod) && isAvailable(set, pod, now);
  if (isOrdered && !isWell && pod !== firstUnavailable) return { changes: [], stops: true };
  return { changes: [{ type: 'delete pod', pod }], stops: true };
};

/** Visits the places one after another; an ordered set ends with the first that stops it. */
const visitAll = ({ isOrdered }: Scene, places: readonly Place[], step: (place: Place) => Step): Step => {
  const changes: Change[] = [];
  for (const place of places) {
    const { changes: more, stops } = step(place);
    changes.push(...more);
    if (stops && isOrdered) return { changes, stops: true };
  }
  return { changes, stops: false };
};

/** The pod with the highest ordinal that is not of the update revision, once those above it are well again. */
const outdated = ({ set, places, now }: Scene, update: string): Pod | undefined => {
  const { type, rollingUpdate } = set.spec?.updateStrategy ?? {};
  if (type === 'OnDelete') return undefined;
  for (const { pod } of places.slice(rollingUpdate?.partition ?? 0).reverse()) {
    if (revisionOf(pod) !== update && !isGoing(pod)) return pod;
    if (isGoing(pod) || !isAvailable(set, pod, now)) return undefined;
  }
  return undefined;
};

const podChanges = (scene: Scene, update: string): { changes: Change[]; updated: number } => {
  const { set, places, condemned, now } = scene;
  const isUnavailable = ({ pod }: Place): boolean => isGoing(pod) || !isAvailable(set, pod, now);
  const firstUnavailable = [...places, ...[...condemned].reverse()].find(isUnavailable)?.pod;
  const lived = visitAll(scene, places, (place) => visit(scene, place));
  if (lived.stops) return { changes: lived.changes, updated: 0 };
  const owned = condemned.flatMap((place) => ownerChanges(scene, place, true));
  const left = visitAll(scene, condemned, (place) => condemn(scene, place, firstUnavailable));
  const changes = [...lived.changes, ...owned, ...left.changes];
  const pod = left.stops ? undefined : outdated(scene, update);
  return pod === undefined
    ? { changes, updated: 0 }
    : { changes: [...changes, { type: 'delete pod', pod }], updated: 1 };
};

const tidyUp = (observed: Observed, history: History, live: readonly string[]): Change[] => {
  const used = new Set([...live, ...observed.pods.map(revisionOf)]);
  return surplusRevisions(observed.set, history, (name) => used.has(name)).map((revision) => ({
    type: 'delete revision',
    revision,
  }));
};

export const planStatefulSet = (observed: Observed): Plan => {
  const { set, pods, now } = observed;
  const history = historyOf(set, REVISIONS, observed.revisions);
  const { update } = history;
  const current =
    history.revisions.find((revision) => nameOf(revision) === set.status?.currentRevision) ?? update;
  const revisions = { current: nameOf(current), update: nameOf(update) };
  const { changes, updated } =
    set.metadata?.deletionTimestamp === undefined
      ? podChanges(sceneOf(observed, current, update), revisions.update)
      : { changes: [], updated: 0 };
  const waits = pods
    .map((pod) => untilAvailable(pod, set.spec?.minReadySeconds ?? 0, now))
    .filter((wait) => wait !== undefined && wait > 0);
  const soonest = Math.min(...waits.map(Number));
  return {
    changes: [
      ...(history.change === undefined ? [] : [history.change]),
      ...changes,
      ...tidyUp(observed, history, Object.values(revisions)),
    ],
    status: statusOf(set, pods, { revisions, now, deleted: updated }),
    ...(Number.isFinite(soonest) ? { requeueAfterMs: soonest } : {}),
  };
};
