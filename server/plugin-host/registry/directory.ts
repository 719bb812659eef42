/** Services by type: who provides one, which provider a caller gets, and who is told when that changes. */
import { Unroutable } from '../port.js';
import type { Registration } from '../port.js';
import { isRoutable, whyUnroutable } from './model.js';
import type { ServiceEntry } from './model.js';
import { createChoice } from './selection.js';
import type { Choose, Selection } from './selection.js';
import { isCompatible } from './versions.js';

/** How a type is, as its watchers are told: the provider to use, none when it is unavailable. */
export interface TypeState {
  readonly state: 'available' | 'degraded' | 'unavailable';
  readonly registration?: Registration;
}

export interface Directory {
  /** Adds a provider, or renews it; with `instead` it takes the place of another one's entry. */
  put(service: ServiceEntry, instead?: string): void;
  drop(type: string, runtimeId: string): void;
  /** Providers of the type changed: what is known of it is looked up anew, and its watchers are told. */
  tell(type: string): void;
  /** Calls for a runtime id that went go to another, which took its services over. */
  succeed(gone: string, by: string): void;
  successors(): [string, string][];
  /** Routable providers that fit: the healthy ones, or, without any, the degraded ones. */
  candidates(type: string, minVersion: string): readonly Registration[];
  pick(type: string, minVersion: string): Registration | undefined;
  /** @throws Unroutable as Routes.resolve says */
  resolve(type: string, provider: string): Registration;
  has(type: string): boolean;
  /** How the type is for one who uses `current`, and stays with it as long as that is as good as any. */
  stateOf(type: string, current?: string): TypeState;
  /** Calls the listener at each change of the type's providers, until the answered function is called. */
  subscribe(type: string, listener: () => void): () => void;
  services(): Registration[];
  /** Type → its providers, in the order in which they stand. */
  order(): [string, string[]][];
}

interface TypeEntry {
  services: Map<string, ServiceEntry>;
  readonly choose: Choose;
  /** Minimum version → candidates, until the next change. */
  readonly candidates: Map<string, readonly Registration[]>;
}

const CACHED_VERSIONS = 64;
const SUCCESSORS = 4096;
const NONE: readonly Registration[] = [];

/** @param selectionOf how a provider of the type is chosen */
export function createDirectory(selectionOf: (type: string) => Selection): Directory {
  const types = new Map<string, TypeEntry>();
  const listeners = new Map<string, Set<() => void>>();
  const successors = new Map<string, string>();

  function entryOf(type: string): TypeEntry {
    const known = types.get(type);
    if (known !== undefined) return known;
    const entry = { services: new Map(), choose: createChoice(selectionOf(type)), candidates: new Map() };
    types.set(type, entry);
    return entry;
  }

  function candidates(type: string, minVersion: string): readonly Registration[] {
    const entry = types.get(type);
    if (entry === undefined) return NONE;
    const cached = entry.candidates.get(minVersion);
    if (cached !== undefined) return cached;
    const fitting = [...entry.services.values()].filter(
      (service) => isRoutable(service) && isCompatible(service.version, minVersion),
    );
    const healthy = fitting.filter(({ plugin }) => plugin.health === 'healthy');
    const found = (healthy.length > 0 ? healthy : fitting).map(({ registration }) => registration);
    if (entry.candidates.size >= CACHED_VERSIONS) entry.candidates.clear();
    entry.candidates.set(minVersion, found);
    return found;
  }

  const pick = (type: string, minVersion: string): Registration | undefined =>
    types.get(type)?.choose(candidates(type, minVersion));

  /** The entry of a provider, or of the one that took its place. */
  function serviceOf(entry: TypeEntry, provider: string): ServiceEntry | undefined {
    return entry.services.get(provider) ?? entry.services.get(successors.get(provider) ?? '');
  }

  function resolve(type: string, provider: string): Registration {
    const entry = types.get(type);
    if (entry === undefined) throw new Unroutable(404, 'not_found', `No plugin provides ${type}.`);
    if (provider === '-') {
      const chosen = pick(type, '');
      if (chosen !== undefined) return chosen;
      throw new Unroutable(503, 'unavailable', `No provider of ${type} is available: ${whyNone(entry)}.`);
    }
    const service = serviceOf(entry, provider);
    if (service === undefined)
      throw new Unroutable(404, 'not_found', `No plugin ${JSON.stringify(provider)} provides ${type}.`);
    if (isRoutable(service)) return service.registration;
    const why = whyUnroutable(service.plugin) ?? 'it has no ready address';
    throw new Unroutable(503, 'unavailable', `${service.plugin.runtimeId} is unavailable: ${why}.`);
  }

  const whyNone = ({ services }: TypeEntry): string =>
    [...services.values()]
      .slice(0, 3)
      .map(({ plugin }) => `${plugin.runtimeId}: ${whyUnroutable(plugin) ?? 'it has no ready address'}`)
      .join('; ');

  /** Renews an entry; one that takes another's place stands where that stood. */
  function put(service: ServiceEntry, instead?: string): void {
    const entry = entryOf(service.type);
    const { runtimeId } = service.plugin;
    if (instead === undefined || !entry.services.has(instead)) {
      entry.services.set(runtimeId, service);
      return;
    }
    entry.services.delete(runtimeId);
    entry.services = new Map(
      [...entry.services].map(([id, other]) => (id === instead ? [runtimeId, service] : [id, other])),
    );
  }

  function drop(type: string, runtimeId: string): void {
    const entry = types.get(type);
    entry?.services.delete(runtimeId);
    if (entry?.services.size === 0) types.delete(type);
  }

  function tell(type: string): void {
    types.get(type)?.candidates.clear();
    for (const listener of listeners.get(type) ?? []) listener();
  }

  function succeed(gone: string, by: string): void {
    successors.delete(by);
    for (const [before, then] of successors) if (then === gone) successors.set(before, by);
    successors.set(gone, by);
    const [oldest] = successors.keys();
    if (successors.size > SUCCESSORS && oldest !== undefined) successors.delete(oldest);
  }

  function stateOf(type: string, current?: string): TypeState {
    const found = candidates(type, '');
    const registration = found.find(({ provider }) => provider === current) ?? types.get(type)?.choose(found);
    if (registration === undefined) return { state: 'unavailable' };
    const plugin = types.get(type)?.services.get(registration.provider)?.plugin;
    return { state: plugin?.health === 'degraded' ? 'degraded' : 'available', registration };
  }

  function subscribe(type: string, listener: () => void): () => void {
    const own = listeners.get(type) ?? new Set();
    listeners.set(type, own.add(listener));
    return () => {
      own.delete(listener);
      if (own.size === 0 && listeners.get(type) === own) listeners.delete(type);
    };
  }

  return {
    put,
    drop,
    tell,
    succeed,
    successors: () => [...successors],
    candidates,
    pick,
    resolve,
    has: (type) => types.has(type),
    stateOf,
    subscribe,
    services: () =>
      [...types.values()].flatMap(({ services }) =>
        [...services.values()].map(({ registration }) => registration),
      ),
    order: () => [...types].map(([type, { services }]) => [type, [...services.keys()]]),
  };
}
