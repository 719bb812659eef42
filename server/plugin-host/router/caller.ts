/** The caller's side of a call: HTTP/1.1 and HTTP/2 alike. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants } from 'node:http2';
import type {
  Http2ServerRequest,
  Http2ServerResponse,
  OutgoingHttpHeaders,
  ServerHttp2Stream,
} from 'node:http2';
import { endAtOnce, errorBody } from '../../../connect/index.js';
import { forwardedTrailers, headerIn } from './headers.js';
import { NOT_SENT } from './refusal.js';
import type { Answered } from './refusal.js';
import type { Written } from './upstream.js';

export type Request = IncomingMessage | Http2ServerRequest;
export type Response = ServerResponse | Http2ServerResponse;

/** What the caller's side tells. */
export interface CallerEvents {
  /** A part of the body; false asks for a pause until `resumeBody`. */
  body(chunk: Buffer): boolean;
  bodyEnd(trailers: string[]): void;
  /** The answer may be written on. */
  drained(): void;
  /** The caller is gone, or has got everything. */
  closed(): void;
}

export interface Caller {
  readonly headSent: boolean;
  listen(events: CallerEvents): void;
  /** Lets the body come. */
  readBody(): void;
  resumeBody(): void;
  /** Headers without framing, apart from content-length. They wait for `settle` or the body's first part. */
  head(status: number, headers: string[]): void;
  /**
   * @param written called when the chunk is on its way, if ever.
   * @returns false when the caller is slow: wait for `drained`.
   */
  write(chunk: Buffer, written?: Written): boolean;
  end(trailers: readonly string[]): void;
  settle(): void;
  /** Answers with an error of the router's own. Only when no head was sent. */
  refuse(refusal: Answered): void;
  /** Breaks the answer off, so that nobody takes it for the whole. */
  reset(): void;
}

export const callerOf = (request: Request, response: Response): Caller =>
  'stream' in request
    ? new Http2Caller(request, response as Http2ServerResponse)
    : new Http1Caller(request, response as ServerResponse);

/** Bodies up to so many bytes are written together with the head. */
const SMALL = 8 * 1024;

