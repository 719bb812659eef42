/** Schemas of custom kinds in OpenAPI v2, which knows less than v3: what it cannot say is left out. */
import { isObject } from '../json.js';
import type { Json, JsonObject } from '../json.js';

const DROPPED = ['anyOf', 'oneOf', 'not', 'nullable', 'default', 'x-kubernetes-validations'];

/** The v3 schema as the v2 document shows it. */
export function customSchemaV2(schema: JsonObject): JsonObject {
  if (schema['x-kubernetes-int-or-string'] === true) return { 'x-kubernetes-int-or-string': true };
  // A client that validates by this document must let pass what the server does.
  if (schema['x-kubernetes-preserve-unknown-fields'] === true || schema.nullable === true)
    return Object.fromEntries(
      Object.entries(schema).filter(([key]) => key.startsWith('x-kubernetes-') && !DROPPED.includes(key)),
    );
  const { properties, items, additionalProperties, allOf, ...rest } = schema;
  const kept: JsonObject = Object.fromEntries(Object.entries(rest).filter(([key]) => !DROPPED.includes(key)));
  const inner = (value: Json | undefined): Json | undefined =>
    isObject(value) ? customSchemaV2(value) : value;
  return {
    ...kept,
    ...(isObject(properties) && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([key, value]) => [key, inner(value) as Json]),
      ),
    }),
    ...(items !== undefined && { items: inner(items) }),
    ...(additionalProperties !== undefined && { additionalProperties: inner(additionalProperties) }),
    ...(Array.isArray(allOf) && { allOf: allOf.map((item) => inner(item) as Json) }),
  };
}
