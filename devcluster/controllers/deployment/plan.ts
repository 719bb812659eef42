/**
 * What to do next for one Deployment: a pure function from what is observed to changes and a status. It moves one step;
 * the changes bring events, and the next call moves on from there.
 */
import type { Deployment, ReplicaSet } from '../../../kube/objects.js';
import { sameJson } from '../canonical.js';
import { findCondition, uidOf } from '../meta.js';
import {
  REVISION,
  desiredReplicasOf,
  newestAnnotations,
  revisionOf,
  sizeAnnotations,
} from './annotations.js';
import { bounds, newestSize, olderSizes, replicasOf, scaledSizes, sum } from './sizes.js';
import type { Sizes } from './sizes.js';
import { countStatus, isComplete, rolloutStatus, setCondition, untilDeadline } from './status.js';
import type { DeploymentStatus } from './status.js';
import { findNewest, newReplicaSet } from './template.js';

export interface Observed {
  deployment: Deployment;
  /** Those that the Deployment controls. */
  replicaSets: readonly ReplicaSet[];
  /** How many pods of the ReplicaSet with this uid have not ended. */
  podsOf(uid: string): number;
  now: number;
}

export type Change =
  | { type: 'create'; replicaSet: ReplicaSet }
  | { type: 'update'; replicaSet: ReplicaSet; from: number }
  | { type: 'delete'; replicaSet: ReplicaSet }
  | { type: 'annotate'; annotations: Record<string, string> };

export interface Plan {
  /** In the order in which they are to be done. */
  changes: Change[];
  status: DeploymentStatus;
  requeueAfterMs?: number;
}

const nameOf = (rs: ReplicaSet): string => rs.metadata?.name ?? '';

/** ReplicaSets as they are to be: sizes with their annotations, the newest one's revision and readiness rule. */
const updates = (
  { deployment, replicaSets }: Observed,
  newest: ReplicaSet | undefined,
  sizes: Sizes,
): Change[] => {
  const { surge } = bounds(deployment);
  const revision = newestRevision(replicaSets, newest);
  return replicaSets.flatMap((rs): Change[] => {
    if (rs.metadata?.deletionTimestamp !== undefined) return [];
    const from = replicasOf(rs);
    const replicas = sizes.get(rs) ?? from;
    const annotations = {
      ...(rs === newest ? newestAnnotations(deployment, rs, revision) : rs.metadata?.annotations),
      ...(replicas > 0 || replicas !== from ? sizeAnnotations(replicasOf(deployment), surge) : {}),
    };
    const { minReadySeconds } = (rs === newest ? deployment : rs).spec ?? {};
    const wanted = {
      ...rs,
      metadata: { ...rs.metadata, annotations },
      spec: { ...rs.spec, replicas, minReadySeconds: minReadySeconds ?? 0 },
    } as ReplicaSet;
    const same =
      replicas === from &&
      (minReadySeconds ?? 0) === (rs.spec?.minReadySeconds ?? 0) &&
      sameJson(annotations, rs.metadata?.annotations ?? {});
    return same ? [] : [{ type: 'update', replicaSet: wanted, from }];
  });
};

/** The newest ReplicaSet always has the highest revision: one that comes back by a rollback gets a new one. */
const newestRevision = (replicaSets: readonly ReplicaSet[], newest: ReplicaSet | undefined): number => {
  const others = Math.max(0, ...replicaSets.filter((rs) => rs !== newest).map(revisionOf));
  return Math.max(others + 1, newest === undefined ? 0 : revisionOf(newest));
};

const annotate = (deployment: Deployment, revision: number): Change[] =>
  deployment.metadata?.annotations?.[REVISION] === String(revision)
    ? []
    : [{ type: 'annotate', annotations: { [REVISION]: String(revision) } }];

/** Empty older ReplicaSets beyond `revisionHistoryLimit`, lowest revision first. */
const cleanUp = (deployment: Deployment, older: readonly ReplicaSet[]): Change[] => {
  const alive = older.filter((rs) => rs.metadata?.deletionTimestamp === undefined);
  const surplus = alive.length - (deployment.spec?.revisionHistoryLimit ?? 10);
  if (surplus <= 0) return [];
  return alive
    .sort((a, b) => revisionOf(a) - revisionOf(b))
    .slice(0, surplus)
    .filter((rs) => replicasOf(rs) === 0 && (rs.status?.replicas ?? 0) === 0)
    .map((replicaSet) => ({ type: 'delete', replicaSet }));
};

