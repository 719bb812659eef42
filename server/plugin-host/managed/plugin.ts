/** One plugin that the host manages: how far it is, what keeps it, and what it is asked and told. */
import { setTimeout as delay } from 'node:timers/promises';
import { createConnectClient } from '../../../connect/index.js';
import { PluginControl } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { askInfo, checkHealth, giveIdentity } from '../introduce.js';
import type { Identity, PluginInfo } from '../introduce.js';
import type { HostLog } from '../port.js';
import { trimmedUrl } from '../registry/model.js';

/** A plugin as the configuration names it. */
export interface ManagedPlugin {
  /** The host's own name for it. */
  readonly name: string;
  /** Where it listens, `http://127.0.0.1:8081`. */
  readonly url: string;
}

/** How a managed plugin is. */
export interface ManagedView extends ManagedPlugin {
  readonly state: 'asking' | 'waiting' | 'running' | 'stopping';
  readonly runtimeId?: string;
  /** What keeps it from going on. */
  readonly trouble?: string;
}

export interface Managed extends ManagedPlugin {
  /** Fires when the plugin is to go. */
  readonly leaving: AbortController;
  state: ManagedView['state'];
  info: PluginInfo | undefined;
  /** The one that it is given. */
  identity: Identity | undefined;
  /** The runtime id by which calls come to it: that of its identity once it has taken that one, and of the one before until then. */
  routed: string | undefined;
  trouble: string | undefined;
  /** Settled when it runs, or cannot. */
  readonly started: Promise<void>;
  settle(error?: Error): void;
  /** Says once, in the log too, what keeps it. */
  hold(trouble: string): void;
  /** Repeats what fails until it works. @throws the reason when the plugin leaves */
  persist<T>(attempt: () => Promise<T> | T): Promise<T>;
  /** Asks who it is. */
  ask(): Promise<PluginInfo>;
  tell(identity: Identity): Promise<void>;
  /** Asks how it is. @throws Error when it is unhealthy */
  checkHealth(): Promise<void>;
  /** Tells it to stop; one that does not agree is logged. */
  shutdown(graceMs: number, reason: string): Promise<void>;
  close(): Promise<void>;
}

export interface ManagedOptions {
  readonly hostUrl: string;
  readonly log: HostLog;
  /** Milliseconds between two attempts. */
  readonly retryMs: number;
}

const SHUTDOWN_MS = 5_000;

export function createManaged({ name, url: given }: ManagedPlugin, options: ManagedOptions): Managed {
  const { hostUrl, log, retryMs } = options;
  const url = trimmedUrl(given);
  const client = createConnectClient({ baseUrl: url });
  const leaving = new AbortController();
  const { signal } = leaving;
  const { promise: started, resolve, reject } = withResolvers();
  // Who started it may not be waiting.
  started.catch(() => undefined);
  const plugin: Managed = {
    ...{ name, url, leaving, started },
    ...{ state: 'asking', info: undefined, identity: undefined, routed: undefined, trouble: undefined },
    settle: (error) => (error === undefined ? resolve() : reject(error)),
    hold(trouble) {
      if (plugin.trouble === trouble) return;
      plugin.trouble = trouble;
      log.warn({ plugin: name, url }, `Plugin ${name} at ${url}: ${trouble}`);
    },
    async persist(attempt) {
      for (;;) {
        signal.throwIfAborted();
        try {
          const value = await attempt();
          plugin.trouble = undefined;
          return value;
        } catch (error) {
          signal.throwIfAborted();
          plugin.hold((error as Error).message);
        }
        await pause(retryMs, signal);
      }
    },
    ask: () => askInfo(client, signal),
    tell: (identity) => giveIdentity(client, { ...identity, hostUrl }, signal),
    checkHealth: () => checkHealth(client, signal),
    async shutdown(graceMs, reason) {
      const request = { gracePeriodSeconds: Math.ceil(graceMs / 1_000), reason };
      await client
        .unary(PluginControl.method.shutdown, request, { timeoutMs: SHUTDOWN_MS })
        .catch((error: unknown) =>
          log.warn(
            { plugin: name },
            `Plugin ${name} was told to stop, and did not agree: ${(error as Error).message}`,
          ),
        );
    },
    close: () => client.close(),
  };
  return plugin;
}

/** Every runtime id by which the registry knows it: the one that has its calls, if any, first. */
export const idsOf = ({ routed, identity }: Managed): readonly string[] =>
  [...new Set([routed, identity?.runtimeId])].filter((id) => id !== undefined);

export const viewOf = (plugin: Managed): ManagedView => {
  const { name, url, state, trouble } = plugin;
  const [runtimeId] = idsOf(plugin);
  return {
    ...{ name, url, state },
    ...(runtimeId !== undefined && { runtimeId }),
    ...(trouble !== undefined && { trouble }),
  };
};

/** Waits. @throws the signal's reason when it fires */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}

function withResolvers() {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((...settle) => ([resolve, reject] = settle));
  return { promise, resolve, reject };
}
