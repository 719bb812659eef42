/** The registry as it is kept: everything but what is only of this run. Tokens are kept as hashes. */
import { z } from 'zod';
import type { AllowBaseUrl } from '../port.js';
import { newService } from './model.js';
import type { PluginEntry, ServiceEntry } from './model.js';
import { keptOf, newPlugin } from './roster.js';

const Texts = z.record(z.string(), z.string());

/** Milliseconds; of the years that RFC 3339 has texts for. */
const Time = z
  .number()
  .min(0)
  .max(Date.UTC(9999, 11, 31));

const Service = z.object({
  id: z.string(),
  type: z.string(),
  version: z.string(),
  path: z.string(),
  metadata: Texts,
  baseUrl: z.string().optional(),
});

const Plugin = z.object({
  runtimeId: z.string(),
  selfId: z.string(),
  selfVersion: z.string(),
  origin: z.enum(['unmanaged', 'managed', 'discovered']),
  principal: z.string().optional(),
  tokenHash: z.string().regex(/^[0-9a-f]{64}$/),
  metadata: Texts,
  declared: z.array(z.string()).optional(),
  baseUrls: z.array(z.string()),
  standby: z.boolean(),
  health: z.enum(['healthy', 'degraded', 'unhealthy']),
  reason: z.string(),
  unavailableDependencies: z.array(z.string()),
  lost: z.object({ why: z.string(), at: Time }).optional(),
  requires: Texts,
  since: Time,
  services: z.array(Service),
  /** Not in files from before it was kept. */
  retired: z.boolean().default(false),
});

const Snapshot = z.object({
  version: z.literal(1),
  plugins: z.array(Plugin),
  /** Type → its providers in their order. */
  order: z.array(z.tuple([z.string(), z.array(z.string())])),
  successors: z.array(z.tuple([z.string(), z.string()])),
});

/** What `snapshot` gives and `restore` takes; JSON. */
export type RegistrySnapshot = z.infer<typeof Snapshot>;

/** @throws Error that says what about the data is wrong */
export function parseSnapshot(data: unknown): RegistrySnapshot {
  const parsed = Snapshot.safeParse(data);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'unknown'}`);
}

type KeptPlugin = RegistrySnapshot['plugins'][number];

/** A service as it is kept. */
export const serviceToSnapshot = (service: ServiceEntry): KeptPlugin['services'][number] => ({
  id: service.id,
  type: service.type,
  version: service.version,
  path: service.path,
  metadata: service.metadata,
  baseUrl: service.baseUrl,
});

/** A plugin as it is kept, without its services. */
export const pluginToSnapshot = (plugin: PluginEntry): Omit<KeptPlugin, 'services'> => ({
  runtimeId: plugin.runtimeId,
  selfId: plugin.selfId,
  selfVersion: plugin.selfVersion,
  origin: plugin.origin,
  principal: plugin.principal,
  tokenHash: plugin.tokenHash.toString('hex'),
  metadata: plugin.metadata,
  declared: plugin.declared && [...plugin.declared],
  baseUrls: [...plugin.baseUrls],
  standby: plugin.standby,
  health: plugin.said.state,
  reason: plugin.said.reason,
  unavailableDependencies: [...plugin.said.unavailableDependencies],
  lost: plugin.lost,
  requires: Object.fromEntries(plugin.requires),
  since: plugin.since,
  retired: plugin.retired,
});

export const toSnapshot = (plugin: PluginEntry): KeptPlugin => ({
  ...pluginToSnapshot(plugin),
  services: [...plugin.services.values()].map(serviceToSnapshot),
});

/**
 * The entry again. Its token counts as used now: nobody could use it while the host was away. A managed one stands in until its host
 * admits the plugin anew.
 */
export function fromSnapshot(kept: KeptPlugin, allowBaseUrl: AllowBaseUrl, now: number): PluginEntry {
  const { runtimeId, tokenHash, services, requires, health, reason, unavailableDependencies, lost } = kept;
  const plugin: PluginEntry = {
    ...newPlugin(
      {
        selfId: kept.selfId,
        selfVersion: kept.selfVersion,
        origin: kept.origin,
        principal: kept.principal,
        metadata: keptOf(kept.metadata),
        allowBaseUrl,
        isStill: undefined,
        declared: kept.declared,
        baseUrls: kept.baseUrls,
        standby: kept.standby,
      },
      { runtimeId, tokenHash: Buffer.from(tokenHash, 'hex') },
      kept.since,
    ),
    ...{ health, reason, unavailableDependencies, lost, lastUsed: now },
    supersededAt: kept.origin === 'unmanaged' ? undefined : now,
    said: { state: health, reason, unavailableDependencies },
    requires: new Map(Object.entries(requires)),
    retired: kept.retired,
  };
  for (const service of services)
    plugin.services.set(service.type, newService(plugin, { ...service, baseUrl: service.baseUrl }));
  return plugin;
}
