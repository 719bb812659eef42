/** A caller of HTTP/1.1. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { discard, endAtOnce, errorBody, onClosed } from '../../../connect/index.js';
import type { Caller, CallerEvents } from './caller.js';
import { forwardedTrailers, headerIn } from './headers.js';
import { NOT_SENT } from './refusal.js';
import type { Answered } from './refusal.js';
import type { Written } from './upstream.js';

/** Bodies up to so many bytes are written together with the head. */
const SMALL = 8 * 1024;
/** Milliseconds that a caller of HTTP/1.1 may go on sending after its answer, which it may need to before it reads that. */
const DISCARD_MS = 30_000;

export class Http1Caller implements Caller {
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
    onClosed(this.#response, () => events.closed());
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
    if (this.#headers !== undefined && trailers.length === 0) this.#whole();
    else {
      this.#flush();
      const pairs = pairsOf(forwardedTrailers(trailers));
      if (pairs.length > 0) this.#response.addTrailers(pairs);
      this.#response.end();
    }
    // A plugin may answer before it has read everything.
    if (!this.#request.complete) discard(this.#request, DISCARD_MS);
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
    discard(this.#request, DISCARD_MS);
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

function pairsOf(list: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < list.length; i += 2) pairs.push([list[i]!, list[i + 1]!]);
  return pairs;
}
