/** Keeps a copy of a kind's objects and tells of their changes, for as long as it is not stopped. */
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from './backoff.js';
import type { Backoff } from './backoff.js';
import type { KubeLog } from './caller.js';
import { KubeError } from './errors.js';
import type { Kube, WatchEvent } from './kube.js';
import type { KubeObject, Resource } from './objects.js';

export type Change<T> =
  | { type: 'added' | 'deleted'; object: T; previous?: undefined }
  | { type: 'modified'; object: T; previous: T };

export interface ReflectorOptions<T extends KubeObject> {
  kube: Kube;
  resource: Resource<T>;
  /** All namespaces when absent. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  /**
   * What is kept of an object: the store and `onChange` see only what this answers. It must keep the namespace, name, uid
   * and resourceVersion of the metadata.
   */
  project?: ((object: T) => T) | undefined;
  /** Called in the order of the changes, after the store has them. What it throws is logged. */
  onChange?: ((change: Change<T>) => void) | undefined;
  /** Called with each failed list or watch, which is tried again all the same. */
  onError?: ((error: unknown) => void) | undefined;
  log?: KubeLog | undefined;
  /** Objects a page of the list. Default 500. */
  pageSize?: number | undefined;
  /** A watch that sends nothing, not even a bookmark, for so long is opened anew. Default 330 000. */
  inactivityMs?: number | undefined;
  /** Delay after errors and after watches that end at once. Default 500 ms doubling to 30 s. */
  backoff?: Backoff | undefined;
}

export interface Reflector<T> {
  /** By `namespace/name`, or by name for kinds without namespaces. */
  readonly store: ReadonlyMap<string, T>;
  /** Resolves when the store holds the first list. Never rejects; stays open when stopped before that. */
  readonly synced: Promise<void>;
  isSynced(): boolean;
  /** The last failure; undefined while all is well. */
  readonly lastError: unknown;
  /** Ends it and closes its connection. May be called at any time and more than once. */
  stop(): Promise<void>;
}

/** A watch that held so long did not end at once, whatever ended it. */
const STEADY_MS = 5_000;

/** Key of an object in the store. */
export const keyOf = (object: KubeObject): string => {
  const { namespace, name = '' } = object.metadata ?? {};
  return namespace === undefined ? name : `${namespace}/${name}`;
};

export function startReflector<T extends KubeObject>(options: ReflectorOptions<T>): Reflector<T> {
  const { kube, resource, namespace, labelSelector, fieldSelector, log } = options;
  const project = options.project ?? ((object: T) => object);
  const { pageSize = 500, inactivityMs = 330_000, backoff = { baseMs: 500, maxMs: 30_000 } } = options;
  const store = new Map<string, T>();
  const stopping = new AbortController();
  const { signal } = stopping;
  const about = { resource: resource.plural, namespace };
  let lastError: unknown;
  let isSynced = false;
  let markSynced = () => {};
  const synced = new Promise<void>((resolve) => (markSynced = resolve));

  const tell = (change: Change<T>) => {
    if (signal.aborted) return;
    try {
      options.onChange?.(change);
    } catch (err) {
      log?.warn({ ...about, err, object: keyOf(change.object) }, 'a handler of changes threw');
    }
  };

  const put = (object: T) => {
    const key = keyOf(object);
    const previous = store.get(key);
    if (previous && previous.metadata?.uid !== object.metadata?.uid) drop(previous);
    else if (previous && previous.metadata?.resourceVersion === object.metadata?.resourceVersion) return;
    const known = store.get(key);
    store.set(key, object);
    tell(known ? { type: 'modified', object, previous: known } : { type: 'added', object });
  };

  const drop = (object: T) => {
    if (store.delete(keyOf(object))) tell({ type: 'deleted', object });
  };

  /** Lists all pages, brings the store in line, and answers the version to watch from. */
  const relist = async (): Promise<string> => {
    const items: T[] = [];
    let resourceVersion: string | undefined;
    let next: string | undefined;
    do {
      const query = { labelSelector, fieldSelector, limit: pageSize, continue: next };
      const page = await kube.list(resource, namespace, query, { signal, project });
      items.push(...page.items);
      resourceVersion = page.metadata.resourceVersion;
      next = page.metadata.continue || undefined;
    } while (next !== undefined);
    if (signal.aborted) return '';

    const keys = new Set(items.map(keyOf));
    for (const [key, object] of [...store]) if (!keys.has(key)) drop(object);
    items.forEach(put);
    lastError = undefined;
    if (!isSynced) {
      isSynced = true;
      markSynced();
    }
    return resourceVersion ?? '';
  };

  const apply = (event: WatchEvent<T>) => {
    if (event.type === 'DELETED') drop(project(event.object));
    else if (event.type !== 'BOOKMARK') put(project(event.object));
  };

  /** One watch, until it ends or falls silent; tells `reached` how far it came. */
  const watchFrom = async (resourceVersion: string, reached: (version: string) => void): Promise<void> => {
    const over = new AbortController();
    const leave = () => over.abort();
    signal.addEventListener('abort', leave, { once: true });
    const timer = setTimeout(leave, inactivityMs);
    const query = {
      labelSelector,
      fieldSelector,
      resourceVersion,
      // Spread, so that the watches of many reflectors do not end together.
      timeoutSeconds: 240 + Math.floor(Math.random() * 60),
    };
    try {
      for await (const event of kube.watch(resource, namespace, query, { signal: over.signal })) {
        if (signal.aborted) return;
        timer.refresh();
        apply(event);
        const version = event.object.metadata?.resourceVersion;
        if (version !== undefined) reached(version);
      }
    } catch (error) {
      if (!over.signal.aborted) throw error;
      if (!signal.aborted) log?.debug({ ...about, inactivityMs }, 'a silent watch is opened anew');
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', leave);
    }
  };

  const run = async () => {
    let version: string | undefined;
    let failures = 0;
    while (!signal.aborted) {
      const start = performance.now();
      let error: unknown;
      try {
        version ??= await relist();
        if (signal.aborted) return;
        await watchFrom(version, (reached) => {
          version = reached;
          lastError = undefined;
        });
        lastError = undefined;
      } catch (cause) {
        error = cause;
      }
      if (signal.aborted) return;

      // A server that ends watches at once gets the same back-off as one that fails them.
      failures = performance.now() - start >= Math.min(backoff.maxMs, STEADY_MS) ? 0 : failures + 1;
      let waitMs = failures === 0 ? 0 : backoffMs(backoff, failures);
      if (isGone(error)) {
        // Too old a version is part of normal life: the first time the list starts again without delay.
        version = undefined;
        if (failures <= 1) waitMs = 0;
      } else if (error !== undefined) {
        lastError = error;
        options.onError?.(error);
        const askedMs = error instanceof KubeError ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
        waitMs = Math.max(waitMs, askedMs, backoff.baseMs / 2);
        log?.warn({ ...about, err: error, failures, waitMs }, 'a list or watch failed and is tried again');
      }
      if (waitMs > 0) await delay(waitMs, undefined, { signal }).catch(() => {});
    }
  };

  const running = run();
  return {
    store,
    synced,
    isSynced: () => isSynced,
    get lastError() {
      return lastError;
    },
    stop() {
      stopping.abort();
      return running;
    },
  };
}

const isGone = (error: unknown) => error instanceof KubeError && error.is(410);
