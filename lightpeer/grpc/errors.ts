/** Errors of peers as gRPC's statuses, and back. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { PeerError } from '../port.js';
import type { PeerErrorCode } from '../port.js';

/** gRPC's codes, those that peers use. */
const OK = 0;
const CANCELLED = 1;
const UNKNOWN = 2;
const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const ALREADY_EXISTS = 6;
const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;
const ABORTED = 10;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;
const UNAVAILABLE = 14;

const CODES: Record<PeerErrorCode, number> = {
  invalid: INVALID_ARGUMENT,
  exists: ALREADY_EXISTS,
  timeout: DEADLINE_EXCEEDED,
  disk: INTERNAL,
  closed: FAILED_PRECONDITION,
  unreachable: UNAVAILABLE,
  unimplemented: UNIMPLEMENTED,
  overloaded: RESOURCE_EXHAUSTED,
  refused: FAILED_PRECONDITION,
  fenced: ABORTED,
};

const MEANINGS: Partial<Record<number, PeerErrorCode>> = {
  [INVALID_ARGUMENT]: 'invalid',
  [ALREADY_EXISTS]: 'exists',
  [DEADLINE_EXCEEDED]: 'timeout',
  [UNAVAILABLE]: 'unreachable',
  [UNIMPLEMENTED]: 'unimplemented',
  [RESOURCE_EXHAUSTED]: 'overloaded',
  [ABORTED]: 'fenced',
  [CANCELLED]: 'closed',
};

/** What something on the way says that knows HTTP alone. */
const HTTP_MEANINGS: Partial<Record<number, PeerErrorCode>> = {
  404: 'unimplemented',
  429: 'unreachable',
  502: 'unreachable',
  503: 'unreachable',
  504: 'unreachable',
};

/** A message may quote what the caller sent. */
const LONGEST_MESSAGE = 1000;

const escaped = (text: string): string =>
  text
    .slice(0, LONGEST_MESSAGE)
    .replace(/[^ -$&-~]+/g, (odd) => Buffer.from(odd).toString('hex').toUpperCase().replace(/../g, '%$&'));

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const DONE: OutgoingHttpHeaders = { 'grpc-status': OK };

/** The trailers of a call that failed. */
export function toTrailers(error: unknown): OutgoingHttpHeaders {
  const message = error instanceof Error ? error.message : String(error);
  return {
    'grpc-status': error instanceof PeerError ? CODES[error.code] : UNKNOWN,
    'grpc-message': escaped(message),
  };
}

/**
 * The error that an answer's headers or trailers tell of, undefined when all is well or nothing is said yet. Errors of an
 * application that is no peer of ours (UNKNOWN) count as refusals, and so does the failing disk of another peer: `disk` is the
 * own one.
 */
export function fromHeaders(headers: IncomingHttpHeaders, address: string): PeerError | undefined {
  const http = Number(headers[':status'] ?? 200);
  const code = headers['grpc-status'];
  if (code !== undefined) {
    if (Number(code) === OK) return undefined;
    const message = unescaped(String(headers['grpc-message'] ?? 'failed'));
    return new PeerError(MEANINGS[Number(code)] ?? 'refused', `${address}: ${message}`);
  }
  if (http === 200) return undefined;
  return new PeerError(HTTP_MEANINGS[http] ?? 'refused', `${address}: answered with HTTP status ${http}`);
}
