/** What the objects of each resource look like when nothing is set, and how their fields are owned. */
import { decode } from './decode.js';
import type { Shape } from './field-sets.js';
import { objectAt } from './json.js';
import type { JsonObject } from './json.js';
import type { ApiResource } from './resources.js';
import type { Schema } from './schema.js';

export interface Shapes {
  shape(resource: ApiResource): Shape;
  /** An object with nothing but the zero values that are always shown; not to be changed. */
  empty(resource: ApiResource): JsonObject;
  /** The status of such an object, to be changed freely; undefined for kinds that show none. */
  emptyStatus(resource: ApiResource): JsonObject | undefined;
}

export function createShapes(schema: Schema): Shapes {
  const known = new WeakMap<ApiResource, { shape: Shape; empty: JsonObject }>();
  const of = (resource: ApiResource): { shape: Shape; empty: JsonObject } => {
    let found = known.get(resource);
    if (found === undefined) {
      const name = schema.structOf(resource.group, resource.version, resource.kind);
      found = {
        shape: { kind: 'struct', struct: schema.struct(name) },
        empty: decode(schema, name, {}, 'zero').object,
      };
      known.set(resource, found);
    }
    return found;
  };
  return {
    shape: (resource) => of(resource).shape,
    empty: (resource) => of(resource).empty,
    emptyStatus: (resource) => structuredClone(objectAt(of(resource).empty, 'status')),
  };
}
