/** The kinds with rules of their own. */
import { invalidValue, required } from './field-errors.js';
import type { FieldError } from './field-errors.js';
import { equal, objectAt, stringAt, stringsAt } from './json.js';
import type { JsonObject } from './json.js';
import { namespaceStrategy } from './namespaces.js';
import { podStrategy } from './pods.js';
import { createServiceStrategy } from './services.js';
import type { Strategy } from './strategy.js';
import { validateConfigMap, validateSecret } from './validation/config.js';
import { validateResources } from './validation/containers.js';
import {
  validateCronJob,
  validateDaemonSet,
  validateDeployment,
  validateJob,
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
  spec.selector = { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } };
};

function validateClaim(claim: JsonObject, old: JsonObject | undefined): FieldError[] {
  const spec = objectAt(claim, 'spec') ?? {};
  const errors: FieldError[] = [];
  if (stringsAt(spec, 'accessModes').length === 0)
    errors.push(required('spec.accessModes', 'at least 1 access mode is required'));
  if (objectAt(spec, 'resources', 'requests')?.storage === undefined)
    errors.push(required('spec.resources[storage]'));
  errors.push(...validateResources(objectAt(spec, 'resources'), 'spec.resources'));
  const { resources: _resources, volumeName: _volume, ...fixed } = spec;
  const { resources: _oldResources, volumeName: _oldVolume, ...oldFixed } = objectAt(old, 'spec') ?? {};
  if (old !== undefined && !equal(fixed, oldFixed))
    errors.push({
      reason: 'FieldValueForbidden',
      field: 'spec',
      message:
        'Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
    });
  return errors;
}

const validateBinding = (binding: JsonObject, old: JsonObject | undefined): FieldError[] =>
  old === undefined || equal(binding.roleRef, old.roleRef)
    ? []
    : [invalidValue('roleRef', binding.roleRef, 'cannot change roleRef')];

/** The strategies by group resource; kinds that are not here have the common rules alone. */
export const createStrategies = (): ReadonlyMap<string, Strategy> =>
  new Map<string, Strategy>([
    ['namespaces', namespaceStrategy],
    ['pods', podStrategy],
    ['services', createServiceStrategy()],
    ['configmaps', { validate: validateConfigMap }],
    ['secrets', { validate: validateSecret }],
    // A node says what it is when it registers.
    ['nodes', { initialStatus: (node) => objectAt(node, 'status') ?? {} }],
    ['persistentvolumeclaims', { initialStatus: () => ({ phase: 'Pending' }), validate: validateClaim }],
    ['persistentvolumes', { initialStatus: () => ({ phase: 'Pending' }) }],
    ['deployments.apps', { validate: validateDeployment }],
    ['replicasets.apps', { validate: validateReplicaSet }],
    ['daemonsets.apps', { validate: validateDaemonSet }],
    ['statefulsets.apps', { validate: validateStatefulSet }],
    ['jobs.batch', { prepareCreate: labelJob, validate: validateJob }],
    ['cronjobs.batch', { validate: validateCronJob }],
    ['rolebindings.rbac.authorization.k8s.io', { validate: validateBinding }],
    ['clusterrolebindings.rbac.authorization.k8s.io', { validate: validateBinding }],
  ]);
