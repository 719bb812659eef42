/**
 * The objects of one resource, in the order of their keys, and the history of their changes.
 *
 * An object is kept as its JSON alone, in bytes: an answer copies them, nobody can change what is stored, and 10,000
 * objects stay small and out of the garbage collector's way. What selectors need stands beside them. Everything is synchronous, so that a read and the write that follows it
 * are one step.
 */
import { objectAt, stringAt } from './json.js';
import type { JsonObject } from './json.js';
import type { ApiResource } from './resources.js';
import type { Labels } from './selectors.js';

export interface Stored {
  /** `NAMESPACE/NAME`, or `NAME` of a cluster-wide kind. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly version: number;
  readonly labels: Labels | undefined;
  /** Values of the kind's field labels. */
  readonly fields: Readonly<Record<string, string>>;
  /** The object as JSON without kind and apiVersion. */
  readonly item: Buffer;
}

export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** The object after the change; of a deletion its last state, with the version of the deletion. */
  readonly stored: Stored;
  readonly previous: Stored | undefined;
}

/** Hands out the versions of the whole cluster, in order. */
export interface Clock {
  readonly current: number;
  next(): number;
}

export interface Storage {
  readonly resource: ApiResource;
  readonly size: number;
  get(key: string): Stored | undefined;
  /** The objects of a namespace, or all, in the order of their keys. The array is never changed afterwards. */
  snapshot(): readonly Stored[];
  /** Writes a new object or a new state; sets metadata.resourceVersion in `object`. */
  put(key: string, object: JsonObject): Stored;
  /** Removes an object; `last` is its last state, when that differs from the stored one. */
  remove(key: string, last?: JsonObject): Stored | undefined;
  /** Changes after this version, or undefined when they are no longer all kept. */
  since(version: number): Change[] | undefined;
  /** Oldest version from which a watch can start. */
  readonly oldest: number;
  subscribe(listener: (change: Change) => void): () => void;
}

const withKind = (resource: ApiResource, { item }: Stored): string =>
  `{"kind":"${resource.kind}","apiVersion":"${resource.apiVersion}",${item.toString('utf8', 1)}`;

/** The object with kind and apiVersion, freshly parsed: the caller may change it. */
export const toObject = (resource: ApiResource, stored: Stored): JsonObject => {
  const object = JSON.parse(withKind(resource, stored)) as JsonObject;
  return resource.custom?.show?.(object) ?? object;
};

/** The object with kind and apiVersion, as JSON. */
export const toJson = (resource: ApiResource, stored: Stored): string =>
  resource.custom?.show === undefined
    ? withKind(resource, stored)
    : JSON.stringify(toObject(resource, stored));

/** The object as an element of a list, which says the kind of those that are built in. */
export const toItem = (resource: ApiResource, stored: Stored): Buffer =>
  resource.custom === undefined ? stored.item : Buffer.from(toJson(resource, stored));

export const createClock = (first: number): Clock => {
  let current = first;
  return {
    get current() {
      return current;
    },
    next: () => (current += 1),
  };
};

export const keyOf = (resource: ApiResource, namespace: string, name: string): string =>
  resource.namespaced ? `${namespace}/${name}` : name;

/** How many changes of a resource a watch can look back on. */
const HISTORY = 5_000;

export function createStorage(resource: ApiResource, clock: Clock, history = HISTORY): Storage {
  const byKey = new Map<string, Stored>();
  let sorted: Stored[] = [];
  /** True while a reader holds `sorted`: the next write copies it. */
  let shared = false;
  let changes: Change[] = [];
  let oldest = clock.current;
  const listeners = new Set<(change: Change) => void>();

  const position = (key: string): number => {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sorted[middle] as Stored).key < key) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const splice = (index: number, remove: number, ...items: Stored[]): void => {
    if (shared) {
      sorted = sorted.slice();
      shared = false;
    }
    sorted.splice(index, remove, ...items);
  };
  const record = (change: Change): void => {
    changes.push(change);
    if (changes.length >= history * 1.25) {
      const dropped = changes.length - history;
      oldest = (changes[dropped - 1] as Change).stored.version;
      changes = changes.slice(dropped);
    }
    for (const listener of listeners) listener(change);
  };

  return {
    resource,
    get size() {
      return sorted.length;
    },
    get oldest() {
      return oldest;
    },
    get: (key) => byKey.get(key),
    snapshot() {
      shared = true;
      return sorted;
    },
    put(key, object) {
      const previous = byKey.get(key);
      const stored = store(resource, key, object, clock.next());
      byKey.set(key, stored);
      if (previous === undefined) splice(position(key), 0, stored);
      else splice(position(key), 1, stored);
      record({ type: previous === undefined ? 'ADDED' : 'MODIFIED', stored, previous });
      return stored;
    },
    remove(key, last) {
      const previous = byKey.get(key);
      if (previous === undefined) return undefined;
      const version = clock.next();
      const stored = last ? store(resource, key, last, version) : withVersion(resource, previous, version);
      byKey.delete(key);
      splice(position(key), 1);
      record({ type: 'DELETED', stored, previous });
      return stored;
    },
    since(version) {
      if (version < oldest) return undefined;
      let low = 0;
      let high = changes.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((changes[middle] as Change).stored.version <= version) low = middle + 1;
        else high = middle;
      }
      return changes.slice(low);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The same object under another version, as watches show one that was deleted or left their selector. */
export const withVersion = (resource: ApiResource, stored: Stored, version: number): Stored =>
  store(resource, stored.key, JSON.parse(stored.item.toString()) as JsonObject, version);

function store(resource: ApiResource, key: string, object: JsonObject, version: number): Stored {
  const metadata = objectAt(object, 'metadata') ?? {};
  metadata.resourceVersion = String(version);
  const fields: Record<string, string> = {};
  for (const field of resource.fieldLabels ?? []) {
    const value = fieldValue(object, field);
    if (value !== '') fields[field] = value;
  }
  return {
    key,
    namespace: stringAt(metadata, 'namespace') ?? '',
    name: stringAt(metadata, 'name') ?? '',
    uid: stringAt(metadata, 'uid') ?? '',
    version,
    labels: objectAt(metadata, 'labels') as Labels | undefined,
    fields,
    item: bytesOf(JSON.stringify({ metadata, ...object, kind: undefined, apiVersion: undefined })),
  };
}

/** Bytes of their own: those of `Buffer.from` may lie in a block with others, and keep it. */
function bytesOf(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}

function fieldValue(object: JsonObject, field: string): string {
  let value: unknown = object;
  for (const part of field.split('.')) value = (value as Record<string, unknown> | undefined)?.[part];
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : '';
}
