/** HTTP/2 without TLS to a plugin: many calls on one connection, trailers, gRPC. */
import { connect, constants } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { createCrowd } from './crowd.js';
import { objectOf } from './headers.js';
import { connectFailure } from './upstream.js';
import type { AnswerSink, Exchange, Failure, Outgoing, Upstream } from './upstream.js';

export interface H2cOptions {
  readonly host: string;
  readonly port: number;
  /** Milliseconds for a connection to be there. */
  readonly connectMs: number;
  /** Milliseconds that a connection may be idle and still be used. */
  readonly idleMs: number;
}

/** Of node's, per stream 64 KiB: too little for a stream at full speed. */
const WINDOW = 1024 * 1024;
/**
 * What a stream may send ahead of its reader when there are many: [up to so many calls, bytes]. Node holds all of it for a caller
 * that does not read.
 */
const WINDOWS: readonly (readonly [calls: number, bytes: number])[] = [
  [8, WINDOW],
  [32, WINDOW / 4],
  [Infinity, WINDOW / 16],
];
/** Calls on one connection at most, whatever the plugin allows. */
const MAX_STREAMS = 1_000;
/**
 * Megabytes that a connection may hold: two a call, for its window and for what is on its way to the plugin. Beyond it Node
 * resets the plugin's answers; its own limit of 10 does so at 160 uploads that the plugin reads slowly.
 */
const MAX_SESSION_MB = 2 * MAX_STREAMS;

export function createH2cUpstream(options: H2cOptions): Upstream {
  return new H2cPool(options);
}

class H2cPool implements Upstream {
  #sessions: Session[] = [];
  readonly authority: string;

  constructor(readonly options: H2cOptions) {
    this.authority = `${options.host.includes(':') ? `[${options.host}]` : options.host}:${options.port}`;
  }

  get connections(): number {
    return this.#sessions.length;
  }

  send(outgoing: Outgoing, sink: AnswerSink): Exchange {
    let session = this.#sessions.find((candidate) => candidate.hasRoom);
    if (session === undefined) this.#sessions.push((session = new Session(this)));
    return session.take(outgoing, sink);
  }

