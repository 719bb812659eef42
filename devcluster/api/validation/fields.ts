/** Checks of single fields that many kinds share. */
import { duplicate, invalidValue, notSupported, required } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { numberAt, objectAt, objectsAt, stringAt, stringsAt } from '../json.js';
import type { Json, JsonObject } from '../json.js';
import { labelErrors, labelKeyErrors, labelValueErrors } from '../names.js';

const PERCENT = /^[0-9]+%$/;

export function nonNegative(object: JsonObject | undefined, key: string, field: string): FieldError[] {
  const value = numberAt(object, key);
  return value !== undefined && value < 0
    ? [invalidValue(`${field}.${key}`, value, 'must be greater than or equal to 0')]
    : [];
}

export const portNumber = (value: number, field: string): FieldError[] =>
  Number.isInteger(value) && value >= 1 && value <= 65_535
    ? []
    : [invalidValue(field, value, 'must be between 1 and 65535, inclusive')];

/** What is wrong with the name of a port. */
export function portName(name: string, field: string): FieldError[] {
  const errors: string[] = [];
  if (name.length > 15) errors.push('must be no more than 15 characters');
  if (!/^[-a-z0-9]+$/.test(name))
    errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(name)) errors.push('must contain at least one letter (a-z)');
  if (name.includes('--')) errors.push('must not contain consecutive hyphens');
  if (name.startsWith('-') || name.endsWith('-')) errors.push('must not begin or end with a hyphen');
  return errors.map((error) => invalidValue(field, name, error));
}

export const portNumberOrName = (value: Json | undefined, field: string): FieldError[] =>
  typeof value === 'number' ? portNumber(value, field) : portName(String(value ?? ''), field);

/** A required DNS label that no other in its list has. */
export function uniqueLabel(name: string, seen: Set<string>, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (name === '') errors.push(required(field));
  else errors.push(...labelErrors(name).map((error) => invalidValue(field, name, error)));
  if (seen.has(name)) errors.push(duplicate(field, name));
  seen.add(name);
  return errors;
}

export const oneOf = (value: Json | undefined, field: string, allowed: readonly string[]): FieldError[] =>
  value === undefined || (typeof value === 'string' && allowed.includes(value))
    ? []
    : [notSupported(field, value, allowed)];

/** A count or a percentage, not below 0. */
export function countOrPercent(value: Json | undefined, field: string): FieldError[] {
  if (typeof value === 'number')
    return value < 0 ? [invalidValue(field, value, 'must be greater than or equal to 0')] : [];
  if (typeof value !== 'string' || PERCENT.test(value)) return [];
  return [
    invalidValue(
      field,
      value,
      "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
    ),
  ];
}

/** A count or percentage as a number, of percent where it is one. */
export const amount = (value: Json | undefined): number =>
  typeof value === 'number' ? value : Number.parseInt(String(value ?? '0'), 10) || 0;

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'];

/** What is wrong with a label selector object. */
export function labelSelector(selector: JsonObject | undefined, field: string): FieldError[] {
  const labels = Object.entries(objectAt(selector, 'matchLabels') ?? {}).flatMap(([key, value]) => [
    ...labelKeyErrors(key).map((error) => invalidValue(`${field}.matchLabels`, key, error)),
    ...labelValueErrors(String(value)).map((error) =>
      invalidValue(`${field}.matchLabels`, String(value), error),
    ),
  ]);
  const expressions = objectsAt(selector, 'matchExpressions').flatMap((expression, index) => {
    const at = `${field}.matchExpressions[${index}]`;
    const key = stringAt(expression, 'key') ?? '';
    const operator = stringAt(expression, 'operator') ?? '';
    const values = stringsAt(expression, 'values');
    const errors: FieldError[] = [];
    if (!OPERATORS.includes(operator))
      errors.push(invalidValue(`${at}.operator`, operator, 'not a valid selector operator'));
    if ((operator === 'In' || operator === 'NotIn') && values.length === 0)
      errors.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
    if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0)
      errors.push({
        reason: 'FieldValueForbidden',
        field: `${at}.values`,
        message: "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
      });
    errors.push(...labelKeyErrors(key).map((error) => invalidValue(`${at}.key`, key, error)));
    return errors;
  });
  return [...labels, ...expressions];
}

/** Whether the selector is one at all: its operators are known and have values where they need them. */
export const isSelector = (selector: JsonObject): boolean =>
  objectsAt(selector, 'matchExpressions').every(({ operator, values }) =>
    operator === 'In' || operator === 'NotIn'
      ? Array.isArray(values) && values.length > 0
      : operator === 'Exists' || operator === 'DoesNotExist',
  );

export const isEmptySelector = (selector: JsonObject): boolean =>
  Object.keys(objectAt(selector, 'matchLabels') ?? {}).length === 0 &&
  objectsAt(selector, 'matchExpressions').length === 0;

/** Whether a label selector object selects these labels. */
export function selects(selector: JsonObject, labels: JsonObject): boolean {
  const has = (key: string): boolean => Object.hasOwn(labels, key);
  const expressions = objectsAt(selector, 'matchExpressions').every((expression) => {
    const key = stringAt(expression, 'key') ?? '';
    const isListed = stringsAt(expression, 'values').includes(String(labels[key]));
    switch (expression.operator) {
      case 'In':
        return has(key) && isListed;
      case 'NotIn':
        return !has(key) || !isListed;
      case 'Exists':
        return has(key);
      default:
        return !has(key);
    }
  });
  return (
    expressions &&
    Object.entries(objectAt(selector, 'matchLabels') ?? {}).every(
      ([key, value]) => has(key) && labels[key] === value,
    )
  );
}
