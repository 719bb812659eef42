/**
 * The host's registry: who is there, what they provide, who may call. The services that plugins call, what the router, the
 * prober and the manager need, and what people are shown, over one state in memory that outlives the host in a file.
 */
import type { Handler } from '../../../connect/types.js';
import type { Probed, Registration, Routes } from '../port.js';
import { createCore } from './core.js';
import type { Admission, RegistryChange } from './core.js';
import { createGrants } from './grants.js';
import { LOGGER, serviceHandlers } from './handlers.js';
import { handshakeHandler } from './handshake.js';
import { createLimiter } from './limits.js';
import { probesOf, viewOf } from './model.js';
import type { RegisteredPlugin } from './model.js';
import { DEFAULT_LIMITS } from './options.js';
import type { RegistryOptions } from './options.js';
import type { RegistrySnapshot } from './snapshot.js';
import { createStateFile } from './state-file.js';

export type { Admission, RegistryChange } from './core.js';
export type { RegisteredPlugin } from './model.js';
export type { HandshakeCall, RegistryLimits, RegistryOptions, Vouched } from './options.js';
export type { RegistrySnapshot } from './snapshot.js';

export interface Registry extends Routes, Probed {
  /**
   * The Connect handlers of HandshakeService, ServiceRegistry, PluginLifecycle, CapabilityBroker, HealthService and the
   * logger. A path below `/capabilities/` goes to the handler that `withoutGrant` names.
   */
  readonly handlers: readonly Handler[];
  /** Every plugin, in the order of coming. One without a base URL is there to call others, and nobody probes it. */
  plugins(): RegisteredPlugin[];
  plugin(runtimeId: string): RegisteredPlugin | undefined;
  /** Whether there is such a plugin. */
  knows(runtimeId: string): boolean;
  /** How many plugins there are. */
  readonly size: number;
  services(): Registration[];
  /** Whether calls to the type, in a version that fits the minimum, are routed to somebody now. */
  isProvided(type: string, minVersion: string): boolean;
  /** Calls the listener with each change, in order, until the answered function is called. */
  watch(listener: (change: RegistryChange) => void): () => void;
  /**
   * Takes in a plugin that its host found or starts, with its services. A dead or same-addressed entry of the same self id
   * goes. @throws ConnectError invalid_argument for what a plugin could not register either, resource_exhausted
   */
  admit(admission: Admission): { runtimeId: string; token: string };
  /** The base URLs of an admitted plugin from now on; none while it has no ready pod. False when it is not there. */
  setTargets(runtimeId: string, baseUrls: readonly string[]): boolean;
  /**
   * A pod of an admitted plugin is about to get its identity, with `podToken` for this address: what it reports from then on is its own.
   * What was said there before is forgotten. To be called before the pod is told, since it may report at once.
   */
  addPod(runtimeId: string, baseUrl: string): void;
  /** A pod is gone, and what it reported with it. */
  dropPod(runtimeId: string, baseUrl: string): void;
  /** Ends a plugin's identity, with its services, watches and grants. False when it is not there. */
  remove(runtimeId: string, why?: string): boolean;
  /**
   * Has a plugin take another's place at once: its services, their places in the order, and calls for its runtime id. The
   * old one's identity holds until `remove`, for the calls that it is in the middle of. @throws ConnectError not_found
   */
  replace(oldId: string, newId: string): void;
  /** Whose grant for the capability a call comes with. @throws ConnectError */
  useGrant(authorization: string | undefined, type: string): string;
  /** Ends what has lapsed. Done by itself every 30 s. */
  sweep(): void;
  snapshot(): RegistrySnapshot;
  /** Fills an empty registry. @throws Error when the data is no snapshot or the registry is not empty */
  restore(data: unknown): void;
  /** Restores what the state file holds, if there is one. What cannot be read is logged, and nothing is restored. */
  load(): Promise<void>;
  /** Stops the clockwork, ends all watches of `watch`, and writes the state file. */
  close(): Promise<void>;
}

const SWEEP_MS = 30_000;

export function createRegistry(options: RegistryOptions): Registry {
  const { log, metrics, now = Date.now } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const grants = createGrants([LOGGER, ...(options.capabilities ?? [])], limits.grants, now);
  const handshakes = createLimiter(limits.handshakes, now);
  const listeners = new Set<(change: RegistryChange) => void>();
  const file =
    options.stateFile === undefined
      ? undefined
      : createStateFile({ path: options.stateFile, log, snapshot: () => core.snapshot() });

  function publish(change: () => RegistryChange): void {
    file?.schedule();
    if (listeners.size === 0) return;
    const said = change();
    for (const listener of [...listeners]) {
      try {
        listener(said);
      } catch (error) {
        log.warn({ err: error }, 'A watcher of the plugins failed; the others go on');
      }
    }
  }

  const core = createCore({
    ...{ log, metrics, now, limits },
    allowBaseUrl: options.allowBaseUrl,
    allow: options.allow,
    selection: options.selection ?? {},
    onChange: publish,
    onGone: grants.revoke,
  });

  function sweep(): void {
    core.sweep();
    grants.sweep();
    handshakes.sweep();
  }
  const clockwork = setInterval(sweep, SWEEP_MS).unref();

  const { directory, roster } = core;
  return {
    handlers: [
      handshakeHandler({ options, core, capabilities: grants.capabilities, limiter: handshakes }),
      ...serviceHandlers({ core, grants, log, limits, hostUrl: options.hostUrl }),
    ],
    authenticate: (header) => ({ runtimeId: roster.authenticate(header).runtimeId }),
    resolve: directory.resolve,
    refused: core.refused,
    alive: core.alive,
    silent: core.silent,
    *toProbe() {
      for (const plugin of roster.all()) yield* probesOf(plugin);
    },
    get size() {
      return roster.size;
    },
    plugins: () => [...roster.all()].map(viewOf),
    plugin(runtimeId) {
      const plugin = roster.get(runtimeId);
      return plugin && viewOf(plugin);
    },
    knows: (runtimeId) => roster.get(runtimeId) !== undefined,
    services: directory.services,
    isProvided: (type, minVersion) => directory.candidates(type, minVersion).length > 0,
    watch(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    admit: core.admit,
    declares: core.declares,
    setTargets: core.setTargets,
    addPod: core.addPod,
    dropPod: core.dropPod,
    remove: (runtimeId, why = 'it was removed') => core.remove(runtimeId, why),
    replace: core.replace,
    useGrant: grants.use,
    sweep,
    snapshot: core.snapshot,
    restore: core.restore,
    async load() {
      const data = await file?.read();
      if (data === undefined) return;
      try {
        core.restore(data);
        log.info(
          { path: options.stateFile, plugins: roster.size },
          `${roster.size} plugins are known from before`,
        );
      } catch (error) {
        log.warn(
          { path: options.stateFile, err: error },
          `${options.stateFile} holds no plugins that this version knows (${(error as Error).message}): every plugin has to shake hands again`,
        );
      }
    },
    async close() {
      clearInterval(clockwork);
      listeners.clear();
      await file?.close();
    },
  };
}
