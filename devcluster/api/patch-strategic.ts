/** Strategic merge patch: lists merge by the keys that the schema names. */
import { unexplained } from './errors.js';
import { equal, isObject, setField } from './json.js';
import type { Json, JsonObject } from './json.js';
import type { Field, Schema, Struct, Type } from './schema.js';

const PATCH = '$patch';
const RETAIN = '$retainKeys';
const ORDER = '$setElementOrder/';
const DELETE_PRIMITIVES = '$deleteFromPrimitiveList/';

/** Applies `patch` to an object of this struct; neither is changed. Throws ApiError 400 for a patch that makes no sense. */
export function strategicPatch(
  schema: Schema,
  structName: string,
  target: JsonObject,
  patch: JsonObject,
): JsonObject {
  const structOf = (type: Type | undefined): Struct | undefined =>
    type?.code === '@' ? schema.struct(type.name) : undefined;

  const patchObject = (struct: Struct | undefined, current: JsonObject, change: JsonObject): JsonObject => {
    const directive = change[PATCH];
    if (directive === 'replace') {
      const { [PATCH]: _directive, ...rest } = change;
      return clean(rest);
    }
    if (directive === 'delete') return {};
    if (directive !== undefined && directive !== 'merge')
      throw unexplained(`unknown patch type: ${goText(directive)} in map: ${goText(change)}`);
    let result: JsonObject = { ...current };
    const retain = change[RETAIN];
    if (Array.isArray(retain)) {
      const kept = new Set(retain);
      result = Object.fromEntries(Object.entries(result).filter(([key]) => kept.has(key)));
    }
    for (const [key, value] of Object.entries(change)) {
      if (key === PATCH || key === RETAIN || key.startsWith(ORDER) || value === undefined) continue;
      if (key.startsWith(DELETE_PRIMITIVES)) {
        const name = key.slice(DELETE_PRIMITIVES.length);
        const list = result[name];
        if (Array.isArray(list) && Array.isArray(value))
          result[name] = list.filter((item) => !value.some((gone) => equal(item, gone)));
        continue;
      }
      if (value === null) {
        delete result[key];
        continue;
      }
      const field = struct?.fields.get(key);
      const existing = Object.hasOwn(result, key) ? result[key] : undefined;
      setField(result, key, patchValue(field, existing, value));
    }
    for (const [key, order] of Object.entries(change)) {
      if (!key.startsWith(ORDER) || !Array.isArray(order)) continue;
      const name = key.slice(ORDER.length);
      const list = result[name];
      const before = current[name];
      const mergeKey = struct?.fields.get(name)?.mergeKey;
      const patched = change[name];
      if (Array.isArray(patched) && !isOrdered(patched, order, mergeKey))
        throw unexplained(
          `The order in patch list:\n${goText(patched)}\n doesn't match $setElementOrder list:\n${goText(order)}\n`,
        );
      if (Array.isArray(list))
        result[name] = ordered(list, order, Array.isArray(before) ? before : [], mergeKey);
    }
    return result;
  };

  const patchValue = (field: Field | undefined, current: Json | undefined, value: Json): Json => {
    if (isObject(value)) {
      const replaces = field?.patchStrategy.includes('replace') === true;
      const base = isObject(current) && !replaces ? current : {};
      return patchObject(structOf(field?.type), base, value);
    }
    if (!Array.isArray(value) || field === undefined || !field.patchStrategy.includes('merge'))
      return Array.isArray(value)
        ? value.filter((item) => !isDirective(item)).map((item) => clean(item))
        : value;
    const list = Array.isArray(current) ? current : [];
    if (field.mergeKey === undefined) return mergePrimitives(list, value);
    return mergeList(field, field.mergeKey, list, value);
  };

  const mergeList = (field: Field, mergeKey: string, current: Json[], patches: Json[]): Json[] => {
    const struct = structOf(field.type.code === '[' ? field.type.item : undefined);
    if (patches.some((item) => isObject(item) && item[PATCH] === 'replace'))
      return patches
        .filter((item) => !isObject(item) || item[PATCH] === undefined)
        .map((item) => clean(item));
    let result = [...current];
    for (const item of patches) {
      if (!isObject(item))
        throw unexplained(`list element types are not identical: [${goText(current)} ${goText(patches)}]`);
      const key = item[mergeKey];
      if (key === undefined || key === null)
        throw unexplained(`map: ${goText(item)} does not contain declared merge key: ${mergeKey}`);
      const same = (other: Json): boolean => isObject(other) && equal(other[mergeKey], key);
      if (item[PATCH] === 'delete') {
        result = result.filter((other) => !same(other));
        continue;
      }
      const index = result.findIndex(same);
      const existing = index < 0 ? undefined : result[index];
      const merged = patchObject(struct, isObject(existing) ? existing : {}, item);
      if (index < 0) result.push(merged);
      else result[index] = merged;
    }
    return ordered(result, patches, current, mergeKey);
  };

  return patchObject(schema.struct(structName), target, patch);
}

