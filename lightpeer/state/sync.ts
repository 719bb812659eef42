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
import { createBudget } from './budget.js';
import { createContents } from './contents.js';
import { isBlank, letGo, newEntry } from './entry.js';
import type { Entry, Flight, Target } from './entry.js';
import { StateError, digestOf, openFolder } from './folder.js';
import type { StateFolder } from './folder.js';
import { sameLook } from './look.js';
import { repeated } from './repeat.js';
import { settled } from './settle.js';
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
  /** Files are written through to the disk before they count. Default: true. */
  readonly durable?: boolean | undefined;
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
  /** States that something is kept about: those that are there, and those on their way. */
  states(): number;
  /** Whether the network's changes come: false while the chain cannot be read. */
  following(): boolean;
  /** Stops watching; what is being written is written to its end. */
  close(): Promise<void>;
}

const RETRY_MS = 1_000;
/** What `tell` knows a trouble with the chain by: no file is called so. */
const CHAIN = '/';
const NOTHING = new Uint8Array();
/** Contents that came and are not in their files yet; more are read from the chain again. */
const HELD_BYTES = 8 << 20;
/** Contents on their way to the network. */
const SENT = { bytes: 8 << 20, items: 256 };
/** Files that are read at once, a part at a time. */
const READ = { items: 4 };

