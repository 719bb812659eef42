/** Bodies, read whole. */
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { ConnectError } from '../../connect/index.js';

const NONE = Buffer.alloc(0);

/**
 * Reads a request's body to its end. Rejects with ConnectError: `resource_exhausted` when it is larger than allowed, `canceled`
 * when the caller leaves before its end.
 */
export async function bodyOf(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const { 'content-length': length, 'transfer-encoding': chunked } = request.headers;
  if (Number(length ?? 0) > limitBytes) {
    // The refusal goes over the same connection.
    request.resume();
    throw tooLarge(limitBytes);
  }
  // Most calls have parameters in their query alone. HTTP/2 tells of a body's end by the stream.
  if (request.httpVersionMajor === 1 && chunked === undefined && Number(length ?? 0) === 0) return NONE;
  return readWhole(request, limitBytes).catch((cause: unknown) => {
    if (cause instanceof ConnectError) throw cause;
    throw new ConnectError('canceled', 'the caller left before the end of its request', { cause });
  });
}

/**
 * By events, as an iteration costs as much as the rest of a small call. Rejects with ConnectError `resource_exhausted` at the
 * limit, from where on what comes is dropped, and otherwise with what broke the body off.
 */
export function readWhole(body: Readable, limitBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    body.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= limitBytes) parts.push(part);
      else reject(tooLarge(limitBytes));
    });
    body.on('end', () => resolve(parts.length === 1 ? (parts[0] ?? NONE) : Buffer.concat(parts)));
    body.on('error', reject);
    body.on('close', () => reject(brokenOff()));
  });
}

const tooLarge = (limitBytes: number): ConnectError =>
  new ConnectError('resource_exhausted', `the body is larger than ${limitBytes} bytes`);

const brokenOff = (): Error =>
  Object.assign(new Error('the connection ended before the body'), { code: 'ECONNRESET' });
