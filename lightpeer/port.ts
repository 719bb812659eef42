/** What state-file sync, the gRPC service and a program that embeds a peer see of it. */

/** A block as its readers see it. */
export interface ChainBlock {
  readonly id: string;
  readonly payload: Uint8Array;
  /** Which state: a file's path relative to the shared folder, `/` between its parts; empty for the only state. */
  readonly path: string;
  /** The state is gone; the payload is empty. */
  readonly deleted: boolean;
  /** When it was made, by the clock of the peer that made it. For people: nothing is decided by it. */
  readonly at: Date;
}

export type WatchEvent =
  /** The next CLIENT block that every member holds. `cursor` resumes the watch after it. */
  | { readonly type: 'block'; readonly block: ChainBlock; readonly height: number; readonly cursor: string }
  /** The chain was rewritten (two networks merged): what came after `cursor` comes again, in its new order. */
  | { readonly type: 'rewound'; readonly cursor: string }
  /**
   * All that the chain held when the watch began has been sent, so every block that was acknowledged before, by whichever peer.
   * Comes at the start, and again after `rewound`.
   */
  | { readonly type: 'live'; readonly cursor: string };

export interface PersistOptions {
  /** A retry with the same id and content makes no second block; other content is refused. Default: a random UUID. `[A-Za-z0-9][A-Za-z0-9_:-]{0,199}`. */
  readonly id?: string;
  /** Default: empty, the only state. */
  readonly path?: string;
  /** Default: false. The payload of a deletion is empty. */
  readonly deleted?: boolean;
  /** How long to try. Default: 30 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface WatchOptions {
  /** Of an event; absent, the whole chain is sent: after compaction that is each state's last block, then the rest. */
  readonly cursor?: string;
  /** Ends the watch without an error. */
  readonly signal?: AbortSignal;
}

/** The chain as its users see it. Errors are PeerError with what happened and what to do. */
export interface PeerPort {
  /**
   * Adds a payload to the network's chain. Resolves when every member has it on disk. Rejects with PeerError:
   * `invalid` (too large, bad path), `exists` (the chain has another block with that id), `timeout` (the block may still appear: retry with the same id), `disk`, `closed`.
   */
  persist(payload: Uint8Array, options?: PersistOptions): Promise<{ readonly id: string }>;
  /** The CLIENT blocks, newest first, as the chain stands at the call. */
  query(): AsyncIterable<ChainBlock>;
  /**
   * The CLIENT blocks that every member holds, oldest first, then each as it comes: what this peer itself persisted too
   * (tell it by its id). A slow reader costs no memory.
   */
  watch(options?: WatchOptions): AsyncIterable<WatchEvent>;
}

export type PeerErrorCode =
  | 'invalid'
  /** Something else has that id. */
  | 'exists'
  | 'timeout'
  | 'disk'
  | 'closed'
  | 'unreachable'
  | 'unimplemented'
  | 'overloaded'
  /** Not now, or not here. */
  | 'refused'
  /** By a peer that follows a newer view. */
  | 'fenced';

/** Whatever goes wrong between peers, or between a peer and its caller. */
export class PeerError extends Error {
  override readonly name = 'PeerError';
  constructor(
    readonly code: PeerErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Largest payload: 4 MiB, gRPC's usual limit of a message, less 64 KiB for the rest of it. */
export const MAX_PAYLOAD_BYTES = (4 << 20) - (64 << 10);
