/** The rules for budgets, autoscalers, leases and events. */
import { invalidValue, required } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { numberAt, objectAt, objectsAt, stringAt } from '../json.js';
import type { JsonObject } from '../json.js';
import { amount, countOrPercent, labelSelector, nonNegative, oneOf } from './fields.js';

export function validateBudget(budget: JsonObject): FieldError[] {
  const spec = objectAt(budget, 'spec') ?? {};
  const { minAvailable, maxUnavailable, selector, unhealthyPodEvictionPolicy } = spec;
  if (minAvailable !== undefined && maxUnavailable !== undefined)
    return [
      invalidValue(
        'spec',
        {
          MinAvailable: minAvailable,
          Selector: selector ?? null,
          MaxUnavailable: maxUnavailable,
          UnhealthyPodEvictionPolicy: unhealthyPodEvictionPolicy ?? null,
        },
        'minAvailable and maxUnavailable cannot be both set',
      ),
    ];
  return [
    ...(['minAvailable', 'maxUnavailable'] as const).flatMap((key) => [
      ...countOrPercent(spec[key], `spec.${key}`),
      ...(typeof spec[key] === 'string' && amount(spec[key]) > 100
        ? [invalidValue(`spec.${key}`, spec[key], 'must not be greater than 100%')]
        : []),
    ]),
    ...labelSelector(objectAt(spec, 'selector'), 'spec.selector'),
  ];
}

const METRICS = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'];

export function validateAutoscaler(scaler: JsonObject): FieldError[] {
  const spec = objectAt(scaler, 'spec') ?? {};
  const max = numberAt(spec, 'maxReplicas') ?? 0;
  const min = numberAt(spec, 'minReplicas') ?? 1;
  const target = objectAt(spec, 'scaleTargetRef') ?? {};
  const at = 'spec.scaleTargetRef';
  return [
    ...(min < 1 ? [invalidValue('spec.minReplicas', min, 'must be greater than or equal to 1')] : []),
    ...(max < 1 ? [invalidValue('spec.maxReplicas', max, 'must be greater than 0')] : []),
    ...(max < min
      ? [invalidValue('spec.maxReplicas', max, 'must be greater than or equal to `minReplicas`')]
      : []),
    ...(['kind', 'name'] as const).filter((key) => !target[key]).map((key) => required(`${at}.${key}`)),
    ...(target.apiVersion ? [] : [invalidValue(`${at}.apiVersion`, '', 'apiVersion must specify API group')]),
    ...objectsAt(spec, 'metrics').flatMap((metric, index) =>
      // Said twice, by the type and by the source that goes with it.
      oneOf(metric.type, `spec.metrics[${index}].type`, METRICS).flatMap((error) => [error, error]),
    ),
  ];
}

export function validateLease(lease: JsonObject): FieldError[] {
  const duration = numberAt(lease, 'spec', 'leaseDurationSeconds');
  return [
    ...(duration !== undefined && duration <= 0
      ? [invalidValue('spec.leaseDurationSeconds', duration, 'must be greater than 0')]
      : []),
    ...nonNegative(objectAt(lease, 'spec'), 'leaseTransitions', 'spec'),
  ];
}

/** An event is in the namespace of what it is about; of what is in none, in the default one. */
export function validateEvent(event: JsonObject, old: JsonObject | undefined): FieldError[] {
  if (old !== undefined) return [];
  const namespace = stringAt(event, 'metadata', 'namespace') ?? '';
  const about = stringAt(event, 'involvedObject', 'namespace') ?? '';
  const isOf = about === '' ? namespace === 'default' : about === namespace;
  return isOf ? [] : [invalidValue('involvedObject.namespace', about, 'does not match event.namespace')];
}
