/**
 * Reads a JSON value as one of the schema's structs, as the API server's decoder does: unknown fields are dropped and
 * reported, nulls are absent, zero values are absent or shown as the field's kind is, quantities and times take their canonical form, and a value of
 * another type is an error in the decoder's words. Defaults are filled in on the way.
 */
import { fillDefaults } from './defaults.js';
import { isObject, setField } from './json.js';
import type { Json, JsonObject } from './json.js';
import { parseQuantity, QUANTITY_ERROR } from './quantity.js';
import type { Scalar, Schema, Struct, Type } from './schema.js';

/** The value has another type than the schema's. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
  /** The same in the words of the converter that reads strategic merge patches. */
  readonly converted: string;

  constructor(message: string, converted = message) {
    super(message);
    this.converted = converted;
  }
}

export interface Decoded {
  readonly object: JsonObject;
  /** Paths of the fields that the schema does not know, such as `spec.template.spec.containers[0].imagee`. */
  readonly unknown: readonly string[];
}

const GO_SCALARS: Record<Scalar, string> = {
  s: 'string',
  y: '[]uint8',
  i: 'int32',
  l: 'int64',
  d: 'float64',
  b: 'bool',
  q: 'resource.Quantity',
  x: 'intstr.IntOrString',
  t: 'v1.Time',
  u: 'v1.MicroTime',
  o: 'map[string]interface {}',
  v: 'map[string]interface {}',
};

const INT32_MAX = 2 ** 31 - 1;
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function goType(type: Type): string {
  switch (type.code) {
    case '[':
      return `[]${goType(type.item)}`;
    case '{':
      return `map[string]${goType(type.item)}`;
    case '@': {
      const parts = type.name.split('.');
      return parts.slice(-2).join('.');
    }
    default:
      return GO_SCALARS[type.code];
  }
}

/** What the converter says of a value of this JSON type. */
function converted(seen: string, type: Type): string {
  const [word = ''] = seen.split(' ');
  if (type.code === '{') return `cannot restore map from ${KINDS[word] ?? word}`;
  if (type.code === '[') return `cannot restore slice from ${KINDS[word] ?? word}`;
  if (type.code === '@') return `cannot restore struct from: ${KINDS[word] ?? word}`;
  return `cannot convert ${TYPES[word] ?? word} to ${goType(type)}`;
}

/** JSON's types as Go's kinds and types. */
const KINDS: Readonly<Record<string, string>> = { array: 'slice', object: 'map', number: 'int64' };
const TYPES: Readonly<Record<string, string>> = {
  array: '[]interface {}',
  object: 'map[string]interface {}',
  number: 'int64',
};

const jsonType = (value: Json): string =>
  Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;

/**
 * `stored`: as the object is kept, defaults and the zero values that are always shown included. `zero`: the same without
 * defaults. `sparse`: what was written and nothing else, as an applied configuration is read.
 */
export type DecodeMode = 'stored' | 'zero' | 'sparse';

