/** JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386). */
import { equal, isObject, setField } from './json.js';
import type { Json, JsonObject } from './json.js';

/** The patch does not fit the object; the message is the API's. */
export class PatchError extends Error {
  override readonly name = 'PatchError';
}

export interface JsonPatchOperation {
  readonly op: string;
  readonly path: string;
  readonly from?: string | undefined;
  readonly value?: Json | undefined;
}

/** Applies a merge patch; `target` is not changed. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === undefined) continue;
    if (value === null) delete result[key];
    else setField(result, key, mergePatch(Object.hasOwn(result, key) ? result[key] : undefined, value));
  }
  return result;
}

const parsePointer = (pointer: string): string[] =>
  pointer === ''
    ? []
    : pointer
        .split('/')
        .slice(1)
        .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));

const missing = (operation: JsonPatchOperation, path: string): PatchError =>
  new PatchError(
    `${operation.op} operation does not apply: doc is missing path: ${JSON.stringify(path)}: missing value`,
  );

function indexIn(list: Json[], part: string, operation: JsonPatchOperation, last: number): number {
  const index = /^-?\d+$/.test(part) ? Number(part) : NaN;
  if (!Number.isInteger(index) || index < 0 || index > last)
    throw new PatchError(
      `${operation.op} operation does not apply: doc is missing key: ${operation.path}: ${
        Number.isNaN(index)
          ? `strconv.Atoi: parsing ${JSON.stringify(part)}: invalid syntax`
          : `Unable to access invalid index: ${part}: invalid index referenced`
      }`,
    );
  return list.length === 0 && last < 0 ? -1 : index;
}

interface Place {
  readonly parent: Json[] | JsonObject;
  readonly key: string;
}

function find(document: JsonObject, operation: JsonPatchOperation, pointer: string): Place {
  const parts = parsePointer(pointer);
  const key = parts.pop();
  if (key === undefined)
    throw new PatchError(`${operation.op} operation does not apply: the whole object cannot be changed`);
  let parent: Json | undefined = document;
  for (const part of parts) {
    if (Array.isArray(parent)) parent = parent[indexIn(parent, part, operation, parent.length - 1)];
    else if (isObject(parent)) parent = Object.hasOwn(parent, part) ? parent[part] : undefined;
    else parent = undefined;
    if (parent === undefined) throw missing(operation, pointer);
  }
  if (!Array.isArray(parent) && !isObject(parent)) throw missing(operation, pointer);
  return { parent, key };
}

function get({ parent, key }: Place, operation: JsonPatchOperation, pointer: string): Json {
  const value = Array.isArray(parent)
    ? parent[indexIn(parent, key, operation, parent.length - 1)]
    : Object.hasOwn(parent, key)
      ? parent[key]
      : undefined;
  if (value === undefined)
    throw new PatchError(
      `${operation.op} operation does not apply: doc is missing key: ${pointer}: missing value`,
    );
  return value;
}

function add({ parent, key }: Place, operation: JsonPatchOperation, value: Json): void {
  if (Array.isArray(parent))
    parent.splice(key === '-' ? parent.length : indexIn(parent, key, operation, parent.length), 0, value);
  else setField(parent, key, value);
}

function remove(place: Place, operation: JsonPatchOperation, pointer: string): Json {
  const value = get(place, operation, pointer);
  if (Array.isArray(place.parent)) place.parent.splice(Number(place.key), 1);
  else delete place.parent[place.key];
  return value;
}

/** Applies the operations to `document`, which is changed. Throws PatchError. */
export function jsonPatch(document: JsonObject, operations: readonly JsonPatchOperation[]): JsonObject {
  for (const operation of operations) {
    const { op, path } = operation;
    const place = (): Place => find(document, operation, path);
    const value = (): Json => structuredClone(operation.value ?? null);
    switch (op) {
      case 'add':
        add(place(), operation, value());
        break;
      case 'remove':
        remove(place(), operation, path);
        break;
      case 'replace': {
        const target = place();
        if (Array.isArray(target.parent)) get(target, operation, path);
        if (Array.isArray(target.parent)) target.parent[Number(target.key)] = value();
        else setField(target.parent, target.key, value());
        break;
      }
      case 'move': {
        const from = operation.from ?? '';
        const moved = remove(find(document, operation, from), operation, from);
        add(place(), operation, moved);
        break;
      }
      case 'copy': {
        const from = operation.from ?? '';
        const source = find(document, operation, from);
        // What an object does not have is copied as null.
        const copied = Array.isArray(source.parent)
          ? get(source, operation, from)
          : (source.parent[source.key] ?? null);
        add(place(), operation, structuredClone(copied));
        break;
      }
      case 'test': {
        const target = place();
        const current = Array.isArray(target.parent)
          ? target.parent[Number(target.key)]
          : target.parent[target.key];
        if (!equal(current ?? null, operation.value ?? null))
          throw new PatchError(`testing value ${path} failed: test failed`);
        break;
      }
      default:
        throw new PatchError(`Unexpected kind: ${op}`);
    }
  }
  return document;
}
