/** Plugins as callers see them, and how a call's host and plugin are found. */
import type { Plugin, PluginService } from '../../schemas/plugins.js';
import { AppError, invalidParams } from '../errors.js';
import type { Call } from '../library/implementation.js';
import { nearest } from '../library/nearest.js';
import { OPERATOR } from '../plugin-host/names.js';
import type { Deps, HostStatus, PluginHost, StatusPlugin } from '../ports.js';

/** The host that is meant: that of a pod, or the operator's. */
export function hostOf(
  { plugins }: Deps,
  functionName: string,
  { namespace, pod }: { namespace: string; pod?: string },
  { given }: Pick<Call, 'given'>,
): PluginHost {
  if (pod !== undefined) return plugins.inPod({ namespace, name: pod });
  if (given['namespace'] !== undefined)
    throw invalidParams(functionName, [
      {
        field: 'namespace',
        message: 'must be absent without `pod`: the operator’s host has the plugins of all namespaces',
      },
    ]);
  if (plugins.own !== undefined) return plugins.own;
  throw new AppError(
    'not_found',
    'This operator runs no plugin host. Name a pod that has one by `pod`, or switch the operator’s on by XI_PLUGIN_HOST=on.',
  );
}

/** The plugins but what the operator itself is known as, by runtime id. */
export const pluginsOf = (status: HostStatus): StatusPlugin[] =>
  status.plugins
    .filter(({ selfId, services }) => selfId !== OPERATOR || services.length > 0)
    .sort((a, b) => (a.runtimeId < b.runtimeId ? -1 : 1));

/** Service type → the runtime ids of its providers. */
export function providersOf(plugins: readonly StatusPlugin[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { runtimeId, services } of plugins)
    for (const { type } of services) {
      const known = found.get(type);
      if (known === undefined) found.set(type, [runtimeId]);
      else if (known.at(-1) !== runtimeId) known.push(runtimeId);
    }
  return found;
}

export const serviceViews = (plugin: StatusPlugin): PluginService[] =>
  plugin.services.map(({ type, version, provider, metadata, targets }) => ({
    type,
    version,
    provider,
    path: `/services/${type}/${provider}`,
    targets: targets.map(({ baseUrl }) => baseUrl),
    metadata: { ...metadata },
    routable: plugin.routable,
  }));

export function pluginView(plugin: StatusPlugin, providers: ReadonlyMap<string, readonly string[]>): Plugin {
  const { reason, unroutableBecause } = plugin;
  return {
    runtime_id: plugin.runtimeId,
    self_id: plugin.selfId,
    self_version: plugin.selfVersion,
    origin: plugin.origin,
    health: plugin.health,
    ...(reason === '' ? {} : { reason }),
    unavailable_dependencies: [...plugin.unavailableDependencies],
    routable: plugin.routable,
    ...(unroutableBecause === undefined ? {} : { unroutable_because: unroutableBecause }),
    services: serviceViews(plugin),
    requires: Object.entries(plugin.requires).map(([type, minVersion]) => ({
      type,
      min_version: minVersion,
      providers: [...(providers.get(type) ?? [])],
    })),
    since: plugin.since,
  };
}

/** The plugin of a runtime id, or the only one that calls itself so. */
export function findPlugin(
  functionName: string,
  host: PluginHost,
  plugins: readonly StatusPlugin[],
  wanted: string,
): StatusPlugin {
  const exact = plugins.find(({ runtimeId }) => runtimeId === wanted);
  if (exact !== undefined) return exact;
  const [first, ...more] = plugins.filter(({ selfId }) => selfId === wanted);
  if (first === undefined) {
    const near = nearest(wanted, new Set(plugins.flatMap(({ runtimeId, selfId }) => [selfId, runtimeId])));
    throw new AppError(
      'not_found',
      `There is no plugin ${wanted} at ${host.what}${near === undefined ? '; list_plugins shows those that there are.' : `; did you mean ${near}?`}`,
      near === undefined ? {} : { suggestion: near },
    );
  }
  if (more.length === 0) return first;
  throw invalidParams(functionName, [
    {
      field: 'plugin',
      message: `must be a runtime id: several call themselves ${wanted} (${[first, ...more].map(({ runtimeId }) => runtimeId).join(', ')})`,
    },
  ]);
}