/** A pause is shown in the Progressing condition, and so is its end; a roll-out that timed out keeps saying so. */
const withPause = (deployment: Deployment, now: number): Deployment => {
  const conditions = deployment.status?.conditions ?? [];
  const { reason } = findCondition(conditions, 'Progressing') ?? {};
  const paused = deployment.spec?.paused === true;
  const says = reason === 'DeploymentPaused';
  if (paused === says || reason === 'ProgressDeadlineExceeded') return deployment;
  if (deployment.spec?.progressDeadlineSeconds === undefined) return deployment;
  const wanted = paused
    ? { reason: 'DeploymentPaused', message: 'Deployment is paused' }
    : { reason: 'DeploymentResumed', message: 'Deployment is resumed' };
  return {
    ...deployment,
    status: {
      ...deployment.status,
      conditions: setCondition(conditions, { type: 'Progressing', status: 'Unknown', ...wanted }, now),
    },
  };
};

const createNewest = (observed: Observed): Plan => {
  const { deployment, replicaSets, now } = observed;
  const revision = newestRevision(replicaSets, undefined);
  const size = newestSize(deployment, 0, sum(replicaSets.map(replicasOf)));
  const replicaSet = newReplicaSet(deployment, size, {
    ...newestAnnotations(deployment, undefined, revision),
    ...sizeAnnotations(replicasOf(deployment), bounds(deployment).surge),
  });
  const status = rolloutStatus(deployment, undefined, replicaSets, now);
  const created = {
    type: 'Progressing',
    status: 'True',
    reason: 'NewReplicaSetCreated',
    message: `Created new replica set "${nameOf(replicaSet)}"`,
  } as const;
  const conditions =
    deployment.spec?.progressDeadlineSeconds === undefined
      ? (status.conditions ?? [])
      : setCondition(status.conditions ?? [], created, now);
  return {
    changes: [{ type: 'create', replicaSet }, ...annotate(deployment, revision)],
    status: { ...status, conditions },
  };
};

export const planDeployment = (given: Observed): Plan => {
  const { replicaSets, now } = given;
  const deployment = withPause(given.deployment, now);
  const observed = { ...given, deployment };
  const newest = findNewest(deployment, replicaSets);
  const older = replicaSets.filter((rs) => rs !== newest);
  if (deployment.metadata?.deletionTimestamp !== undefined) {
    return { changes: [], status: countStatus(deployment, newest, replicaSets, now) };
  }
  const revision = newest === undefined ? [] : annotate(deployment, newestRevision(replicaSets, newest));
  const wanted = replicasOf(deployment);
  const wasScaled = replicaSets.some(
    (rs) => replicasOf(rs) > 0 && (desiredReplicasOf(rs) ?? wanted) !== wanted,
  );
  if (deployment.spec?.paused === true || wasScaled) {
    const sizes = scaledSizes(deployment, newest, older);
    return {
      changes: [...updates(observed, newest, sizes), ...revision],
      status: countStatus(deployment, newest, replicaSets, now),
    };
  }

  const recreate = deployment.spec?.strategy?.type === 'Recreate';
  const sizes = new Map<ReplicaSet, number>();
  const olderActive = older.filter((rs) => replicasOf(rs) > 0);
  const olderPods = older.some((rs) => observed.podsOf(uidOf(rs)) > 0);
  if (recreate && (olderActive.length > 0 || olderPods)) {
    for (const rs of olderActive) sizes.set(rs, 0);
  } else if (newest === undefined) {
    return createNewest(observed);
  } else {
    const size = newestSize(deployment, replicasOf(newest), sum(replicaSets.map(replicasOf)));
    if (size !== replicasOf(newest)) sizes.set(newest, size);
    else if (!recreate) for (const [rs, count] of olderSizes(deployment, newest, older)) sizes.set(rs, count);
  }
  const status = rolloutStatus(deployment, newest, replicaSets, now);
  const late = untilDeadline(deployment, status.conditions ?? [], now);
  return {
    changes: [
      ...updates(observed, newest, sizes),
      ...revision,
      ...(isComplete(deployment, status) ? cleanUp(deployment, older) : []),
    ],
    status,
    // A second later, as times are kept in whole seconds.
    ...(late === undefined ? {} : { requeueAfterMs: Math.max(late, 0) + 1000 }),
  };
};
