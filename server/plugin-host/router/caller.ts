/** The caller's side of a call: HTTP/1.1 and HTTP/2 alike. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { Http1Caller } from './http1-caller.js';
import { Http2Caller } from './http2-caller.js';
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
