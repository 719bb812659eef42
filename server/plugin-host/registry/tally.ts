/**
 * How many bytes plugins have the host keep, in all. One plugin's words are bounded by rules; that many plugins with many words do not
 * fill the host's memory, or the volume of its state file, is seen to here.
 */
import type { PluginEntry, Report, ServiceEntry } from './model.js';
import { refusal } from './refusal.js';
import { keptOf } from './roster.js';
import { pluginToSnapshot, serviceToSnapshot } from './snapshot.js';

/** Ids, and what else each entry has. */
const IDS = 256;

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** What a plugin takes in the state file, without its services. */
export const weightOfPlugin = (plugin: PluginEntry): number =>
  bytesOf({ ...pluginToSnapshot(plugin), services: [] });

/** What a plugin that is about to come takes at least. */
export const weightOfNewcomer = ({ selfId, metadata }: Pick<PluginEntry, 'selfId' | 'metadata'>): number =>
  bytesOf([selfId, keptOf(metadata)]) + IDS;

/** What a service that is about to come takes, about. */
export const weightOfOffer = (offer: object, baseUrl?: string): number => bytesOf([offer, baseUrl]) + IDS;

/** What a service takes there, with its place among the providers of its type. */
export const weightOfService = (service: ServiceEntry): number =>
  bytesOf(serviceToSnapshot(service)) + bytesOf([service.type, service.plugin.runtimeId]);

/** What a report takes there. */
export const weightOfReport = ({ reason, unavailableDependencies }: Report): number =>
  bytesOf(reason) + bytesOf(unavailableDependencies);

export interface Tally {
  /** Whether so many bytes more have room. */
  fits(more: number): boolean;
  /** @throws ConnectError resource_exhausted when so many bytes more have no room; less than before always has. */
  room(more: number): void;
  /** Weighs what is kept, in the place of what it weighed before. */
  weighPlugin(plugin: PluginEntry): void;
  weighService(service: ServiceEntry): void;
  /** Of a plugin, or a service by its registration id. */
  drop(kept: PluginEntry | string): void;
}

/** @param most bytes */
export function createTally(most: number): Tally {
  const weights = new Map<PluginEntry | string, number>();
  let total = 0;

  function set(kept: PluginEntry | string, weight: number): void {
    total += weight - (weights.get(kept) ?? 0);
    weights.set(kept, weight);
  }

  const fits = (more: number): boolean => more <= 0 || total + more <= most;
  return {
    fits,
    room(more) {
      if (!fits(more))
        throw refusal(
          'resource_exhausted',
          `This host keeps ${total} bytes of what plugins say of themselves, and at most ${most}; say less, or have plugins that are not needed go.`,
        );
    },
    weighPlugin: (plugin) => set(plugin, weightOfPlugin(plugin)),
    weighService: (service) => set(service.id, weightOfService(service)),
    drop(kept) {
      total -= weights.get(kept) ?? 0;
      weights.delete(kept);
    },
  };
}
