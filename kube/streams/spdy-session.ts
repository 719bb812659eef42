/**
 * SPDY/3.1 over any byte stream, as Kubernetes speaks it: streams that either side opens, each with headers and two halves.
 *
 * Flow control is that of the byte stream below. The protocol has windows a stream, but the implementation that kubectl,
 * the API server and container runtimes share neither sends WINDOW_UPDATE nor heeds it, and who waited for one would wait
 * for ever after 64 KiB. So a reader that is slow holds up the whole session, on our side as on theirs, and streams that
 * must not wait for each other belong in sessions of their own.
 */
import type { Duplex } from 'node:stream';
import { createGate } from './gate.js';
import { SpdyError } from './spdy-error.js';
import { GO_AWAY, RESET, createFrameParser, frames } from './spdy-frames.js';
import { createHeaderEncoder } from './spdy-headers.js';
import type { SpdyHeaders } from './spdy-headers.js';
import { SpdyStream } from './spdy-stream.js';

export interface SessionOptions {
  /** Clients open streams of odd numbers, servers of even ones. */
  role: 'client' | 'server';
  /**
   * Told of each stream that the other side opens, before it is accepted; what it throws refuses the stream. Without it all
   * are refused.
   */
  onStream?: ((stream: SpdyStream) => void) | undefined;
  /** Most streams at a time; further ones are refused. Default 1,000. */
  maxStreams?: number | undefined;
}

export interface SpdySession {
  /** Opens a stream. Resolves when the other side has accepted it; rejects with SpdyError when it does not. */
  open(headers: SpdyHeaders): Promise<SpdyStream>;
  /** Sends a ping, unless the last is not answered yet: so that nobody on the way takes the session for idle. */
  ping(): void;
  /** Takes no more streams, and ends when those that are open have ended. */
  close(): void;
  /** Ends at once; open streams fail with the error. */
  destroy(error: Error): void;
  /** Resolves when the session is over, with the error that ended it. */
  readonly closed: Promise<Error | undefined>;
}

/** How long the last frames may take to be sent and our end to be answered, in milliseconds. */
const CLOSE_MS = 2_000;
/** Bytes of a data frame that is sent. */
const MAX_DATA = 32 * 1024;
const MAX_ID = 0x7fff_ffff;

