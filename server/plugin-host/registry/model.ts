/** What the registry holds in memory. The entries are its own and change in place; what it gives out does not. */
import type { AllowBaseUrl, Health, PluginView, ProbedAddress, Registration, Target } from '../port.js';
import { conditionOf, reportAt } from './condition.js';
import type { Report, Words } from './condition.js';
import type { Vouched } from './options.js';

export type { Report } from './condition.js';

export type Origin = PluginView['origin'];

/** A plugin, its base URL included: the first of several, empty as long as it has said none. */
export type RegisteredPlugin = PluginView & { readonly baseUrl: string };

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

export interface PluginEntry extends Words {
  readonly runtimeId: string;
  readonly selfId: string;
  readonly selfVersion: string;
  readonly origin: Origin;
  /** Who vouched for it, such as a ServiceAccount: another one's entries are never replaced. */
  readonly principal: string | undefined;
  readonly tokenHash: Buffer;
  /** Of what it said when it came, its base_url. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly allowBaseUrl: AllowBaseUrl;
  /** See `Vouched`; unset where nobody vouches. */
  readonly isStill: Vouched['isStill'] | undefined;
  /** Until when that is not asked, in milliseconds. */
  doubtedUntil: number;
  /** The types that it may register by its own GetPluginInfo; unset while that says nothing. */
  declared: readonly string[] | undefined;
  /** Where its host reaches it; for a plugin that came by itself its services say so. */
  baseUrls: readonly string[];
  /** Not to be routed to yet: it takes another's place first. */
  standby: boolean;
  /** What its words come to, and so the next two. */
  health: Health;
  reason: string;
  unavailableDependencies: readonly string[];
  /** Since when, in milliseconds, it has not answered, and how that showed. */
  lost: { readonly why: string; readonly at: number } | undefined;
  /** Base URLs that refused a call while others still answer. */
  readonly refused: Set<string>;
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

/** How the plugin is now, by those of its addresses that answer. */
export function conditionNow(plugin: PluginEntry): Report {
  const urls = baseUrlsOf(plugin);
  const answering = urls.filter((url) => !plugin.refused.has(url));
  // Several addresses that its host knows are its pods; those that it said itself are one for each service.
  const serves = plugin.baseUrls.length > 0 ? 'all' : 'a part';
  return conditionOf(plugin, answering.length > 0 ? answering : urls, serves);
}

/** Whether the address answers and is not known to be unhealthy. */
const isWellAt = (plugin: PluginEntry, url: string): boolean =>
  !plugin.refused.has(url) && reportAt(plugin, url).state !== 'unhealthy';

function targetsOf(plugin: PluginEntry, { baseUrl, path }: Pick<ServiceEntry, 'baseUrl' | 'path'>): Target[] {
  const baseUrls = baseUrl === undefined ? plugin.baseUrls : [baseUrl];
  const well = baseUrls.filter((url) => isWellAt(plugin, url));
  const open = well.length > 0 ? well : baseUrls.filter((url) => !plugin.refused.has(url));
  return open.map((url) => ({ baseUrl: url, path }));
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

const placesOf = ({ targets }: Registration): string => targets.map(({ baseUrl }) => baseUrl).join(' ');

/** Gives the plugin's services the targets that they have now. True when one of them has others than before. */
export function refreshTargets(plugin: PluginEntry): boolean {
  let moved = false;
  for (const service of plugin.services.values()) {
    const registration = registrationOf(plugin, service);
    if (placesOf(registration) === placesOf(service.registration)) continue;
    moved = true;
    service.registration = registration;
  }
  return moved;
}

/** Where the plugin is asked how it is. */
export function probesOf(plugin: PluginEntry): ProbedAddress[] {
  const { runtimeId, since } = plugin;
  const routable = whyUnroutable(plugin) === undefined;
  return baseUrlsOf(plugin).map((baseUrl) => ({
    ...{ runtimeId, baseUrl, since },
    unmanaged: plugin.origin === 'unmanaged',
    routable: routable && isWellAt(plugin, baseUrl),
  }));
}

/** Why no call is routed to the plugin; undefined when calls are. */
export function whyUnroutable(plugin: PluginEntry): string | undefined {
  if (plugin.lost !== undefined) {
    const { why, at } = plugin.lost;
    return `it has not answered since ${new Date(at).toISOString()} (${why})`;
  }
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
    baseUrl: baseUrlsOf(plugin)[0] ?? '',
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
