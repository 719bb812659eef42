/** Pod templates: which ReplicaSet is a Deployment's current one, and how a new one looks. */
import type { Deployment, PodTemplateSpec, ReplicaSet } from '../../../kube/objects.js';
import { DEPLOYMENTS } from '../../../kube/objects.js';
import { canonical, safeHash, sameJson } from '../canonical.js';
import { ownerReferenceTo } from '../meta.js';
import { byCreation } from './sizes.js';

export const POD_TEMPLATE_HASH = 'pod-template-hash';

const withoutHash = (template: PodTemplateSpec | undefined): unknown => {
  const { [POD_TEMPLATE_HASH]: _hash, ...labels } = template?.metadata?.labels ?? {};
  const { annotations } = template?.metadata ?? {};
  return { labels, annotations: annotations ?? {}, spec: template?.spec };
};

export const sameTemplate = (deployment: Deployment, rs: ReplicaSet): boolean =>
  sameJson(withoutHash(deployment.spec?.template), withoutHash(rs.spec?.template));

/** The oldest ReplicaSet with the Deployment's template: so a rollback finds the one it had. */
export const findNewest = (
  deployment: Deployment,
  replicaSets: readonly ReplicaSet[],
): ReplicaSet | undefined => [...replicaSets].sort(byCreation).find((rs) => sameTemplate(deployment, rs));

/** A ReplicaSet of the current template, named after its hash; `collisionCount` makes another name. */
export const newReplicaSet = (
  deployment: Deployment,
  size: number,
  annotations: Record<string, string>,
): ReplicaSet => {
  const { template, selector, minReadySeconds } = deployment.spec ?? {};
  const hash = safeHash(canonical([withoutHash(template), deployment.status?.collisionCount ?? 0]));
  const labels = { ...template?.metadata?.labels, [POD_TEMPLATE_HASH]: hash };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${deployment.metadata?.name}-${hash}`,
      namespace: deployment.metadata?.namespace ?? '',
      labels,
      annotations,
      ownerReferences: [ownerReferenceTo(DEPLOYMENTS, deployment)],
    },
    spec: {
      replicas: size,
      minReadySeconds: minReadySeconds ?? 0,
      selector: { ...selector, matchLabels: { ...selector?.matchLabels, [POD_TEMPLATE_HASH]: hash } },
      template: { ...template, metadata: { ...template?.metadata, labels } },
    },
  };
};
