/** The annotations by which a Deployment and its ReplicaSets remember each other. */
import type { Deployment, ReplicaSet } from '../../../kube/objects.js';

export const REVISION = 'deployment.kubernetes.io/revision';
const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history';
const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas';
const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas';

const OWN = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
]);

type Annotations = Record<string, string>;

const annotationsOf = (object: Deployment | ReplicaSet): Annotations => object.metadata?.annotations ?? {};

const numberIn = (rs: ReplicaSet, name: string): number | undefined => {
  const value = Number.parseInt(annotationsOf(rs)[name] ?? '', 10);
  return Number.isNaN(value) ? undefined : value;
};

export const revisionOf = (rs: ReplicaSet): number => numberIn(rs, REVISION) ?? 0;
export const desiredReplicasOf = (rs: ReplicaSet): number | undefined => numberIn(rs, DESIRED_REPLICAS);
export const maxReplicasOf = (rs: ReplicaSet): number | undefined => numberIn(rs, MAX_REPLICAS);

export const sizeAnnotations = (desired: number, surge: number): Annotations => ({
  [DESIRED_REPLICAS]: String(desired),
  [MAX_REPLICAS]: String(desired + surge),
});

/**
 * What the newest ReplicaSet is to carry: the Deployment's annotations and its revision. A ReplicaSet that comes back
 * by a rollback gets a new revision and keeps the former ones as its history.
 */
export const newestAnnotations = (
  deployment: Deployment,
  rs: ReplicaSet | undefined,
  revision: number,
): Annotations => {
  const has = rs === undefined ? {} : annotationsOf(rs);
  const copied = Object.entries(annotationsOf(deployment)).filter(([name]) => !OWN.has(name));
  const before = has[REVISION];
  const result: Annotations = { ...has, ...Object.fromEntries(copied), [REVISION]: String(revision) };
  if (before !== undefined && before !== String(revision)) {
    result[REVISION_HISTORY] = [has[REVISION_HISTORY], before].filter((part) => part !== undefined).join(',');
  }
  return result;
};
