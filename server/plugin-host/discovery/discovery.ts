/**
 * Plugins of other pods, found by what the API server says: Services with the label `xi-k8s.dev/plugin`. A pod is met as soon as it
 * answers, which may be before it is ready, and routed to for as long as it is ready; one that is no longer ready is left out at once.
 *
 * Pods of one Service that say the same of themselves are one plugin with many addresses. During a roll-out two versions are two
 * plugins, and the old one goes with its last pod.
 */
import { createWorkQueue, ENDPOINT_SLICES, keyOf } from '../../ports.js';
import type { Change, EndpointSlice, Kube, Log, Reflect } from '../../ports.js';
import type { Identity, PluginInfo } from '../introduce.js';
import { PLUGIN_LABEL } from '../names.js';
import type { Registry } from '../registry/registry.js';
import { endpointsOf, serviceOf, slimSlice } from './endpoints.js';
import type { Endpoint } from './endpoints.js';
import { NotOurs, meet } from './meet.js';

/** What discovery needs of the registry. */
export type DiscoveryRegistry = Pick<Registry, 'admit' | 'setTargets' | 'remove' | 'watch'>;

export interface DiscoveryOptions {
  readonly kube: Kube;
  readonly reflect: Reflect;
  readonly registry: DiscoveryRegistry;
  readonly log: Log;
  /** Where plugins are looked for; everywhere when empty. */
  readonly namespaces: readonly string[];
  /** The URL that plugins reach the host at. */
  readonly hostUrl: string;
}

export interface Discovery {
  /** Resolves when all that was there at the start is known; not yet met. */
  readonly synced: Promise<void>;
  /** Stops looking. What was found stays registered. */
  stop(): Promise<void>;
}

/** Pods of one Service that say the same of themselves. */
interface Kin extends Identity {
  /** Endpoints that have its identity; true when they got it since they are ready, and so have not started anew after it. */
  readonly members: Map<string, boolean>;
  /** Where it is routed to. */
  targets: string;
}

interface Found {
  /** By the slice's key. */
  readonly slices: Map<string, EndpointSlice>;
  wanted: Map<string, Endpoint>;
  /** Endpoints to which there is nothing to say, as long as they stay as they are. */
  readonly notOurs: Set<string>;
  /** By what they say of themselves. */
  readonly kin: Map<string, Kin>;
}

/** Pods of one Service that are met at once. */
const AT_ONCE = 8;
/** How long a plugin whose identity the registry ended is left alone, in milliseconds. */
const REMEET_MS = 1_000;
/** How often a pod that is not ready is tried, in milliseconds. */
const STARTING_MS = 500;

/** Where calls go: to the members that are ready, or else to those that leave and serve as yet. */
function targetsOf({ members }: Kin, { wanted }: Found): string[] {
  const at = (state: Endpoint['state']): string[] =>
    [...members.keys()].flatMap((key) => {
      const endpoint = wanted.get(key);
      return endpoint?.state === state ? [endpoint.baseUrl] : [];
    });
  const ready = at('ready');
  return ready.length > 0 ? ready : at('leaving');
}

