/**
 * The managed model: the host knows where its plugins are, asks them who they are, gives them their identities once what
 * they need at start-up is there, and takes them out or puts others in their places without a dropped call.
 */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { createConnectClient } from '../../connect/index.js';
import type { ConnectClient } from '../../connect/index.js';
import { PluginControl, PluginIdentity } from '../../proto/gen/connectplugin/v1/plugin_pb.js';
import type { GetPluginInfoResponse } from '../../proto/gen/connectplugin/v1/plugin_pb.js';
import type { HostLog } from './port.js';
import { trimmedUrl } from './registry/model.js';
import type { Registry } from './registry/registry.js';
import { isCompatible } from './registry/versions.js';

/** A plugin as the configuration names it. */
export interface ManagedPlugin {
  /** The host's own name for it. */
  readonly name: string;
  /** Where it listens, `http://127.0.0.1:8081`. */
  readonly url: string;
}

/** What the manager needs of the registry. */
export type ManagedRegistry = Pick<
  Registry,
  'admit' | 'setTargets' | 'replace' | 'remove' | 'plugin' | 'plugins' | 'watch'
>;

export interface ManagerOptions {
  readonly registry: ManagedRegistry;
  readonly plugins: readonly ManagedPlugin[];
  /** Where plugins reach the host; they are told. */
  readonly hostUrl: string;
  readonly log: HostLog;
  /** Resolves when no call to the plugin is under way: true, or false after so many milliseconds. The router's. */
  readonly drained: (runtimeId: string, ms: number) => Promise<boolean>;
  /** Milliseconds that calls in flight, and then the plugin itself, have to end; 30,000 by default. */
  readonly graceMs?: number | undefined;
  /** Milliseconds between two attempts to reach a plugin; 250 by default. */
  readonly retryMs?: number | undefined;
}

/** How a managed plugin is. */
export interface ManagedView extends ManagedPlugin {
  readonly state: 'asking' | 'waiting' | 'running' | 'stopping';
  readonly runtimeId?: string;
  /** What keeps it from going on. */
  readonly trouble?: string;
}

export interface Manager {
  plugins(): ManagedView[];
  /** Resolves when the plugin runs. @throws Error for a name that is taken, a circle of needs, or one removed meanwhile */
  add(plugin: ManagedPlugin): Promise<void>;
  /** No new calls, those in flight end, the plugin is told to stop, its identity ends. @throws Error for an unknown name */
  remove(name: string, reason?: string): Promise<void>;
  /**
   * Puts the plugin at `url` in the place of the running one. Until it has told who it is and taken its identity, the old
   * one goes on; should it not do so within the grace, the old one stays. @throws Error with the reason
   */
  replace(name: string, url: string): Promise<void>;
  /** Watches no more. Plugins go on running, with their identities. */
  close(): Promise<void>;
}

interface Identity {
  readonly runtimeId: string;
  readonly token: string;
}

interface Managed {
  readonly name: string;
  readonly url: string;
  readonly client: ConnectClient;
  readonly leaving: AbortController;
  state: ManagedView['state'];
  info: GetPluginInfoResponse | undefined;
  identity: Identity | undefined;
  trouble: string | undefined;
  /** Settled when it runs, or cannot. */
  readonly started: Promise<void>;
  readonly settle: (error?: Error) => void;
}

const ASK_MS = 5_000;

