/**
 * Keeps files and the network's chain the same. The last block of a state, in the order of the chain, is what its file
 * holds everywhere; a file that a program changed becomes the next block. Nothing that came from the network is published
 * again, and a block that comes while a program's own change is on its way does not overwrite that change.
 */
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { MAX_PAYLOAD_BYTES, PeerError } from '../port.js';
import type { ChainBlock, PeerPort } from '../port.js';
import { openBaseLog } from './base-log.js';
import type { Expected } from './base-log.js';
import { StateError, digestOf, openFolder, sameLook } from './folder.js';
import type { Look, StateFolder } from './folder.js';
import { watchFolder } from './watcher.js';

export interface StateSyncOptions {
  readonly peer: PeerPort;
  /** The file or folder that is shared. */
  readonly path: string;
  /** Where the sync keeps what it must know after a restart: a file of its own. */
  readonly memory: string;
  /** Told what a person should know; each problem once, until it changes. */
  readonly log?: ((message: string) => void) | undefined;
  /** Milliseconds that a file must stay as it is before it is read. Default 20. A renamed one is read at once. */
  readonly settleMs?: number | undefined;
  /** Milliseconds between looks beside the file system's events. Default 1,000. */
  readonly checkMs?: number | undefined;
}

export interface StateCounters {
  published: number;
  received: number;
  /** Blocks whose path is none of this folder. */
  refused: number;
  /** Files that could not be shared, and states that could not be written. */
  failed: number;
}

export interface StateSync {
  readonly counters: Readonly<StateCounters>;
  /** Stops watching; what is being written is written to its end. */
  close(): Promise<void>;
}

/** What a state holds, by its digest; empty for one that is not there. */
interface Target {
  readonly digest: string;
  /** Until it is in the file. */
  content: Uint8Array | undefined;
}

interface Flight {
  readonly id: string;
  acknowledged: boolean;
  seen: boolean;
}

interface Entry {
  /** What the file held when it last agreed with the network. */
  base: string;
  /** After a restart in the middle: what the file may hold without a program having changed it. */
  expected?: Expected | undefined;
  /** The last block of the state. */
  target?: Target;
  /** The file as it was read last, and what it held. */
  look?: Look | undefined;
  digest: string;
  flight?: Flight | undefined;
  /** For a time nobody could see the file. When it is gone after that it comes back: what was deleted is not known. */
  unseen: boolean;
  /** A look at what cannot be shared: given up until it changes. */
  given?: Look | undefined;
  /** Being worked on; once more after that. */
  busy: boolean;
  again: boolean;
}

/** A file that changed again while it settled is still being written: it gets this many times as long. */
const PATIENT = 10;
/** Something that never settles is read nevertheless. */
const LONGEST_SETTLE_MS = 5_000;
const RETRY_MS = 1_000;

