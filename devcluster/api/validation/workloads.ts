/** The rules for the kinds that make pods. */
import { forbiddenField, invalidValue, notSupported, required } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { equal, isObject, numberAt, objectAt, stringAt } from '../json.js';
import type { JsonObject } from '../json.js';
import {
  amount,
  countOrPercent,
  isEmptySelector,
  labelSelector,
  nonNegative,
  oneOf,
  selects,
} from './fields.js';
import { validateLastingTemplate, validateTemplate } from './pods.js';

const specOf = (object: JsonObject | undefined): JsonObject => objectAt(object, 'spec') ?? {};

function validateSelector(spec: JsonObject, kind: string): FieldError[] {
  const selector = objectAt(spec, 'selector');
  const errors =
    selector === undefined ? [required('spec.selector')] : labelSelector(selector, 'spec.selector');
  if (selector !== undefined && isEmptySelector(selector)) {
    errors.push(invalidValue('spec.selector', selector, `empty selector is invalid for ${kind}`));
    return errors;
  }
  // No selector at all selects nothing.
  const labels = objectAt(spec, 'template', 'metadata', 'labels');
  if (selector === undefined || !selects(selector, labels ?? {}))
    errors.push(
      invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'),
    );
  return errors;
}

const immutable = (spec: JsonObject, old: JsonObject | undefined, key: string): FieldError[] =>
  old === undefined || equal(spec[key], specOf(old)[key])
    ? []
    : [invalidValue(`spec.${key}`, spec[key], 'field is immutable')];

