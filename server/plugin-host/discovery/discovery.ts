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
import { podToken } from '../registry/identity.js';
import type { Registry } from '../registry/registry.js';
import { endpointsOf, serviceOf, slimSlice } from './endpoints.js';
import type { Endpoint } from './endpoints.js';
import { departed, leaveAlone, nextAsking, nothingFound, strangers, targetsOf } from './found.js';
import type { Found, Kin } from './found.js';
import { NotOurs, meet } from './meet.js';

/** What discovery needs of the registry. */
export type DiscoveryRegistry = Pick<
  Registry,
  'admit' | 'addPod' | 'dropPod' | 'setTargets' | 'remove' | 'watch'
>;

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

/** Pods of one Service that are met at once. */
const AT_ONCE = 8;
/** How long a plugin whose identity the registry ended is left alone, in milliseconds. */
const REMEET_MS = 1_000;
/** How often a pod that is not ready is tried, in milliseconds. */
const STARTING_MS = 500;

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
    const isStillReady = (): boolean => endpoint.state === 'ready' && at.wanted.get(key)?.state === 'ready';
    const identify = (info: PluginInfo): Identity => {
      if (!at.wanted.has(key)) throw new Error(`pod ${endpoint.pod.name} is gone`);
      kin = kinOf(at, info);
      registry.addPod(kin.runtimeId, endpoint.baseUrl);
      return { runtimeId: kin.runtimeId, token: podToken(kin.token, endpoint.baseUrl) };
    };
    try {
      await meet(kube, { endpoint, hostUrl }, identify, signal);
      // The pod, or its identity, may have gone while it was spoken to.
      if (kin === undefined || !at.wanted.has(key) || !isKnown(at, kin)) return;
      at.leftAlone.delete(key);
      // What started anew may say something else.
      const others = [...at.kin.values()].filter((other) => other !== kin && other.members.delete(key));
      const fresh = !kin.members.has(key);
      kin.members.set(key, isStillReady());
      route(at);
      for (const { runtimeId } of others) registry.dropPod(runtimeId, endpoint.baseUrl);
      if (fresh)
        log.info(
          { service, plugin: kin.runtimeId, pod: endpoint.pod.name, at: endpoint.baseUrl },
          'plugin found',
        );
    } catch (error) {
      if (!at.wanted.has(key)) return;
      // What a pod answers before it is ready is no last word: its routes may not be there yet.
      if (!(error instanceof NotOurs) || !isStillReady()) throw error;
      const before = at.leftAlone.get(key);
      // One that does not take its identity has said who it is. Of others the program may come up later: not all have a readiness probe.
      const forGood = kin !== undefined;
      at.leftAlone.set(key, leaveAlone(before, { why: error.message, forGood, now: performance.now() }));
      if (kin !== undefined) dismiss(at, kin);
      if (before?.why === error.message) return;
      log.warn(
        { service, pod: endpoint.pod.name, at: endpoint.baseUrl, why: error.message },
        'plugin left alone',
      );
    }
  };

  const queue = createWorkQueue<string>({
    concurrency: 8,
    backoff: { baseMs: 100, maxMs: 10_000 },
    onError: (service, error, retryInMs) =>
      log.warn({ service, err: error, retryInMs }, 'a plugin that is ready could not be met'),
    async reconcile(service, signal) {
      const at = found.get(service);
      if (at === undefined) return;
      const waiting = strangers(at, performance.now());
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
      const requeueAfterMs = again ? STARTING_MS : nextAsking(at, performance.now());
      if (requeueAfterMs !== undefined) return { requeueAfterMs };
    },
  });

  /** Brings what is known in line with what the API says now. */
  const settle = (service: string, at: Found, before: ReadonlyMap<string, Endpoint>): void => {
    const gone = departed(at, before);
    for (const { members } of at.kin.values()) for (const [key] of gone) members.delete(key);
    // One that is ready anew may be another program.
    for (const key of at.leftAlone.keys())
      if (at.wanted.get(key)?.state !== 'ready') at.leftAlone.delete(key);
    route(at);
    for (const [key, { baseUrl }] of gone) {
      // The next pod may have its address already.
      if ([...at.wanted].some(([other, endpoint]) => other !== key && endpoint.baseUrl === baseUrl)) continue;
      for (const { runtimeId } of at.kin.values()) registry.dropPod(runtimeId, baseUrl);
    }
    if (strangers(at, performance.now()).length > 0) queue.add(service);
  };

  const forget = (service: string, at: Found): void => {
    found.delete(service);
    for (const { runtimeId } of [...at.kin.values()])
      registry.remove(runtimeId, `Service ${service} is gone`);
  };

  const change = ({ type, object }: Change<EndpointSlice>): void => {
    const service = serviceOf(object);
    if (service === undefined) return;
    const at = found.get(service) ?? nothingFound();
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
