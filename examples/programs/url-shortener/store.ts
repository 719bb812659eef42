/** URLs by code, kept in memory, or in a chain that all replicas share. */
import { createHash, randomUUID } from 'node:crypto';
import type { PeerPort } from '../../../lightpeer/port.js';

export interface Store {
  get(code: string): Promise<string | undefined>;
  /** Keeps a URL. False when the code is that of another one. Resolves when it is kept everywhere. */
  put(code: string, url: string): Promise<boolean>;
}

/** A store that ends with its process. */
export function memoryStore(): Store {
  const urls = new Map<string, string>();
  return {
    get: (code) => Promise.resolve(urls.get(code)),
    async put(code, url) {
      const kept = urls.get(code) ?? url;
      urls.set(code, kept);
      return kept === url;
    },
  };
}

export interface SharedStore extends Store {
  /** Resolves when what the chain holds by now is there. */
  readonly filled: Promise<void>;
  /** Resolves when the signal ends the store. Rejects when the chain cannot be followed any more. */
  readonly ended: Promise<void>;
}

interface Entry {
  readonly code: string;
  readonly url: string;
}

/** Code → URL, and how far up the chain that is. */
type Entries = Map<string, { readonly url: string; readonly height: number }>;

function entryOf(payload: Uint8Array): Entry | undefined {
  try {
    const { code, url } = JSON.parse(Buffer.from(payload).toString()) as Partial<Entry>;
    return typeof code === 'string' && typeof url === 'string' ? { code, url } : undefined;
  } catch {
    return undefined;
  }
}

const upTo = (height: number, entries: Entries): Entries =>
  new Map([...entries].filter(([, entry]) => entry.height <= height));

/**
 * A store whose entries are blocks of a chain. All replicas read them in one order, so that of two URLs that were given one
 * code at the same time the same one wins everywhere.
 */
export function sharedStore(peer: PeerPort, signal: AbortSignal): SharedStore {
  /** What is read, and what the chain comes to; not the same while a part of the chain comes again in another order. */
  let shown: Entries = new Map();
  let coming = shown;
  /** The newest block that is in them. */
  let newest = '';
  const applied = new Map<string, () => void>();
  let fill: () => void = () => undefined;
  const filled = new Promise<void>((resolve) => (fill = resolve));

  const follow = async (): Promise<void> => {
    for await (const event of peer.watch({ signal })) {
      if (event.type === 'rewound') coming = upTo(Number.parseInt(event.cursor), coming);
      else if (event.type === 'live') {
        shown = coming;
        fill();
      } else {
        const { code, url } = entryOf(event.block.payload) ?? {};
        if (code !== undefined && url !== undefined && !coming.has(code))
          coming.set(code, { url, height: event.height });
        newest = event.block.id;
        applied.get(event.block.id)?.();
      }
    }
  };

  /**
   * What is here on disk, and of which this replica has not heard yet that it is everywhere: whoever put it may know already.
   * Of several with one code the oldest counts.
   */
  const unheard = async (code: string): Promise<string | undefined> => {
    const heard = newest;
    let url: string | undefined;
    for await (const { id, payload } of peer.query()) {
      if (id === heard) break;
      const entry = entryOf(payload);
      if (entry?.code === code) url = entry.url;
    }
    return url;
  };

  return {
    filled,
    ended: follow(),
    get: async (code) => shown.get(code)?.url ?? unheard(code),
    async put(code, url) {
      const kept = shown.get(code)?.url;
      if (kept !== undefined) return kept === url;
      const id = randomUUID();
      const known = new Promise<void>((resolve) => applied.set(id, resolve));
      try {
        // A path of its own, or a later block would take its place when the chain is compacted.
        const path = `${code}/${createHash('sha256').update(url).digest('hex').slice(0, 16)}`;
        await peer.persist(Buffer.from(JSON.stringify({ code, url })), { path, id });
        await known;
      } finally {
        applied.delete(id);
      }
      return coming.get(code)?.url === url;
    },
  };
}