function validateStrategy(strategy: JsonObject | undefined): FieldError[] {
  const type = stringAt(strategy, 'type') ?? '';
  const rolling = strategy?.rollingUpdate;
  const at = 'spec.strategy.rollingUpdate';
  if (type === 'Recreate')
    return rolling === undefined
      ? []
      : [forbiddenField(at, "may not be specified when strategy `type` is 'Recreate'")];
  if (type !== 'RollingUpdate')
    return [
      notSupported('spec.strategy', { Type: type, RollingUpdate: null }, ['Recreate', 'RollingUpdate']),
    ];
  if (!isObject(rolling)) return [];
  const { maxUnavailable, maxSurge } = rolling;
  const errors = [
    ...countOrPercent(maxUnavailable, `${at}.maxUnavailable`),
    ...countOrPercent(maxSurge, `${at}.maxSurge`),
  ];
  if (amount(maxUnavailable) === 0 && amount(maxSurge) === 0)
    errors.push(invalidValue(`${at}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
  if (typeof maxUnavailable === 'string' && amount(maxUnavailable) > 100)
    errors.push(invalidValue(`${at}.maxUnavailable`, maxUnavailable, 'must not be greater than 100%'));
  return errors;
}

export function validateDeployment(deployment: JsonObject, old: JsonObject | undefined): FieldError[] {
  const spec = specOf(deployment);
  const deadline = numberAt(spec, 'progressDeadlineSeconds');
  return [
    ...nonNegative(spec, 'replicas', 'spec'),
    ...validateSelector(spec, 'deployment'),
    ...validateLastingTemplate(objectAt(spec, 'template'), 'spec.template', 'ReplicaSet'),
    ...validateStrategy(objectAt(spec, 'strategy')),
    ...nonNegative(spec, 'minReadySeconds', 'spec'),
    ...nonNegative(spec, 'revisionHistoryLimit', 'spec'),
    ...nonNegative(spec, 'progressDeadlineSeconds', 'spec'),
    ...(deadline !== undefined && deadline <= (numberAt(spec, 'minReadySeconds') ?? 0)
      ? [invalidValue('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds')]
      : []),
    ...immutable(spec, old, 'selector'),
  ];
}

export function validateReplicaSet(set: JsonObject, old: JsonObject | undefined): FieldError[] {
  const spec = specOf(set);
  return [
    ...nonNegative(spec, 'replicas', 'spec'),
    ...nonNegative(spec, 'minReadySeconds', 'spec'),
    // The API says deployment here too.
    ...validateSelector(spec, 'deployment'),
    ...validateLastingTemplate(objectAt(spec, 'template'), 'spec.template', 'ReplicaSet'),
    ...immutable(spec, old, 'selector'),
  ];
}

export function validateDaemonSet(set: JsonObject, old: JsonObject | undefined): FieldError[] {
  const spec = specOf(set);
  return [
    ...validateSelector(spec, 'daemonset'),
    ...validateLastingTemplate(objectAt(spec, 'template'), 'spec.template', 'DaemonSet'),
    ...nonNegative(spec, 'minReadySeconds', 'spec'),
    ...nonNegative(spec, 'revisionHistoryLimit', 'spec'),
    ...immutable(spec, old, 'selector'),
  ];
}

const STATEFUL_MUTABLE = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
];

export function validateStatefulSet(set: JsonObject, old: JsonObject | undefined): FieldError[] {
  const spec = specOf(set);
  const fixed = (given: JsonObject): JsonObject =>
    Object.fromEntries(Object.entries(given).filter(([key]) => !STATEFUL_MUTABLE.includes(key)));
  return [
    ...oneOf(spec.podManagementPolicy, 'spec.podManagementPolicy', ['OrderedReady', 'Parallel']),
    ...nonNegative(spec, 'replicas', 'spec'),
    ...validateSelector(spec, 'statefulset'),
    ...validateLastingTemplate(objectAt(spec, 'template'), 'spec.template', 'StatefulSet'),
    ...nonNegative(spec, 'minReadySeconds', 'spec'),
    ...(old !== undefined && !equal(fixed(spec), fixed(specOf(old)))
      ? [
          forbiddenField(
            'spec',
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
          ),
        ]
      : []),
  ];
}

export function validateJobSpec(spec: JsonObject, field: string): FieldError[] {
  const policy = stringAt(spec, 'template', 'spec', 'restartPolicy') ?? '';
  return [
    ...[
      'parallelism',
      'completions',
      'activeDeadlineSeconds',
      'backoffLimit',
      'ttlSecondsAfterFinished',
    ].flatMap((key) => nonNegative(spec, key, field)),
    ...validateTemplate(objectAt(spec, 'template'), `${field}.template`),
    ...(policy === 'Always' || policy === ''
      ? [required(`${field}.template.spec.restartPolicy`, 'valid values: "OnFailure", "Never"')]
      : []),
  ];
}

export function validateJob(job: JsonObject, old: JsonObject | undefined): FieldError[] {
  const spec = specOf(job);
  return [
    ...validateJobSpec(spec, 'spec'),
    ...['completionMode', 'selector'].flatMap((key) => immutable(spec, old, key)),
    ...(old === undefined ? [] : immutable(spec, old, 'template')),
  ];
}

export function validateCronJob(job: JsonObject): FieldError[] {
  const spec = specOf(job);
  const schedule = stringAt(spec, 'schedule') ?? '';
  const fields = schedule.trim().split(/\s+/).length;
  return [
    ...(schedule === ''
      ? [required('spec.schedule')]
      : schedule.startsWith('@') || fields === 5
        ? []
        : [
            invalidValue(
              'spec.schedule',
              schedule,
              `expected exactly 5 fields, found ${fields}: [${schedule}]`,
            ),
          ]),
    ...oneOf(spec.concurrencyPolicy, 'spec.concurrencyPolicy', ['Allow', 'Forbid', 'Replace']),
    ...nonNegative(spec, 'successfulJobsHistoryLimit', 'spec'),
    ...nonNegative(spec, 'failedJobsHistoryLimit', 'spec'),
    ...validateJobSpec(objectAt(spec, 'jobTemplate', 'spec') ?? {}, 'spec.jobTemplate.spec'),
  ];
}
