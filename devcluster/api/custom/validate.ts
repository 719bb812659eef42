/** Checks a value against the schema of a custom kind; what is wrong is told in the API server's words. */
import { duplicate, invalidValue, notSupported, required, tooLong } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { equal, isObject, numberAt, objectAt, objectsAt, stringAt, stringsAt } from '../json.js';
import type { Json, JsonObject } from '../json.js';
import { isOfFormat } from './formats.js';
import { isEmbedded, isIntOrString, isOpen } from './structs.js';

const typeOf = (value: Json): string => {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'number' && Number.isInteger(value) ? 'integer' : typeof value;
};

const child = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);

const wrongType = (path: string, seen: string, type: string): FieldError => ({
  reason: 'FieldValueTypeInvalid',
  field: path,
  message: `Invalid value: ${JSON.stringify(seen)}: ${path === '' ? '' : `${path} in body `}must be of type ${type}: ${JSON.stringify(seen)}`,
});
const inBody = (path: string, value: Json, why: string): FieldError =>
  invalidValue(path, value, `${path} in body should ${why}`);
const tooMany = (path: string, count: number, max: number): FieldError => ({
  reason: 'FieldValueTooMany',
  field: path,
  message: `Too many: ${count}: must have at most ${max} items`,
});
/** A failed combination of schemas has no field of its own. */
const combination = (path: string, why: string): FieldError =>
  invalidValue('<nil>', '', `${JSON.stringify(path)} must ${why}`);

function checkNumber(props: JsonObject, value: number, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = props;
  if (typeof maximum === 'number') {
    if (exclusiveMaximum === true && value >= maximum)
      errors.push(inBody(path, value, `be less than ${maximum}`));
    else if (value > maximum) errors.push(inBody(path, value, `be less than or equal to ${maximum}`));
  }
  if (typeof minimum === 'number') {
    if (exclusiveMinimum === true && value <= minimum)
      errors.push(inBody(path, value, `be greater than ${minimum}`));
    else if (value < minimum) errors.push(inBody(path, value, `be greater than or equal to ${minimum}`));
  }
  if (typeof multipleOf === 'number' && multipleOf > 0) {
    const times = value / multipleOf;
    if (Math.abs(times - Math.round(times)) > 1e-9)
      errors.push(inBody(path, value, `be a multiple of ${multipleOf}`));
  }
  return errors;
}

/** A pattern of Go's syntax, of which JavaScript knows all but few forms; undefined for one of those. */
const compiled = (pattern: string): RegExp | undefined => {
  try {
    const [, flags = '', rest = pattern] = /^\(\?([is]+)\)(.*)$/s.exec(pattern) ?? [];
    return new RegExp(rest.replace(/\\A/g, '^').replace(/\\z/g, '$'), `u${flags}`);
  } catch {
    return undefined;
  }
};

function checkString(props: JsonObject, value: string, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const length = [...value].length;
  const { minLength, maxLength } = props;
  const pattern = stringAt(props, 'pattern');
  const format = stringAt(props, 'format');
  if (typeof maxLength === 'number' && length > maxLength) errors.push(tooLong(path, maxLength));
  if (typeof minLength === 'number' && length < minLength)
    errors.push(inBody(path, value, `be at least ${minLength} chars long`));
  if (pattern !== undefined && compiled(pattern)?.test(value) === false)
    errors.push(inBody(path, value, `match '${pattern}'`));
  if (format !== undefined && !isOfFormat(format, value))
    errors.push({
      reason: 'FieldValueTypeInvalid',
      field: path,
      message: `Invalid value: ${JSON.stringify(value)}: ${path} in body must be of type ${format}: ${JSON.stringify(value)}`,
    });
  return errors;
}

function checkList(props: JsonObject, value: Json[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { minItems, maxItems } = props;
  if (typeof maxItems === 'number' && value.length > maxItems)
    errors.push(tooMany(path, value.length, maxItems));
  if (typeof minItems === 'number' && value.length < minItems)
    errors.push(inBody(path, value.length, `have at least ${minItems} items`));
  const items = objectAt(props, 'items');
  if (items !== undefined)
    value.forEach((item, index) => errors.push(...check(items, item, `${path}[${index}]`)));
  return errors;
}

function checkObject(props: JsonObject, value: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { additionalProperties } = props;
  const properties = objectAt(props, 'properties') ?? {};
  const count = Object.keys(value).length;
  const max = numberAt(props, 'maxProperties');
  const min = numberAt(props, 'minProperties');
  if (max !== undefined && count > max) errors.push(tooMany(path, count, max));
  if (min !== undefined && count < min) errors.push(inBody(path, count, `have at least ${min} properties`));
  for (const key of stringsAt(props, 'required'))
    if (value[key] === undefined) errors.push(required(child(path, key)));
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue;
    const own = Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
    if (isObject(own)) errors.push(...check(own, item, child(path, key)));
  }
  if (isEmbedded(props))
    for (const key of ['apiVersion', 'kind'])
      if (!value[key]) errors.push(required(child(path, key), 'must not be empty'));
  return errors;
}

