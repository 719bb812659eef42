/** HTTP/1.1 to a plugin: kept connections, one call at a time on each, bytes written as they are. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { AnswerParser, BadAnswer } from './answer-parser.js';
import type { AnswerEvents } from './answer-parser.js';
import { Http1Exchange } from './http1-exchange.js';
import type { ReadBuffer, ReadBuffers } from './read-buffers.js';
import { connectFailure } from './upstream.js';
import type { AnswerSink, Exchange, Failure, Outgoing, Upstream } from './upstream.js';

export interface Http1Options {
  readonly host: string;
  readonly port: number;
  /** Milliseconds for a connection to be there. */
  readonly connectMs: number;
  /** Milliseconds that a connection may be idle and still be used; less when the plugin says so. */
  readonly idleMs: number;
  /** Those of the whole host. */
  readonly buffers: ReadBuffers;
}

/** A plugin that keeps idle connections for so long may have closed one already: the call must not meet that. */
const MARGIN_MS = 1_000;
/** Bytes that are read at once: few, and copied out of the connection's own buffer, unless that has been too small. */
const SMALL_READ = 16 * 1024;
const TIMED_OUT = Object.assign(new Error('it did not accept the connection in time'), { code: 'ETIMEDOUT' });

export function createHttp1Upstream(options: Http1Options): Upstream {
  return new Http1Pool(options);
}

class Http1Pool implements Upstream {
  readonly #idle: Connection[] = [];
  readonly #open = new Set<Connection>();
  readonly hostHeader: string;
  #closed = false;

  constructor(readonly options: Http1Options) {
    const host = options.host.includes(':') ? `[${options.host}]` : options.host;
    this.hostHeader = `${host}:${options.port}`;
  }

  get connections(): number {
    return this.#open.size;
  }

  send(outgoing: Outgoing, sink: AnswerSink): Exchange {
    const now = performance.now();
    for (let kept = this.#idle.pop(); kept !== undefined; kept = this.#idle.pop()) {
      if (kept.usable(now)) return kept.take(outgoing, sink);
      kept.destroy();
    }
    const connection = new Connection(this);
    this.#open.add(connection);
    return connection.take(outgoing, sink);
  }