/** Starts sharing. Rejects with StateError when the path cannot be used. */
export async function startStateSync(options: StateSyncOptions): Promise<StateSync> {
  const { peer, path, memory, log = () => undefined, settleMs = 20, checkMs = 1_000 } = options;
  const folder: StateFolder = await openFolder({ path, mostBytes: MAX_PAYLOAD_BYTES });
  const memo = await openBaseLog(memory);
  const counters: StateCounters = { published: 0, received: 0, refused: 0, failed: 0 };
  const entries = new Map<string, Entry>();
  const told = new Map<string, string>();
  const stopping = new AbortController();
  // Each file under way listens to it; that many are no leak.
  setMaxListeners(0, stopping.signal);
  const working = new Set<Promise<void>>();
  let live = false;

  const tell = (about: string, message: string, count?: 'refused' | 'failed'): void => {
    if (told.get(about) === message) return;
    told.set(about, message);
    if (count !== undefined) counters[count] += 1;
    log(message);
  };

  const entryOf = (state: string): Entry => {
    let entry = entries.get(state);
    if (entry === undefined) {
      entry = { base: '', digest: '', unseen: false, busy: false, again: false };
      entries.set(state, entry);
    }
    return entry;
  };

  const pause = (ms: number): Promise<unknown> =>
    delay(ms, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);

  /** Waits until nobody writes the file any more. */
  const settled = async (state: string, known: Look | undefined): Promise<Look | undefined> => {
    let look = await folder.look(state);
    let wait = look === undefined ? settleMs * PATIENT : settleMs;
    for (let waited = 0; waited < LONGEST_SETTLE_MS && !stopping.signal.aborted; waited += wait) {
      if (sameLook(look, known) || look?.finished) return look;
      await pause(wait);
      const next = await folder.look(state);
      if (sameLook(look, next)) return next;
      look = next;
      wait = settleMs * PATIENT;
    }
    return look;
  };

  /** Brings what is known of the file up to date. False when it changed meanwhile. */
  const readFile = async (state: string, entry: Entry): Promise<boolean | Buffer> => {
    const look = await settled(state, entry.look);
    if (sameLook(look, entry.look)) return true;
    const content = look === undefined ? undefined : await folder.read(state);
    if (!sameLook(look, await folder.look(state))) return false;
    entry.look = look;
    entry.digest = content === undefined ? '' : digestOf(content);
    return content ?? true;
  };

  const agree = (state: string, entry: Entry): void => {
    entry.base = entry.digest;
    if (entry.target?.digest === entry.digest) entry.target.content = undefined;
    memo.set(state, entry.digest);
  };

  /** Sends until it is acknowledged; a try that may have arrived is sent with the same id. */
  const publish = async (state: string, entry: Entry, content: Uint8Array, id: string): Promise<void> => {
    const flight: Flight = { id, acknowledged: false, seen: false };
    const { digest, look } = entry;
    entry.flight = flight;
    await memo.expect(state, { digest, id: flight.id });
    while (!stopping.signal.aborted) {
      try {
        await peer.persist(content, {
          id: flight.id,
          path: folder.pathOf(state),
          deleted: digest === '',
          signal: stopping.signal,
        });
        counters.published += 1;
        flight.acknowledged = true;
        entry.base = digest;
        memo.set(state, digest);
        return landed(state, entry);
      } catch (error) {
        if (stopping.signal.aborted) return;
        const code = error instanceof PeerError ? error.code : undefined;
        tell(state, `${state} is not published: ${(error as Error).message}`, 'failed');
        if (code === 'closed') return;
        if (code === 'invalid') {
          entry.flight = undefined;
          entry.given = look;
          entry.unseen = true;
          return;
        }
        await pause(RETRY_MS);
      }
    }
  };

  const landed = (state: string, entry: Entry): void => {
    if (entry.flight?.acknowledged !== true || !entry.flight.seen) return;
    entry.flight = undefined;
    reconcile(state);
  };

  const stateOf = (received: string): string | undefined => {
    try {
      return folder.stateOf(received);
    } catch {
      return undefined;
    }
  };

  /** What a file held once, from the chain: it is not kept here beside the file. */
  const contentOf = async (state: string, digest: string): Promise<Uint8Array | undefined> => {
    for await (const block of peer.query())
      if (stateOf(block.path) === state && !block.deleted && digestOf(block.payload) === digest)
        return block.payload;
    return undefined;
  };

  const receive = async (state: string, entry: Entry, target: Target): Promise<void> => {
    await memo.expect(state, { digest: target.digest, id: '' });
    // A program was quicker; its change is looked at first.
    if (!sameLook(await folder.look(state), entry.look)) return reconcile(state);
    try {
      if (target.digest === '') await folder.remove(state);
      else {
        const content = target.content ?? (await contentOf(state, target.digest));
        // Later blocks are on their way.
        if (content === undefined) return;
        await folder.write(state, content);
      }
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      tell(state, error.message, 'failed');
      // The disk may have room later; the next look at the folder tries again.
      return;
    }
    told.delete(state);
    counters.received += 1;
    entry.look = await folder.look(state);
    entry.digest = target.digest;
    agree(state, entry);
  };

  const work = async (state: string, entry: Entry): Promise<void> => {
    if (entry.given !== undefined) {
      if (sameLook(entry.given, await folder.look(state))) return;
      entry.given = undefined;
    }
    const read = await readFile(state, entry);
    if (read === false) return reconcile(state);
    if (entry.flight !== undefined) return;
    const replaced = entry.digest === '' ? await folder.replaced(state) : undefined;
    if (entry.unseen && entry.digest === '' && replaced === undefined) entry.base = '';
    entry.unseen = false;
    // Begun before a restart: sent once more with the same id, as it may have arrived where this peer does not see it yet.
    const begun = entry.expected?.digest === entry.digest ? entry.expected.id : undefined;
    entry.expected = undefined;
    if (begun === '') entry.base = entry.digest;
    const { target } = entry;
    if (entry.digest === (target?.digest ?? '')) return agree(state, entry);
    if (entry.digest === entry.base) {
      if (target !== undefined) await receive(state, entry, target);
      return;
    }
    const content = entry.digest === '' ? new Uint8Array() : read === true ? await folder.read(state) : read;
    if (content === undefined || (entry.digest !== '' && digestOf(content) !== entry.digest)) {
      entry.look = undefined;
      return reconcile(state);
    }
    if (replaced === undefined) told.delete(state);
    else tell(state, replaced, 'failed');
    start(publish(state, entry, content, begun ?? randomUUID()));
  };

  const start = (task: Promise<void>): void => {
    const done = task
      .catch((error: unknown) => tell('', `the files are not kept the same: ${(error as Error).message}`))
      .finally(() => working.delete(done));
    working.add(done);
  };

  /** Looks at a state when what is under way for it is done; calls meanwhile count once. */
  const reconcile = (state: string): void => {
    if (!live || stopping.signal.aborted) return;
    const entry = entryOf(state);
    entry.again = true;
    if (entry.busy) return;
    entry.busy = true;
    start(run(state, entry));
  };

  const run = async (state: string, entry: Entry): Promise<void> => {
    while (entry.again && live && !stopping.signal.aborted) {
      entry.again = false;
      try {
        await work(state, entry);
      } catch (error) {
        tell(state, (error as Error).message, 'failed');
        entry.given = await folder.look(state).catch(() => undefined);
        entry.unseen = true;
      }
    }
    entry.busy = false;
  };

  const scan = async (): Promise<void> => {
    if (!live) return;
    try {
      const found = await folder.scan((state, message) => void tell(state, message, 'failed'));
      told.delete('');
      watcher.follow(found.keys());
      for (const state of new Set([...found.keys(), ...entries.keys()])) {
        const entry = entryOf(state);
        const isQuiet =
          entry.digest === entry.base && (entry.target?.digest ?? '') === entry.base && !entry.flight;
        if (!isQuiet || !sameLook(found.get(state), entry.look)) reconcile(state);
      }
    } catch (error) {
      tell('', (error as Error).message);
    }
  };

  const watcher = watchFolder({
    root: folder.root,
    whole: folder.whole,
    checkMs,
    onChange: (state) => {
      if (state !== undefined && entries.has(state)) reconcile(state);
      else start(scan());
    },
  });

  const took = ({ id, path: received, payload, deleted }: ChainBlock): void => {
    let state: string;
    try {
      state = folder.stateOf(received);
    } catch (error) {
      return tell(`block ${received}`, (error as Error).message, 'refused');
    }
    const entry = entryOf(state);
    entry.target = { digest: deleted ? '' : digestOf(payload), content: payload };
    // Ours, from before a restart: it arrived.
    if (entry.expected?.id === id) entry.expected = { ...entry.expected, id: '' };
    if (entry.flight?.id === id) {
      entry.flight.seen = true;
      landed(state, entry);
    }
    reconcile(state);
  };

  const follow = async (): Promise<void> => {
    // What a program removed while nobody looked comes back: an empty folder is more likely a new one.
    for (const [state, { digest: base, next: expected }] of memo.bases)
      if (stateOf(state) === state) Object.assign(entryOf(state), { base, expected, unseen: true });
    for await (const event of peer.watch({ signal: stopping.signal })) {
      if (event.type === 'block') took(event.block);
      else if (event.type === 'rewound') live = false;
      else {
        live = true;
        for (const [state, entry] of entries)
          if (entry.flight?.acknowledged === true) {
            // Compacted away under a later block of the same state.
            entry.flight.seen = true;
            landed(state, entry);
          }
        await scan();
        for (const state of entries.keys()) reconcile(state);
      }
    }
  };
  const following = follow().catch((error: unknown) => {
    if (!stopping.signal.aborted) tell('', `the chain cannot be followed: ${(error as Error).message}`);
  });

  return {
    counters,
    async close() {
      stopping.abort();
      watcher.close();
      await following;
      while (working.size > 0) await Promise.all(working);
      await memo.written();
    },
  };
}
