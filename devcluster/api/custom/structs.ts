/**
 * The schema of a custom kind in the model of the built-in ones, so that pruning, defaults, merging and server-side apply
 * are the same code for both.
 */
import { isObject, objectAt, stringAt, stringsAt } from '../json.js';
import type { Json, JsonObject } from '../json.js';
import type { Field, Struct, Type } from '../schema.js';

const METADATA = { code: '@', name: 'meta.v1.ObjectMeta' } as const;
/** What is checked by validation alone. */
const VALUE: Type = { code: 'o' };
const ANYTHING: Type = { code: 'v' };

const field = (name: string, type: Type, props: JsonObject = {}): Field => ({
  name,
  type,
  zero: 'kept',
  patchStrategy: [],
  mergeKey: undefined,
  listType: stringAt(props, 'x-kubernetes-list-type'),
  listKeys: stringsAt(props, 'x-kubernetes-list-map-keys'),
  mapType: stringAt(props, 'x-kubernetes-map-type'),
  default: props.default,
  enum: undefined,
  opaque: undefined,
  nullable: props.nullable === true,
});

/** The field by which a schema keeps what it does not declare. */
export const isOpen = (props: JsonObject): boolean => props['x-kubernetes-preserve-unknown-fields'] === true;
export const isEmbedded = (props: JsonObject): boolean => props['x-kubernetes-embedded-resource'] === true;
export const isIntOrString = (props: JsonObject): boolean => props['x-kubernetes-int-or-string'] === true;

/** The structs of one version's schema; the first is that of the object itself. */
export function customStructs(name: string, schema: JsonObject): Struct[] {
  const structs: Struct[] = [];

  const struct = (
    structName: string,
    props: JsonObject,
    isResource: boolean,
    document?: JsonObject,
  ): Type => {
    const fields = new Map<string, Field>();
    const at = structs.push(undefined as unknown as Struct) - 1;
    for (const [key, value] of Object.entries(objectAt(props, 'properties') ?? {}))
      if (isObject(value)) fields.set(key, field(key, type(`${structName}.${key}`, value), value));
    if (isResource) {
      for (const key of ['apiVersion', 'kind']) fields.set(key, field(key, VALUE));
      fields.set('metadata', field('metadata', METADATA));
    }
    structs[at] = {
      name: structName,
      goName: structName.slice(structName.lastIndexOf('.') + 1),
      fields,
      shown: [],
      proto: {},
      required: stringsAt(props, 'required'),
      mapType: stringAt(props, 'x-kubernetes-map-type'),
      opaque: undefined,
      custom: { open: isOpen(props) },
      ...(document && { document }),
    };
    return { code: '@', name: structName };
  };

  const type = (path: string, props: JsonObject): Type => {
    if (isIntOrString(props)) return VALUE;
    if (isEmbedded(props)) return struct(path, props, true);
    if (props.type === 'array') {
      const items = objectAt(props, 'items');
      return { code: '[', item: items === undefined ? ANYTHING : type(`${path}[]`, items) };
    }
    const { additionalProperties } = props;
    if (isObject(additionalProperties)) return { code: '{', item: type(`${path}{}`, additionalProperties) };
    if (additionalProperties === true) return { code: '{', item: ANYTHING };
    if (isOpen(props) && props.properties === undefined) return ANYTHING;
    return props.type === 'object' ? struct(path, props, false) : VALUE;
  };

  struct(name, schema, true, document(schema));
  return structs;
}

const TYPE_META: JsonObject = { apiVersion: { type: 'string' }, kind: { type: 'string' } };

/** The schema as the OpenAPI v3 document shows it; references are names of structs. */
function document(schema: JsonObject): JsonObject {
  const walk = (props: JsonObject, isRoot: boolean): JsonObject => {
    const inner = (value: Json | undefined): Json | undefined =>
      isObject(value) ? walk(value, false) : value;
    const isResource = isRoot || isEmbedded(props);
    const { properties, items, additionalProperties, ...rest } = props;
    return {
      ...rest,
      ...(isIntOrString(props) && { anyOf: [{ type: 'integer' }, { type: 'string' }] }),
      ...(isEmbedded(props) && {
        required: [...new Set([...stringsAt(props, 'required'), 'kind', 'apiVersion'])],
      }),
      ...((properties !== undefined || isResource) && {
        properties: {
          ...Object.fromEntries(
            Object.entries(isObject(properties) ? properties : {}).map(([key, value]) => [
              key,
              inner(value) as Json,
            ]),
          ),
          ...(isResource && { ...TYPE_META, metadata: { $ref: METADATA.name } }),
        },
      }),
      ...(items !== undefined && { items: inner(items) }),
      ...(additionalProperties !== undefined && { additionalProperties: inner(additionalProperties) }),
    };
  };
  return walk(schema, true);
}
