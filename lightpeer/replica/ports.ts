/** What the replica says to other peers and what it needs of its surroundings. Tests put a simulated network behind it. */
import type { Ballot, Block, Member, Placed, Point } from '../chain/block.js';
import type { Snapshot } from '../store/port.js';

export type Mode = 'leading' | 'following' | 'loose' | 'failed';

export interface Status {
  readonly address: string;
  readonly name: string;
  readonly mode: Mode;
  /** The view that the chain holds last. */
  readonly view: Ballot;
  readonly promised: Ballot;
  readonly members: readonly Member[];
  readonly networks: readonly string[];
  readonly head: Point;
  readonly headId: string;
  readonly base: Point;
  readonly committed: number;
  readonly lost: readonly string[];
  readonly clientBlocks: number;
}

export interface Prepared {
  readonly promised: boolean;
  /** The ballot in the way when not. */
  readonly standing: Ballot;
  readonly view: Ballot;
  readonly head: Point;
  readonly committed: number;
}

export interface Located {
  readonly common: Point | undefined;
  readonly base: Point;
  readonly head: Point;
  readonly waypoint: Point | undefined;
}

/** An address may have another owner than it had: a peer that is of none of these networks refuses. None: for any peer. */
export interface Meant {
  readonly networks: readonly string[];
}

/** Question and answer of each unary call between our peers. */
export interface Calls {
  status: { ask: Record<string, never>; answer: Status };
  submit: { ask: { blocks: readonly Block[] }; answer: { heights: readonly number[] } };
  prepare: { ask: { ballot: Ballot } & Meant; answer: Prepared };
  locate: { ask: { places: readonly Point[]; waypoints: readonly Point[] }; answer: Located };
  admit: { ask: { member: Member; networks: readonly string[] }; answer: Record<string, never> };
  merge: { ask: { target: string } & Meant; answer: Record<string, never> };
  leave: { ask: { address: string }; answer: Record<string, never> };
}
export type Call = keyof Calls;

/** First of a stream: who leads and from when; then blocks and what is everywhere. */
export interface Append {
  readonly ballot: Ballot;
  /** What the first block stands on. */
  readonly previous: Point;
  readonly blocks: readonly Block[];
  readonly committed: number;
  readonly compactTo: number;
}

export interface AppendStream {
  /** False when the other side is slow: `drained` is called when there is room again. */
  send(append: Append): boolean;
  close(): void;
}

export interface AppendEvents {
  /** What the other side has on disk. */
  synced(point: Point): void;
  drained(): void;
  /** Once, also after `close`. */
  closed(error: unknown): void;
}

export interface AppendSource {
  synced(point: Point): void;
  /** Refuses the stream. */
  close(error: unknown): void;
}

export interface AppendSink {
  append(append: Append): void;
  closed(): void;
}

export interface Fetched {
  /** The chain begins there; what it keeps of the states before follows. */
  readonly snapshot?: Snapshot | undefined;
  readonly kept?: readonly Placed[] | undefined;
  readonly blocks: readonly Block[];
}

/** Calls to other peers. Everything that fails is a PeerError, `unreachable` where nothing listens. */
export interface Transport {
  call<K extends Call>(
    address: string,
    name: K,
    ask: Calls[K]['ask'],
    timeoutMs: number,
  ): Promise<Calls[K]['answer']>;
  replicate(address: string, events: AppendEvents): AppendStream;
  /** The chain after a place; a snapshot first when it no longer reaches back to it. */
  fetch(address: string, after: Point, signal: AbortSignal): AsyncIterable<Fetched>;
  /** Forgets the connection: the next call makes a new one. */
  drop(address: string): void;
  /** The reference's own calls, for peers that know no others. */
  readonly legacy: {
    notify(address: string, block: Block, timeoutMs: number): Promise<void>;
    connect(address: string, self: Member, signal: AbortSignal): AsyncIterable<Block>;
    join(address: string, target: string, timeoutMs: number): Promise<void>;
    healthy(address: string, timeoutMs: number): Promise<boolean>;
  };
}

/** The same calls, answered. */
export type Handlers = {
  readonly [K in Call]: (ask: Calls[K]['ask']) => Promise<Calls[K]['answer']>;
} & {
  replicate(source: AppendSource): AppendSink;
  fetch(after: Point): AsyncIterable<Fetched>;
};

/** Time that only goes forward, in milliseconds, and its timers. */
export interface Clock {
  now(): number;
  /** Calls back once; the function given back takes it off. */
  after(ms: number, run: () => void): () => void;
}

export interface Log {
  info(what: object, message: string): void;
  warn(what: object, message: string): void;
}

/** All in milliseconds unless they say otherwise. */
export interface Limits {
  /** How often a leader speaks to each member when there is nothing to say. */
  readonly heartbeat: number;
  /** A member that says nothing for so long is removed. */
  readonly silence: number;
  /** How long a question of one peer to another may take. */
  readonly ask: number;
  /** Members that were removed are looked for every few seconds for this long, and then once a minute. */
  readonly lookFor: number;
  /** Bytes of blocks that may be on their way to the members. */
  readonly windowBytes: number;
  /** Bytes of payloads that wait to be ordered; above it, persist is refused. */
  readonly queueBytes: number;
  /** Compaction, when a good part goes: at this many bytes all but the newest blocks that fill half of them … */
  readonly compactBytes: number;
  /** … and at this many blocks, or when the oldest is this old, all but the newest so many, which are also the most that stay. */
  readonly compactBlocks: number;
  readonly compactAge: number;
  readonly keepBlocks: number;
}

export const LIMITS: Limits = {
  heartbeat: 250,
  silence: 2000,
  ask: 1000,
  lookFor: 3_600_000,
  windowBytes: 8 << 20,
  queueBytes: 64 << 20,
  compactBytes: 256 << 20,
  compactBlocks: 200_000,
  compactAge: 7 * 86_400_000,
  keepBlocks: 10_000,
};
