/**
 * Sets of fields in the form that managedFields store: `f:NAME` a field, `k:{…}` an element of a list by its keys, `v:…`
 * an element of a set; `.` the node itself where it has children too, `{}` a node without.
 */
import { defaultOf } from './defaults.js';
import { equal, isObject } from './json.js';
import type { Json, JsonObject } from './json.js';
import type { Field, Schema, Struct, Type } from './schema.js';

export interface FieldSet {
  [element: string]: FieldSet;
}

/** How a value is owned: as one, by its fields, or by its elements. */
export type Shape =
  | { readonly kind: 'leaf' }
  | { readonly kind: 'struct'; readonly struct: Struct }
  | { readonly kind: 'map'; readonly item: Type }
  | {
      readonly kind: 'list';
      readonly item: Type;
      readonly keys: readonly string[];
      readonly keyDefault: (key: string) => Json | undefined;
    }
  | { readonly kind: 'set' };

const LEAF: Shape = { kind: 'leaf' };
const SELF = '.';

/** What a key of a list's elements is where it is left out. */
const keyDefault =
  (schema: Schema, item: Type) =>
  (key: string): Json | undefined => {
    if (item.code !== '@') return undefined;
    // A reference without a name has the empty one, which is not filled in.
    if (item.name === 'core.v1.LocalObjectReference') return '';
    const struct = schema.struct(item.name);
    return struct.custom === undefined ? defaultOf(item.name, key) : struct.fields.get(key)?.default;
  };

/** The shape of a value of this type: what may be anything is owned by its parts where it has any. */
const shapeOfValue = (schema: Schema, value: Json, type: Type, field?: Field): Shape =>
  type.code === 'v' && !isObject(value) ? LEAF : shapeOf(schema, type, field);

export const ANYTHING: Type = { code: 'v' };

export function shapeOf(schema: Schema, type: Type, field?: Field): Shape {
  if (field?.mapType === 'atomic') return LEAF;
  if (type.code === '@') {
    const struct = schema.struct(type.name);
    return struct.mapType === 'atomic' && field?.mapType !== 'granular' ? LEAF : { kind: 'struct', struct };
  }
  if (type.code === '{') return { kind: 'map', item: type.item };
  if (type.code === 'v') return { kind: 'map', item: type };
  if (type.code === '[' && field?.listType === 'map')
    return { kind: 'list', item: type.item, keys: field.listKeys, keyDefault: keyDefault(schema, type.item) };
  if (type.code === '[' && field?.listType === 'set') return { kind: 'set' };
  return LEAF;
}

/** The element's name in a set: by its keys, those that are missing by their defaults. */
export function elementOf(shape: Shape & { kind: 'list' }, item: Json): string {
  const keys: JsonObject = {};
  for (const key of [...shape.keys].sort()) {
    const value = (isObject(item) ? item[key] : undefined) ?? shape.keyDefault(key);
    if (value !== undefined) keys[key] = value;
  }
  return `k:${JSON.stringify(keys)}`;
}

export interface Child {
  readonly element: string;
  readonly value: Json;
  readonly shape: Shape;
  /** True for fields that the type declares: they do not count as members of their own. */
  readonly declared: boolean;
}

/** The parts of a value that are owned one by one; a struct's nulls are parts only if asked for. */
export function children(schema: Schema, shape: Shape, value: Json | undefined, withNulls = false): Child[] {
  const list = Array.isArray(value) ? value : [];
  const entries = isObject(value) ? Object.entries(value) : [];
  switch (shape.kind) {
    case 'leaf':
      return [];
    case 'struct':
      return entries.flatMap(([name, item]) => {
        const { custom } = shape.struct;
        const field = shape.struct.fields.get(name);
        const isNone = item === undefined || (item === null && !withNulls && custom === undefined);
        if (isNone || (field === undefined && custom?.open !== true)) return [];
        return [
          {
            element: `f:${name}`,
            value: item,
            shape: shapeOfValue(schema, item, field?.type ?? ANYTHING, field),
            declared: field !== undefined,
          },
        ];
      });
    case 'map':
      return entries.flatMap(([name, item]) =>
        item === undefined
          ? []
          : [
              {
                element: `f:${name}`,
                value: item,
                shape: shapeOfValue(schema, item, shape.item),
                declared: false,
              },
            ],
      );
    case 'list': {
      const parts = list.map((item) => ({
        element: elementOf(shape, item),
        value: item,
        shape: shapeOf(schema, shape.item),
        declared: false,
      }));
      const names = new Set(parts.map(({ element }) => element));
      if (names.size === parts.length) return parts;
      // Elements that have a key in common are owned together, and as a whole.
      const seen = new Set<string>();
      return parts.flatMap((part) => {
        const isTwice = parts.some((other) => other !== part && other.element === part.element);
        if (!isTwice) return [part];
        if (seen.has(part.element)) return [];
        seen.add(part.element);
        const together = list.filter((item) => elementOf(shape, item) === part.element);
        return [{ ...part, value: together, shape: LEAF }];
      });
    }
    case 'set':
      return list.map((item) => ({
        element: `v:${JSON.stringify(item)}`,
        value: item,
        shape: LEAF,
        declared: false,
      }));
  }
}

