/**
 * What a host says of itself at `GET /status`: its plugins, and who called whom. The operator's functions read it, from the host in
 * its own process and from those in pods.
 */
import { z } from 'zod';
import type { CallCounts } from './counts.js';
import type { PluginView } from './port.js';

const text = z.string();
const texts = z.array(text).readonly();

const Registration = z.object({
  id: text,
  type: text,
  version: text,
  provider: text,
  metadata: z.record(text, text).readonly(),
  targets: z.array(z.object({ baseUrl: text, path: text })).readonly(),
});

const Plugin = z.object({
  runtimeId: text,
  selfId: text,
  selfVersion: text,
  origin: z.enum(['unmanaged', 'managed', 'discovered']),
  health: z.enum(['healthy', 'degraded', 'unhealthy']),
  reason: text,
  unavailableDependencies: texts,
  routable: z.boolean(),
  unroutableBecause: text.optional(),
  services: z.array(Registration).readonly(),
  requires: z.record(text, text).readonly(),
  since: z.iso.datetime(),
});

const CallCount = z.object({
  caller: text,
  provider: text,
  type: text,
  method: text,
  calls: z.int().min(0),
  /** Those of them that were answered by a status of 400 or more. */
  failures: z.int().min(0),
});

/** What `GET /status` answers. A host may be another version's: fields that are not known here are left out. */
export const HostStatus = z.object({
  /** What plugins must say at the handshake. Hosts from before it was shown had 1 next to always. */
  appProtocolVersion: z.int().min(0).default(1),
  plugins: z.array(Plugin).readonly(),
  calls: z.array(CallCount).readonly(),
});
export type HostStatus = z.output<typeof HostStatus>;
export type StatusPlugin = HostStatus['plugins'][number];
export type CallCount = HostStatus['calls'][number];

/** The path of the endpoint. */
export const STATUS_PATH = '/status';

/** A host's status: what `GET /status` sends as JSON. */
export const hostStatus = (
  plugins: Iterable<PluginView>,
  counts: CallCounts,
  appProtocolVersion: number,
): HostStatus => ({
  appProtocolVersion,
  plugins: [...plugins].map(({ since, ...plugin }) => ({
    ...plugin,
    services: plugin.services.map((service) => ({ ...service, targets: [...service.targets] })),
    since: since.toISOString(),
  })),
  calls: counts.all(),
});
