/** The state that the registry's parts share: plugins, their services, and the telling of changes. */
import type { AllowBaseUrl, HostLog, HostMetrics } from '../port.js';
import type { Directory } from './directory.js';
import { createDirectory } from './directory.js';
import { viewOf } from './model.js';
import type { PluginEntry, RegisteredPlugin, ServiceEntry } from './model.js';
import type { RegistryLimits, RegistryOptions } from './options.js';
import { createRoster } from './roster.js';
import type { Roster } from './roster.js';
import { createTally } from './tally.js';
import type { Tally } from './tally.js';

/** A change of a plugin or of its services. */
export interface RegistryChange {
  readonly kind: 'added' | 'changed' | 'removed';
  /** The plugin as it is since; one removed as it was. */
  readonly plugin: RegisteredPlugin;
}

export interface CoreOptions extends Pick<RegistryOptions, 'allow'> {
  readonly log: HostLog;
  readonly metrics: HostMetrics | undefined;
  readonly now: () => number;
  readonly allowBaseUrl: AllowBaseUrl;
  readonly selection: NonNullable<RegistryOptions['selection']>;
  readonly limits: RegistryLimits;
  onChange(change: () => RegistryChange): void;
  /** The plugin's identity ended. */
  onGone(runtimeId: string): void;
}

export interface Ground {
  readonly options: CoreOptions;
  readonly roster: Roster;
  readonly directory: Directory;
  /** By registration id. */
  readonly registrations: Map<string, ServiceEntry>;
  readonly tally: Tally;
  /** Ends the plugin that is missed least, if there is one that is not missed. */
  makeRoom(): boolean;
  /** Tells watchers of the types, by default those of the plugin, and those of plugins. */
  changed(plugin: PluginEntry, kind?: RegistryChange['kind'], types?: Iterable<string>): void;
  /** Takes a service away, and leaves the telling to the caller. */
  withdraw(service: ServiceEntry): void;
  /** Ends a plugin's identity, with all that hangs on it. */
  end(plugin: PluginEntry, why: string): void;
}

export function createGround(options: CoreOptions): Ground {
  const { log, now, limits } = options;
  const registrations = new Map<string, ServiceEntry>();
  const tally = createTally(limits.keptBytes);
  const selections = new Map(Object.entries(options.selection));
  const directory = createDirectory((type) => selections.get(type) ?? 'first');
  const roster = createRoster({
    now,
    most: limits.plugins,
    tokenLapsesMs: limits.tokenLapsesMs,
    makeRoom,
  });

  function changed(
    plugin: PluginEntry,
    kind: RegistryChange['kind'] = 'changed',
    types: Iterable<string> = plugin.services.keys(),
  ): void {
    for (const type of [...types]) directory.tell(type);
    options.onChange(() => ({ kind, plugin: viewOf(plugin) }));
    options.metrics?.registered(registrations.size);
  }

  function withdraw(service: ServiceEntry): void {
    directory.drop(service.type, service.plugin.runtimeId);
    registrations.delete(service.id);
    tally.drop(service.id);
    service.plugin.services.delete(service.type);
  }

  function end(plugin: PluginEntry, why: string): void {
    const types = [...plugin.services.keys()];
    const was = viewOf(plugin);
    for (const service of [...plugin.services.values()]) withdraw(service);
    roster.delete(plugin);
    tally.drop(plugin);
    options.onGone(plugin.runtimeId);
    for (const endWatch of [...plugin.watches]) endWatch();
    log.info({ plugin: plugin.runtimeId, types, why }, `${plugin.runtimeId} is gone: ${why}`);
    for (const type of types) directory.tell(type);
    options.onChange(() => ({ kind: 'removed', plugin: was }));
    options.metrics?.registered(registrations.size);
  }

  /** Of those that provide nothing the one goes whose token was used, or given out, the longest time ago. */
  function makeRoom(): boolean {
    let oldest: PluginEntry | undefined;
    for (const plugin of roster.all()) {
      const idle = plugin.origin === 'unmanaged' && plugin.services.size === 0;
      if (!idle || now() - plugin.lastUsed < limits.unusedMs) continue;
      if (oldest === undefined || plugin.lastUsed < oldest.lastUsed) oldest = plugin;
    }
    if (oldest !== undefined) end(oldest, 'the host is full, and it provides nothing');
    return oldest !== undefined;
  }

  return { options, roster, directory, registrations, tally, makeRoom, changed, withdraw, end };
}