/** Starts sharing. Rejects with StateError when the path cannot be used. */
export async function startStateSync(options: StateSyncOptions): Promise<StateSync> {
  const { peer, path, memory, log = () => undefined, settleMs = 20, checkMs = 1_000, durable } = options;
  const folder: StateFolder = await openFolder({ path, mostBytes: MAX_PAYLOAD_BYTES, durable });
  const memo = await openBaseLog(memory, { durable });
  const counters: StateCounters = { published: 0, received: 0, refused: 0, failed: 0 };
  const entries = new Map<string, Entry>();
  const told = new Map<string, string>();
  const stopping = new AbortController();
  // Each file under way listens to it; that many are no leak.
  setMaxListeners(0, stopping.signal);
  const working = new Set<Promise<void>>();
  const [holding, sending, reading] = [
    createBudget({ bytes: HELD_BYTES }),
    createBudget(SENT),
    createBudget(READ),
  ];
  let live = false;
  let following = true;

  const tell = (about: string, message: string, count?: 'refused' | 'failed'): void => {
    if (told.get(about) === message) return;
    told.set(about, message);
    if (count !== undefined) counters[count] += 1;
    log(message);
  };

  const entryOf = (state: string): Entry => {
    let entry = entries.get(state);
    if (entry === undefined) {
      entry = newEntry();
      entries.set(state, entry);
    }
    return entry;
  };

  /** Keeps nothing of what is gone: names that are used once would fill the memory. */
  const forget = (state: string, entry: Entry): void => {
    if (isBlank(entry) && entries.get(state) === entry) entries.delete(state);
  };

  const pause = (ms: number): Promise<unknown> =>
    delay(ms, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);

  /** Brings what is known of the file up to date. False when it changed meanwhile. */
  const readFile = async (state: string, entry: Entry): Promise<boolean> => {
    const look = await settled({
      look: () => folder.look(state),
      known: entry.look,
      settleMs,
      pause,
      signal: stopping.signal,
    });
    if (sameLook(look, entry.look)) return true;
    const release = await reading.take(0);
    try {
      const digest = look === undefined ? undefined : await folder.digest(state);
      if (!sameLook(look, await folder.look(state))) return false;
      entry.look = look;
      entry.digest = digest ?? '';
      return true;
    } finally {
      release();
    }
  };

  const agree = (state: string, entry: Entry): void => {
    entry.base = entry.digest;
    if (entry.target?.digest === entry.digest) letGo(entry.target);
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

  const contents = createContents({ peer, stateOf, signal: stopping.signal });

  /** Makes the file hold what the network has, unless either changed meanwhile. */
  const take = async (state: string, entry: Entry, target: Target, content: Uint8Array): Promise<void> => {
    // There is another one, and it comes next.
    if (!live || entry.target !== target) return;
    await memo.expect(state, { digest: target.digest, id: '' });
    // A program was quicker; its change is looked at first.
    if (!sameLook(await folder.look(state), entry.look)) return reconcile(state);
    if (target.digest === '') await folder.remove(state);
    entry.look = target.digest === '' ? undefined : await folder.write(state, content);
    told.delete(state);
    counters.received += 1;
    entry.digest = target.digest;
    agree(state, entry);
    // A program was quicker again.
    if (!sameLook(await folder.look(state), entry.look)) reconcile(state);
  };

  const receive = async (state: string, entry: Entry, target: Target): Promise<void> => {
    const use = (content: Uint8Array): Promise<void> => take(state, entry, target, content);
    try {
      const content = target.digest === '' ? NOTHING : target.held?.content;
      await (content === undefined ? contents.read(state, target.digest, use) : use(content));
    } catch (error) {
      if (!(error instanceof StateError || error instanceof PeerError)) throw error;
      tell(state, error.message, 'failed');
      // The disk may have room later; the next look at the folder tries again.
    }
  };

  /** Publishes what the file holds when it is its turn. */
  const send = async (state: string, entry: Entry, id: string): Promise<void> => {
    const release = await sending.take(Number(entry.look?.bytes ?? 0));
    let content: Uint8Array | undefined;
    try {
      if (stopping.signal.aborted) return;
      // The same came from the network while this one waited.
      if (entry.digest === (entry.target?.digest ?? '')) return agree(state, entry);
      const found = entry.digest === '' ? NOTHING : await folder.read(state);
      if (found === undefined || (entry.digest !== '' && digestOf(found) !== entry.digest)) {
        entry.look = undefined;
        return reconcile(state);
      }
      content = found;
    } finally {
      if (content === undefined) release();
    }
    start(publish(state, entry, content, id).finally(release));
  };

  const work = async (state: string, entry: Entry): Promise<void> => {
    if (entry.given !== undefined) {
      if (sameLook(entry.given, await folder.look(state))) return;
      entry.given = undefined;
    }
    if (!(await readFile(state, entry))) return reconcile(state);
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
    if (replaced === undefined) told.delete(state);
    else tell(state, replaced, 'failed');
    await send(state, entry, begun ?? randomUUID());
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
      // From before it fails: what took its place meanwhile may be shared.
      const seen = await folder.look(state).catch(() => undefined);
      try {
        await work(state, entry);
      } catch (error) {
        tell(state, (error as Error).message, 'failed');
        entry.given = seen;
        entry.unseen = true;
      }
    }
    entry.busy = false;
    forget(state, entry);
  };

  const scan = async (): Promise<void> => {
    if (!live) return;
    try {
      const found = await folder.scan((state, message) => void tell(state, message, 'failed'));
      told.delete('');
      // Nobody told of what came into a new folder until now.
      if (watcher.follow(found.folders)) void lookAround();
      for (const state of new Set([...found.states.keys(), ...entries.keys()])) {
        const entry = entryOf(state);
        const isQuiet =
          entry.digest === entry.base && (entry.target?.digest ?? '') === entry.base && !entry.flight;
        if (!isQuiet || !sameLook(found.states.get(state), entry.look)) reconcile(state);
      }
    } catch (error) {
      tell('', (error as Error).message);
    }
  };

  const lookAround = repeated(scan, stopping.signal);

  const watcher = watchFolder({
    root: folder.root,
    checkMs,
    onChange: (state) => {
      if (state !== undefined && entries.has(state)) reconcile(state);
      else start(lookAround());
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
    const digest = deleted ? '' : digestOf(payload);
    letGo(entry.target);
    const known = ['', entry.digest, entry.base].includes(digest);
    const release = known ? undefined : holding.tryTake(payload.byteLength);
    entry.target = { digest, held: release && { content: payload, release } };
    // Ours, from before a restart: it arrived.
    if (entry.expected?.id === id) entry.expected = { ...entry.expected, id: '' };
    if (entry.flight?.id === id) {
      entry.flight.seen = true;
      landed(state, entry);
    }
    reconcile(state);
    forget(state, entry);
  };

  const follow = async (): Promise<void> => {
    // What a program removed while nobody looked comes back: an empty folder is more likely a new one.
    for (const [state, { digest: base, next: expected }] of memo.bases)
      if (stateOf(state) === state) Object.assign(entryOf(state), { base, expected, unseen: true });
    for (let cursor: string | undefined; !stopping.signal.aborted;) {
      try {
        for await (const event of peer.watch({
          ...(cursor !== undefined && { cursor }),
          signal: stopping.signal,
        })) {
          following = true;
          told.delete(CHAIN);
          if (event.type === 'block') took(event.block);
          else if (event.type === 'rewound') live = false;
          else await begin();
          cursor = event.cursor;
        }
        return;
      } catch (error) {
        if (stopping.signal.aborted) return;
        following = live = false;
        tell(CHAIN, `the chain cannot be followed: ${(error as Error).message}`, 'failed');
        await pause(RETRY_MS);
      }
    }
  };

  /** All that was in the chain came. */
  const begin = async (): Promise<void> => {
    live = true;
    for (const [state, entry] of entries)
      if (entry.flight?.acknowledged === true) {
        // Compacted away under a later block of the same state.
        entry.flight.seen = true;
        landed(state, entry);
      }
    await lookAround();
    for (const state of entries.keys()) reconcile(state);
  };
  const ended = follow();

  return {
    counters,
    states: () => entries.size,
    following: () => following,
    async close() {
      stopping.abort();
      watcher.close();
      await ended;
      while (working.size > 0) await Promise.all(working);
      await memo.written();
    },
  };
}