const isMember = (node: FieldSet): boolean => Object.hasOwn(node, SELF) || isEmpty(node);
export const isEmpty = (set: FieldSet): boolean => {
  for (const _key in set) return false;
  return true;
};

/** A node of these parts, or undefined when there is nothing. */
function node(self: boolean, parts: FieldSet): FieldSet | undefined {
  if (isEmpty(parts)) return self ? {} : undefined;
  return self ? { [SELF]: {}, ...parts } : parts;
}

type Combine = (a: FieldSet | undefined, b: FieldSet | undefined) => FieldSet | undefined;

/** Combines two sets node by node, `keeps` saying which members stay. */
const combiner = (
  keeps: (inA: boolean, inB: boolean) => boolean,
): ((a: FieldSet, b: FieldSet) => FieldSet) => {
  const combine: Combine = (a, b) => {
    const parts: FieldSet = {};
    for (const key of new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})])) {
      if (key === SELF) continue;
      const part = combine(a?.[key], b?.[key]);
      if (part !== undefined) parts[key] = part;
    }
    return node(keeps(a !== undefined && isMember(a), b !== undefined && isMember(b)), parts);
  };
  // The root is no member, though it may look like one when the set is empty.
  return (a, b) => {
    const { [SELF]: _self, ...parts } = combine(a, b) ?? {};
    return parts;
  };
};

export const union = combiner((inA, inB) => inA || inB);
export const intersection = combiner((inA, inB) => inA && inB);
export const difference = combiner((inA, inB) => inA && !inB);

/** The fields that an applied configuration sets. */
export function setOf(schema: Schema, shape: Shape, value: Json): FieldSet {
  const parts: FieldSet = {};
  for (const child of children(schema, shape, value)) {
    const inner = setOf(schema, child.shape, child.value);
    const isEmptyValue = isObject(child.value) && isEmpty(child.value as FieldSet);
    const self = child.shape.kind === 'leaf' || !child.declared || isEmptyValue;
    const part = node(self, inner);
    if (part !== undefined) parts[child.element] = part;
  }
  return parts;
}

export interface Comparison {
  /** Fields that are new or other than before. */
  readonly changed: FieldSet;
  readonly removed: FieldSet;
}

/** Everything in a value, each node a member. */
function all(schema: Schema, shape: Shape, value: Json): FieldSet {
  const parts: FieldSet = {};
  for (const child of children(schema, shape, value, true))
    parts[child.element] = node(true, all(schema, child.shape, child.value)) ?? {};
  return parts;
}

export function compare(
  schema: Schema,
  shape: Shape,
  before: Json | undefined,
  after: Json | undefined,
): Comparison {
  const changed: FieldSet = {};
  const removed: FieldSet = {};
  const old = new Map(children(schema, shape, before, true).map((child) => [child.element, child]));
  for (const child of children(schema, shape, after)) {
    const previous = old.get(child.element);
    old.delete(child.element);
    if (previous === undefined) {
      changed[child.element] = node(true, all(schema, child.shape, child.value)) ?? {};
    } else if (child.shape.kind === 'leaf') {
      if (!equal(previous.value, child.value)) changed[child.element] = {};
    } else if (previous.value !== child.value) {
      const inner = compare(schema, child.shape, previous.value, child.value);
      if (!isEmpty(inner.changed)) changed[child.element] = inner.changed;
      if (!isEmpty(inner.removed)) removed[child.element] = inner.removed;
    }
  }
  for (const child of old.values())
    if (child.value !== null)
      removed[child.element] = node(true, all(schema, child.shape, child.value)) ?? {};
  return { changed, removed };
}

/** The members as paths: `.spec.containers[name="main"].image`. */
export function paths(set: FieldSet, prefix = ''): string[] {
  return Object.keys(set)
    .filter((element) => element !== SELF)
    .sort()
    .flatMap((element) => {
      const path = prefix + step(element);
      const part = set[element] ?? {};
      return [...(isMember(part) ? [path] : []), ...paths(part, path)];
    });
}

function step(element: string): string {
  const rest = element.slice(2);
  if (element.startsWith('f:')) return `.${rest}`;
  if (element.startsWith('v:')) return `[=${rest}]`;
  const keys = Object.entries(JSON.parse(rest) as Record<string, Json>);
  return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}]`;
}
