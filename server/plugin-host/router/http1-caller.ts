/** A caller of HTTP/1.1. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { discard, endAtOnce, errorBody, onClosed } from '../../../connect/index.js';
import type { CallerEvents } from './caller.js';
import { forwardedTrailers, headerIn } from './headers.js';
import { HeldCaller, refusalHeaders } from './held-caller.js';
import type { Answered } from './refusal.js';
import type { Written } from './upstream.js';

/** Bodies up to so many bytes are written together with the head. */
const SMALL = 8 * 1024;
/** Milliseconds that a caller of HTTP/1.1 may go on sending after its answer, which it may need to before it reads that. */
const DISCARD_MS = 30_000;

export class Http1Caller extends HeldCaller {
  protected readonly request: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse) {
    super();
    this.request = request;
    this.#response = response;
  }

  listen(events: CallerEvents): void {
    this.events = events;
    onClosed(this.#response, () => events.closed());
  }

  protected isWhole(): boolean {
    return true;
  }

  protected writeOn(chunk: Buffer, written?: Written): boolean {
    this.#flush();
    if (this.#response.write(chunk, written)) return true;
    this.#response.once('drain', () => this.events?.drained());
    return false;
  }

  end(trailers: readonly string[]): void {
    if (this.headers !== undefined && trailers.length === 0) this.#whole();
    else {
      this.#flush();
      const pairs = pairsOf(forwardedTrailers(trailers));
      if (pairs.length > 0) this.#response.addTrailers(pairs);
      this.#response.end();
    }
    // A plugin may answer before it has read everything.
    if (!this.request.complete) discard(this.request, DISCARD_MS);
  }

  settle(): void {
    if (this.headers === undefined) return;
    this.#flush();
    this.#response.flushHeaders();
  }

  refuse({ status, code, message, notSent }: Answered): void {
    this.forgetHeld();
    const body = errorBody(code, message);
    this.#response.writeHead(status, refusalHeaders(body, notSent));
    this.headSent = true;
    this.#response.end(body);
    discard(this.request, DISCARD_MS);
  }

  reset(): void {
    this.request.socket.resetAndDestroy();
  }

  /** All of a small answer in one write. */
  #whole(): void {
    const body = this.first;
    const headers = this.headers!;
    if (headerIn(headers, 'content-length') === undefined && this.#mayHaveBody())
      headers.push('content-length', String(body?.length ?? 0));
    this.first = undefined;
    this.#flush();
    if (body === undefined) this.#response.end();
    else if (body.length <= SMALL) endAtOnce(this.#response, body.toString('latin1'), 'latin1');
    else this.#response.end(body, this.firstWritten);
  }

  #mayHaveBody(): boolean {
    return this.request.method !== 'HEAD' && this.status !== 204 && this.status !== 304;
  }

  #flush(): void {
    const headers = this.headers;
    if (headers === undefined) return;
    this.headers = undefined;
    this.#response.sendDate = false;
    this.#response.writeHead(this.status, headers);
    this.headSent = true;
    const first = this.first;
    this.first = undefined;
    if (first !== undefined) this.#response.write(first, this.firstWritten);
  }
}

function pairsOf(list: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < list.length; i += 2) pairs.push([list[i]!, list[i + 1]!]);
  return pairs;
}
