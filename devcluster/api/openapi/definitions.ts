/** The definitions of OpenAPI documents, made from the schema: fields, types, list types, merge keys, enums, defaults. */
import { isObject } from '../json.js';
import type { Json, JsonObject } from '../json.js';
import type { Field, Schema, Struct, Type } from '../schema.js';
import { definitionName } from './names.js';
import { customSchemaV2 } from './custom.js';

export type OpenApiVersion = 2 | 3;

interface Dialect {
  readonly version: OpenApiVersion;
  readonly prefix: string;
}

const DIALECTS: Readonly<Record<OpenApiVersion, Dialect>> = {
  2: { version: 2, prefix: '#/definitions/' },
  3: { version: 3, prefix: '#/components/schemas/' },
};

const SCALARS: Readonly<Record<string, { type: string; format?: string; zero?: Json }>> = {
  s: { type: 'string', zero: '' },
  y: { type: 'string', format: 'byte' },
  i: { type: 'integer', format: 'int32', zero: 0 },
  l: { type: 'integer', format: 'int64', zero: 0 },
  d: { type: 'number', format: 'double', zero: 0 },
  b: { type: 'boolean', zero: false },
};

/** Definitions of their own for values that are no plain JSON types. */
const NAMED: Readonly<Record<string, string>> = {
  q: 'io.k8s.apimachinery.pkg.api.resource.Quantity',
  x: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
  t: 'io.k8s.apimachinery.pkg.apis.meta.v1.Time',
  u: 'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime',
};

const namedDefinition = (name: string, { version }: Dialect): JsonObject => {
  switch (name) {
    case NAMED.q:
      return version === 2 ? { type: 'string' } : { oneOf: [{ type: 'string' }, { type: 'number' }] };
    case NAMED.x:
      return version === 2
        ? { type: 'string', format: 'int-or-string' }
        : { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] };
    default:
      return { type: 'string', format: 'date-time' };
  }
};

/** A reference with what stands beside it, which OpenAPI 3 allows in an allOf alone. */
const reference = (name: string, beside: JsonObject, { version, prefix }: Dialect): JsonObject => {
  const ref = { $ref: prefix + name };
  if (Object.keys(beside).length === 0) return ref;
  return version === 2 ? { ...ref, ...beside } : { ...beside, allOf: [ref] };
};

interface Closure {
  readonly schema: Schema;
  readonly dialect: Dialect;
  /** Told of each definition that another one refers to. */
  readonly refer: (name: string) => void;
}

/** `always`: the value is no pointer, so that its zero value is its default. */
function typeSchema(to: Closure, type: Type, field: Field, always: boolean, beside: JsonObject): JsonObject {
  const { dialect, refer } = to;
  const zero = (value: Json | undefined): JsonObject =>
    always && dialect.version === 3 && value !== undefined ? { default: value } : {};
  const refTo = (name: string, value?: Json): JsonObject => {
    refer(name);
    return reference(definitionName(name), { ...zero(value), ...beside }, dialect);
  };
  switch (type.code) {
    case '@':
      return refTo(type.name, {});
    case '[':
      return { type: 'array', items: typeSchema(to, type.item, field, true, {}), ...beside };
    case '{':
      return { type: 'object', additionalProperties: typeSchema(to, type.item, field, true, {}), ...beside };
    case 'o':
    case 'v':
      return field.opaque === undefined ? { type: 'object', ...beside } : refTo(field.opaque);
    default: {
      const named = NAMED[type.code];
      if (named !== undefined) return refTo(named);
      const { type: name = 'object', format, zero: empty } = SCALARS[type.code] ?? {};
      return {
        type: name,
        ...(format !== undefined && { format }),
        ...(field.enum !== undefined && { enum: [...field.enum] }),
        ...zero(empty),
        ...beside,
      };
    }
  }
}

