/**
 * What was joined of the peers that cannot be asked, and what is about to be: a ConfigMap in the operator's namespace, a key a
 * network, so that whoever leads next joins nobody twice.
 */
import { isStatus } from '../kube-errors.js';
import { CONFIG_MAPS } from '../ports.js';
import type { ConfigMap, Kube } from '../ports.js';
import { ledgerKey } from './network-key.js';

/** uid → incarnation, or `joining` of it. */
export type Done = ReadonlyMap<string, string>;

export interface Ledger {
  /** Reads it anew. */
  load(signal: AbortSignal): Promise<void>;
  /** What is known of a network since the last `load` and `set`. */
  get(network: string): Done;
  /** Keeps it; the API server is asked only when it is another than before. */
  set(network: string, done: Done, signal: AbortSignal): Promise<void>;
  /** What the ConfigMap says of a network now; for those who do not write it. */
  read(network: string, signal: AbortSignal | undefined): Promise<Done>;
}

const NONE: Done = new Map();

/** What a hand may have edited: anything but text under text is left out. */
function parse(text: string | undefined): Done {
  if (text === undefined) return NONE;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return NONE;
    return new Map(
      Object.entries(value).filter((row): row is [string, string] => typeof row[1] === 'string'),
    );
  } catch {
    return NONE;
  }
}

const render = (done: Done): string => JSON.stringify(Object.fromEntries([...done].sort()));

export function createLedger(kube: Kube, at: { namespace: string; name: string }): Ledger {
  let data: Record<string, string> = {};

  const fetch = async (signal: AbortSignal | undefined): Promise<Record<string, string>> => {
    try {
      return (await kube.get(CONFIG_MAPS, at, { signal })).data ?? {};
    } catch (error) {
      if (isStatus(error, 404)) return {};
      throw error;
    }
  };
  const write = async (key: string, text: string | null, signal: AbortSignal): Promise<void> => {
    try {
      await kube.patch(CONFIG_MAPS, at, { type: 'merge', body: { data: { [key]: text } } }, { signal });
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
      if (text === null) return;
      const object: ConfigMap = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: {
          ...at,
          annotations: { about: 'Peers that xi-k8s joined to networks and cannot ask; do not edit.' },
        },
        data: { [key]: text },
      };
      await kube.create(CONFIG_MAPS, at.namespace, object, { signal });
    }
  };
  return {
    async load(signal) {
      data = await fetch(signal);
    },
    get: (network) => parse(data[ledgerKey(network)]),
    async set(network, done, signal) {
      const key = ledgerKey(network);
      const text = done.size === 0 ? undefined : render(done);
      if (text === data[key]) return;
      await write(key, text ?? null, signal);
      if (text === undefined) delete data[key];
      else data[key] = text;
    },
    read: async (network, signal) => parse((await fetch(signal))[ledgerKey(network)]),
  };
}
