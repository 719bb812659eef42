/** The kinds with rules of their own. */
import { definitionStrategy } from './custom/definition.js';
import { objectAt, stringAt } from './json.js';
import type { JsonObject } from './json.js';
import { namespaceStrategy } from './namespaces.js';
import { createPodStrategy } from './pods.js';
import { validatePriorityClass } from './priorities.js';
import type { Registry } from './registry.js';
import { createServiceAccountAdmission } from './service-accounts.js';
import { createServiceStrategy } from './services.js';
import type { Strategy } from './strategy.js';
import { createClaimStrategy, volumeStrategy } from './volumes.js';
import { validateBinding, validateRole } from './validation/access.js';
import { validateClaim } from './validation/claims.js';
import { validateConfigMap, validateSecret } from './validation/config.js';
import { validateEndpointSlice, validateIngress, validateNetworkPolicy } from './validation/networking.js';
import { validateAutoscaler, validateBudget, validateEvent, validateLease } from './validation/policies.js';
import { validateNode } from './validation/scheduling.js';
import { templateWarnings } from './validation/pod-warnings.js';
import {
  validateCronJob,
  validateDaemonSet,
  validateDeployment,
  validateJob,
  validateJobStatus,
  validateReplicaSet,
  validateStatefulSet,
} from './validation/workloads.js';

/** A Job's pods carry its uid, so that no two Jobs share pods. */
const labelJob = (job: JsonObject): void => {
  const spec = objectAt(job, 'spec');
  const template = objectAt(spec, 'template');
  if (spec === undefined || template === undefined || spec.manualSelector === true) return;
  const uid = stringAt(job, 'metadata', 'uid') ?? '';
  const name = stringAt(job, 'metadata', 'name') ?? '';
  const metadata = objectAt(template, 'metadata') ?? {};
  metadata.labels = {
    ...objectAt(metadata, 'labels'),
    'batch.kubernetes.io/controller-uid': uid,
    'batch.kubernetes.io/job-name': name,
    'controller-uid': uid,
    'job-name': name,
  };
  template.metadata = metadata;
  const own = objectAt(job, 'metadata');
  if (own !== undefined) own.labels ??= { ...objectAt(metadata, 'labels') };
  // A selector that was given is refused where the rules are checked.
  spec.selector = {
    ...objectAt(spec, 'selector'),
    matchLabels: {
      ...objectAt(spec, 'selector', 'matchLabels'),
      'batch.kubernetes.io/controller-uid': uid,
    },
  };
};

/** Old clients of DaemonSets look for the number of their template here. */
const numberTemplate = (set: JsonObject): void => {
  const metadata = objectAt(set, 'metadata');
  if (metadata !== undefined)
    metadata.annotations = {
      'deprecated.daemonset.template.generation': '1',
      ...objectAt(metadata, 'annotations'),
    };
};

/** The strategies by group resource; kinds that are not here have the common rules alone. */
export const createStrategies = (registry: () => Registry): ReadonlyMap<string, Strategy> =>
  new Map<string, Strategy>([
    ['customresourcedefinitions.apiextensions.k8s.io', definitionStrategy],
    ['namespaces', namespaceStrategy],
    ['pods', createPodStrategy(registry, createServiceAccountAdmission(registry))],
    ['services', createServiceStrategy()],
    ['configmaps', { validate: validateConfigMap }],
    ['secrets', { validate: validateSecret }],
    // A node says what it is when it registers.
    ['nodes', { initialStatus: (node) => objectAt(node, 'status') ?? {}, validate: validateNode }],
    ['persistentvolumeclaims', { ...createClaimStrategy(registry), validate: validateClaim }],
    ['persistentvolumes', volumeStrategy],
    ['deployments.apps', { validate: validateDeployment, warnings: templateWarnings }],
    ['replicasets.apps', { validate: validateReplicaSet, warnings: templateWarnings }],
    [
      'daemonsets.apps',
      { beforeCreate: numberTemplate, validate: validateDaemonSet, warnings: templateWarnings },
    ],
    ['statefulsets.apps', { validate: validateStatefulSet, warnings: templateWarnings }],
    ['jobs.batch', { prepareCreate: labelJob, validate: validateJob, validateStatus: validateJobStatus }],
    ['cronjobs.batch', { validate: validateCronJob }],
    ['ingresses.networking.k8s.io', { validate: validateIngress }],
    ['networkpolicies.networking.k8s.io', { validate: validateNetworkPolicy }],
    ['endpointslices.discovery.k8s.io', { validate: validateEndpointSlice }],
    ['poddisruptionbudgets.policy', { validate: validateBudget }],
    ['horizontalpodautoscalers.autoscaling', { validate: validateAutoscaler }],
    ['priorityclasses.scheduling.k8s.io', { validate: validatePriorityClass }],
    ['leases.coordination.k8s.io', { validate: validateLease }],
    ['events', { validate: validateEvent }],
    ['roles.rbac.authorization.k8s.io', { validate: validateRole(true) }],
    ['clusterroles.rbac.authorization.k8s.io', { validate: validateRole(false) }],
    ['rolebindings.rbac.authorization.k8s.io', { validate: validateBinding(['Role', 'ClusterRole'], false) }],
    ['clusterrolebindings.rbac.authorization.k8s.io', { validate: validateBinding(['ClusterRole'], true) }],
  ]);
