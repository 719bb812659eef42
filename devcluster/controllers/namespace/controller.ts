/** The namespace controller: empties namespaces that go, says what holds them, and lets them go when they are empty. */
import { EVENTS, KubeError, NAMESPACES, PODS, keyOf } from '../../../kube/index.js';
import type { Kube, KubeLog, Namespace, Resource } from '../../../kube/index.js';
import { sameJson } from '../canonical.js';
import type { Kinds } from '../kinds.js';
import { uidOf } from '../meta.js';
import { startQueue } from '../queue.js';
import { namespaceConditions, unexpected } from './conditions.js';
import type { Progress, Remainder } from './conditions.js';

/** The finalizer of the namespace's specification that this controller takes away. */
const FINALIZER = 'kubernetes';
/** Milliseconds for which the departure of content is gathered before its namespace is looked at again. */
const GATHER_MS = 20;

export interface NamespaceControllerOptions {
  kube: Kube;
  log?: KubeLog | undefined;
  kinds: Kinds;
  clock?: () => number;
}

/** A path below a namespace as a kind of its own: where all objects of a kind are deleted, and where it is finalized. */
const below = (namespace: string, { group, version, kind }: Resource): Resource => ({
  ...{ group, version, kind, namespaced: false },
  plural: `namespaces/${encodeURIComponent(namespace)}`,
});

const isServed = (error: unknown): boolean => !(error instanceof KubeError && error.is(404));

export const startNamespaceController = (options: NamespaceControllerOptions): { stop(): Promise<void> } => {
  const { kube, log, kinds, clock = Date.now } = options;
  const namespaces = kinds.of(NAMESPACES);
  /** Namespaces that wait for their content to go: the uid of each, while its pods were asked to. */
  const waiting = new Map<string, string>();

  const deleteAll = async (resource: Resource, namespace: string, signal: AbortSignal): Promise<void> => {
    const at = { name: resource.plural };
    await kube.delete(below(namespace, resource), at, { signal, propagationPolicy: 'Background' });
  };
  const isEmpty = async (resource: Resource, namespace: string, signal: AbortSignal): Promise<boolean> =>
    (await kube.list(resource, namespace, { limit: 1 }, { signal })).items.length === 0;

  /** Deletes all objects of a kind and answers what is left of them. */
  const empty = async (resource: Resource, namespace: string, signal: AbortSignal): Promise<Remainder> => {
    const nothing = { resource, count: 0, finalizers: [] };
    try {
      if (await isEmpty(resource, namespace, signal)) return nothing;
      await deleteAll(resource, namespace, signal);
      const project = ({ metadata }: { metadata?: { finalizers?: string[] } }): string[] =>
        metadata?.finalizers ?? [];
      const { items } = await kube.list(resource, namespace, {}, { signal, project });
      return { resource, count: items.length, finalizers: items.flat() };
    } catch (error) {
      // A custom kind may have gone meanwhile, and all its objects with it.
      if (isServed(error)) throw error;
      return nothing;
    }
  };

  /** True when no pod is left. Pods go first, so that nothing that they need goes before them. */
  const withoutPods = async (namespace: string, uid: string, signal: AbortSignal): Promise<boolean> => {
    const asked = waiting.get(namespace) === uid;
    if (asked) return isEmpty(PODS, namespace, signal);
    waiting.set(namespace, '');
    const { count } = await empty(PODS, namespace, signal);
    waiting.set(namespace, uid);
    return count === 0;
  };

  const emptyAll = async (namespace: string, signal: AbortSignal): Promise<Progress> => {
    const served = [...kinds.all()].map(({ resource }) => resource).filter(({ namespaced }) => namespaced);
    const results = await Promise.allSettled(
      [...served, EVENTS].map((resource) => empty(resource, namespace, signal)),
    );
    signal.throwIfAborted();
    const remaining = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const failed = results.flatMap((result) =>
      result.status === 'rejected' ? [String((result.reason as Error).message)] : [],
    );
    const surprises = remaining.flatMap((remainder) => unexpected(namespace, remainder) ?? []);
    return {
      remaining: remaining.filter(({ count }) => count > 0),
      failures: [...failed, ...surprises],
    };
  };

  /** Writes what changed, and answers the namespace as it then is. */
  const tell = async (namespace: Namespace, progress: Progress, signal: AbortSignal): Promise<Namespace> => {
    const before = namespace.status?.conditions ?? [];
    const conditions = namespaceConditions(before, progress, clock());
    if (sameJson(conditions, before)) return namespace;
    const { name = '', uid, resourceVersion } = namespace.metadata ?? {};
    const body = { metadata: { uid, resourceVersion }, status: { conditions } };
    return kube.patch(NAMESPACES, { name }, { type: 'merge', body }, { signal, subresource: 'status' });
  };

  const finalize = async (namespace: Namespace, signal: AbortSignal): Promise<void> => {
    const finalizers = (namespace.spec?.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER);
    const body = { ...namespace, spec: { ...namespace.spec, finalizers } };
    await kube.replace(below(keyOf(namespace), NAMESPACES), { name: 'finalize' }, body, { signal });
  };

  const queue = startQueue({
    name: 'namespace',
    log,
    concurrency: 4,
    reconcile: async (key, signal) => {
      const namespace = namespaces.store.get(key);
      const isGoing =
        namespace?.metadata?.deletionTimestamp !== undefined &&
        namespace.spec?.finalizers?.includes(FINALIZER) === true;
      if (!isGoing) return void waiting.delete(key);
      const goes = await withoutPods(key, uidOf(namespace), signal);
      const progress = goes ? await emptyAll(key, signal) : { remaining: [], failures: [] };
      const told = await tell(namespace, progress, signal);
      if (progress.failures.length > 0) throw new Error(progress.failures.join(', '));
      if (goes && progress.remaining.length === 0) await finalize(told, signal);
    },
  });

  namespaces.subscribe(({ object }) => queue.add(keyOf(object)));
  kinds.each(({ subscribe }) =>
    subscribe(({ object }) => {
      const { namespace } = object.metadata ?? {};
      if (namespace !== undefined && waiting.has(namespace)) queue.addAfter(namespace, GATHER_MS);
    }),
  );
  return { stop: () => queue.stop() };
};
