/** What the registry holds in memory. The entries are its own and change in place; what it gives out does not. */
import type { AllowBaseUrl, Health, PluginView, Registration, Target } from '../port.js';

export type Origin = PluginView['origin'];

/** A plugin, its base URL included: where its health is asked, empty as long as it has said none. */
export type RegisteredPlugin = PluginView & { readonly baseUrl: string };

/** How a plugin is. */
export interface Report {
  readonly state: Health;
  readonly reason: string;
  readonly unavailableDependencies: readonly string[];
}

export interface ServiceEntry {
  readonly id: string;
  readonly type: string;
  readonly version: string;
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Where the plugin said that it serves it; unset where its host knows better. */
  readonly baseUrl: string | undefined;
  readonly plugin: PluginEntry;
  /** What is given out: renewed with each change of its targets. */
  registration: Registration;
}

export interface PluginEntry {
  readonly runtimeId: string;
  readonly selfId: string;
  readonly selfVersion: string;
  readonly origin: Origin;
  /** Who vouched for it, such as a ServiceAccount: another one's entries are never replaced. */
  readonly principal: string | undefined;
  readonly tokenHash: Buffer;
  readonly metadata: Readonly<Record<string, string>>;
  readonly allowBaseUrl: AllowBaseUrl;
  /** The types that it may register by its own GetPluginInfo; unset while that says nothing. */
  declared: readonly string[] | undefined;
  /** Where its host reaches it; for a plugin that came by itself its services say so. */
  baseUrls: readonly string[];
  /** Not to be routed to yet: it takes another's place first. */
  standby: boolean;
  /** What it reported. */
  said: Report;
  /** What it answered when it was asked. */
  heard: Report | undefined;
  /** The worse of both, and so the next two. */
  health: Health;
  reason: string;
  unavailableDependencies: readonly string[];
  /** Since when, in milliseconds, it has not answered, and how that showed. */
  lost: { readonly why: string; readonly at: number } | undefined;
  /** Base URLs that refused a call while others still answer. */
  readonly refused: Set<string>;
  /** Which of its addresses is asked next how it is. */
  turn: number;
  readonly services: Map<string, ServiceEntry>;
  /** Whether it unregistered the last of its services, as one does that stops. */
  retired: boolean;
  readonly requires: Map<string, string>;
  readonly since: number;
  /** When its token was last used, or given out. */
  lastUsed: number;
  /** Since when another identity of the same plugin has taken services of it. */
  supersededAt: number | undefined;
  /** Ends its watches, for when its identity ends. */
  readonly watches: Set<() => void>;
}

/** A base URL without slashes at its end. */
export const trimmedUrl = (baseUrl: string): string => baseUrl.replace(/\/+$/, '');

/** Every base URL that calls to the plugin may go to. */
export function baseUrlsOf(plugin: PluginEntry): readonly string[] {
  if (plugin.origin !== 'unmanaged') return plugin.baseUrls;
  const urls = new Set(plugin.baseUrls);
  for (const { baseUrl } of plugin.services.values()) if (baseUrl !== undefined) urls.add(baseUrl);
  return [...urls];
}

/** Where the plugin is asked how it is the next time: at each of its addresses in turn. */
export function probedUrlOf(plugin: PluginEntry): string | undefined {
  const urls = baseUrlsOf(plugin);
  return urls[plugin.turn % urls.length];
}

function targetsOf(plugin: PluginEntry, { baseUrl, path }: Pick<ServiceEntry, 'baseUrl' | 'path'>): Target[] {
  const baseUrls = baseUrl === undefined ? plugin.baseUrls : [baseUrl];
  return baseUrls.filter((url) => !plugin.refused.has(url)).map((url) => ({ baseUrl: url, path }));
}

type NewService = Omit<ServiceEntry, 'plugin' | 'registration'>;

function registrationOf(plugin: PluginEntry, service: NewService): Registration {
  const { id, type, version, metadata } = service;
  return { id, type, version, metadata, provider: plugin.runtimeId, targets: targetsOf(plugin, service) };
}

export const newService = (plugin: PluginEntry, service: NewService): ServiceEntry => ({
  ...service,
  plugin,
  registration: registrationOf(plugin, service),
});

/** Gives the plugin's services the targets that they have now. */
export function refreshTargets(plugin: PluginEntry): void {
  for (const service of plugin.services.values()) service.registration = registrationOf(plugin, service);
}

/** Why no call is routed to the plugin; undefined when calls are. */
export function whyUnroutable(plugin: PluginEntry): string | undefined {
  if (plugin.lost !== undefined) return `it does not answer (${plugin.lost.why})`;
  if (plugin.health === 'unhealthy')
    return `it reports to be unhealthy${plugin.reason === '' ? '' : `: ${plugin.reason}`}`;
  if (plugin.standby) return 'it is not in use yet';
  if (plugin.retired) return 'it unregistered its services';
  for (const { registration } of plugin.services.values())
    if (registration.targets.length > 0) return undefined;
  return plugin.services.size > 0 ? 'it has no ready address' : undefined;
}

export const isRoutable = ({ plugin, registration }: ServiceEntry): boolean =>
  plugin.lost === undefined &&
  plugin.health !== 'unhealthy' &&
  !plugin.standby &&
  registration.targets.length > 0;

export function viewOf(plugin: PluginEntry): RegisteredPlugin {
  const why = whyUnroutable(plugin);
  return {
    runtimeId: plugin.runtimeId,
    selfId: plugin.selfId,
    selfVersion: plugin.selfVersion,
    origin: plugin.origin,
    baseUrl: probedUrlOf(plugin) ?? '',
    health: plugin.health,
    reason: plugin.reason,
    unavailableDependencies: plugin.unavailableDependencies,
    routable: why === undefined,
    ...(why === undefined ? {} : { unroutableBecause: why }),
    services: [...plugin.services.values()].map(({ registration }) => registration),
    requires: Object.fromEntries(plugin.requires),
    since: new Date(plugin.since),
  };
}