/** Begins at once, with all plugins; what one waits for is in `plugins()` and in the log. */
export function startManager(options: ManagerOptions): Manager {
  const { registry, hostUrl, log, drained, graceMs = 30_000, retryMs = 250 } = options;
  const managed = new Map<string, Managed>();
  const running = new Set<Promise<void>>();

  const trouble = (plugin: Managed, text: string): void => {
    if (plugin.trouble === text) return;
    plugin.trouble = text;
    log.warn({ plugin: plugin.name, url: plugin.url }, `Plugin ${plugin.name} at ${plugin.url}: ${text}`);
  };

  /** Repeats what fails until it works or the plugin leaves. */
  const persist = async <T>(plugin: Managed, attempt: () => Promise<T>): Promise<T> => {
    for (;;) {
      plugin.leaving.signal.throwIfAborted();
      try {
        const value = await attempt();
        plugin.trouble = undefined;
        return value;
      } catch (error) {
        plugin.leaving.signal.throwIfAborted();
        trouble(plugin, (error as Error).message);
      }
      await pause(retryMs, plugin.leaving.signal);
    }
  };

  const inform = async ({ name, client, leaving }: Managed): Promise<GetPluginInfoResponse> => {
    const info = await client.unary(
      PluginIdentity.method.getPluginInfo,
      {},
      { timeoutMs: ASK_MS, signal: leaving.signal },
    );
    if (info.selfId === '')
      throw new Error(`it does not say who it is; ${name} must answer GetPluginInfo with a self_id`);
    return info;
  };

  const identify = async ({ client, leaving }: Managed, { runtimeId, token }: Identity): Promise<void> => {
    const { acknowledged } = await client.unary(
      PluginIdentity.method.setRuntimeIdentity,
      { runtimeId, runtimeToken: token, hostUrl },
      { timeoutMs: ASK_MS, signal: leaving.signal },
    );
    if (!acknowledged) throw new Error('it does not take the identity that the host gives it');
  };

  const admit = (url: string, info: GetPluginInfoResponse, standby: boolean): Identity =>
    registry.admit({
      selfId: info.selfId,
      selfVersion: info.selfVersion,
      origin: 'managed',
      baseUrls: standby ? [url] : [],
      provides: info.provides.map(({ type, version, path }) => ({
        type,
        version,
        path,
        metadata: info.metadata,
      })),
      requires: Object.fromEntries(info.requires.map(({ type, minVersion }) => [type, minVersion])),
      metadata: { ...info.metadata },
      standby,
    });

  /** What it needs at start-up and nobody provides. */
  const missing = (info: GetPluginInfoResponse): string[] => {
    const offers = [...registry.plugins()]
      .filter(({ routable }) => routable)
      .flatMap(({ services }) => services);
    return info.requires
      .filter(({ requiredForStartup }) => requiredForStartup)
      .filter(
        (need) =>
          !offers.some(({ type, version }) => type === need.type && isCompatible(version, need.minVersion)),
      )
      .map(({ type, minVersion }) => (minVersion === '' ? type : `${type} ${minVersion}`));
  };

  const checkCircles = (): void => {
    const stuck = [...managed.values()].filter(
      (plugin) => plugin.state === 'waiting' && plugin.info !== undefined && missing(plugin.info).length > 0,
    );
    const circle = startupCircle(stuck.map(({ name, info }) => ({ name, info: info! })));
    if (circle === undefined) return;
    const text = `${[...circle, circle[0]].join(' → ')} need one another at start-up, so none of them can start; let one of them require the next without required_for_startup`;
    for (const name of circle) {
      const plugin = managed.get(name)!;
      trouble(plugin, text);
      plugin.settle(new Error(text));
    }
  };

  const dependencies = async (plugin: Managed, info: GetPluginInfoResponse): Promise<void> => {
    plugin.state = 'waiting';
    checkCircles();
    while (missing(info).length > 0) {
      if (plugin.trouble === undefined)
        trouble(plugin, `waits for ${missing(info).join(', ')}, which nobody provides yet`);
      await change(registry, plugin.leaving.signal);
    }
    plugin.trouble = undefined;
  };

  /** An entry of this plugin at this place that a host before this one left behind. */
  const predecessor = ({ url, identity }: Managed, { selfId }: GetPluginInfoResponse): string | undefined =>
    [...registry.plugins()].find(
      (other) =>
        other.runtimeId !== identity?.runtimeId &&
        other.origin === 'managed' &&
        other.selfId === selfId &&
        other.baseUrl === url,
    )?.runtimeId;

  const begin = async (plugin: Managed): Promise<void> => {
    const info = (plugin.info = await persist(plugin, () => inform(plugin)));
    await dependencies(plugin, info);
    const before = predecessor(plugin, info);
    const identity = await persist(plugin, async () => admit(plugin.url, info, before !== undefined));
    plugin.identity = identity;
    await persist(plugin, () => identify(plugin, identity));
    if (before === undefined) registry.setTargets(identity.runtimeId, [plugin.url]);
    else succeed(before, identity.runtimeId);
    runs(plugin);
  };

  const succeed = (oldId: string, newId: string): void => {
    registry.replace(oldId, newId);
    registry.remove(oldId, `${newId} took its place`);
  };

  const runs = (plugin: Managed): void => {
    plugin.state = 'running';
    plugin.trouble = undefined;
    plugin.settle();
    const { name, url, identity } = plugin;
    log.info(
      { plugin: name, url, runtimeId: identity?.runtimeId },
      `Plugin ${name} runs as ${identity?.runtimeId ?? ''} at ${url}`,
    );
  };

  /** Whenever the plugin's server was away, however briefly, it may be a new process that knows nothing. */
  const tend = async (plugin: Managed): Promise<void> => {
    for (;;) {
      const opened = performance.now();
      await tether(plugin.url, plugin.leaving.signal);
      plugin.leaving.signal.throwIfAborted();
      // Some servers close a connection at once on which nothing is asked.
      if (performance.now() - opened < retryMs) await pause(retryMs, plugin.leaving.signal);
      await persist(plugin, () => renew(plugin));
    }
  };

  const renew = async (plugin: Managed): Promise<void> => {
    const info = await inform(plugin);
    const known = plugin.identity;
    const listed = known !== undefined && registry.plugin(known.runtimeId) !== undefined;
    if (listed && sameInfo(info, plugin.info)) return identify(plugin, known);
    const identity = admit(plugin.url, info, listed);
    plugin.info = info;
    plugin.identity = identity;
    await persist(plugin, () => identify(plugin, identity));
    if (listed) succeed(known.runtimeId, identity.runtimeId);
    else registry.setTargets(identity.runtimeId, [plugin.url]);
    runs(plugin);
  };

  const manage = (plugin: Managed, first: (plugin: Managed) => Promise<void>): void => {
    const life = first(plugin)
      .then(() => tend(plugin))
      .catch((error: unknown) => {
        plugin.settle(error as Error);
        if (!plugin.leaving.signal.aborted) trouble(plugin, (error as Error).message);
      })
      .finally(() => running.delete(life));
    running.add(life);
  };

  const known = (name: string): Managed => {
    const plugin = managed.get(name);
    if (plugin === undefined)
      throw new Error(
        `there is no managed plugin ${JSON.stringify(name)}; there are: ${[...managed.keys()].join(', ') || 'none'}`,
      );
    return plugin;
  };

  const add = (plugin: ManagedPlugin): Managed => {
    if (managed.has(plugin.name))
      throw new Error(
        `there is a managed plugin ${JSON.stringify(plugin.name)} already; replace or remove it`,
      );
    const entry = newManaged(plugin);
    managed.set(plugin.name, entry);
    manage(entry, begin);
    return entry;
  };

  /** Ends a plugin that nobody calls any more: its calls in flight, then itself. */
  const retire = async (plugin: Managed, reason: string): Promise<void> => {
    plugin.state = 'stopping';
    plugin.leaving.abort(new Error(reason));
    const { identity, client, name } = plugin;
    if (identity !== undefined) {
      if (!(await drained(identity.runtimeId, graceMs)))
        log.warn(
          { plugin: name },
          `Plugin ${name} still has calls after ${graceMs} ms; it is told to stop all the same`,
        );
      await client
        .unary(
          PluginControl.method.shutdown,
          { gracePeriodSeconds: Math.ceil(graceMs / 1_000), reason },
          { timeoutMs: ASK_MS },
        )
        .catch((error: unknown) =>
          log.warn(
            { plugin: name },
            `Plugin ${name} was told to stop, and did not agree: ${(error as Error).message}`,
          ),
        );
      // Calls that it makes itself until then are still answered.
      registry.remove(identity.runtimeId, reason);
    }
    await client.close();
  };

  const replace = async (name: string, url: string): Promise<void> => {
    const old = known(name);
    if (old.state !== 'running' || old.identity === undefined)
      throw new Error(
        `plugin ${name} does not run yet (${old.trouble ?? old.state}), so nothing can take its place`,
      );
    const next = newManaged({ name, url });
    const timer = setTimeout(
      () =>
        next.leaving.abort(
          new Error(`the plugin at ${url} was not ready after ${graceMs} ms: ${next.trouble ?? ''}`),
        ),
      graceMs,
    );
    try {
      const info = (next.info = await persist(next, () => inform(next)));
      const identity = (next.identity = admit(next.url, info, true));
      await persist(next, () => identify(next, identity));
    } catch (error) {
      if (next.identity !== undefined) registry.remove(next.identity.runtimeId, 'it did not start');
      await next.client.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
    if (managed.get(name) !== old) {
      registry.remove(next.identity.runtimeId, 'its predecessor left');
      await next.client.close();
      throw new Error(`plugin ${name} was removed or replaced by another meanwhile`);
    }
    managed.set(name, next);
    registry.replace(old.identity.runtimeId, next.identity.runtimeId);
    runs(next);
    manage(next, async () => undefined);
    await retire(old, `${url} took its place`);
  };

  for (const plugin of options.plugins) add(plugin);

  return {
    plugins: () => [...managed.values()].map(viewOf),
    async add(plugin) {
      await add(plugin).started;
    },
    async remove(name, reason = 'it was removed') {
      const plugin = known(name);
      managed.delete(name);
      // New calls find it no more; those in flight go on.
      if (plugin.identity !== undefined) registry.setTargets(plugin.identity.runtimeId, []);
      await retire(plugin, reason);
    },
    replace,
    async close() {
      const all = [...managed.values()];
      for (const { leaving } of all) leaving.abort(new Error('the host ends'));
      await Promise.all(running);
      await Promise.all(all.map(({ client }) => client.close()));
    },
  };
}

function newManaged(plugin: ManagedPlugin): Managed {
  const { name } = plugin;
  const url = trimmedUrl(plugin.url);
  let settle!: Managed['settle'];
  const started = new Promise<void>((resolve, reject) => {
    settle = (error) => (error === undefined ? resolve() : reject(error));
  });
  // Who started it may not be waiting.
  started.catch(() => undefined);
  return {
    name,
    url,
    client: createConnectClient({ baseUrl: url }),
    leaving: new AbortController(),
    state: 'asking',
    info: undefined,
    identity: undefined,
    trouble: undefined,
    started,
    settle,
  };
}

function viewOf({ name, url, state, identity, trouble }: Managed): ManagedView {
  return {
    name,
    url,
    state,
    ...(identity !== undefined && { runtimeId: identity.runtimeId }),
    ...(trouble !== undefined && { trouble }),
  };
}

/** Names of plugins that need one another at start-up, in the order of need; undefined when there is no such circle. */
export function startupCircle(
  plugins: readonly {
    readonly name: string;
    readonly info: Pick<GetPluginInfoResponse, 'provides' | 'requires'>;
  }[],
): string[] | undefined {
  const needs = new Map<string, string[]>();
  for (const { name, info } of plugins) {
    const types = info.requires
      .filter(({ requiredForStartup }) => requiredForStartup)
      .map(({ type }) => type);
    const providers = plugins.filter((other) => other.info.provides.some(({ type }) => types.includes(type)));
    needs.set(
      name,
      providers.map((provider) => provider.name),
    );
  }
  const cleared = new Set<string>();
  const follow = (name: string, path: readonly string[]): string[] | undefined => {
    const at = path.indexOf(name);
    if (at >= 0) return path.slice(at);
    if (cleared.has(name)) return undefined;
    for (const next of needs.get(name) ?? []) {
      const circle = follow(next, [...path, name]);
      if (circle !== undefined) return circle;
    }
    cleared.add(name);
    return undefined;
  };
  for (const name of needs.keys()) {
    const circle = follow(name, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

const sameInfo = (a: GetPluginInfoResponse, b: GetPluginInfoResponse | undefined): boolean =>
  b !== undefined && JSON.stringify(a) === JSON.stringify(b);

/** Waits. @throws the signal's reason when it fires */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}

/** Resolves at the registry's next change. */
function change(registry: ManagedRegistry, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      stop();
      signal.removeEventListener('abort', left);
    };
    const left = (): void => {
      end();
      reject(signal.reason as Error);
    };
    const stop = registry.watch(() => {
      end();
      resolve();
    });
    if (signal.aborted) left();
    else signal.addEventListener('abort', left, { once: true });
  });
}

/** Holds a connection to a server, and resolves when it is cut, or cannot be opened, or the signal fires. */
function tether(url: string, signal: AbortSignal): Promise<void> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port) || 80,
      keepAlive: true,
    });
    const leave = (): void => void socket.destroy();
    signal.addEventListener('abort', leave, { once: true });
    socket
      .on('error', () => undefined)
      .on('close', () => {
        signal.removeEventListener('abort', leave);
        resolve();
      })
      .resume();
    if (signal.aborted) leave();
  });
}