class Http1Caller implements Caller {
  headSent = false;
  #status = 0;
  #headers: string[] | undefined;
  #first: Buffer | undefined;
  #firstWritten: Written | undefined;
  #reading = false;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #events: CallerEvents | undefined;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
  }

  listen(events: CallerEvents): void {
    this.#events = events;
    this.#response.on('close', () => events.closed());
  }

  readBody(): void {
    if (this.#reading) return;
    this.#reading = true;
    const request = this.#request;
    request.on('data', (chunk: Buffer) => {
      if (this.#events?.body(chunk) === false) request.pause();
    });
    request.on('end', () => this.#events?.bodyEnd(request.rawTrailers));
  }

  resumeBody(): void {
    if (this.#reading) this.#request.resume();
  }

  head(status: number, headers: string[]): void {
    this.#status = status;
    this.#headers = headers;
  }

  write(chunk: Buffer, written?: Written): boolean {
    if (this.#headers !== undefined && this.#first === undefined) {
      this.#first = chunk;
      this.#firstWritten = written;
      return true;
    }
    this.#flush();
    if (this.#response.write(chunk, written)) return true;
    this.#response.once('drain', () => this.#events?.drained());
    return false;
  }

  end(trailers: readonly string[]): void {
    if (this.#headers !== undefined && trailers.length === 0) return this.#whole();
    this.#flush();
    const pairs = pairsOf(forwardedTrailers(trailers));
    if (pairs.length > 0) this.#response.addTrailers(pairs);
    this.#response.end();
  }

  settle(): void {
    if (this.#headers === undefined) return;
    this.#flush();
    this.#response.flushHeaders();
  }

  refuse({ status, code, message, notSent }: Answered): void {
    this.#headers = undefined;
    this.#first = undefined;
    const body = errorBody(code, message);
    this.#response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': body.length,
      ...(notSent && { [NOT_SENT]: '1' }),
    });
    this.headSent = true;
    this.#response.end(body);
    // Nobody reads what is still to come; Node drops it.
    this.#request.resume();
  }

  reset(): void {
    this.#request.socket.resetAndDestroy();
  }

  /** All of a small answer in one write. */
  #whole(): void {
    const body = this.#first;
    const headers = this.#headers!;
    if (headerIn(headers, 'content-length') === undefined && this.#mayHaveBody())
      headers.push('content-length', String(body?.length ?? 0));
    this.#first = undefined;
    this.#flush();
    if (body === undefined) this.#response.end();
    else if (body.length <= SMALL) endAtOnce(this.#response, body.toString('latin1'), 'latin1');
    else this.#response.end(body, this.#firstWritten);
  }

  #mayHaveBody(): boolean {
    return this.#request.method !== 'HEAD' && this.#status !== 204 && this.#status !== 304;
  }

  #flush(): void {
    const headers = this.#headers;
    if (headers === undefined) return;
    this.#headers = undefined;
    this.#response.sendDate = false;
    this.#response.writeHead(this.#status, headers);
    this.headSent = true;
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined) this.#response.write(first, this.#firstWritten);
  }
}

class Http2Caller implements Caller {
  headSent = false;
  #status = 0;
  #headers: string[] | undefined;
  #first: Buffer | undefined;
  #reading = false;
  readonly #request: Http2ServerRequest;
  readonly #response: Http2ServerResponse;
  readonly #stream: ServerHttp2Stream;
  #events: CallerEvents | undefined;

  constructor(request: Http2ServerRequest, response: Http2ServerResponse) {
    this.#request = request;
    this.#response = response;
    this.#stream = response.stream;
  }

  listen(events: CallerEvents): void {
    this.#events = events;
    this.#stream.on('drain', () => events.drained()).on('close', () => events.closed());
    // A stream that is reset tells so by an error, too; `close` follows.
    this.#stream.on('error', () => undefined);
  }

  readBody(): void {
    if (this.#reading) return;
    this.#reading = true;
    const request = this.#request;
    request.on('data', (chunk: Buffer) => {
      if (this.#events?.body(chunk) === false) request.pause();
    });
    request.on('end', () => {
      // A reset stream ends as well.
      if (this.#stream.rstCode === constants.NGHTTP2_NO_ERROR && !this.#stream.aborted)
        this.#events?.bodyEnd(request.rawTrailers);
    });
  }

  resumeBody(): void {
    if (this.#reading) this.#request.resume();
  }

  head(status: number, headers: string[]): void {
    this.#status = status;
    this.#headers = headers;
  }

  /** Never tells that it is written: of a stream that is reset, frames may still wait that lie in the chunk's memory. */
  write(chunk: Buffer): boolean {
    if (this.#headers !== undefined && this.#first === undefined) {
      this.#first = chunk;
      return true;
    }
    this.#flush(false);
    return this.#stream.write(chunk);
  }

  end(trailers: readonly string[]): void {
    if (this.#headers !== undefined && this.#first === undefined && trailers.length === 0)
      return this.#flush(true);
    this.#flush(false);
    // Node's compatible API sends them itself when the stream asks.
    this.#response.addTrailers(objectOf(forwardedTrailers(trailers)));
    if (!this.#stream.writableEnded) this.#stream.end();
  }

  settle(): void {
    this.#flush(false);
  }

  refuse({ status, code, message, notSent }: Answered): void {
    if (this.#stream.destroyed || this.#stream.headersSent) return;
    this.headSent = true;
    this.#headers = undefined;
    this.#first = undefined;
    const body = errorBody(code, message);
    this.#stream.respond({
      ':status': status,
      'content-type': 'application/json',
      'content-length': body.length,
      ...(notSent && { [NOT_SENT]: '1' }),
    });
    this.#stream.end(body);
    this.#request.resume();
  }

  reset(): void {
    // Node's close() ends the stream before it resets it, which the caller would take for the whole answer.
    this.#stream.destroy(new Error('the answer broke off'));
  }

  #flush(endStream: boolean): void {
    const headers = this.#headers;
    if (headers === undefined) return;
    this.#headers = undefined;
    const stream = this.#stream;
    if (stream.destroyed) return;
    stream.respond(objectOf(headers, this.#status), endStream ? { endStream } : { waitForTrailers: true });
    this.headSent = true;
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined) stream.write(first);
  }
}

function pairsOf(list: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < list.length; i += 2) pairs.push([list[i]!, list[i + 1]!]);
  return pairs;
}

/** As node:http2 takes headers; what comes several times is a list. */
export function objectOf(list: readonly string[], status?: number): OutgoingHttpHeaders {
  const headers = Object.create(null) as OutgoingHttpHeaders;
  if (status !== undefined) headers[':status'] = status;
  for (let i = 0; i + 1 < list.length; i += 2) {
    const name = list[i]!.toLowerCase();
    const before = headers[name];
    if (before === undefined) headers[name] = list[i + 1];
    else if (Array.isArray(before)) before.push(list[i + 1]!);
    else headers[name] = [String(before), list[i + 1]!];
  }
  return headers;
}
