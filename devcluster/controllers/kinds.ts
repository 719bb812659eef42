/**
 * The kinds that the cluster serves, and one informer of each, shared by all controllers. Custom ones come and go with
 * their CustomResourceDefinitions.
 */
import { CUSTOM_RESOURCE_DEFINITIONS } from '../../kube/index.js';
import type { CustomResourceDefinition, Kube, KubeLog, KubeObject, Resource } from '../../kube/index.js';
import { KINDS } from '../data/kinds.js';
import { startInformer } from './informer.js';
import type { Informer } from './informer.js';
import { findCondition } from './meta.js';

/** An informer of a kind of which nothing is known but that it is an object. */
export type AnyInformer = Informer<KubeObject>;

export interface Kinds {
  /** The informer of a built-in kind. */
  of<T extends KubeObject>(resource: Resource<T>): Informer<T>;
  /** Those that are served now, but for Events, which own nothing, are owned by nobody, and are many. */
  all(): Iterable<AnyInformer>;
  /** The handler is told of each informer, those that there are at once. Its subscriptions end with the kind. */
  each(handler: (informer: AnyInformer) => void): void;
  find(group: string, kind: string): AnyInformer | undefined;
  /** Resolves when the objects of all built-in kinds have been seen. */
  readonly synced: Promise<void>;
  stop(): Promise<void>;
}

const idOf = (group: string, kind: string): string => `${kind}.${group}`;

/** The kind that a definition has the API serve now; undefined while it serves none. */
export const servedBy = ({ metadata, spec, status }: CustomResourceDefinition): Resource | undefined => {
  const isServed = findCondition(status?.conditions, 'Established')?.status === 'True';
  if (!isServed || metadata?.deletionTimestamp !== undefined) return undefined;
  const version =
    spec.versions.find(({ served, storage }) => served && storage) ??
    spec.versions.find(({ served }) => served);
  if (version === undefined) return undefined;
  const { plural, kind } = spec.names;
  return { group: spec.group, version: version.name, plural, kind, namespaced: spec.scope === 'Namespaced' };
};

export const startKinds = ({ kube, log }: { kube: Kube; log?: KubeLog | undefined }): Kinds => {
  const handlers: ((informer: AnyInformer) => void)[] = [];
  const builtIn = new Map<string, AnyInformer>();
  const custom = new Map<string, AnyInformer>();
  const stops = new Set<Promise<void>>();
  for (const kind of KINDS.filter(({ kind }) => kind !== 'Event'))
    builtIn.set(idOf(kind.group, kind.kind), startInformer<KubeObject>({ kube, resource: kind, log }));

  const end = (id: string, how: 'drain' | 'stop'): void => {
    const ended = custom.get(id)?.[how]();
    custom.delete(id);
    if (ended === undefined) return;
    const stopped = ended.then(() => void stops.delete(stopped));
    stops.add(stopped);
  };
  const definitions = builtIn.get(
    idOf(CUSTOM_RESOURCE_DEFINITIONS.group, CUSTOM_RESOURCE_DEFINITIONS.kind),
  ) as Informer<CustomResourceDefinition> | undefined;
  definitions?.subscribe(({ type, object }) => {
    const id = idOf(object.spec.group, object.spec.names.kind);
    // What is defined no longer has no objects either; while it goes, they are deleted one by one.
    if (type === 'deleted') return end(id, 'drain');
    const resource = servedBy(object);
    const known = custom.get(id);
    if (resource === undefined || known?.resource.version === resource.version) return;
    end(id, 'stop');
    const informer = startInformer<KubeObject>({ kube, resource, log });
    custom.set(id, informer);
    for (const handler of handlers) handler(informer);
  });

  const all = (): AnyInformer[] => [...builtIn.values(), ...custom.values()];
  return {
    of: <T extends KubeObject>({ group, kind }: Resource<T>) => {
      const found = builtIn.get(idOf(group, kind));
      if (found === undefined) throw new Error(`${kind} of the group "${group}" is no kind of this cluster`);
      return found as unknown as Informer<T>;
    },
    all,
    each: (handler) => {
      handlers.push(handler);
      all().forEach(handler);
    },
    find: (group, kind) => builtIn.get(idOf(group, kind)) ?? custom.get(idOf(group, kind)),
    synced: Promise.all([...builtIn.values()].map(({ synced }) => synced)).then(() => undefined),
    stop: async () => {
      await Promise.all([...all().map((informer) => informer.stop()), ...stops]);
    },
  };
};
