/** A caller of HTTP/2. */
import { constants } from 'node:http2';
import type { Http2ServerRequest, Http2ServerResponse, ServerHttp2Stream } from 'node:http2';
import { errorBody } from '../../../connect/index.js';
import type { CallerEvents } from './caller.js';
import { forwardedTrailers, objectOf } from './headers.js';
import { HeldCaller, refusalHeaders } from './held-caller.js';
import type { Answered } from './refusal.js';
import type { Written } from './upstream.js';

export class Http2Caller extends HeldCaller {
  protected readonly request: Http2ServerRequest;
  readonly #response: Http2ServerResponse;
  readonly #stream: ServerHttp2Stream;

  constructor(request: Http2ServerRequest, response: Http2ServerResponse) {
    super();
    this.request = request;
    this.#response = response;
    this.#stream = response.stream;
  }

  listen(events: CallerEvents): void {
    this.events = events;
    this.#stream.on('drain', () => events.drained()).on('close', () => events.closed());
    // A stream that is reset tells so by an error, too; `close` follows.
    this.#stream.on('error', () => undefined);
  }

  protected isWhole(): boolean {
    return this.#stream.rstCode === constants.NGHTTP2_NO_ERROR && !this.#stream.aborted;
  }

  protected writeOn(chunk: Buffer, written?: Written): boolean {
    this.#flush(false);
    return this.#stream.write(chunk, leaving(written));
  }

  end(trailers: readonly string[]): void {
    if (this.headers !== undefined && this.first === undefined && trailers.length === 0) this.#flush(true);
    else {
      this.#flush(false);
      // Node's compatible API sends them itself when the stream asks.
      this.#response.addTrailers(objectOf(forwardedTrailers(trailers)));
      if (!this.#stream.writableEnded) this.#stream.end();
    }
    this.#unread();
  }

  settle(): void {
    this.#flush(false);
  }

  refuse({ status, code, message, notSent }: Answered): void {
    if (this.#stream.destroyed || this.#stream.headersSent) return;
    this.headSent = true;
    this.forgetHeld();
    const body = errorBody(code, message);
    this.#stream.respond({ ':status': status, ...refusalHeaders(body, notSent) });
    this.#stream.end(body);
    this.#unread();
  }

  reset(): void {
    // Node's close() ends the stream before it resets it, which the caller would take for the whole answer.
    this.#stream.destroy(new Error('the answer broke off'));
  }

  /** Tells a caller that is still sending to stop (RFC 9113 8.1), when its answer is out with its trailers. */
  #unread(): void {
    const stream = this.#stream;
    if (stream.endAfterHeaders || stream.readableEnded) return;
    this.request.resume();
    const stop = (): void => {
      if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
    };
    // Node sends the trailers in the same turn, after it tells that all is written.
    stream.once('finish', () => setImmediate(stop));
  }

  #flush(endStream: boolean): void {
    const headers = this.headers;
    if (headers === undefined) return;
    this.headers = undefined;
    const stream = this.#stream;
    if (stream.destroyed) return;
    stream.respond(objectOf(headers, this.status), endStream ? { endStream } : { waitForTrailers: true });
    this.headSent = true;
    const first = this.first;
    this.first = undefined;
    if (first !== undefined) stream.write(first, leaving(this.firstWritten));
  }
}

/** Of a stream that is reset, frames may still wait that lie in the chunk's memory, whatever is told of the chunk. */
const STILL_THERE = new Error('a frame of it may still wait');

const leaving = (written: Written | undefined): Written | undefined =>
  written === undefined ? undefined : () => written(STILL_THERE);
