/** What the callers of both HTTP versions have in common: their body as it comes, and the head that waits for the answer's first part. */
import type { Caller, CallerEvents, Request } from './caller.js';
import { NOT_SENT } from './refusal.js';
import type { Answered } from './refusal.js';
import type { Written } from './upstream.js';

export abstract class HeldCaller implements Caller {
  headSent = false;
  protected status = 0;
  /** Until the head is sent. */
  protected headers: string[] | undefined;
  protected first: Buffer | undefined;
  protected firstWritten: Written | undefined;
  protected events: CallerEvents | undefined;
  #reading = false;

  abstract listen(events: CallerEvents): void;
  abstract end(trailers: readonly string[]): void;
  abstract settle(): void;
  abstract refuse(refusal: Answered): void;
  abstract reset(): void;
  protected abstract readonly request: Request;
  /** Whether the body's end is one: a reset stream ends as well. */
  protected abstract isWhole(): boolean;
  /** Sends the head and what is held, and then the chunk. */
  protected abstract writeOn(chunk: Buffer, written?: Written): boolean;

  readBody(): void {
    if (this.#reading) return;
    this.#reading = true;
    const { request } = this;
    request.on('data', (chunk: Buffer) => {
      if (this.events?.body(chunk) === false) request.pause();
    });
    request.on('end', () => {
      if (this.isWhole()) this.events?.bodyEnd(request.rawTrailers);
    });
  }

  resumeBody(): void {
    if (this.#reading) this.request.resume();
  }

  head(status: number, headers: string[]): void {
    this.status = status;
    this.headers = headers;
  }

  write(chunk: Buffer, written?: Written): boolean {
    if (this.headers === undefined || this.first !== undefined) return this.writeOn(chunk, written);
    this.first = chunk;
    this.firstWritten = written;
    return true;
  }

  protected forgetHeld(): void {
    this.headers = this.first = undefined;
  }
}

/** The headers of an error of the router's own. */
export const refusalHeaders = (body: Buffer, notSent: boolean | undefined) => ({
  'content-type': 'application/json',
  'content-length': body.length,
  ...(notSent && { [NOT_SENT]: '1' }),
});
