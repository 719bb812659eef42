/** The arithmetic of a roll-out: how many replicas each ReplicaSet is to have next. */
import type { Deployment, ReplicaSet } from '../../../kube/objects.js';
import { createdAt } from '../meta.js';
import { maxReplicasOf } from './annotations.js';

/** The size that each ReplicaSet is to have; one that is absent keeps what it has. */
export type Sizes = ReadonlyMap<ReplicaSet, number>;

export const replicasOf = (object: Deployment | ReplicaSet): number => object.spec?.replicas ?? 1;
const availableOf = (rs: ReplicaSet): number => rs.status?.availableReplicas ?? 0;

export const sum = (numbers: Iterable<number>): number => {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
};

const portion = (value: string | number | undefined, total: number, round: (n: number) => number): number => {
  if (typeof value === 'number') return value;
  const percent = /^(\d+)%$/.exec(value ?? '25%')?.[1];
  return percent === undefined ? 0 : round((Number(percent) * total) / 100);
};

/** How far a roll-out may go above and below the wanted count. Percents round up for surge and down for unavailable. */
export const bounds = (deployment: Deployment): { surge: number; unavailable: number } => {
  const { strategy } = deployment.spec ?? {};
  const replicas = replicasOf(deployment);
  if (strategy?.type === 'Recreate') return { surge: 0, unavailable: 0 };
  const surge = portion(strategy?.rollingUpdate?.maxSurge, replicas, Math.ceil);
  const unavailable = portion(strategy?.rollingUpdate?.maxUnavailable, replicas, Math.floor);
  // Without any room a roll-out could never move.
  if (surge === 0 && unavailable === 0) return { surge, unavailable: Math.min(1, replicas) };
  return { surge, unavailable: Math.min(unavailable, replicas) };
};

/** The newest ReplicaSet's next size, given how many replicas all ReplicaSets together have now. */
export const newestSize = (deployment: Deployment, current: number, total: number): number => {
  const wanted = replicasOf(deployment);
  if (deployment.spec?.strategy?.type === 'Recreate' || current >= wanted) return wanted;
  const room = wanted + bounds(deployment).surge - total;
  return room <= 0 ? current : current + Math.min(room, wanted - current);
};

export const byCreation = (a: ReplicaSet, b: ReplicaSet): number =>
  createdAt(a) - createdAt(b) || ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1);

/**
 * The older ReplicaSets' next sizes in a rolling update: first their unhealthy replicas go, which costs no
 * availability, then as many healthy ones as the bound allows.
 */
export const olderSizes = (
  deployment: Deployment,
  newest: ReplicaSet,
  older: readonly ReplicaSet[],
): Sizes => {
  const minAvailable = replicasOf(deployment) - bounds(deployment).unavailable;
  const all = [newest, ...older];
  const sizes = new Map<ReplicaSet, number>();
  const newestUnavailable = replicasOf(newest) - availableOf(newest);
  let unhealthyBudget = sum(all.map(replicasOf)) - minAvailable - newestUnavailable;
  if (unhealthyBudget <= 0) return sizes;
  const oldestFirst = older.filter((rs) => replicasOf(rs) > 0).sort(byCreation);
  const take = (rs: ReplicaSet, count: number): number => {
    const size = sizes.get(rs) ?? replicasOf(rs);
    const taken = Math.max(0, Math.min(count, size));
    if (taken > 0) sizes.set(rs, size - taken);
    return taken;
  };
  for (const rs of oldestFirst) {
    unhealthyBudget -= take(rs, Math.min(unhealthyBudget, replicasOf(rs) - availableOf(rs)));
  }
  let healthyBudget = sum(all.map(availableOf)) - minAvailable;
  for (const rs of oldestFirst) healthyBudget -= take(rs, healthyBudget);
  return sizes;
};

/** What a ReplicaSet should gain or lose for its share of a Deployment whose wanted count changed. */
const shareOfChange = (deployment: Deployment, rs: ReplicaSet, maxTotal: number): number => {
  if (replicasOf(deployment) === 0) return -replicasOf(rs);
  const before = maxReplicasOf(rs) ?? deployment.status?.replicas ?? 0;
  return before === 0 ? 0 : Math.round((replicasOf(rs) * maxTotal) / before) - replicasOf(rs);
};

/**
 * Sizes after `spec.replicas` changed, without going on with the roll-out: one active ReplicaSet takes it all; a
 * complete newest one empties the others; in the midst of a roll-out each gets its share, the largest the remainder.
 */
export const scaledSizes = (
  deployment: Deployment,
  newest: ReplicaSet | undefined,
  older: readonly ReplicaSet[],
): Sizes => {
  const wanted = replicasOf(deployment);
  const all = newest === undefined ? [...older] : [newest, ...older];
  const active = all.filter((rs) => replicasOf(rs) > 0);
  if (active.length <= 1) {
    const only = active[0] ?? newest ?? [...older].sort(byCreation).at(-1);
    return only === undefined ? new Map() : new Map([[only, wanted]]);
  }
  if (newest !== undefined && replicasOf(newest) === wanted && availableOf(newest) === wanted) {
    return new Map(active.filter((rs) => rs !== newest).map((rs) => [rs, 0]));
  }
  if (deployment.spec?.strategy?.type === 'Recreate') return new Map();
  const maxTotal = wanted === 0 ? 0 : wanted + bounds(deployment).surge;
  const toAdd = maxTotal - sum(active.map(replicasOf));
  const direction = toAdd > 0 ? -1 : 1;
  active.sort((a, b) => replicasOf(b) - replicasOf(a) || direction * byCreation(a, b));
  let left = toAdd;
  const sizes = new Map<ReplicaSet, number>();
  for (const rs of active) {
    const share = shareOfChange(deployment, rs, maxTotal);
    const change = toAdd > 0 ? Math.max(0, Math.min(share, left)) : Math.min(0, Math.max(share, left));
    left -= change;
    sizes.set(rs, replicasOf(rs) + change);
  }
  const [largest] = active;
  if (largest !== undefined) sizes.set(largest, Math.max(0, (sizes.get(largest) ?? 0) + left));
  return sizes;
};