export function createSpdySession(transport: Duplex, options: SessionOptions): SpdySession {
  const { role, onStream, maxStreams = 1_000 } = options;
  const streams = new Map<number, SpdyStream>();
  const waiting = new Map<number, { accepted: () => void; refused: (error: Error) => void }>();
  const encode = createHeaderEncoder();
  const gate = createGate<SpdyStream>(transport);
  let undrained: (() => void)[] = [];
  let nextId = role === 'client' ? 1 : 2;
  let nextPing = nextId;
  let unansweredPing: number | undefined;
  let lastTheirs = 0;
  let leaving = false;
  let over = false;
  let resolveClosed: (error: Error | undefined) => void = () => undefined;
  const closed = new Promise<Error | undefined>((resolve) => (resolveClosed = resolve));

  /** `done` is called when the transport has room for more. */
  const write = (frame: Buffer, done?: () => void): void => {
    if (over || transport.writableEnded) return;
    const room = transport.write(frame);
    if (done === undefined) return;
    if (room) done();
    else undrained.push(done);
  };

  const finish = (error: Error | undefined): void => {
    if (over) return;
    over = true;
    for (const stream of streams.values())
      stream.destroy(error ?? new SpdyError('the connection ended before the stream did', 'lost'));
    for (const { refused } of waiting.values())
      refused(error ?? new SpdyError('the connection ended before the stream was accepted', 'lost'));
    streams.clear();
    waiting.clear();
    undrained = [];
    resolveClosed(error);
    if (error !== undefined && !(error instanceof SpdyError)) return void transport.destroy();
    // What is still to be sent has a moment; what still comes is of no use.
    transport.end();
    transport.resume();
    const timer = setTimeout(() => transport.destroy(), CLOSE_MS);
    timer.unref();
    transport.once('close', () => clearTimeout(timer));
  };

  const fail = (error: unknown): void => {
    write(frames.goAway(lastTheirs, GO_AWAY.protocolError));
    finish(error instanceof Error ? error : new SpdyError(String(error), 'internal'));
  };

  const endIfIdle = (): void => {
    if (leaving && streams.size === 0) finish(undefined);
  };

  const link = {
    send(stream: SpdyStream, bytes: Buffer, fin: boolean, done: () => void): void {
      let rest = bytes;
      while (rest.length > MAX_DATA) {
        write(frames.data(stream.id, rest.subarray(0, MAX_DATA), false));
        rest = rest.subarray(MAX_DATA);
      }
      write(frames.data(stream.id, rest, fin), done);
    },
    wanted: (stream: SpdyStream) => gate.release(stream),
    gone(stream: SpdyStream, reset: boolean): void {
      gate.release(stream);
      if (!streams.delete(stream.id)) return;
      if (reset) write(frames.reset(stream.id, RESET.cancel));
      endIfIdle();
    },
  };

  const add = (id: number, headers: SpdyHeaders): SpdyStream => {
    const stream = new SpdyStream(id, headers, link);
    // A stream that fails while nobody listens must not end the process.
    stream.on('error', () => undefined);
    streams.set(id, stream);
    return stream;
  };

  const accept = (id: number, headers: SpdyHeaders, fin: boolean): void => {
    const ours = id % 2 === (role === 'client' ? 1 : 0);
    if (ours || id <= lastTheirs)
      throw new SpdyError(
        `the stream ${id} was opened after ${lastTheirs}, or is not the other side's to open`,
      );
    lastTheirs = id;
    if (leaving || onStream === undefined || streams.size >= maxStreams)
      return write(frames.reset(id, RESET.refusedStream));
    const stream = add(id, headers);
    if (fin) stream.receive(Buffer.alloc(0), true);
    try {
      onStream(stream);
    } catch {
      streams.delete(id);
      write(frames.reset(id, RESET.refusedStream));
      stream.destroy();
      return;
    }
    // Before anything else on the stream: what comes earlier is dropped by the other side.
    write(frames.reply(id, encode({})));
  };

  const parse = createFrameParser({
    open: accept,
    reply(id, fin) {
      waiting.get(id)?.accepted();
      waiting.delete(id);
      if (fin) streams.get(id)?.receive(Buffer.alloc(0), true);
    },
    data(id, bytes, fin) {
      const stream = streams.get(id);
      if (stream?.receive(bytes, fin) === false) gate.hold(stream);
    },
    headers: (id, fin) => void (fin && streams.get(id)?.receive(Buffer.alloc(0), true)),
    reset(id, status) {
      waiting.get(id)?.refused(new SpdyError(`the other side refused a stream (${status})`, 'lost'));
      waiting.delete(id);
      streams.get(id)?.receiveReset();
    },
    ping(id) {
      if (id % 2 !== nextPing % 2) write(frames.ping(id));
      else if (id === unansweredPing) unansweredPing = undefined;
    },
    goAway() {
      leaving = true;
      endIfIdle();
    },
  });

  transport
    .on('data', (chunk: Buffer) => {
      if (over) return;
      try {
        parse(chunk);
      } catch (error) {
        fail(error);
      }
    })
    .on('drain', () => {
      const ready = undrained;
      undrained = [];
      for (const done of ready) done();
    })
    .on('end', () => finish(undefined))
    .on('error', (cause) => finish(new SpdyError(`the connection was lost: ${cause.message}`, 'lost', cause)))
    .on('close', () => finish(undefined));

  return {
    closed,
    open(headers) {
      const id = nextId;
      if (over || leaving || id > MAX_ID)
        return Promise.reject(new SpdyError('the session takes no more streams', 'lost'));
      const block = encode(headers);
      nextId += 2;
      const stream = add(id, headers);
      write(frames.open(id, block));
      return new Promise((resolve, reject) =>
        waiting.set(id, {
          accepted: () => resolve(stream),
          refused(error) {
            streams.delete(id);
            stream.destroy();
            reject(error);
          },
        }),
      );
    },
    ping() {
      if (unansweredPing !== undefined || over) return;
      unansweredPing = nextPing;
      nextPing = nextPing + 2 > MAX_ID ? nextPing % 2 || 2 : nextPing + 2;
      write(frames.ping(unansweredPing));
    },
    close() {
      if (over || leaving) return;
      leaving = true;
      write(frames.goAway(lastTheirs, GO_AWAY.ok));
      endIfIdle();
    },
    destroy: (error) => finish(error),
  };
}
