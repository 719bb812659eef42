/** The headers of a request that the protocol speaks of. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Encoding } from './codec.js';
import { ConnectError } from './error.js';

/** @throws ConnectError invalid_argument when a version is told that is not 1. */
export function versionOf(headers: IncomingHttpHeaders): void {
  const version = headers['connect-protocol-version'];
  if (version === undefined || version === '1') return;
  throw new ConnectError(
    'invalid_argument',
    `Connect-Protocol-Version must be "1", and is "${String(version)}"`,
  );
}

/**
 * Milliseconds that the caller waits.
 * @throws ConnectError invalid_argument when the header is no number of at most ten digits.
 */
export function timeoutOf(headers: IncomingHttpHeaders): number | undefined {
  const timeout = headers['connect-timeout-ms'];
  if (timeout === undefined) return undefined;
  if (typeof timeout === 'string' && /^\d{1,10}$/.test(timeout))
    return Math.min(Number(timeout), LONGEST_TIMER_MS);
  const message = `Connect-Timeout-Ms must be a number of at most ten digits, and is "${String(timeout)}"`;
  throw new ConnectError('invalid_argument', message);
}

/** Node's timers hold 31 bits; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Whether messages are compressed with gzip.
 * @throws ConnectError unimplemented for an encoding that is neither gzip nor identity.
 */
export function compression(encoding: string | string[] | undefined): boolean {
  if (encoding === undefined || encoding === '' || encoding === 'identity') return false;
  if (encoding === 'gzip') return true;
  const message = `the encoding "${String(encoding)}" is not known; gzip and identity are`;
  throw new ConnectError('unimplemented', message);
}

/** The encoding that a content type names after its prefix; undefined when it is none of ours. */
export function encodingOf(contentType: string | undefined, prefix: '' | 'connect+'): Encoding | undefined {
  const match = /^application\/([a-z+]+)\s*(?:;\s*charset\s*=\s*"?([\w-]+)"?\s*)?$/i.exec(contentType ?? '');
  const charset = match?.[2]?.toLowerCase();
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8') return undefined;
  const name = match?.[1]?.toLowerCase();
  if (name === `${prefix}json`) return 'json';
  return name === `${prefix}proto` ? 'proto' : undefined;
}
