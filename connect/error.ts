/** The one error of the protocol: to be thrown by implementations, sent, and read out of answers. */
import type { Code } from './types.js';
import { codeOfStatus, isCode } from './codes.js';

/** Something that an error carries along: a message's type and its base64 bytes. Passed through as it came. */
export interface ErrorDetail {
  readonly type: string;
  readonly value: string;
  readonly debug?: unknown;
}

export interface ConnectErrorOptions {
  readonly details?: readonly ErrorDetail[] | undefined;
  readonly cause?: unknown;
}

/** An error with one of the protocol's codes. Its message is for the caller and goes out as it is. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError';
  readonly details: readonly ErrorDetail[];

  constructor(
    readonly code: Code,
    message: string,
    { details = [], cause }: ConnectErrorOptions = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.details = details;
  }

  /**
   * Whatever was thrown as a ConnectError: itself if it is one; an abort is `canceled`, a time-out `deadline_exceeded`, a
   * lost or refused connection `unavailable`, anything else `internal`, with its own text and as the cause.
   */
  static from(reason: unknown): ConnectError {
    if (reason instanceof ConnectError) return reason;
    const message = reason instanceof Error ? reason.message : String(reason);
    return new ConnectError(codeOfReason(reason), message, { cause: reason });
  }

  /** As it is written in an answer's body or in a stream's last message; details are left out when there are none. */
  toJSON(): { code: Code; message: string; details?: readonly ErrorDetail[] } {
    const { code, message, details } = this;
    return details.length === 0 ? { code, message } : { code, message, details };
  }
}

const UNREACHED = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_SOCKET',
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
]);

function codeOfReason(reason: unknown): Code {
  if (!(reason instanceof Error)) return 'internal';
  if (reason.name === 'AbortError') return 'canceled';
  if (reason.name === 'TimeoutError') return 'deadline_exceeded';
  const code = 'code' in reason ? String(reason.code) : '';
  if (code === 'UND_ERR_INVALID_ARG') return 'invalid_argument';
  return UNREACHED.has(code) ? 'unavailable' : 'internal';
}

/** The JSON bytes of an error, for who answers it without a handler: with `application/json` and `statusOf(code)`. */
export function errorBody(code: Code, message: string): Buffer {
  return Buffer.from(JSON.stringify({ code, message }));
}

/**
 * The error of a unary answer whose status is not 200: what its JSON body says, or, where a proxy or no Connect server at
 * all answered, what its status means.
 */
export function errorOfAnswer(
  status: number,
  contentType: string | undefined,
  body: Uint8Array,
): ConnectError {
  const json = contentType !== undefined && /^application\/json\s*(;|$)/i.test(contentType);
  const told = json ? errorOfJson(parsed(body), codeOfStatus(status)) : undefined;
  return told ?? new ConnectError(codeOfStatus(status), `it answered with HTTP status ${status}`);
}

/** The error that a JSON value is: undefined if it is no object. A code that nobody knows becomes `fallback`. */
export function errorOfJson(value: unknown, fallback: Code = 'unknown'): ConnectError | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { code, message, details } = value as { code?: unknown; message?: unknown; details?: unknown };
  return new ConnectError(isCode(code) ? code : fallback, typeof message === 'string' ? message : '', {
    details: Array.isArray(details) ? details.filter(isDetail) : [],
  });
}

function isDetail(value: unknown): value is ErrorDetail {
  const { type, value: bytes } = Object(value) as { type?: unknown; value?: unknown };
  return typeof type === 'string' && typeof bytes === 'string';
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString());
  } catch {
    return undefined;
  }
}