const fieldSchema = (to: Closure, field: Field): JsonObject => {
  const hasDefault = to.dialect.version === 3 && field.default !== undefined && field.default !== null;
  const beside: JsonObject = {
    ...(hasDefault && { default: field.default }),
    ...(field.patchStrategy.length > 0 && { 'x-kubernetes-patch-strategy': field.patchStrategy.join(',') }),
    ...(field.mergeKey !== undefined && { 'x-kubernetes-patch-merge-key': field.mergeKey }),
    ...(field.listType !== undefined && { 'x-kubernetes-list-type': field.listType }),
    ...(field.listKeys.length > 0 && { 'x-kubernetes-list-map-keys': [...field.listKeys] }),
    ...(field.mapType !== undefined && { 'x-kubernetes-map-type': field.mapType }),
  };
  return typeSchema(to, field.type, field, field.zero === 'shown' && field.default !== null, beside);
};

const kindsOf = (schema: Schema, struct: string, suffix = ''): JsonObject => {
  const kinds = schema.kindsOf(struct).map((gvk) => ({ ...gvk, kind: gvk.kind + suffix }));
  return kinds.length === 0 ? {} : { 'x-kubernetes-group-version-kind': kinds };
};

function structSchema(to: Closure, struct: Struct): JsonObject {
  if (struct.document !== undefined)
    return {
      ...resolved(to, to.dialect.version === 2 ? customSchemaV2(struct.document) : struct.document),
      ...kindsOf(to.schema, struct.name),
    };
  if (struct.opaque !== undefined) return struct.opaque === '' ? {} : { type: struct.opaque };
  return {
    type: 'object',
    ...(struct.required.length > 0 && { required: [...struct.required] }),
    properties: Object.fromEntries([...struct.fields].map(([name, field]) => [name, fieldSchema(to, field)])),
    ...(struct.mapType !== undefined && { 'x-kubernetes-map-type': struct.mapType }),
    ...kindsOf(to.schema, struct.name),
  };
}

/** A custom kind's schema with `$ref: NAME` of the schema's structs made references of this document. */
function resolved(to: Closure, value: JsonObject): JsonObject {
  const walk = (item: Json): Json => {
    if (Array.isArray(item)) return item.map(walk);
    if (!isObject(item)) return item;
    if (typeof item.$ref === 'string') {
      to.refer(item.$ref);
      return { $ref: to.dialect.prefix + definitionName(item.$ref) };
    }
    return Object.fromEntries(Object.entries(item).map(([key, inner]) => [key, walk(inner as Json)]));
  };
  return walk(value) as JsonObject;
}

const LIST = 'List';

/** The list kind of a stored kind. */
const listSchema = (to: Closure, struct: string): JsonObject => {
  to.refer('meta.v1.ListMeta');
  const { dialect } = to;
  const zero = dialect.version === 3 ? { default: {} } : {};
  return {
    type: 'object',
    required: ['items'],
    properties: {
      apiVersion: { type: 'string' },
      items: { type: 'array', items: reference(definitionName(struct), zero, dialect) },
      kind: { type: 'string' },
      metadata: reference(definitionName('meta.v1.ListMeta'), zero, dialect),
    },
    ...kindsOf(to.schema, struct, LIST),
  };
};

/** The definitions of these structs, of those that they refer to, and of the lists of `listed`, by name. */
export function definitions(
  schema: Schema,
  version: OpenApiVersion,
  structs: Iterable<string>,
  listed: Iterable<string>,
): JsonObject {
  const dialect = DIALECTS[version];
  const known = new Set<string>();
  const queue: string[] = [];
  const refer = (name: string): void => {
    if (known.has(name)) return;
    known.add(name);
    queue.push(name);
  };
  const to: Closure = { schema, dialect, refer };
  const found: [string, JsonObject][] = [];
  for (const name of structs) refer(name);
  for (const name of listed) found.push([definitionName(name) + LIST, listSchema(to, name)]);
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const isNamed = Object.values(NAMED).includes(name);
    const made = isNamed ? namedDefinition(name, dialect) : structSchema(to, schema.struct(name));
    found.push([definitionName(name), made]);
  }
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}
