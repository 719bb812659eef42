/**
 * Plugins of other pods, found by what the API server says: Services with the label `xi-k8s.dev/plugin`. A pod is met as soon as it
 * answers, which may be before it is ready, and routed to for as long as it is ready; one that is no longer ready is left out at once.
 *
 * Pods of one Service that say the same of themselves are one plugin with many addresses, and so are those of Services that have a
 * pod in common. During a roll-out two versions are two plugins, and the old one goes with its last pod.
 */
import { createWorkQueue, ENDPOINT_SLICES, keyOf } from '../../ports.js';
import type { Change, EndpointSlice, Kube, Log, Reflect } from '../../ports.js';
import type { Identity, PluginInfo } from '../introduce.js';
import { PLUGIN_LABEL } from '../names.js';
import { podToken } from '../registry/identity.js';
import type { Registry } from '../registry/registry.js';
import { endpointsOf, leftOutOf, podKey, serviceOf, slimSlice } from './endpoints.js';
import { isStrange, leaveAlone, nextAsking, nothingFound, strangers } from './found.js';
import type { Found, Kin } from './found.js';
import { createKinship } from './kinship.js';
import type { KinRegistry } from './kinship.js';
import { NotOurs, meet } from './meet.js';
import { createOneAtATime } from './one-at-a-time.js';

/** What discovery needs of the registry. */
export type DiscoveryRegistry = KinRegistry & Pick<Registry, 'watch'>;

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
  const kinship = createKinship(registry);
  // What a pod is told last is who it is.
  const inTurn = createOneAtATime();

  const meetOne = async (at: Found, key: string, signal: AbortSignal): Promise<void> => {
    const endpoint = at.wanted.get(key);
    // Another Service may have had it met meanwhile.
    if (endpoint === undefined || !isStrange(at, key, performance.now())) return;
    const { pod, baseUrl } = endpoint;
    let kin: Kin | undefined;
    const isStillReady = (): boolean => endpoint.state === 'ready' && at.wanted.get(key)?.state === 'ready';
    const identify = (info: PluginInfo): Identity => {
      if (!at.wanted.has(key)) throw new Error(`pod ${pod.name} is gone`);
      kin = kinship.identify(at, endpoint, info);
      return { runtimeId: kin.runtimeId, token: podToken(kin.token, baseUrl) };
    };
    try {
      await meet(kube, { endpoint, hostUrl }, identify, signal);
      // The pod, or its identity, may have gone while it was spoken to.
      if (kin === undefined || !at.wanted.has(key)) return;
      if (!kinship.isKnown(kin)) return queue.add(at.service);
      at.leftAlone.delete(key);
      if (kinship.join(at, key, kin, isStillReady()))
        log.info({ service: at.service, plugin: kin.runtimeId, pod: pod.name, at: baseUrl }, 'plugin found');
    } catch (error) {
      if (!at.wanted.has(key)) return;
      // What a pod answers before it is ready is no last word: its routes may not be there yet.
      if (!(error instanceof NotOurs) || !isStillReady()) throw error;
      const before = at.leftAlone.get(key);
      // One that does not take its identity has said who it is. Of others the program may come up later: not all have a readiness probe.
      const forGood = kin !== undefined;
      at.leftAlone.set(key, leaveAlone(before, { why: error.message, forGood, now: performance.now() }));
      if (kin !== undefined) kinship.dismiss(kin);
      if (before?.why === error.message) return;
      log.warn({ service: at.service, pod: pod.name, at: baseUrl, why: error.message }, 'plugin left alone');
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
          const endpoint = at.wanted.get(key);
          if (endpoint === undefined) continue;
          const { state, pod } = endpoint;
          const met = inTurn(podKey(pod), () => meetOne(at, key, signal));
          await met.catch((error: unknown) => {
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

  /** Says once which endpoints of a labelled Service are not called, and why. */
  const tellLeftOut = (at: Found): void => {
    const why = leftOutOf(at.slices.values());
    // One that has no pods for now is as it was.
    if (why === at.leftOut || (why === '' && at.wanted.size === 0)) return;
    at.leftOut = why;
    if (why !== '') log.warn({ service: at.service, why }, 'endpoints of a labelled Service are left out');
  };

  const change = ({ type, object }: Change<EndpointSlice>): void => {
    const service = serviceOf(object);
    if (service === undefined) return;
    const at = found.get(service) ?? nothingFound(service);
    found.set(service, at);
    if (type === 'deleted') at.slices.delete(keyOf(object));
    else at.slices.set(keyOf(object), object);
    const before = at.wanted;
    at.wanted = endpointsOf(at.slices.values());
    tellLeftOut(at);
    // One that is ready anew may be another program.
    for (const key of at.leftAlone.keys())
      if (at.wanted.get(key)?.state !== 'ready') at.leftAlone.delete(key);
    for (const one of kinship.settle(at, before))
      if (strangers(one, performance.now()).length > 0) queue.add(one.service);
    if (at.slices.size > 0) return;
    found.delete(service);
    kinship.forget(at);
  };

  /** The registry ended an identity of its own accord: those who have it are met anew. */
  const lost = (runtimeId: string): void => {
    for (const { service } of kinship.lose(runtimeId)) queue.addAfter(service, REMEET_MS);
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
