/** The chain on disk, as the peer sees it. */
import type { Ballot, Block, Placed, Point, View } from '../chain/block.js';
import type { PeerError } from '../port.js';
import type { Appended } from './chain-file.js';
import type { Header } from './lines.js';

/** Where a chain begins that no longer reaches back to its origin, and how many blocks before that it keeps. */
export type Snapshot = Header;

/** A chain that is being fetched, beside the one in use. */
export interface Staging {
  head(): Point & { readonly id: string };
  /** Of the newest view in it. */
  view(): Ballot | undefined;
  /** Takes what the snapshot keeps. Resolves when it is on disk; throws `invalid` when that is more than it says. */
  keep(kept: readonly Placed[]): Promise<void>;
  /** All that the snapshot keeps is there. */
  whole(): boolean;
  /** Resolves when they are on disk; throws `invalid` before all is there that the snapshot keeps. */
  append(blocks: readonly Block[]): Promise<void>;
  /** It becomes the chain. Resolves to where the old chain was left. */
  commit(): Promise<Point>;
  abort(): Promise<void>;
}

/** What a chain says of itself, and how it grows. */
export interface Growing {
  /** Last block in memory. */
  head(): Point & { readonly id: string };
  /** Last block on disk. */
  synced(): Point;
  /** Newest NETWORK block that makes a view. */
  network(): Placed | undefined;
  /** Places of all NETWORK blocks that made views, those before the base included. */
  waypoints(): readonly Point[];
  /** Height up to which every member was known to hold the chain, as far as the disk knows. */
  committed(): number;
  clientBlocks(): number;
  bytes(): number;
  /** How many blocks it holds, the kept ones of the snapshot included. */
  length(): number;
  append(blocks: readonly Block[], committed: number): Appended;
  /** Why it takes no more blocks and must be opened anew: a write that failed, or damage that a read came upon. */
  broken(): PeerError | undefined;
  flushed(): Promise<void>;
  close(): Promise<void>;
}

export interface Store extends Growing {
  /** The chain reaches back to the block after this place. */
  base(): Point;
  /** Bytes of the blocks after a height, which is not below the base. */
  bytesAfter(height: number): number;
  /** The place at a height; undefined where the chain has none. */
  at(height: number): Promise<Placed | undefined>;
  /** Blocks after a height, oldest first, some at a time; at most up to `to`. Throws `refused` when they were compacted. */
  after(height: number, to: number): Promise<readonly Placed[]>;
  /** All blocks, or those below a height, newest first, as the chain stands; the kept ones of the snapshot last. */
  newestFirst(below?: number): AsyncIterable<Placed>;
  /** The same, some at a time. */
  newestParts(below?: number): AsyncIterable<readonly Placed[]>;
  /** The block with an id; undefined when the chain has none, or has dropped it. */
  find(id: string): Promise<Placed | undefined>;
  heightOf(id: string): Promise<number | undefined>;
  /** What a chain that begins after the origin begins with. */
  snapshot(): Snapshot;
  /**
   * The newest block of each state before the base, oldest first, some at a time, of the chain that begins with `snapshot`. Throws
   * `refused` when it is rewritten meanwhile.
   */
  keptParts(snapshot: Snapshot): AsyncIterable<readonly Placed[]>;
  /** A second chain: one that leaves this one after `keep`, or one of its own. One at a time. */
  stage(from: Point | Snapshot): Promise<Staging>;
  /**
   * Drops the blocks up to a height, but for the newest of each state. Rejects with `refused` where there is no room to write what
   * stays beside the chain: that is then as it was.
   */
  compact(to: number): Promise<void>;
  /** Bytes that were cut off when it was opened. */
  readonly cut: number;
  /** The newest view that they tell of. */
  readonly forgotten: View | undefined;
  /** The blocks of a Go peer were taken over when it was opened. */
  readonly imported: number;
}
