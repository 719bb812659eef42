/** The protocol's codes and the HTTP statuses that carry them (https://connectrpc.com/docs/protocol#error-codes). */
import type { Code } from './types.js';

const STATUS_OF_CODE: Readonly<Record<Code, number>> = {
  canceled: 499,
  unknown: 500,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 400,
  aborted: 409,
  out_of_range: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  data_loss: 500,
  unauthenticated: 401,
};

/** The HTTP status that an error of a code is answered with. */
export function statusOf(code: Code): number {
  return STATUS_OF_CODE[code];
}

const CODE_OF_STATUS = new Map<number, Code>([
  [400, 'internal'],
  [401, 'unauthenticated'],
  [403, 'permission_denied'],
  [404, 'unimplemented'],
  [429, 'unavailable'],
  [502, 'unavailable'],
  [503, 'unavailable'],
  [504, 'unavailable'],
]);

/** Whether a text is one of the protocol's codes. */
export function isCode(text: unknown): text is Code {
  return typeof text === 'string' && Object.hasOwn(STATUS_OF_CODE, text);
}

/** The code of an answer that is no Connect error, such as a proxy's own; not the inverse of STATUS_OF_CODE. */
export function codeOfStatus(status: number): Code {
  return CODE_OF_STATUS.get(status) ?? 'unknown';
}
