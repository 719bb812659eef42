/**
 * Orders the blocks of a view. Blocks are linked as they come, many at once, and sent to all members while the own disk
 * writes; one counts when the slowest member has it on disk.
 */
import type { Block, View } from '../chain/block.js';
import { PeerError } from '../port.js';
import type { Store } from '../store/port.js';
import { createGather } from './gather.js';
import type { LegacyMembers } from './legacy.js';
import { appendOf, createLink } from './link.js';
import type { Suspicion } from './link.js';
import type { Clock, Limits, Transport } from './ports.js';
import { tooMuch } from './submitter.js';

export interface LeaderDeps {
  readonly self: string;
  readonly view: View;
  readonly store: Store;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly legacy: LegacyMembers;
  committed(): number;
  /** Every member has the chain up to here. */
  setCommitted(height: number): void;
  suspect(address: string, why: Suspicion): void;
  failed(error: unknown): void;
}

export interface Leader {
  /** Heights of the blocks, once every member has them. A block whose id the chain has is not added again. */
  submit(blocks: readonly Block[]): Promise<number[]>;
  /** As `submit`, refused unless the head's id is the block's `prevId` when its turn comes. */
  submitAfter(block: Block): Promise<number>;
  /** Resolves when every member has the chain up to a height. */
  reached(height: number): Promise<void>;
  compact(to: number): void;
  acked(address: string): number | undefined;
  tick(): void;
  /** Who waits is told why. */
  stop(error: PeerError): void;
}

const BATCH_BLOCKS = 512;
const BATCH_BYTES = 1 << 20;
/** Batches on their way at once: what comes meanwhile goes together in the next one, for one message and one sync. */
const PIPELINE = 2;
/**
 * How long the news that a block is everywhere waits for the next block to travel with: where one came shortly before, the
 * next is likely to come soon.
 */
const TELL_MS = 20;
const SHORTLY_MS = 50;

interface Entry {
  readonly block: Block;
  /** Must stand on this very block. */
  readonly strict: boolean;
  done(height: number): void;
  failed(error: unknown): void;
}

interface Waiter {
  readonly height: number;
  done(): void;
  failed(error: unknown): void;
}

