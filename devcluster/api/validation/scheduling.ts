/** The rules for where pods run: taints and tolerations, affinity, spread. */
import { duplicate, forbiddenField, invalidValue, notSupported, required } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { numberAt, objectAt, objectsAt, stringAt, stringsAt } from '../json.js';
import type { JsonObject } from '../json.js';
import { labelErrors, labelKeyErrors, labelValueErrors } from '../names.js';
import { labelSelector, oneOf } from './fields.js';

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

const labelKey = (key: string, field: string): FieldError[] =>
  labelKeyErrors(key).map((error) => invalidValue(field, key, error));

export const validateTolerations = (spec: JsonObject, field: string): FieldError[] =>
  objectsAt(spec, 'tolerations').flatMap((toleration, index) => {
    const at = `${field}.tolerations[${index}]`;
    const [key = '', operator = '', value = '', effect = ''] = ['key', 'operator', 'value', 'effect'].map(
      (name) => stringAt(toleration, name),
    );
    const errors = key === '' ? [] : labelKey(key, `${at}.key`);
    const refuse = (name: string, given: string, why: string): void => {
      errors.push(invalidValue(`${at}.${name}`, given, why));
    };
    if (key === '' && operator !== 'Exists')
      refuse(
        'operator',
        operator,
        'operator must be Exists when `key` is empty, which means "match all values and all keys"',
      );
    if (toleration.tolerationSeconds !== undefined && effect !== 'NoExecute')
      refuse('effect', effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
    if (operator === 'Equal' || operator === '')
      for (const error of labelValueErrors(value)) refuse('operator', value, error);
    else if (operator !== 'Exists')
      errors.push(notSupported(`${at}.operator`, operator, ['Equal', 'Exists']));
    else if (value !== '') refuse('operator', value, "value must be empty when `operator` is 'Exists'");
    return [...errors, ...(effect === '' ? [] : oneOf(effect, `${at}.effect`, EFFECTS))];
  });

/** The taints of a Node, under the name that the API has for them. */
export function validateNode(node: JsonObject): FieldError[] {
  const seen = new Set<string>();
  return objectsAt(node, 'spec', 'taints').flatMap((taint, index) => {
    const at = `metadata.taints[${index}]`;
    const [key = '', value = '', effect = ''] = ['key', 'value', 'effect'].map((name) =>
      stringAt(taint, name),
    );
    const errors = [
      ...labelKey(key, `${at}.key`),
      ...labelValueErrors(value).map((error) => invalidValue(`${at}.value`, value, error)),
      ...(effect === '' ? [required(`${at}.effect`)] : oneOf(effect, `${at}.effect`, EFFECTS)),
    ];
    if (seen.has(`${key}:${effect}`)) {
      const again = duplicate(at, {
        Key: key,
        Value: value,
        Effect: effect,
        TimeAdded: taint.timeAdded ?? null,
      });
      errors.push({ ...again, message: `${again.message}: taints must be unique by key and effect pair` });
    }
    seen.add(`${key}:${effect}`);
    return errors;
  });
}

const nodeTerm = (term: JsonObject | undefined, field: string): FieldError[] =>
  objectsAt(term, 'matchExpressions').flatMap((expression, index) => {
    const at = `${field}.matchExpressions[${index}]`;
    const operator = stringAt(expression, 'operator') ?? '';
    const count = stringsAt(expression, 'values').length;
    const errors: FieldError[] = [];
    if (operator === 'In' || operator === 'NotIn') {
      if (count === 0)
        errors.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (count > 0)
        errors.push(
          forbiddenField(
            `${at}.values`,
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
          ),
        );
    } else if (operator === 'Gt' || operator === 'Lt') {
      if (count !== 1)
        errors.push(
          required(`${at}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"),
        );
    } else errors.push(invalidValue(`${at}.operator`, operator, 'not a valid selector operator'));
    return [...errors, ...labelKey(stringAt(expression, 'key') ?? '', `${at}.key`)];
  });

function podTerm(term: JsonObject | undefined, field: string): FieldError[] {
  const key = stringAt(term, 'topologyKey') ?? '';
  return [
    ...labelSelector(objectAt(term, 'labelSelector'), `${field}.labelSelector`),
    ...stringsAt(term, 'namespaces').flatMap((name) =>
      labelErrors(name).map((error) => invalidValue(`${field}.namespace`, name, error)),
    ),
    ...(key === '' ? [required(`${field}.topologyKey`, 'can not be empty')] : []),
    ...labelKey(key, `${field}.topologyKey`),
  ];
}

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution';

const preferred = (
  affinity: JsonObject | undefined,
  field: string,
  key: string,
  check: (term: JsonObject | undefined, field: string) => FieldError[],
): FieldError[] =>
  objectsAt(affinity, PREFERRED).flatMap((item, index) => {
    const at = `${field}.${PREFERRED}[${index}]`;
    const weight = numberAt(item, 'weight') ?? 0;
    return [
      ...(weight < 1 || weight > 100
        ? [invalidValue(`${at}.weight`, weight, 'must be in the range 1-100')]
        : []),
      ...check(objectAt(item, key), `${at}.${key}`),
    ];
  });

export function validateAffinity(spec: JsonObject, field: string): FieldError[] {
  const nodes = objectAt(spec, 'affinity', 'nodeAffinity');
  const at = `${field}.affinity.nodeAffinity`;
  const terms = objectsAt(nodes, REQUIRED, 'nodeSelectorTerms');
  return [
    ...(objectAt(nodes, REQUIRED) !== undefined && terms.length === 0
      ? [required(`${at}.${REQUIRED}.nodeSelectorTerms`, 'must have at least one node selector term')]
      : []),
    ...terms.flatMap((term, index) => nodeTerm(term, `${at}.${REQUIRED}.nodeSelectorTerms[${index}]`)),
    ...preferred(nodes, at, 'preference', nodeTerm),
    ...['podAffinity', 'podAntiAffinity'].flatMap((key) => {
      const pods = objectAt(spec, 'affinity', key);
      const own = `${field}.affinity.${key}`;
      return [
        ...objectsAt(pods, REQUIRED).flatMap((term, index) => podTerm(term, `${own}.${REQUIRED}[${index}]`)),
        ...preferred(pods, own, 'podAffinityTerm', podTerm),
      ];
    }),
  ];
}

export function validateSpread(spec: JsonObject, field: string): FieldError[] {
  const constraints = objectsAt(spec, 'topologySpreadConstraints');
  const idOf = ({ topologyKey, whenUnsatisfiable }: JsonObject): string =>
    `{${String(topologyKey)}, ${String(whenUnsatisfiable)}}`;
  return constraints.flatMap((constraint, index) => {
    const at = `${field}.topologySpreadConstraints[${index}]`;
    const otherwise = stringAt(constraint, 'whenUnsatisfiable') ?? '';
    const domains = numberAt(constraint, 'minDomains');
    const id = idOf(constraint);
    return [
      ...((numberAt(constraint, 'maxSkew') ?? 0) <= 0
        ? [invalidValue(`${at}.maxSkew`, constraint.maxSkew ?? 0, 'must be greater than zero')]
        : []),
      ...(constraint.topologyKey ? [] : [required(`${at}.topologyKey`, 'can not be empty')]),
      ...oneOf(otherwise, `${at}.whenUnsatisfiable`, ['DoNotSchedule', 'ScheduleAnyway']),
      ...(constraints.slice(index + 1).some((other) => idOf(other) === id)
        ? [duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, id)]
        : []),
      ...(domains !== undefined && domains <= 0
        ? [invalidValue(`${at}.minDomains`, domains, 'must be greater than zero')]
        : []),
      ...(domains !== undefined && otherwise !== 'DoNotSchedule'
        ? [
            invalidValue(
              `${at}.minDomains`,
              domains,
              `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${otherwise}`,
            ),
          ]
        : []),
      ...labelSelector(objectAt(constraint, 'labelSelector'), `${at}.labelSelector`),
    ];
  });
}
