/** The replicas of a custom kind that is scaled: numbers where its definition says that they are. */
import { invalidValue } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { isObject } from '../json.js';
import type { Json, JsonObject } from '../json.js';
import { goText } from '../patch-strategic.js';
import type { ScalePaths } from '../resources.js';

const MAX = 2 ** 31 - 1;

function goType(value: Json): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return '[]interface {}';
  if (isObject(value)) return 'map[string]interface {}';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64';
  return typeof value === 'boolean' ? 'bool' : 'string';
}

function checkReplicas(object: JsonObject, path: readonly string[]): FieldError[] {
  const field = `.${path.join('.')}`;
  const mismatch = (value: Json, expected: string): FieldError[] => [
    invalidValue(
      field,
      0,
      `${field} accessor error: ${goText(value)} is of the type ${goType(value)}, expected ${expected}`,
    ),
  ];
  let value: Json | undefined = object;
  for (const key of path) {
    if (!isObject(value)) return mismatch(value, 'map[string]interface{}');
    value = Object.hasOwn(value, key) ? value[key] : undefined;
    if (value === undefined) return [];
  }
  if (typeof value !== 'number' || !Number.isInteger(value)) return mismatch(value ?? null, 'int64');
  if (value < 0) return [invalidValue(field, value, 'should be a non-negative integer')];
  return value > MAX ? [invalidValue(field, value, `should be less than or equal to ${MAX}`)] : [];
}

/** What is wrong with the fields that the scale subresource reads. */
export const validateScaled = (object: JsonObject, scale: ScalePaths | undefined): FieldError[] =>
  scale === undefined ? [] : [scale.spec, scale.status].flatMap((path) => checkReplicas(object, path));