export function createLeader(deps: LeaderDeps): Leader {
  const { self, view, store, transport, clock, limits, legacy } = deps;
  const { ballot } = view;
  let queue: Entry[] = [];
  let queuedBytes = 0;
  let waiters: Waiter[] = [];
  /** Batches on their way: the height of each one's last block. */
  const uncommitted: { height: number; bytes: number; blocks: number }[] = [];
  let windowBytes = 0;
  let pumping = false;
  const gather = createGather(clock, () => void pump());
  let stopped: PeerError | undefined;
  let untell: (() => void) | undefined;
  let advancedAt = -Infinity;
  let compactTo = store.base().height;

  const links = new Map(
    view.members
      .filter(({ address, legacy }) => address !== self && !legacy)
      .map(({ address }) => [
        address,
        createLink({
          address,
          ballot,
          store,
          transport,
          clock,
          limits,
          committed: deps.committed,
          compactTo: () => compactTo,
          advanced: advance,
          suspect: (why) => {
            if (stopped === undefined) deps.suspect(address, why);
          },
        }),
      ]),
  );

  function advance(): void {
    if (stopped !== undefined) return;
    let height = store.synced().height;
    for (const link of links.values()) height = Math.min(height, link.acked());
    if (height > deps.committed()) {
      deps.setCommitted(height);
      while (uncommitted.length > 0 && uncommitted[0]!.height <= height) {
        const { bytes, blocks } = uncommitted.shift()!;
        windowBytes -= bytes;
        gather.over(blocks, queue.length);
      }
      const before = advancedAt;
      advancedAt = clock.now();
      untell?.();
      untell = clock.after(advancedAt - before > SHORTLY_MS ? 0 : TELL_MS, () => {
        for (const link of links.values()) link.tell();
      });
      void pump();
    }
    const reached = waiters.filter((waiter) => waiter.height <= deps.committed());
    if (reached.length === 0) return;
    waiters = waiters.filter((waiter) => waiter.height > deps.committed());
    for (const waiter of reached) waiter.done();
  }

  const reached = (height: number): Promise<void> =>
    new Promise((done, failed) => {
      if (stopped !== undefined) failed(stopped);
      else if (height <= deps.committed()) done();
      else waiters.push({ height, done, failed });
    });

  /** Whether what waits goes now. */
  function due(): boolean {
    if (stopped !== undefined || queue.length === 0) return false;
    if (uncommitted.length >= PIPELINE || windowBytes >= limits.windowBytes) return false;
    return queuedBytes >= BATCH_BYTES || gather.due(queue.length, uncommitted.length === 0);
  }

  async function pump(): Promise<void> {
    if (pumping) return;
    pumping = true;
    try {
      while (due()) {
        gather.clear();
        await orderSome();
      }
    } catch (error) {
      deps.failed(error);
    } finally {
      pumping = false;
    }
  }

  async function orderSome(): Promise<void> {
    const batch: Entry[] = [];
    let bytes = 0;
    for (const entry of queue.slice(0, BATCH_BLOCKS)) {
      if (batch.length > 0 && bytes + entry.block.payload.byteLength > BATCH_BYTES) break;
      bytes += entry.block.payload.byteLength;
      batch.push(entry);
    }
    const known = await Promise.all(batch.map(({ block }) => store.heightOf(block.id)));
    if (stopped !== undefined) return;
    queue = queue.slice(batch.length);
    const fresh: Block[] = [];
    /** Id → its height, of this batch. */
    const given = new Map<string, number>();
    const previous = store.head();
    let headId = previous.id;
    for (const [i, entry] of batch.entries()) {
      const { block, strict } = entry;
      queuedBytes -= block.payload.byteLength;
      let height = known[i] ?? given.get(block.id);
      if (height === undefined) {
        if (strict && block.prevId !== headId) {
          entry.failed(new PeerError('refused', 'new block links to invalid parent'));
          continue;
        }
        fresh.push(block);
        headId = block.id;
        height = previous.height + fresh.length;
        given.set(block.id, height);
      }
      const final = height;
      reached(final).then(() => entry.done(final), entry.failed);
    }
    if (fresh.length === 0) return;
    const { placed, synced } = store.append(fresh, deps.committed());
    synced.then(advance, deps.failed);
    // A read found damage before: the chain takes no more, which `synced` tells.
    if (placed.length === 0) return;
    const size = placed.reduce((sum, { block }) => sum + block.payload.byteLength, 0);
    uncommitted.push({ height: placed.at(-1)!.height, bytes: size, blocks: placed.length });
    windowBytes += size;
    const append = appendOf(placed, { ballot, previous, committed: deps.committed(), compactTo });
    for (const link of links.values()) link.broadcast(append);
    legacy.appended(placed);
  }

  const enqueue = (block: Block, strict: boolean): Promise<number> =>
    new Promise((done, failed) => {
      if (stopped !== undefined) return failed(stopped);
      if (queuedBytes > limits.queueBytes) return failed(tooMuch(limits.queueBytes));
      queuedBytes += block.payload.byteLength;
      queue.push({ block, strict, done, failed });
    });

  const submit = async (blocks: readonly Block[], strict: boolean): Promise<number[]> => {
    const heights = Promise.all(blocks.map((block) => enqueue(block, strict)));
    void pump();
    const all = await heights;
    await legacy.told(Math.max(0, ...all));
    return all;
  };

  store.flushed().then(advance, deps.failed);
  return {
    submit: (blocks) => submit(blocks, false),
    submitAfter: async (block) => (await submit([block], true))[0]!,
    reached,
    compact: (to) => void (compactTo = Math.max(compactTo, to)),
    acked: (address) => (address === self ? store.synced().height : links.get(address)?.acked()),
    tick: () => {
      for (const link of links.values()) link.tick();
    },
    stop: (error) => {
      stopped = error;
      untell?.();
      gather.clear();
      for (const link of links.values()) link.close();
      for (const { failed } of [...waiters, ...queue]) failed(error);
      waiters = [];
      queue = [];
    },
  };
}