export function startDiscovery(options: DiscoveryOptions): Discovery {
  const { kube, registry, hostUrl } = options;
  const log = options.log.child({ part: 'plugin-discovery' });
  const found = new Map<string, Found>();

  const route = (at: Found): void => {
    for (const kin of at.kin.values()) {
      const targets = targetsOf(kin, at);
      const text = targets.join(' ');
      if (text === kin.targets) continue;
      kin.targets = text;
      registry.setTargets(kin.runtimeId, targets);
    }
    prune(at);
  };

  /** Takes out what has no pod left, as long as another version has some: a plugin whose pods are all away may come back. */
  const prune = (at: Found): void => {
    const routed = [...at.kin.values()].some(({ targets }) => targets !== '');
    for (const [key, { runtimeId, members }] of at.kin) {
      if (members.size > 0 || !routed) continue;
      at.kin.delete(key);
      registry.remove(runtimeId, 'other pods took its place');
    }
  };

  const kinOf = (found: Found, info: PluginInfo): Kin => {
    const key = JSON.stringify(info);
    const known = found.kin.get(key);
    if (known !== undefined) return known;
    const identity = registry.admit({ ...info, origin: 'discovered', baseUrls: [] });
    const kin: Kin = { ...identity, members: new Map(), targets: '' };
    found.kin.set(key, kin);
    return kin;
  };

  /** Ends an identity that nobody took. */
  const dismiss = (at: Found, refused: Kin): void => {
    for (const [key, kin] of at.kin)
      if (kin === refused && kin.members.size === 0) {
        at.kin.delete(key);
        registry.remove(kin.runtimeId, 'it does not take its identity');
      }
  };

  const isKnown = (at: Found, kin: Kin): boolean => [...at.kin.values()].includes(kin);

  const meetOne = async (service: string, at: Found, key: string, signal: AbortSignal): Promise<void> => {
    const endpoint = at.wanted.get(key);
    if (endpoint === undefined) return;
    let kin: Kin | undefined;
    try {
      await meet(kube, { endpoint, hostUrl }, (info) => (kin = kinOf(at, info)), signal);
      // The pod, or its identity, may have gone while it was spoken to.
      if (kin === undefined || !at.wanted.has(key) || !isKnown(at, kin)) return;
      // What started anew may say something else.
      for (const other of at.kin.values()) if (other !== kin) other.members.delete(key);
      const fresh = !kin.members.has(key);
      kin.members.set(key, endpoint.state === 'ready');
      route(at);
      if (fresh)
        log.info(
          { service, plugin: kin.runtimeId, pod: endpoint.pod.name, at: endpoint.baseUrl },
          'plugin found',
        );
    } catch (error) {
      // What a pod answers before it is ready is no last word: its routes may not be there yet.
      const isReady = endpoint.state === 'ready' && at.wanted.get(key)?.state === 'ready';
      if (!(error instanceof NotOurs) || !isReady) throw error;
      at.notOurs.add(key);
      if (kin !== undefined) dismiss(at, kin);
      log.warn(
        { service, pod: endpoint.pod.name, at: endpoint.baseUrl, why: error.message },
        'plugin left alone',
      );
    }
  };

  /** Whether there is something to say to an endpoint. */
  const isStrange = (at: Found, key: string, { state }: Endpoint): boolean => {
    if (state === 'leaving' || at.notOurs.has(key)) return false;
    const met = [...at.kin.values()].map(({ members }) => members.get(key)).find((one) => one !== undefined);
    return met === undefined || (state === 'ready' && !met);
  };
  const strangers = (at: Found): string[] =>
    [...at.wanted].filter(([key, endpoint]) => isStrange(at, key, endpoint)).map(([key]) => key);

  const queue = createWorkQueue<string>({
    concurrency: 8,
    backoff: { baseMs: 100, maxMs: 10_000 },
    onError: (service, error, retryInMs) =>
      log.warn({ service, err: error, retryInMs }, 'a plugin that is ready could not be met'),
    async reconcile(service, signal) {
      const at = found.get(service);
      if (at === undefined) return;
      const waiting = strangers(at);
      const failed: unknown[] = [];
      let again = false;
      const next = async (): Promise<void> => {
        for (let key = waiting.shift(); key !== undefined; key = waiting.shift()) {
          const { state } = at.wanted.get(key) ?? {};
          await meetOne(service, at, key, signal).catch((error: unknown) => {
            if (state === 'ready') failed.push(error);
            else again = true;
          });
        }
      };
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, waiting.length) }, next));
      if (failed.length > 0) throw failed[0];
      if (again) return { requeueAfterMs: STARTING_MS };
    },
  });

  /** Brings what is known in line with what the API says now. */
  const settle = (service: string, at: Found, before: ReadonlyMap<string, Endpoint>): void => {
    for (const { members } of at.kin.values())
      for (const key of members.keys()) {
        const now = at.wanted.get(key)?.state;
        if (now === undefined) members.delete(key);
        // Its container may have ended, and the next one knows nothing.
        else if (now === 'starting' && before.get(key)?.state === 'ready') members.delete(key);
      }
    // One that is ready anew may be another program.
    for (const key of at.notOurs) if (at.wanted.get(key)?.state !== 'ready') at.notOurs.delete(key);
    route(at);
    if (strangers(at).length > 0) queue.add(service);
  };

  const forget = (service: string, at: Found): void => {
    found.delete(service);
    for (const { runtimeId } of [...at.kin.values()])
      registry.remove(runtimeId, `Service ${service} is gone`);
  };

  const change = ({ type, object }: Change<EndpointSlice>): void => {
    const service = serviceOf(object);
    if (service === undefined) return;
    const at: Found = found.get(service) ?? {
      slices: new Map(),
      wanted: new Map(),
      notOurs: new Set(),
      kin: new Map(),
    };
    found.set(service, at);
    if (type === 'deleted') at.slices.delete(keyOf(object));
    else at.slices.set(keyOf(object), object);
    const before = at.wanted;
    at.wanted = endpointsOf(at.slices.values());
    settle(service, at, before);
    if (at.slices.size === 0) forget(service, at);
  };

  /** The registry ended an identity of its own accord: those who have it are met anew. */
  const lost = (runtimeId: string): void => {
    for (const [service, at] of found)
      for (const [key, kin] of at.kin)
        if (kin.runtimeId === runtimeId) {
          at.kin.delete(key);
          queue.addAfter(service, REMEET_MS);
        }
  };
  const unwatch = registry.watch(({ kind, plugin }) => {
    if (kind === 'removed' && plugin.origin === 'discovered') lost(plugin.runtimeId);
  });

  const everywhere = options.namespaces.length === 0 ? [undefined] : options.namespaces;
  const reflectors = everywhere.map((namespace) =>
    options.reflect<EndpointSlice>({
      resource: ENDPOINT_SLICES,
      namespace,
      labelSelector: PLUGIN_LABEL,
      project: slimSlice,
      onChange: change,
      log,
    }),
  );
  return {
    synced: Promise.all(reflectors.map(({ synced }) => synced)).then(() => {}),
    async stop() {
      unwatch();
      await Promise.all(reflectors.map((reflector) => reflector.stop()));
      await queue.stop();
    },
  };
}
