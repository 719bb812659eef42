/** A Deployment's status as its ReplicaSets make it. */
import type { Deployment, ReplicaSet } from '../../../kube/objects.js';
import { findCondition, millis, nonZero, timestamp } from '../meta.js';
import { bounds, replicasOf, sum } from './sizes.js';

export type DeploymentStatus = NonNullable<Deployment['status']>;
type Condition = NonNullable<DeploymentStatus['conditions']>[number];

const NO_DEADLINE = 2 ** 31 - 1;
const NOT_TIMED = new Set(['NewReplicaSetAvailable', 'ProgressDeadlineExceeded', 'DeploymentPaused']);

interface Wanted {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
}

/** Sets a condition; one with the same status and reason stays as it is, unless it is to be `renewed`. */
export const setCondition = (
  conditions: readonly Condition[],
  wanted: Wanted,
  now: number,
  renewed = false,
): Condition[] => {
  const before = findCondition([...conditions], wanted.type);
  if (!renewed && before?.status === wanted.status && before.reason === wanted.reason) return [...conditions];
  const time = timestamp(now);
  const lastTransitionTime =
    (before?.status === wanted.status ? before.lastTransitionTime : undefined) ?? time;
  // The condition that changed last stands last.
  const others = conditions.filter(({ type }) => type !== wanted.type);
  return [...others, { ...wanted, lastUpdateTime: time, lastTransitionTime }];
};

/** Those of ReplicaSets that have not been looked at yet are none. */
const terminatingOf = (all: readonly ReplicaSet[]): number =>
  sum(all.map((rs) => rs.status?.terminatingReplicas ?? 0));

/** The counts and the Available condition. */
export const countStatus = (
  deployment: Deployment,
  newest: ReplicaSet | undefined,
  all: readonly ReplicaSet[],
  now: number,
): DeploymentStatus => {
  const total = (field: 'replicas' | 'readyReplicas' | 'availableReplicas'): number =>
    sum(all.map((rs) => rs.status?.[field] ?? 0));
  const availableReplicas = total('availableReplicas');
  const enough = availableReplicas >= replicasOf(deployment) - bounds(deployment).unavailable;
  const { collisionCount, conditions } = deployment.status ?? {};
  return {
    ...nonZero({
      observedGeneration: deployment.metadata?.generation ?? 0,
      replicas: total('replicas'),
      updatedReplicas: newest?.status?.replicas ?? 0,
      readyReplicas: total('readyReplicas'),
      availableReplicas,
      unavailableReplicas: Math.max(0, sum(all.map(replicasOf)) - availableReplicas),
    }),
    terminatingReplicas: terminatingOf(all),
    ...(collisionCount === undefined ? {} : { collisionCount }),
    conditions: setCondition(
      conditions ?? [],
      enough
        ? {
            type: 'Available',
            status: 'True',
            reason: 'MinimumReplicasAvailable',
            message: 'Deployment has minimum availability.',
          }
        : {
            type: 'Available',
            status: 'False',
            reason: 'MinimumReplicasUnavailable',
            message: 'Deployment does not have minimum availability.',
          },
      now,
    ),
  };
};

export const isComplete = (deployment: Deployment, status: DeploymentStatus): boolean => {
  const wanted = replicasOf(deployment);
  return (
    status.updatedReplicas === wanted && status.replicas === wanted && status.availableReplicas === wanted
  );
};

const hasProgressed = (before: DeploymentStatus | undefined, status: DeploymentStatus): boolean => {
  const old = ({ replicas = 0, updatedReplicas = 0 }: DeploymentStatus): number => replicas - updatedReplicas;
  return (
    (status.updatedReplicas ?? 0) > (before?.updatedReplicas ?? 0) ||
    old(status) < old(before ?? {}) ||
    (status.readyReplicas ?? 0) > (before?.readyReplicas ?? 0) ||
    (status.availableReplicas ?? 0) > (before?.availableReplicas ?? 0)
  );
};

/** Milliseconds until the roll-out counts as stuck: undefined when it is not being timed, negative or 0 when it is late. */
export const untilDeadline = (
  deployment: Deployment,
  conditions: readonly Condition[],
  now: number,
): number | undefined => {
  const seconds = deployment.spec?.progressDeadlineSeconds ?? NO_DEADLINE;
  const progressing = findCondition([...conditions], 'Progressing');
  if (seconds === NO_DEADLINE || progressing === undefined) return undefined;
  if (NOT_TIMED.has(progressing.reason ?? '')) return undefined;
  return millis(progressing.lastUpdateTime) + seconds * 1000 - now;
};

/** Adds the Progressing and ReplicaFailure conditions of a roll-out under way. */
export const rolloutStatus = (
  deployment: Deployment,
  newest: ReplicaSet | undefined,
  all: readonly ReplicaSet[],
  now: number,
): DeploymentStatus => {
  const status = countStatus(deployment, newest, all, now);
  let conditions = status.conditions ?? [];
  const name = newest?.metadata?.name ?? '';
  const progressing = findCondition(conditions, 'Progressing');
  const wasComplete =
    status.replicas === status.updatedReplicas && progressing?.reason === 'NewReplicaSetAvailable';
  const set = (ok: boolean, reason: string, message: string, renewed = false): void => {
    conditions = setCondition(
      conditions,
      { type: 'Progressing', status: ok ? 'True' : 'False', reason, message },
      now,
      renewed,
    );
  };
  if ((deployment.spec?.progressDeadlineSeconds ?? NO_DEADLINE) === NO_DEADLINE) {
    conditions = conditions.filter(({ type }) => type !== 'Progressing');
  } else if (!wasComplete) {
    if (isComplete(deployment, status)) {
      set(true, 'NewReplicaSetAvailable', `ReplicaSet "${name}" has successfully progressed.`);
    } else if (hasProgressed(deployment.status, status)) {
      set(true, 'ReplicaSetUpdated', `ReplicaSet "${name}" is progressing.`, true);
    } else if ((untilDeadline(deployment, conditions, now) ?? 1) <= 0) {
      set(false, 'ProgressDeadlineExceeded', `ReplicaSet "${name}" has timed out progressing.`);
    } else if (progressing === undefined && newest !== undefined) {
      set(true, 'FoundNewReplicaSet', `Found new replica set "${name}"`);
    }
  }
  const failure = [newest, ...all]
    .map((rs) => findCondition(rs?.status?.conditions, 'ReplicaFailure'))
    .find((condition) => condition !== undefined);
  conditions =
    failure === undefined
      ? conditions.filter(({ type }) => type !== 'ReplicaFailure')
      : setCondition(
          conditions,
          {
            type: 'ReplicaFailure',
            status: 'True',
            reason: failure.reason ?? 'FailedCreate',
            message: failure.message ?? '',
          },
          now,
        );
  return { ...status, conditions };
};