  sweep(now: number): void {
    for (const session of this.#sessions) session.sweep(now - this.options.idleMs);
  }

  close(): void {
    for (const session of this.#sessions) session.closeWhenIdle(Infinity);
  }

  gone(session: Session): void {
    this.#sessions = this.#sessions.filter((candidate) => candidate !== session);
  }
}

class Session {
  readonly #pool: H2cPool;
  readonly #session: ClientHttp2Session;
  readonly #calls = createCrowd<H2cExchange>();
  #connected = false;
  #window = WINDOW;
  #idleSince = 0;
  #error: NodeJS.ErrnoException | undefined;

  constructor(pool: H2cPool) {
    this.#pool = pool;
    this.#session = connect(`http://${pool.authority}`, {
      settings: { initialWindowSize: WINDOW, enablePush: false },
      maxSessionMemory: MAX_SESSION_MB,
    });
    const timer = setTimeout(
      () => this.#session.destroy(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' })),
      pool.options.connectMs,
    );
    this.#session
      .on('connect', () => {
        clearTimeout(timer);
        this.#connected = true;
        this.#session.setLocalWindowSize(8 * WINDOW);
        for (const call of this.#calls.all()) call.start(this.#session, pool.authority);
      })
      .on('error', (error: NodeJS.ErrnoException) => (this.#error = error))
      .on('goaway', () => pool.gone(this))
      .on('close', () => {
        clearTimeout(timer);
        pool.gone(this);
        const failure: Failure = this.#connected
          ? { kind: 'broken', why: this.#error?.code ?? 'it closed the connection' }
          : connectFailure(this.#error ?? new Error('it closed the connection'));
        for (const call of this.#calls.all()) call.fail(failure);
      });
  }

  get hasRoom(): boolean {
    const { remoteSettings, closed, destroyed } = this.#session;
    if (closed || destroyed) return false;
    return (
      !this.#connected || this.#calls.size < Math.min(remoteSettings.maxConcurrentStreams ?? 100, MAX_STREAMS)
    );
  }

  take(outgoing: Outgoing, sink: AnswerSink): Exchange {
    const call = new H2cExchange(outgoing, sink, () => this.#release(call));
    this.#calls.add(call);
    if (windowOf(this.#calls.size) < this.#window) this.#fitWindow();
    if (this.#connected) call.start(this.#session, this.#pool.authority);
    return call;
  }

  closeWhenIdle(idleBefore: number): void {
    if (this.#calls.size === 0 && this.#idleSince < idleBefore) this.#session.close();
  }

  /** Windows grow again here alone, so that the plugin is not told of each call that comes and goes. */
  sweep(idleBefore: number): void {
    if (windowOf(this.#calls.size) > this.#window) this.#fitWindow();
    this.closeWhenIdle(idleBefore);
  }

  #fitWindow(): void {
    if (this.#session.closed || this.#session.destroyed) return;
    this.#window = windowOf(this.#calls.size);
    this.#session.settings({ initialWindowSize: this.#window });
  }

  #release(call: H2cExchange): void {
    this.#calls.delete(call);
    this.#idleSince = performance.now();
  }
}

const windowOf = (calls: number): number => WINDOWS.find(([most]) => calls <= most)![1];

class H2cExchange implements Exchange {
  /** Among its session's. */
  place = -1;
  readonly #outgoing: Outgoing;
  readonly #sink: AnswerSink;
  readonly #release: () => void;
  #stream: ClientHttp2Stream | undefined;
  #trailers: string[] = [];
  #sentTrailers: readonly string[] = [];
  #over = false;

  constructor(outgoing: Outgoing, sink: AnswerSink, release: () => void) {
    this.#outgoing = outgoing;
    this.#sink = sink;
    this.#release = release;
  }

  start(session: ClientHttp2Session, authority: string): void {
    if (this.#stream !== undefined || this.#over) return;
    try {
      this.#open(session, authority);
    } catch (error) {
      return this.fail({ kind: 'broken', why: (error as Error).message });
    }
    this.#sink.ready();
  }

  write(chunk: Buffer): boolean {
    const stream = this.#stream;
    return stream === undefined || stream.writableEnded || stream.destroyed || stream.write(chunk);
  }

  end(trailers: readonly string[]): void {
    this.#sentTrailers = trailers;
    if (this.#stream?.writableEnded === false) this.#stream.end();
  }

  resume(): void {
    this.#stream?.resume();
  }

  abort(): void {
    if (this.#finish()) this.#reset();
  }

  fail(failure: Failure): void {
    if (!this.#finish()) return;
    this.#reset();
    this.#sink.failed(failure);
  }

  #open(session: ClientHttp2Session, authority: string): void {
    const { method, path, headers, body } = this.#outgoing;
    const empty = body === 'none' || body === 0;
    const stream = session.request(
      {
        ...objectOf(headers),
        ':method': method,
        ':path': path,
        ':authority': authority,
        ...(typeof body === 'number' && { 'content-length': body }),
      },
      { endStream: empty, ...(!empty && { waitForTrailers: true }) },
    );
    this.#stream = stream;
    stream
      .on('response', (answer, flags) => this.#onHead(stream, answer, flags))
      .on('wantTrailers', () => stream.sendTrailers(objectOf(this.#sentTrailers)))
      .on('drain', () => this.#sink.drain())
      .on('error', () => undefined)
      .on('close', () => this.#onClose(stream.rstCode));
    // Typed as (headers, flags), it gets the raw list as well.
    (stream as NodeJS.EventEmitter).on('trailers', (_: unknown, __: number, raw: string[]) => {
      this.#trailers = raw;
    });
  }

  #onHead(stream: ClientHttp2Stream, answer: IncomingHttpHeaders, flags: number): void {
    if (this.#over) return;
    const { ':status': status, ...headers } = answer;
    this.#sink.head(Number(status), listOf(headers));
    if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) return this.#end();
    this.#sink.settle();
    stream.on('data', (chunk: Buffer) => {
      if (this.#over) return;
      if (!this.#sink.data(chunk)) stream.pause();
      this.#sink.settle();
    });
    // A stream that is reset ends as well; what it means is seen at its close.
    stream.on('end', () => {
      if (stream.rstCode === constants.NGHTTP2_NO_ERROR && !stream.aborted) this.#end();
    });
  }

  #end(): void {
    if (!this.#finish()) return;
    this.#sink.end(this.#trailers);
    this.#sink.settle();
    // A plugin may answer before it has read everything; the rest has no reader then.
    if (this.#stream?.writableEnded === false) this.#reset();
  }

  #onClose(code: number | undefined): void {
    this.fail({ kind: 'broken', why: `it reset the call (HTTP/2 error ${code ?? 0})` });
  }

  /** Node's close() ends the stream before it resets it, which the plugin would take for the whole request. */
  #reset(): void {
    this.#stream?.destroy(new Error('the call ended early'));
  }

  #finish(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#release();
    return true;
  }
}

function listOf(headers: IncomingHttpHeaders): string[] {
  const list: string[] = [];
  for (const [name, value] of Object.entries(headers))
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) list.push(name, one);
  return list;
}
