/** The rules for the kinds that make pods. */
import { forbiddenField, invalidValue, notSupported, required } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { equal, isObject, numberAt, objectAt, objectsAt, stringAt } from '../json.js';
import type { JsonObject } from '../json.js';
import {
  amount,
  countOrPercent,
  isEmptySelector,
  isSelector,
  labelSelector,
  nonNegative,
  oneOf,
  selects,
} from './fields.js';
import { labelErrors } from '../names.js';
import { validateClaimSpec } from './claims.js';
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
  if (selector !== undefined && !isSelector(selector)) {
    errors.push(invalidValue('spec.selector', selector, 'invalid label selector'));
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

function validateDaemonStrategy({ type, rollingUpdate }: JsonObject): FieldError[] {
  if (type !== 'RollingUpdate')
    return type === 'OnDelete'
      ? []
      : [
          notSupported('spec.updateStrategy', { Type: type ?? '', RollingUpdate: null }, [
            'RollingUpdate',
            'OnDelete',
          ]),
        ];
  const rolling = isObject(rollingUpdate) ? rollingUpdate : {};
  const at = 'spec.updateStrategy.rollingUpdate';
  return [
    ...countOrPercent(rolling.maxUnavailable, `${at}.maxUnavailable`),
    ...countOrPercent(rolling.maxSurge, `${at}.maxSurge`),
    ...(amount(rolling.maxUnavailable) === 0 && amount(rolling.maxSurge) === 0
      ? [required(`${at}.maxUnavailable`, 'cannot be 0 when maxSurge is 0')]
      : []),
  ];
}

export function validateDaemonSet(set: JsonObject, old: JsonObject | undefined): FieldError[] {
  const spec = specOf(set);
  return [
    ...validateSelector(spec, 'daemonset').filter(
      ({ reason, field }) => reason !== 'FieldValueRequired' || field !== 'spec.selector',
    ),
    ...validateLastingTemplate(objectAt(spec, 'template'), 'spec.template', 'DaemonSet'),
    ...validateDaemonStrategy(objectAt(spec, 'updateStrategy') ?? {}),
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

/** A set's template as its pods have it: each claim template is a volume, in place of one of its name. */
function withClaims(spec: JsonObject): JsonObject | undefined {
  const template = objectAt(spec, 'template');
  const claims = new Map(
    objectsAt(spec, 'volumeClaimTemplates').map((claim) => {
      const name = stringAt(claim, 'metadata', 'name') ?? '';
      return [name, { name, persistentVolumeClaim: { claimName: name } }];
    }),
  );
  if (template === undefined || claims.size === 0) return template;
  const others = objectsAt(template, 'spec', 'volumes').filter(({ name }) => !claims.has(String(name)));
  return { ...template, spec: { ...objectAt(template, 'spec'), volumes: [...claims.values(), ...others] } };
}

export function validateStatefulSet(set: JsonObject, old: JsonObject | undefined): FieldError[] {
  const spec = specOf(set);
  const type = stringAt(spec, 'updateStrategy', 'type') ?? '';
  const service = stringAt(spec, 'serviceName') ?? '';
  const fixed = (given: JsonObject): JsonObject =>
    Object.fromEntries(Object.entries(given).filter(([key]) => !STATEFUL_MUTABLE.includes(key)));
  return [
    ...(['OrderedReady', 'Parallel'].includes(String(spec.podManagementPolicy))
      ? []
      : [
          invalidValue(
            'spec.podManagementPolicy',
            spec.podManagementPolicy,
            "must be 'OrderedReady' or 'Parallel'",
          ),
        ]),
    ...(['RollingUpdate', 'OnDelete'].includes(type)
      ? []
      : [
          invalidValue(
            'spec.updateStrategy',
            { Type: type, RollingUpdate: null },
            "must be 'RollingUpdate' or 'OnDelete'",
          ),
        ]),
    ...nonNegative(
      objectAt(spec, 'updateStrategy', 'rollingUpdate'),
      'partition',
      'spec.updateStrategy.rollingUpdate',
    ),
    ...['whenDeleted', 'whenScaled'].flatMap((key) =>
      oneOf(
        stringAt(spec, 'persistentVolumeClaimRetentionPolicy', key),
        `spec.persistentVolumeClaimRetentionPolicy.${key}`,
        ['Retain', 'Delete'],
      ),
    ),
    ...(old === undefined
      ? objectsAt(spec, 'volumeClaimTemplates').flatMap((claim, index) =>
          validateClaimSpec(objectAt(claim, 'spec') ?? {}, `spec.volumeClaimTemplates[${index}].spec`),
        )
      : []),
    ...(service === ''
      ? []
      : labelErrors(service).map((error) => invalidValue('spec.serviceName', service, error))),
    ...nonNegative(spec, 'replicas', 'spec'),
    ...nonNegative(objectAt(spec, 'ordinals'), 'start', 'spec.ordinals'),
    ...validateSelector(spec, 'statefulset'),
    ...validateLastingTemplate(withClaims(spec), 'spec.template', 'StatefulSet'),
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
    ...oneOf(spec.completionMode, `${field}.completionMode`, ['NonIndexed', 'Indexed']),
    ...(spec.backoffLimitPerIndex !== undefined && spec.completionMode !== 'Indexed'
      ? [
          invalidValue(
            `${field}.backoffLimitPerIndex`,
            spec.backoffLimitPerIndex,
            'requires indexed completion mode',
          ),
        ]
      : []),
    ...objectsAt(spec, 'podFailurePolicy', 'rules').flatMap((rule, index) => {
      const at = `${field}.podFailurePolicy.rules[${index}]`;
      return [
        ...oneOf(rule.action, `${at}.action`, ['Count', 'FailIndex', 'FailJob', 'Ignore']),
        ...(rule.onExitCodes === undefined && objectsAt(rule, 'onPodConditions').length === 0
          ? [
              {
                reason: 'FieldValueInvalid',
                field: at,
                message: 'Invalid value: specifying one of OnExitCodes and OnPodConditions is required',
              },
            ]
          : []),
      ];
    }),
    ...(spec.completionMode === 'Indexed' && spec.completions === undefined
      ? [required(`${field}.completions`, 'when completion mode is Indexed')]
      : []),
    ...validateTemplate(objectAt(spec, 'template'), `${field}.template`),
    ...(policy === 'Always' || policy === ''
      ? [required(`${field}.template.spec.restartPolicy`, 'valid values: "OnFailure", "Never"')]
      : []),
  ];
}

/** A Job's selector is its uid's, unless it says that it made its own. */
function validateJobSelector(job: JsonObject): FieldError[] {
  const spec = specOf(job);
  const selector = objectAt(spec, 'selector');
  const labels = objectAt(spec, 'template', 'metadata', 'labels');
  const own = stringAt(job, 'metadata', 'uid') ?? '';
  const isOwn = equal(selector, { matchLabels: { 'batch.kubernetes.io/controller-uid': own } });
  return [
    ...(selector === undefined ? [required('spec.selector')] : labelSelector(selector, 'spec.selector')),
    ...(selector !== undefined && spec.manualSelector !== true && !isOwn
      ? [invalidValue('spec.selector', selector, '`selector` not auto-generated')]
      : []),
    ...(selector === undefined || !selects(selector, labels ?? {})
      ? [invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`')]
      : []),
  ];
}

/** What the status of a Job may not say: a pod that failed has failed for good. */
export function validateJobStatus(job: JsonObject, old: JsonObject): FieldError[] {
  const failed = numberAt(job, 'status', 'failed') ?? 0;
  return [
    ...['active', 'succeeded', 'failed', 'ready'].flatMap((key) =>
      nonNegative(objectAt(job, 'status'), key, 'status'),
    ),
    ...(failed < (numberAt(old, 'status', 'failed') ?? 0)
      ? [invalidValue('status.failed', failed, 'cannot decrease the failed counter')]
      : []),
  ];
}

export function validateJob(job: JsonObject, old: JsonObject | undefined): FieldError[] {
  const spec = specOf(job);
  return [
    ...validateJobSpec(spec, 'spec'),
    ...validateJobSelector(job),
    ...['completions', 'selector'].flatMap((key) =>
      key === 'completions' && spec.completionMode === 'Indexed' ? [] : immutable(spec, old, key),
    ),
    ...(old === undefined ? [] : immutable(spec, old, 'template')),
    ...immutable(spec, old, 'completionMode'),
  ];
}

/** Least and greatest value of the five fields of a schedule. */
const SCHEDULE: readonly (readonly [number, number])[] = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 6],
];

/** What is wrong with a schedule; undefined when nothing is. */
function scheduleError(schedule: string): string | undefined {
  if (/TZ=/.test(schedule)) return 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead';
  if (schedule.startsWith('@')) return undefined;
  const fields = schedule.trim().split(/\s+/);
  if (fields.length !== 5) return `expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`;
  for (const [index, [least, greatest]] of SCHEDULE.entries())
    for (const part of (fields[index] ?? '').split(',')) {
      const [low = '', high = low] = (part.split('/')[0] ?? '').split('-');
      if (/^\d+$/.test(high) && Number(high) > greatest)
        return `end of range (${Number(high)}) above maximum (${greatest}): ${part}`;
      if (/^\d+$/.test(low) && Number(low) < least)
        return `beginning of range (${Number(low)}) below minimum (${least}): ${part}`;
      if (!/^(\*|\?|\d+(-\d+)?|[a-z]{3}(-[a-z]{3})?)(\/\d+)?$/i.test(part))
        return `failed to parse int from ${low}: strconv.Atoi: parsing ${JSON.stringify(low)}: invalid syntax`;
    }
  return undefined;
}

const isTimeZone = (name: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
};

export function validateCronJob(job: JsonObject, old: JsonObject | undefined): FieldError[] {
  const spec = specOf(job);
  const schedule = stringAt(spec, 'schedule') ?? '';
  const wrong = schedule === '' ? undefined : scheduleError(schedule);
  const zone = stringAt(spec, 'timeZone');
  const name = stringAt(job, 'metadata', 'name') ?? '';
  return [
    ...(schedule === '' ? [required('spec.schedule')] : []),
    ...(wrong === undefined ? [] : [invalidValue('spec.schedule', schedule, wrong)]),
    ...nonNegative(spec, 'startingDeadlineSeconds', 'spec'),
    ...(zone === undefined || isTimeZone(zone)
      ? []
      : [invalidValue('spec.timeZone', zone, `unknown time zone ${zone}`)]),
    ...oneOf(spec.concurrencyPolicy, 'spec.concurrencyPolicy', ['Allow', 'Forbid', 'Replace']),
    ...validateJobSpec(objectAt(spec, 'jobTemplate', 'spec') ?? {}, 'spec.jobTemplate.spec'),
    ...nonNegative(spec, 'successfulJobsHistoryLimit', 'spec'),
    ...nonNegative(spec, 'failedJobsHistoryLimit', 'spec'),
    // Its Jobs' names are eleven characters longer.
    ...(old === undefined && name.length > 52
      ? [invalidValue('metadata.name', name, 'must be no more than 52 characters')]
      : []),
  ];
}