/** What is wrong with the value by each of the schemas that stand side by side. */
const branches = (props: JsonObject, key: string, value: Json, path: string): FieldError[][] =>
  objectsAt(props, key).map((branch) => check(branch, value, path));

function checkCombinations(props: JsonObject, value: Json, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const nearest = (found: FieldError[][]): FieldError[] =>
    found.reduce((best, item) => (item.length < best.length ? item : best));
  const all = branches(props, 'allOf', value, path).flat();
  if (all.length > 0) errors.push(...all, combination(path, 'validate all the schemas (allOf)'));
  const any = branches(props, 'anyOf', value, path);
  if (any.length > 0 && any.every((item) => item.length > 0))
    errors.push(combination(path, 'validate at least one schema (anyOf)'), ...nearest(any));
  const one = branches(props, 'oneOf', value, path);
  const valid = one.filter((item) => item.length === 0).length;
  if (one.length > 0 && valid !== 1)
    errors.push(
      combination(
        path,
        `validate one and only one schema (oneOf). Found ${valid === 0 ? 'none valid' : `${valid} valid alternatives`}`,
      ),
      ...(valid === 0 ? nearest(one) : []),
    );
  const not = objectAt(props, 'not');
  if (not !== undefined && check(not, value, path).length === 0)
    errors.push(combination(path, 'not validate the schema (not)'));
  return errors;
}

function check(props: JsonObject, value: Json, path: string): FieldError[] {
  if (value === null && props.nullable === true) return [];
  const seen = typeOf(value);
  const type = stringAt(props, 'type');
  if (isIntOrString(props)) {
    if (seen !== 'integer' && seen !== 'string') return [wrongType(path, seen, 'integer,string')];
  } else if (type !== undefined && type !== seen && !(type === 'number' && seen === 'integer'))
    return [wrongType(path, seen, type)];
  else if (seen === 'null' && type === undefined && !isOpen(props)) return [];
  const values = props.enum;
  return [
    ...(typeof value === 'number' ? checkNumber(props, value, path) : []),
    ...(typeof value === 'string' ? checkString(props, value, path) : []),
    ...(Array.isArray(value) ? checkList(props, value, path) : []),
    ...(isObject(value) ? checkObject(props, value, path) : []),
    ...(Array.isArray(values) && !values.some((item) => equal(item, value))
      ? [
          notSupported(
            path,
            value,
            values.map((item) => (typeof item === 'string' ? item : JSON.stringify(item))),
          ),
        ]
      : []),
    ...checkCombinations(props, value, path),
  ];
}

/** Elements of sets and of lists by keys that are there twice. */
function duplicates(props: JsonObject, value: Json | undefined, path: string): FieldError[] {
  if (Array.isArray(value)) {
    const items = objectAt(props, 'items') ?? {};
    const listType = stringAt(props, 'x-kubernetes-list-type');
    const keys = stringsAt(props, 'x-kubernetes-list-map-keys');
    const errors: FieldError[] = [];
    const seen = new Set<string>();
    value.forEach((item, index) => {
      const at = `${path}[${index}]`;
      if (listType === 'set' || listType === 'map') {
        const id: Json =
          listType === 'map' && isObject(item)
            ? Object.fromEntries(
                [...keys].sort().flatMap((key) => (item[key] === undefined ? [] : [[key, item[key]]])),
              )
            : item;
        const text = JSON.stringify(id);
        if (seen.has(text)) errors.push(duplicate(at, id));
        seen.add(text);
      }
      errors.push(...duplicates(items, item, at));
    });
    return errors;
  }
  if (!isObject(value)) return [];
  const properties = objectAt(props, 'properties') ?? {};
  return Object.entries(value).flatMap(([key, item]) => {
    const own = Object.hasOwn(properties, key) ? properties[key] : props.additionalProperties;
    return isObject(own) ? duplicates(own, item, child(path, key)) : [];
  });
}

/** Everything wrong with a value; `path` is where it stands, `` for the object itself. */
export const validateValue = (props: JsonObject, value: Json, path = ''): FieldError[] => [
  ...check(props, value, path),
  ...duplicates(props, value, path),
];
