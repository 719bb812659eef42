/** HTTP/1.1 over any stream: how the operator speaks to a plugin host, in its own process or through a port-forward. */
import { createServer, request as send } from 'node:http';
import type { RequestListener } from 'node:http';
import { duplexPair } from 'node:stream';
import type { Duplex } from 'node:stream';
import { AppError } from '../errors.js';
import type { HostIo } from '../ports.js';

export interface LinkRequest {
  readonly method: 'GET' | 'POST';
  /** With its query, percent-encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface LinkReply {
  readonly status: number;
  readonly body: Buffer;
}

export type Link = (request: LinkRequest, io?: HostIo) => Promise<LinkReply>;

/** Opens a connection to a host. */
export type Open = (io: { signal: AbortSignal }) => Promise<Duplex> | Duplex;

/** Milliseconds for a call whose caller names none. */
const TIMEOUT_MS = 30_000;
/** What an answer may hold at most. */
const MAX_BYTES = 32 << 20;

/** A connection to a server of this very process, past the network. */
export function inProcess(handler: RequestListener): { open: () => Duplex; close(): void } {
  const server = createServer(handler);
  return {
    open() {
      const [near, far] = duplexPair();
      server.emit('connection', far);
      return near;
    },
    close: () => server.closeAllConnections(),
  };
}

/** Sends over a stream and reads the whole answer. */
const exchange = (stream: Duplex, { method, path, headers, body }: LinkRequest, signal: AbortSignal) =>
  new Promise<LinkReply>((resolve, reject) => {
    const sent = send({
      createConnection: () => stream,
      method,
      path,
      signal,
      headers: {
        host: 'localhost',
        connection: 'close',
        ...headers,
        ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
      },
    });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const parts: Buffer[] = [];
      let size = 0;
      response.on('error', reject);
      response.on('data', (part: Buffer) => {
        size += part.length;
        if (size > MAX_BYTES) sent.destroy(new Error(`the answer is larger than ${MAX_BYTES} bytes`));
        else parts.push(part);
      });
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(parts),
        }),
      );
    });
    sent.end(body);
  });

/**
 * A link to the host that `open` connects to; a connection for each request.
 * @param what the host, for sentences.
 * @throws AppError `deadline_exceeded`, `bad_gateway` (with `outcome: "unknown"` for a POST whose connection broke), or the signal's
 * own reason; what `open` throws comes through.
 */
export function createLink(what: string, open: Open): Link {
  return async (request, { signal, timeoutMs = TIMEOUT_MS } = {}) => {
    const late = AbortSignal.timeout(Math.max(1, Math.ceil(timeoutMs)));
    const ending = signal === undefined ? late : AbortSignal.any([signal, late]);
    const stream = await open({ signal: ending });
    // What goes wrong with it shows in the exchange.
    stream.on('error', () => {});
    try {
      return await exchange(stream, request, ending);
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      const lost = request.method === 'POST';
      const unknown = lost ? ' The call may or may not have been carried out.' : '';
      const details = lost ? ({ outcome: 'unknown' } as const) : {};
      throw late.aborted
        ? new AppError('deadline_exceeded', `No answer came from ${what} in time.${unknown}`, details, error)
        : new AppError(
            'bad_gateway',
            `The connection to ${what} broke: ${(error as Error).message}.${unknown}`,
            details,
            error,
          );
    } finally {
      stream.destroy();
    }
  };
}
