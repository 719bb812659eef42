/** One reflector of a kind, shared by all who want to know of its objects. */
import { startReflector } from '../../kube/index.js';
import type { Change, Kube, KubeLog, KubeObject, Resource } from '../../kube/index.js';
import { createAlike } from './alike.js';
import { controllerOf, uidOf } from './meta.js';

export interface Informer<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly store: ReadonlyMap<string, T>;
  readonly synced: Promise<void>;
  /** The handler is told of every change from then on; subscribe before the first `await`. It must not throw. */
  subscribe(handler: (change: Change<T>) => void): void;
  /** Keeps the objects by their uids; answers the one of a uid. */
  byUid(): (uid: string) => T | undefined;
  /** Keeps an index, one for all who ask by the same function; answers the objects under one of its keys. */
  index(keysOf: (object: T) => readonly string[]): (key: string) => readonly T[];
  stop(): Promise<void>;
  /** Stops because the kind is gone, and tells that its objects are. */
  drain(): Promise<void>;
}

export interface InformerOptions<T extends KubeObject> {
  kube: Kube;
  resource: Resource<T>;
  fieldSelector?: string;
  log?: KubeLog | undefined;
}

/**
 * What is kept of an object. Who manages which field is the API server's to keep, and would be the larger part of it;
 * to delete the property would make the metadata a hash table, which is as large again.
 */
const createProjection = <T extends KubeObject>(): ((object: T) => T) => {
  const alike = createAlike<T>();
  return (object) => {
    if (object.metadata?.managedFields !== undefined)
      Object.assign(object.metadata, { managedFields: undefined });
    return alike(object);
  };
};

export const startInformer = <T extends KubeObject>(options: InformerOptions<T>): Informer<T> => {
  const handlers: ((change: Change<T>) => void)[] = [];
  const indexes = new Map<(object: T) => readonly string[], (key: string) => readonly T[]>();
  const tell = (change: Change<T>): void => handlers.forEach((handler) => handler(change));
  const reflector = startReflector<T>({ ...options, project: createProjection<T>(), onChange: tell });
  return {
    resource: options.resource,
    store: reflector.store,
    synced: reflector.synced,
    subscribe: (handler) => handlers.push(handler),
    byUid: () => {
      const objects = new Map<string, T>();
      handlers.push(({ type, object }) => {
        if (type === 'deleted') objects.delete(uidOf(object));
        else objects.set(uidOf(object), object);
      });
      return (uid) => objects.get(uid);
    },
    index: (keysOf) => {
      const kept = indexes.get(keysOf);
      if (kept !== undefined) return kept;
      const byKey = new Map<string, Map<string, T>>();
      const remove = (object: T): void => {
        for (const key of keysOf(object)) {
          const found = byKey.get(key);
          found?.delete(uidOf(object));
          if (found?.size === 0) byKey.delete(key);
        }
      };
      handlers.push((change) => {
        if (change.previous !== undefined) remove(change.previous);
        if (change.type === 'deleted') return remove(change.object);
        for (const key of keysOf(change.object)) {
          const found = byKey.get(key) ?? new Map<string, T>();
          byKey.set(key, found.set(uidOf(change.object), change.object));
        }
      });
      const lookUp = (key: string): readonly T[] => [...(byKey.get(key)?.values() ?? [])];
      indexes.set(keysOf, lookUp);
      return lookUp;
    },
    stop: () => reflector.stop(),
    drain: async () => {
      await reflector.stop();
      for (const object of reflector.store.values()) tell({ type: 'deleted', object });
    },
  };
};

/** Index keys by which a controller finds what it owns, and what nobody in its namespace owns. */
export const ownedBy = (uid: string): string => `owner/${uid}`;
export const orphansOf = (namespace: string | undefined): string => `orphans/${namespace ?? ''}`;
export const ownerKeys = (object: KubeObject): string[] => {
  const owner = controllerOf(object);
  return [owner === undefined ? orphansOf(object.metadata?.namespace) : ownedBy(owner.uid)];
};

/** Index keys by which the objects of a namespace are found. */
export const byNamespace = ({ metadata }: KubeObject): string[] => [metadata?.namespace ?? ''];
