/**
 * What compaction drops. It rewrites the whole file, so that it is worth while only when a good part of it goes: then each
 * block is written again a few times at most, however long the chain grows.
 */
import { PeerError } from '../port.js';
import type { Limits } from './ports.js';
import { diskFailed } from './state.js';
import type { State } from './state.js';

/** Where there was no room to write what stays beside the chain. */
const AGAIN_MS = 600_000;
/** One part of so many must go. */
const SHARE = 4;

/** A chain, as far as it matters here. */
export interface Extent {
  readonly base: number;
  readonly head: number;
  /** What all members have goes at most. */
  readonly committed: number;
  /** Of the whole file, with what was kept when its first part was dropped. */
  readonly bytes: number;
  readonly blocks: number;
  bytesAfter(height: number): number;
}

type Bounds = Pick<Limits, 'compactBytes' | 'compactBlocks' | 'keepBlocks'>;

/**
 * Height up to which blocks are to go; undefined when none are. Above the limit of bytes the newest blocks stay that fill half
 * of it, above that of blocks, and when the first is too old, a number of the newest; never more than that number.
 */
export function dropTo(chain: Extent, limits: Bounds, tooOld: boolean): number | undefined {
  const newest = chain.head - limits.keepBlocks;
  if (chain.bytes > limits.compactBytes) {
    const to = Math.min(chain.committed, Math.max(newest, within(chain, limits.compactBytes / 2)));
    const bytes = to > chain.base ? chain.bytesAfter(chain.base) - chain.bytesAfter(to) : 0;
    if (bytes > 0 && bytes * SHARE >= chain.bytes) return to;
  }
  if (chain.head - chain.base < limits.compactBlocks && !tooOld) return undefined;
  const to = Math.min(chain.committed, newest);
  return to > chain.base && (to - chain.base) * SHARE >= chain.blocks ? to : undefined;
}

/** The lowest height after which there are at most so many bytes, but for the newest block. */
function within({ base, head, bytesAfter }: Extent, bytes: number): number {
  let low = base;
  let high = Math.max(base, head - 1);
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (bytesAfter(middle) <= bytes) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** As `dropTo`, of a peer's chain as it is. */
export async function droppable(state: State): Promise<number | undefined> {
  const { store, limits } = state;
  const chain = (): Extent => ({
    base: store.base().height,
    head: store.head().height,
    committed: state.committed,
    bytes: store.bytes(),
    blocks: store.length(),
    bytesAfter: store.bytesAfter,
  });
  const now = dropTo(chain(), limits, false);
  if (now !== undefined || dropTo(chain(), limits, true) === undefined) return now;
  const first = await store.at(store.base().height + 1);
  const tooOld =
    first !== undefined && first.block.at > 0 && state.today() - first.block.at > limits.compactAge;
  return dropTo(chain(), limits, tooOld);
}

/** Drops the blocks up to a height, unless some are being dropped, which the store knows, or could not be shortly before. */
export async function dropUpTo(state: State, to: number): Promise<void> {
  const { store, clock } = state;
  if (clock.now() < state.dropAgainAt || to <= store.base().height) return;
  try {
    await store.compact(to);
    if (store.base().height >= to) state.counters.compactions++;
  } catch (error) {
    if (!(error instanceof PeerError) || error.code !== 'refused') return diskFailed(state, error);
    state.dropAgainAt = clock.now() + AGAIN_MS;
    state.log.warn(
      { error: error.message },
      'the chain cannot be compacted, for which what stays is written beside it: it grows until it is tried again in ten minutes',
    );
  }
}
