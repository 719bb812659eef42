/** The plugin's side of a call: one request over a pooled connection, and its answer as it comes. */

/** What is asked of a plugin. */
export interface Outgoing {
  readonly method: string;
  /** From the root of the plugin's server, with its query. */
  readonly path: string;
  /** Name and value by turns; nothing of the connection or the framing. */
  readonly headers: readonly string[];
  readonly body: 'none' | 'chunked' | number;
}

/** Why a call has no whole answer. */
export interface Failure {
  /** `unreached`: nothing was sent. `starved`: nothing was sent, and it is this machine's fault. `broken`: anything else. */
  readonly kind: 'unreached' | 'starved' | 'broken';
  /** In a few words. */
  readonly why: string;
}

export type Written = (error?: unknown) => void;

/** Takes what a plugin answers. After `end` or `failed` nothing more comes. */
export interface AnswerSink {
  /** The request's head is on its way; the body may be written from now on. */
  ready(): void;
  head(status: number, headers: string[]): void;
  /**
   * A part of the body; false asks for a pause until `resume`.
   * @param written to be called when the chunk is on its way: without an error when it is no longer needed, its memory being
   * used again then, and with one when it may still be.
   */
  data(chunk: Buffer, written?: Written): boolean;
  end(trailers: string[]): void;
  /** All that one read brought has been told: what has been held back to be joined may go. */
  settle(): void;
  failed(failure: Failure): void;
  /** The body may be written on. */
  drain(): void;
}

/** One call to a plugin. */
export interface Exchange {
  /** @returns false when the connection is full: wait for `drain`. */
  write(chunk: Buffer): boolean;
  end(trailers: readonly string[]): void;
  /** Goes on reading after a `data` that returned false. */
  resume(): void;
  /** Ends it now. A plugin never takes what it has got for the whole. The sink hears nothing more. */
  abort(): void;
}

/** Connections to one base URL. */
export interface Upstream {
  /** How many connections are open. */
  readonly connections: number;
  send(outgoing: Outgoing, sink: AnswerSink): Exchange;
  /** Closes connections that nobody uses. Called about once a second. */
  sweep(now: number): void;
  close(): void;
}

/** Errors of this machine rather than of the other side. */
const STARVED: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL']);

/** Why a connection could not be opened. */
export function connectFailure(error: NodeJS.ErrnoException): Failure {
  return { kind: STARVED.has(error.code ?? '') ? 'starved' : 'unreached', why: error.code ?? error.message };
}