  sweep(now: number): void {
    while (this.#idle.length > 0 && !this.#idle[0]!.usable(now)) this.#idle.shift()!.destroy();
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }

  /** A call's connection broke: with the plugin's end all others have gone too, though that is seen of one after the other. */
  broke(): void {
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }

  freed(connection: Connection): void {
    if (this.#closed) connection.destroy();
    else this.#idle.push(connection);
  }

  gone(connection: Connection): void {
    this.#open.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }
}

/** A read buffer, and how many still need what is in it. */
interface Read {
  readonly buffer: ReadBuffer;
  users: number;
}

class Connection implements AnswerEvents {
  readonly #pool: Http1Pool;
  readonly #socket: Socket;
  readonly #parser: AnswerParser;
  readonly #connectTimer: NodeJS.Timeout;
  readonly #small: ReadBuffer = Buffer.allocUnsafeSlow(SMALL_READ);
  /** What is read into next: the small one or one of the host's. */
  #buffer = this.#small;
  /** What is being read out of a buffer just now. */
  #read: Read | undefined;
  #connected = false;
  #paused = false;
  #usableUntil = 0;
  #call: Http1Exchange | undefined;
  #error: NodeJS.ErrnoException | undefined;

  constructor(pool: Http1Pool) {
    this.#pool = pool;
    this.#parser = new AnswerParser(this);
    const { host, port, connectMs } = pool.options;
    this.#socket = connect({
      ...{ host, port, noDelay: true },
      onread: { buffer: () => this.#buffer, callback: (length) => this.#onRead(length) },
    });
    this.#connectTimer = setTimeout(() => this.#socket.destroy(TIMED_OUT), connectMs);
    this.#socket
      .on('connect', () => this.#onConnect())
      .on('drain', () => this.#call?.sink.drain())
      .on('end', () => this.#onEnd())
      .on('error', (error) => (this.#error = error))
      .on('close', () => this.#onClose());
  }

  usable(now: number): boolean {
    return !this.#socket.destroyed && this.#socket.readable && now < this.#usableUntil;
  }

  take(outgoing: Outgoing, sink: AnswerSink): Exchange {
    const call = new Http1Exchange(this, outgoing, sink);
    this.#call = call;
    this.#parser.expect(outgoing.method);
    if (this.#connected) call.start(this.#socket, this.#pool.hostHeader);
    return call;
  }

  /** The call lets the connection go. Unless both sides of it were whole, nobody may use it again. */
  release(call: Http1Exchange): void {
    if (this.#call !== call) return;
    this.#call = undefined;
    if (this.#paused) this.resume();
    const { keepAliveMs, reusable, waiting } = this.#parser;
    if (waiting || !reusable || !call.written) return this.destroy();
    const { idleMs } = this.#pool.options;
    this.#usableUntil = performance.now() + Math.min(idleMs, (keepAliveMs ?? Infinity) - MARGIN_MS);
    this.#pool.freed(this);
  }

  resume(): void {
    this.#paused = false;
    this.#socket.resume();
  }

  destroy(): void {
    this.#call = undefined;
    // A reset: what a plugin has got so far must never look like the whole.
    if (this.#parser.waiting && this.#connected) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  head(status: number, headers: string[]): void {
    this.#call?.sink.head(status, headers);
  }

  data(chunk: Buffer): void {
    if (this.#call?.sink.data(chunk, this.#writtenOf(chunk)) !== false) return;
    this.#paused = true;
    this.#socket.pause();
  }

  end(trailers: string[]): void {
    const call = this.#call;
    if (call === undefined) return;
    call.answered = true;
    call.sink.end(trailers);
    // A plugin may answer before it has read everything; the rest has no reader then.
    this.release(call);
  }

  #onConnect(): void {
    clearTimeout(this.#connectTimer);
    this.#connected = true;
    this.#call?.start(this.#socket, this.#pool.hostHeader);
  }

  /** Node allocates 64 KiB for each read; here a read takes more, and what is small is copied out of a buffer that stays. */
  #onRead(length: number): boolean {
    const buffer = this.#buffer;
    const bytes = buffer.subarray(0, length);
    if (length > SMALL_READ) return this.#onLarge(buffer, bytes);
    // A small buffer that was full: there is more to come.
    if (buffer !== this.#small) this.#putBack();
    else if (length === SMALL_READ) this.#buffer = this.#buffers.take() ?? this.#small;
    this.#onData(Buffer.from(bytes));
    return true;
  }

  #onLarge(buffer: ReadBuffer, bytes: Buffer): boolean {
    this.#buffer = this.#buffers.take() ?? this.#small;
    const read = (this.#read = { buffer, users: 1 });
    this.#onData(bytes);
    this.#read = undefined;
    this.#recycle(read);
    return true;
  }

  /** For a chunk that lies in the read buffer; undefined for a copy. */
  #writtenOf(chunk: Buffer): ((error?: unknown) => void) | undefined {
    const read = this.#read;
    if (read === undefined || chunk.buffer !== read.buffer.buffer) return undefined;
    read.users += 1;
    // What failed may still be on its way somewhere.
    return (error) => (error ? this.#buffers.leave(read.buffer) : this.#recycle(read));
  }

  /** The buffer may be read into again when all that it held is written. */
  #recycle(read: Read): void {
    read.users -= 1;
    if (read.users === 0) this.#buffers.give(read.buffer);
  }

  /** The connection needs no large buffer just now. */
  #putBack(): void {
    if (this.#buffer !== this.#small) this.#buffers.give(this.#buffer);
    this.#buffer = this.#small;
  }

  get #buffers(): ReadBuffers {
    return this.#pool.options.buffers;
  }

  #onData(chunk: Buffer): void {
    const call = this.#call;
    try {
      this.#parser.feed(chunk);
    } catch (error) {
      if (!(error instanceof BadAnswer)) throw error;
      this.#fail({ kind: 'broken', why: error.message });
    }
    call?.sink.settle();
  }

  #onEnd(): void {
    const call = this.#call;
    this.#parser.finish();
    call?.sink.settle();
    this.#socket.destroy();
  }

  #onClose(): void {
    clearTimeout(this.#connectTimer);
    this.#putBack();
    this.#pool.gone(this);
    // What it had was not the end of a call.
    if (this.#connected && this.#call !== undefined) this.#pool.broke();
    const error = this.#error;
    if (!this.#connected) this.#fail(connectFailure(error ?? TIMED_OUT));
    else this.#fail({ kind: 'broken', why: error?.code ?? error?.message ?? 'it closed the connection' });
  }

  #fail(failure: Failure): void {
    const call = this.#call;
    this.#call = undefined;
    this.#socket.destroy();
    call?.sink.failed(failure);
  }
}
