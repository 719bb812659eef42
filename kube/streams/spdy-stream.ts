/** One stream of a SPDY session. */
import { Duplex } from 'node:stream';
import type { SpdyHeaders } from './spdy-headers.js';

/** What a stream asks of its session. */
export interface StreamLink {
  send(stream: SpdyStream, bytes: Buffer, fin: boolean, done: () => void): void;
  /** The reader wants more. */
  wanted(stream: SpdyStream): void;
  /** The stream is over; `reset` when one of its sides was still open. */
  gone(stream: SpdyStream, reset: boolean): void;
}

/** Bytes that wait for a stream's reader before the session is paused, and of its writer before it is. */
const HIGH_WATER = 256 * 1024;

/**
 * Both halves end by themselves: `end()` sends the end of ours, `end` is that of theirs. `destroy` resets it.
 *
 * When the other side resets the stream, `reset` is emitted at once and `wasReset` is true; what came before can still be
 * read, up to `end`, and what is written is dropped. When the session is lost, the stream fails with its SpdyError.
 */
export class SpdyStream extends Duplex {
  wasReset = false;
  #sentFin = false;
  #gotFin = false;

  constructor(
    readonly id: number,
    readonly headers: SpdyHeaders,
    private readonly link: StreamLink,
  ) {
    super({ highWaterMark: HIGH_WATER });
  }

  /** The session's: bytes have come. False when the reader is full. */
  receive(bytes: Buffer, fin: boolean): boolean {
    if (this.#gotFin || this.destroyed) return true;
    const room = bytes.length === 0 || this.push(bytes);
    if (fin) {
      this.#gotFin = true;
      this.push(null);
    }
    return room;
  }

  /** The session's: the other side has reset the stream. */
  receiveReset(): void {
    if (this.destroyed) return;
    this.wasReset = true;
    this.#sentFin = true;
    this.receive(Buffer.alloc(0), true);
    this.emit('reset');
  }

  override _read(): void {
    this.link.wanted(this);
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.wasReset) done();
    else this.link.send(this, chunk, false, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.wasReset) return done();
    this.#sentFin = true;
    this.link.send(this, Buffer.alloc(0), true, done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.link.gone(this, !(this.#sentFin && this.#gotFin));
    done(error);
  }
}