const isDirective = (item: Json): boolean =>
  isObject(item) && item[PATCH] !== undefined && Object.keys(item).length === 1;

/** Whether the elements that a patch gives, but for those that go, stand in the order that it asks for. */
function isOrdered(patched: Json[], order: Json[], mergeKey: string | undefined): boolean {
  const idOf = (item: Json): Json | undefined =>
    mergeKey !== undefined && isObject(item) ? item[mergeKey] : item;
  let last = -1;
  return patched
    .filter((item) => !isObject(item) || item[PATCH] === undefined)
    .every((item) => {
      const rank = order.findIndex((other) => equal(idOf(item), idOf(other)));
      const follows = rank > last;
      last = rank;
      return follows;
    });
}

/** The value without directives and nulls, as it is stored where nothing was before. */
function clean<T extends Json>(value: T): T {
  if (Array.isArray(value)) return value.map((item) => clean(item)) as T;
  if (!isObject(value)) return value;
  const result: JsonObject = {};
  for (const [key, item] of Object.entries(value))
    if (item !== null && item !== undefined && !key.startsWith('$')) setField(result, key, clean(item));
  return result as T;
}

const mergePrimitives = (current: Json[], added: Json[]): Json[] =>
  ordered(
    [
      ...current,
      ...added.filter(
        (item, index) => ![...current, ...added.slice(0, index)].some((other) => equal(item, other)),
      ),
    ],
    added,
    current,
    undefined,
  );

/**
 * The elements that the patch names in its order, the others in the order that they had, one before the other where both
 * were there before, else those of the patch first.
 */
function ordered(list: Json[], patchOrder: Json[], before: Json[], mergeKey: string | undefined): Json[] {
  const idOf = (item: Json): Json | undefined =>
    mergeKey !== undefined && isObject(item) ? item[mergeKey] : item;
  const rank = (order: Json[], item: Json): number =>
    order.findIndex((other) => equal(idOf(item), idOf(other)));
  const sorted = (items: Json[], order: Json[]): Json[] =>
    items.sort((a, b) => rank(order, a) - rank(order, b));
  const named = sorted(
    list.filter((item) => rank(patchOrder, item) >= 0),
    patchOrder,
  );
  const others = sorted(
    list.filter((item) => rank(patchOrder, item) < 0),
    before,
  );
  const result: Json[] = [];
  while (named.length > 0 || others.length > 0) {
    const [left] = others;
    const [right] = named;
    const isLeft =
      left !== undefined &&
      (right === undefined || (rank(before, right) >= 0 && rank(before, left) < rank(before, right)));
    result.push((isLeft ? others.shift() : named.shift()) as Json);
  }
  return result;
}

/** A value as Go prints it, which is how the API quotes a patch. */
export function goText(value: Json | undefined): string {
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`;
  if (isObject(value))
    return `map[${Object.keys(value)
      .sort()
      .map((key) => `${key}:${goText(value[key])}`)
      .join(' ')}]`;
  return value === null || value === undefined ? '<nil>' : String(value);
}