/** Decodes `value` as the struct of this name. Throws DecodeError. */
export function decode(
  schema: Schema,
  structName: string,
  value: JsonObject,
  mode: DecodeMode = 'stored',
): Decoded {
  const unknown: string[] = [];
  const path: string[] = [];
  /** Innermost struct under way, which the decoder's errors name. */
  let owner = '';
  /** In a custom struct a value of another type is left to validation. */
  let lenient = false;
  /** How much of the path an error leaves out: the metadata of custom kinds is decoded for itself. */
  let base = 0;

  const mismatch = (seen: string, type: Type): DecodeError => {
    const field = path
      .slice(base)
      .filter((part) => !part.startsWith('['))
      .join('.');
    return new DecodeError(
      `json: cannot unmarshal ${seen} into Go struct field ${owner}.${field} of type ${goType(type)}`,
      converted(seen, type),
    );
  };

  const scalar = (type: { code: Scalar }, input: Json): Json => {
    switch (type.code) {
      case 's':
        if (typeof input !== 'string') throw mismatch(jsonType(input), type);
        return input;
      case 'b':
        if (typeof input !== 'boolean') throw mismatch(jsonType(input), type);
        return input;
      case 'i':
      case 'l':
        if (typeof input !== 'number') throw mismatch(jsonType(input), type);
        if (!Number.isInteger(input) || (type.code === 'i' && Math.abs(input) > INT32_MAX))
          throw mismatch(`number ${input}`, type);
        return input;
      case 'd':
        if (typeof input !== 'number') throw mismatch(jsonType(input), type);
        return input;
      case 'q': {
        const quantity =
          typeof input === 'string' || typeof input === 'number' ? parseQuantity(String(input)) : undefined;
        if (quantity === undefined) throw new DecodeError(QUANTITY_ERROR);
        return quantity.canonical;
      }
      case 'x':
        if (typeof input === 'string') return input;
        if (typeof input === 'number' && Number.isInteger(input) && Math.abs(input) <= INT32_MAX)
          return input;
        throw mismatch(typeof input === 'number' ? `number ${input}` : jsonType(input), {
          code: 'i',
        });
      case 't':
      case 'u':
        if (typeof input !== 'string') throw mismatch(jsonType(input), { code: 's' });
        return canonicalTime(input, type.code === 'u');
      case 'y':
        if (typeof input !== 'string') throw mismatch(jsonType(input), type);
        if (!BASE64.test(input))
          throw new DecodeError(`illegal base64 data at input byte ${badBase64(input)}`);
        return input;
      case 'o':
      case 'v':
        return input;
    }
  };

  const any = (type: Type, input: Json): Json => {
    switch (type.code) {
      case '@':
        if (isObject(input)) {
          const as = schema.struct(type.name);
          const outer = base;
          if (lenient && as.custom === undefined) base = path.length;
          const read = struct(as, input);
          base = outer;
          return read;
        }
        if (lenient) return input;
        throw mismatch(jsonType(input), type);
      case '[':
        if (!Array.isArray(input)) {
          if (lenient) return input;
          throw mismatch(jsonType(input), type);
        }
        return input.map((item, index) => {
          path.push(`[${index}]`);
          const read = item === null ? empty(type.item) : any(type.item, item);
          path.pop();
          return read;
        });
      case '{': {
        if (!isObject(input)) {
          if (lenient) return input;
          throw mismatch(jsonType(input), type);
        }
        const map: JsonObject = {};
        for (const [key, item] of Object.entries(input)) {
          if (item === undefined) continue;
          // The decoder's errors name the map, not the key.
          if (lenient) path.push(key);
          setField(map, key, item === null ? empty(type.item) : any(type.item, item));
          if (lenient) path.pop();
        }
        return map;
      }
      default:
        return scalar(type, input);
    }
  };

  const empty = (type: Type): Json => (lenient ? null : zero(type));

  const struct = (as: Struct, input: JsonObject): JsonObject => {
    const outer = owner;
    const outerLenient = lenient;
    const object: JsonObject = {};
    for (const [key, item] of Object.entries(input)) {
      const field = as.fields.get(key);
      if (field === undefined && as.custom?.open === true) {
        if (item !== undefined) setField(object, key, item);
        continue;
      }
      if (field === undefined) {
        unknown.push([...path, key].join('.').replaceAll('.[', '['));
        continue;
      }
      if (
        item === null &&
        as.custom !== undefined &&
        (field.nullable === true || field.default === undefined)
      )
        object[key] = null;
      if (item === null || item === undefined) continue;
      owner = as.goName;
      lenient = as.custom !== undefined;
      path.push(key);
      const read = any(field.type, item);
      path.pop();
      if (mode === 'sparse' || field.zero !== 'dropped' || !isZero(read))
        object[key] = field.zero === 'shown' && isEmptyList(read) ? null : read;
    }
    if (mode !== 'sparse')
      for (const field of as.shown)
        if (object[field.name] === undefined) object[field.name] = zeroShown(field.type);
    lenient = as.custom !== undefined;
    if (mode === 'stored' && lenient) {
      for (const { name, type, default: value } of as.fields.values())
        if (value !== undefined && object[name] === undefined)
          object[name] = value === null ? null : any(type, structuredClone(value));
    } else if (mode === 'stored') fillDefaults(as.name, object);
    lenient = outerLenient;
    owner = outer;
    return object;
  };

  /** The zero value of a field that is always shown: structs with what they always show in turn. */
  const zeroShown = (type: Type): Json => {
    if (type.code === '@') return struct(schema.struct(type.name), {});
    return type.code === '[' || type.code === '{' ? null : zero(type);
  };

  const as = schema.struct(structName);
  const object = struct(as, value);
  return { object, unknown: as.custom === undefined ? unknown : inOrder(unknown) };
}

/** The fields that a custom kind does not know, in the order in which the API tells of them. */
const inOrder = (fields: string[]): string[] => {
  const rank = (field: string): number => (field.startsWith('metadata.') ? 0 : 1);
  return fields.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
};

/** What Go leaves out of JSON: empty strings, lists and maps, zeros and false. */
const isZero = (value: Json): boolean =>
  value === '' ||
  value === 0 ||
  value === false ||
  (Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0);

/** Lists that are always shown are null when they are empty. */
const isEmptyList = (value: Json): boolean => Array.isArray(value) && value.length === 0;

function zero(type: Type): Json {
  switch (type.code) {
    case 's':
    case 'y':
      return '';
    case 'i':
    case 'l':
    case 'd':
    case 'x':
      return 0;
    case 'b':
      return false;
    case 'q':
      return '0';
    case '[':
      return [];
    case '{':
    case '@':
      return {};
    default:
      return null;
  }
}

/** Whole seconds in UTC, or microseconds where the field keeps them. */
function canonicalTime(text: string, micro: boolean): string {
  // A time with microseconds must have them all.
  const short = micro
    ? /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?!\.\d{6}(?:Z|[+-]\d\d:\d\d)$)(.*)$/.exec(text)
    : null;
  if (short !== null)
    throw new DecodeError(
      `parsing time ${JSON.stringify(text)} as "2006-01-02T15:04:05.000000Z07:00": cannot parse ${JSON.stringify(short[2])} as ".000000"`,
    );
  const month = Number(text.slice(5, 7));
  if (RFC3339.test(text) && (month < 1 || month > 12))
    throw new DecodeError(`parsing time ${JSON.stringify(text)}: month out of range`);
  const time = RFC3339.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(time))
    throw new DecodeError(
      `parsing time ${JSON.stringify(text)} as "2006-01-02T15:04:05${micro ? '.000000' : ''}Z07:00": cannot parse ${JSON.stringify(text)} as "2006"`,
    );
  const iso = new Date(time).toISOString();
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? '';
  return iso.slice(0, 19) + (micro ? '.' + fraction.slice(0, 6).padEnd(6, '0') : '') + 'Z';
}

function badBase64(text: string): number {
  const index = text.search(/[^A-Za-z0-9+/]/);
  return index < 0 ? text.length - (text.length % 4) : index;
}
