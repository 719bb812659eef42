/** Server-side apply: a configuration merged into an object, with its fields owned by who applied it. */
import { ApiError } from './errors.js';
import {
  ANYTHING,
  children,
  compare,
  difference,
  elementOf,
  intersection,
  isEmpty,
  paths,
  setOf,
  shapeOf,
  union,
} from './field-sets.js';
import type { FieldSet, Shape } from './field-sets.js';
import { equal, isObject, objectAt, setField, stringAt } from './json.js';
import type { Json, JsonObject } from './json.js';
import { manageable, readEntries, writeEntries } from './managed-fields.js';
import type { ManagedEntry, Writer } from './managed-fields.js';
import type { Schema } from './schema.js';

export interface Applied {
  readonly object: JsonObject;
  /** Puts the entries into the object once its defaults are filled in. */
  readonly record: (object: JsonObject) => void;
}

/** The configuration laid over the object. */
function mergeInto(schema: Schema, shape: Shape, live: Json | undefined, config: Json): Json {
  switch (shape.kind) {
    case 'leaf':
      return config;
    case 'struct':
    case 'map': {
      if (!isObject(config)) return config;
      const result: JsonObject = isObject(live) ? { ...live } : {};
      for (const [key, value] of Object.entries(config)) {
        if (value === undefined) continue;
        const field = shape.kind === 'struct' ? shape.struct.fields.get(key) : undefined;
        const isOpen = shape.kind === 'struct' && shape.struct.custom?.open === true;
        const type = shape.kind === 'map' ? shape.item : (field?.type ?? (isOpen ? ANYTHING : undefined));
        const inner: Shape = type === undefined ? { kind: 'leaf' } : shapeOf(schema, type, field);
        setField(
          result,
          key,
          mergeInto(schema, inner, Object.hasOwn(result, key) ? result[key] : undefined, value),
        );
      }
      return result;
    }
    case 'set': {
      const items = Array.isArray(live) ? [...live] : [];
      for (const item of Array.isArray(config) ? config : [])
        if (!items.some((other) => equal(item, other))) items.push(item);
      return items;
    }
    case 'list': {
      const items = Array.isArray(live) ? [...live] : [];
      const elements = items.map((item) => elementOf(shape, item));
      for (const item of Array.isArray(config) ? config : []) {
        const index = elements.indexOf(elementOf(shape, item));
        const merged = mergeInto(
          schema,
          shapeOf(schema, shape.item),
          index < 0 ? undefined : items[index],
          item,
        );
        if (index < 0) items.push(merged);
        else items[index] = merged;
      }
      return items;
    }
  }
}

const isMember = (node: FieldSet | undefined): boolean =>
  node !== undefined && (isEmpty(node) || Object.hasOwn(node, '.'));

/**
 * The value without the members of `gone`. What holds a member of `kept` stays, also when it is itself among the gone: a
 * map whose entries are still applied.
 */
function without(
  schema: Schema,
  shape: Shape,
  value: Json,
  gone: FieldSet,
  kept: FieldSet | undefined,
): Json {
  const dropped = new Set<string>();
  const changed = new Map<string, Json>();
  for (const child of children(schema, shape, value)) {
    const node = gone[child.element];
    if (node === undefined) continue;
    const keptNode = kept?.[child.element];
    if (keptNode === undefined && isMember(node)) {
      dropped.add(child.element);
      continue;
    }
    if (child.shape.kind === 'leaf' || isEmpty(node)) continue;
    const rest = without(schema, child.shape, child.value, node, keptNode);
    const isBare = isObject(rest) ? isEmpty(rest as FieldSet) : Array.isArray(rest) && rest.length === 0;
    if (isBare && keptNode === undefined) dropped.add(child.element);
    else changed.set(child.element, rest);
  }
  if (dropped.size === 0 && changed.size === 0) return value;
  if (Array.isArray(value)) {
    const elements = children(schema, shape, value).map(({ element }) => element);
    return value.flatMap((item, index) => {
      const element = elements[index] ?? '';
      return dropped.has(element) ? [] : [changed.get(element) ?? item];
    });
  }
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !dropped.has(`f:${key}`))
      .map(([key, item]) => [key, changed.get(`f:${key}`) ?? item]),
  );
}

const shown = ({ manager, operation, apiVersion, subresource }: ManagedEntry): string =>
  `"${manager}"${subresource === '' ? '' : ` with subresource "${subresource}"`}${
    operation === 'Update' ? ` using ${apiVersion}` : ''
  }`;

function conflictError(conflicts: readonly { entry: ManagedEntry; path: string }[]): ApiError {
  const [first] = conflicts;
  const byManager = new Map<string, string[]>();
  for (const { entry, path } of conflicts)
    byManager.set(shown(entry), [...(byManager.get(shown(entry)) ?? []), `- ${path}`]);
  const lines = [...byManager]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([manager, list]) => [`conflicts with ${manager}:`, ...list]);
  const message =
    conflicts.length === 1 && first !== undefined
      ? `Apply failed with 1 conflict: conflict with ${shown(first.entry)}: ${first.path}`
      : `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`;
  return new ApiError({
    code: 409,
    reason: 'Conflict',
    message,
    details: {
      causes: conflicts.map(({ entry, path }) => ({
        reason: 'FieldManagerConflict',
        message: `conflict with ${shown(entry)}`,
        field: path,
      })),
    },
  });
}

/**
 * Applies `config` to `live` (an empty object for one that is not there yet). Throws ApiError 409 when others have fields
 * that would change, unless forced.
 */
export function apply(
  schema: Schema,
  shape: Shape,
  live: JsonObject,
  config: JsonObject,
  by: Writer & { force: boolean },
): Applied {
  const entries = readEntries(objectAt(live, 'metadata'));
  const isOwn = (entry: ManagedEntry): boolean =>
    entry.operation === 'Apply' && entry.manager === by.manager && entry.subresource === by.subresource;
  const before = entries.find(isOwn);
  const others = entries.filter((entry) => !isOwn(entry));
  const fields = manageable(setOf(schema, shape, config));
  const isNew = stringAt(live, 'metadata', 'uid') === undefined;
  let object = mergeInto(schema, shape, live, config) as JsonObject;
  if (before !== undefined) {
    const kept = others.reduce((sum, entry) => union(sum, entry.fields), fields);
    const gone = difference(before.fields, kept);
    if (!isEmpty(gone)) object = without(schema, shape, object, gone, kept) as JsonObject;
  }
  const { changed } = compare(schema, shape, live, object);
  const conflicts = others.flatMap((entry) =>
    paths(intersection(entry.fields, changed)).map((path) => ({ entry, path })),
  );
  if (conflicts.length > 0 && !by.force) throw conflictError(conflicts);
  return {
    object,
    record(result) {
      const metadata = objectAt(result, 'metadata') ?? {};
      const { changed: now, removed } = compare(schema, shape, live, result);
      const lost = union(intersection(now, changed), removed);
      const isChanged = isNew || !isEmpty(manageable(union(now, removed)));
      const isSame = before !== undefined && equal(before.fields, fields) && isEmpty(manageable(lost));
      writeEntries(metadata, [
        ...others.map((entry) => ({ ...entry, fields: difference(entry.fields, lost) })),
        {
          manager: by.manager,
          operation: 'Apply',
          apiVersion: by.apiVersion,
          subresource: by.subresource,
          // Who changes nothing but gets fields has no time.
          time: isSame ? before.time : isChanged || before !== undefined ? by.time : '',
          fields,
        },
      ]);
      result.metadata = metadata;
    },
  };
}
