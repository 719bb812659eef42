/**
 * The managed model: the host knows where its plugins are, asks them who they are, gives them their identities once what
 * they need at start-up is there, and takes them out or puts others in their places without a dropped call.
 */
import type { Identity, PluginInfo } from './introduce.js';
import { createEndings } from './managed/endings.js';
import { createIdentities } from './managed/identities.js';
import { createManaged, idsOf, pause, viewOf } from './managed/plugin.js';
import type { Managed, ManagedPlugin, ManagedView } from './managed/plugin.js';
import { createStartable } from './managed/startable.js';
import { createTether } from './managed/tether.js';
import type { HostLog } from './port.js';
import type { Registry } from './registry/registry.js';

export type { ManagedPlugin, ManagedView } from './managed/plugin.js';

/** What the manager needs of the registry. */
export type ManagedRegistry = Pick<
  Registry,
  'admit' | 'setTargets' | 'replace' | 'remove' | 'plugin' | 'plugins' | 'isProvided' | 'watch'
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
  /** Milliseconds between two signs of life on the connection by which a plugin's restart is noticed; 4,000 by default. */
  readonly talkMs?: number | undefined;
}

export interface Manager {
  plugins(): ManagedView[];
  /** Resolves when the plugin runs. @throws Error for a name that is taken, a circle of needs, or one removed meanwhile */
  add(plugin: ManagedPlugin): Promise<void>;
  /** No new calls, those in flight end, the plugin is told to stop, its identity ends. @throws Error for an unknown name */
  remove(name: string, reason?: string): Promise<void>;
  /**
   * Puts the plugin at `url` in the place of the running one. The old one goes on until the other says that it is the same
   * plugin, finds what it needs at start-up, has taken its identity and is not unhealthy; should that not be so within the
   * grace, the old one stays. The signal calls it off until the other has taken the place. @throws Error with the reason
   */
  replace(name: string, url: string, signal?: AbortSignal): Promise<void>;
  /** Watches no more. Plugins go on running, with their identities. */
  close(): Promise<void>;
}

/** Less than what Node's servers, and the SDK's, give a connection on which nothing is asked: 5 and 10 seconds. */
const TALK_MS = 4_000;

/** Begins at once, with all plugins; what one waits for is in `plugins()` and in the log. */
export function startManager(options: ManagerOptions): Manager {
  const { registry, hostUrl, log, drained, graceMs = 30_000, retryMs = 250, talkMs = TALK_MS } = options;
  const managed = new Map<string, Managed>();
  const running = new Set<Promise<void>>();
  /** All that have to do with a plugin's place: managed ones, those that stand by, and those that end. */
  const present = new Set<Managed>();
  const startable = createStartable(registry, managed);
  const endings = createEndings(graceMs);
  const create = (plugin: ManagedPlugin): Managed => {
    const entry = createManaged(plugin, { hostUrl, log, retryMs });
    present.add(entry);
    return entry;
  };

  const runs = (plugin: Managed, { runtimeId }: Identity): void => {
    plugin.routed = runtimeId;
    plugin.state = 'running';
    plugin.trouble = undefined;
    plugin.settle();
    const { name, url } = plugin;
    log.info({ plugin: name, url, runtimeId }, `Plugin ${name} runs as ${runtimeId} at ${url}`);
  };

  const { standBy, appoint, renew } = createIdentities(registry, runs);

  const begin = async (plugin: Managed): Promise<void> => {
    if (endings.isUnderWay(plugin.url))
      plugin.hold('waits until the plugin that was told to stop there is away');
    await endings.over(plugin.url, plugin.leaving.signal);
    await plugin.persist(async () => {
      const info = await startable.ask(plugin);
      appoint(plugin, info);
    });
    await plugin.persist(() => renew(plugin));
  };

  /** Whenever the plugin's server was away, however briefly, it may be a new process that knows nothing. */
  const tend = async (plugin: Managed): Promise<void> => {
    const cut = createTether(plugin.url, talkMs);
    for (;;) {
      const opened = performance.now();
      await cut(plugin.leaving.signal);
      plugin.leaving.signal.throwIfAborted();
      // Some servers close a connection at once on which nothing is asked.
      if (performance.now() - opened < retryMs) await pause(retryMs, plugin.leaving.signal);
      await plugin.persist(() => renew(plugin));
    }
  };

  const manage = (plugin: Managed, first: (plugin: Managed) => Promise<void>): void => {
    const life = first(plugin)
      .then(() => tend(plugin))
      .catch((error: unknown) => {
        plugin.settle(error as Error);
        if (!plugin.leaving.signal.aborted) plugin.hold((error as Error).message);
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
    const entry = create(plugin);
    managed.set(plugin.name, entry);
    manage(entry, begin);
    return entry;
  };

  /** Ends a plugin that nobody calls any more: its calls in flight, then itself. */
  const retire = async (plugin: Managed, reason: string): Promise<void> => {
    plugin.state = 'stopping';
    plugin.leaving.abort(new Error(reason));
    const { name, url } = plugin;
    const ids = idsOf(plugin);
    if (ids.length > 0) {
      const idle = (await Promise.all(ids.map((id) => drained(id, graceMs)))).every(Boolean);
      present.delete(plugin);
      if ([...present].some((other) => other.url === url))
        log.info(
          { plugin: name, url },
          `Plugin ${name} is not told to stop: what runs at ${url} is wanted again`,
        );
      else {
        if (!idle)
          log.warn(
            { plugin: name },
            `Plugin ${name} still has calls after ${graceMs} ms; it is told to stop all the same`,
          );
        endings.begins(url);
        await plugin.shutdown(graceMs, reason);
      }
      // Calls that it makes itself until then are still answered.
      for (const id of ids) registry.remove(id, reason);
    }
    present.delete(plugin);
    await plugin.close();
  };

  /** Asks one that is to take the other's place. @throws Error as long as it cannot, and for good when it is another plugin */
  const askSuccessor = async (next: Managed, old: Managed): Promise<PluginInfo> => {
    const info = await next.ask();
    const selfId = old.info?.selfId;
    if (info.selfId !== selfId)
      next.leaving.abort(
        new Error(
          `at ${next.url} is ${info.selfId} and not ${selfId}; to have another plugin, take ${next.name} out and add that one by another name`,
        ),
      );
    next.leaving.signal.throwIfAborted();
    const lack = startable.lackOf(info);
    if (lack !== undefined) throw new Error(lack);
    return info;
  };

  /** A plugin that stands by, with its identity, and could serve. @throws Error when that takes longer than the grace or the signal fires */
  const standby = async (
    url: string,
    old: Managed,
    signal: AbortSignal,
  ): Promise<Managed & { identity: Identity }> => {
    const next = create({ name: old.name, url });
    const late = (): void =>
      next.leaving.abort(
        new Error(`the plugin at ${next.url} was not ready after ${graceMs} ms: ${next.trouble ?? ''}`),
      );
    const calledOff = (): void => next.leaving.abort(signal.reason);
    const timer = setTimeout(late, graceMs);
    signal.addEventListener('abort', calledOff);
    if (signal.aborted) calledOff();
    try {
      await endings.over(next.url, next.leaving.signal);
      const info = await next.persist(() => askSuccessor(next, old));
      const identity = standBy(next, info);
      await next.persist(async () => {
        await next.tell(identity);
        await next.checkHealth();
      });
      return Object.assign(next, { identity });
    } catch (error) {
      await discard(next, 'it did not start');
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', calledOff);
    }
  };

  const discard = async (plugin: Managed, why: string): Promise<void> => {
    present.delete(plugin);
    for (const id of idsOf(plugin)) registry.remove(id, why);
    await plugin.close();
  };

  const replace = async (name: string, url: string, signal?: AbortSignal): Promise<void> => {
    const old = known(name);
    if (old.state !== 'running')
      throw new Error(
        `plugin ${name} does not run yet (${old.trouble ?? old.state}), so nothing can take its place`,
      );
    const left = old.leaving.signal;
    const calledOff = signal === undefined ? left : AbortSignal.any([left, signal]);
    const next = await standby(url, old, calledOff);
    if (calledOff.aborted) {
      await discard(next, 'it is not needed any more');
      throw calledOff.reason;
    }
    managed.set(name, next);
    // One that runs has an identity, and maybe another one that it has yet to take.
    registry.replace(idsOf(old)[0]!, next.identity.runtimeId);
    runs(next, next.identity);
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
      for (const id of idsOf(plugin)) registry.setTargets(id, []);
      await retire(plugin, reason);
    },
    replace,
    async close() {
      const all = [...managed.values()];
      for (const { leaving } of all) leaving.abort(new Error('the host ends'));
      endings.close();
      await Promise.all(running);
      await Promise.all(all.map((plugin) => plugin.close()));
    },
  };
}
