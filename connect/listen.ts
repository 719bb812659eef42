/** One port for HTTP/1.1 and for HTTP/2 without TLS (h2c, by prior knowledge). */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { ServerResponse as Answer, createServer } from 'node:http';
import type { Http2Server, ServerHttp2Session } from 'node:http2';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { answerMalformed, refuseHeaders } from './malformed.js';
import type { Undecided } from './split.js';
import { splitConnections } from './split.js';

export interface ListenOptions {
  /** The address to listen on. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /**
   * Every request of either version; those of HTTP/2 come by Node's compatibility API, which looks the same save that it
   * has no status messages and takes no connection-specific headers.
   */
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  /** Milliseconds in which a connection must send its first bytes, and a request its headers. Default 10,000. */
  readonly headersTimeoutMs?: number | undefined;
  /** Milliseconds that a connection is kept without a request. Default 75,000. */
  readonly keepAliveMs?: number | undefined;
}

/** Bytes that a request's headers may have. More is answered with 431. */
const MAX_HEADER_BYTES = 32 * 1024;
/** How many headers a request may have. More is answered with 431. */
const MAX_HEADERS = 128;
/** Calls that one HTTP/2 connection may have open. */
const MAX_STREAMS = 1_000;
/**
 * Megabytes that one HTTP/2 connection may hold: one a call, for what came and what goes. Beyond it Node refuses calls, and then
 * cuts all that the connection has; its own limit of 10 does so to 160 calls that are read slowly.
 */
const MAX_SESSION_MB = MAX_STREAMS;

export interface Listener {
  readonly port: number;
  /**
   * Takes no more connections, closes idle ones, and waits for the calls in flight; what is open after `graceMs`
   * (default 5,000) is cut. Calls that end by themselves only when told must be told by others.
   */
  close(graceMs?: number): Promise<void>;
}

type Bounds = Required<{ [K in keyof ListenOptions]: Exclude<ListenOptions[K], undefined> }>;

/**
 * Listens for both versions on one port: which one a connection speaks is seen from its first bytes. `Upgrade: h2c` is
 * ignored, as a server may.
 * @throws Error as Node's `listen` does, such as EADDRINUSE.
 */
export async function listenBoth(options: ListenOptions): Promise<Listener> {
  const bounds = boundsOf(options);
  const stopping = { now: false };
  const http1 = http1Server(bounds, stopping);
  const http2 = h2cServer(bounds);
  const sessions = sessionsOf(http2, bounds);
  const undecided = splitConnections(http1, http2, bounds.headersTimeoutMs);
  http1.listen(options.port, options.host);
  await once(http1, 'listening');
  const { port } = http1.address() as AddressInfo;
  return { port, close: (graceMs = 5000) => close({ http1, sessions, undecided, stopping }, graceMs) };
}

function boundsOf(options: ListenOptions): Bounds {
  return {
    host: options.host,
    port: options.port,
    onRequest: options.onRequest,
    headersTimeoutMs: options.headersTimeoutMs ?? 10_000,
    keepAliveMs: options.keepAliveMs ?? 75_000,
  };
}

interface Stopping {
  now: boolean;
}

function http1Server({ onRequest, ...bounds }: Bounds, stopping: Stopping): Server {
  /** Says on a server that stops that its connection will be closed, so that its caller sends nothing more on it. */
  class LastAnswer extends Answer {
    override writeHead(status: number, ...rest: unknown[]): this {
      if (stopping.now) this.shouldKeepAlive = false;
      return super.writeHead(status, ...(rest as []));
    }
  }
  const server = createServer(
    {
      ServerResponse: LastAnswer,
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: bounds.headersTimeoutMs,
      // Bodies may stream for as long as they like; whoever reads one whole bounds it.
      requestTimeout: 0,
      keepAliveTimeout: bounds.keepAliveMs,
      connectionsCheckingInterval: Math.min(1000, bounds.headersTimeoutMs),
      joinDuplicateHeaders: true,
      // A caller whose machine is gone is noticed.
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
    },
    (request, response) => {
      if (request.rawHeaders.length > MAX_HEADERS * 2)
        refuseHeaders(request, response, `more than ${MAX_HEADERS} headers`);
      else onRequest(request, response);
    },
  );
  // Node drops what is beyond this without a word; one more than may be is enough to see that.
  server.maxHeadersCount = MAX_HEADERS + 1;
  server.on('clientError', answerMalformed);
  return server;
}

function h2cServer({ onRequest }: Bounds): Http2Server {
  const server = createHttp2Server({
    settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEADER_BYTES },
    maxSessionMemory: MAX_SESSION_MB,
    // Beyond this the stream is reset and not answered.
    maxHeaderListPairs: MAX_HEADERS * 2,
  });
  server.on('request', (request, response) => {
    const alike = [request as unknown as IncomingMessage, response as unknown as ServerResponse] as const;
    const tooMuch = excess(request.rawHeaders);
    if (tooMuch === undefined) onRequest(...alike);
    else refuseHeaders(...alike, tooMuch);
  });
  // A session's error is its caller's, and ends that session alone.
  server.on('sessionError', () => undefined);
  return server;
}

/** What is too much about headers. Node tells HTTP/2 clients of the size that is taken, and does not hold them to it. */
function excess(raw: readonly string[]): string | undefined {
  const count = raw.length / 2 - PSEUDO_HEADERS;
  if (count > MAX_HEADERS) return `more than ${MAX_HEADERS} headers`;
  let bytes = 0;
  for (const text of raw) bytes += text.length;
  return bytes > MAX_HEADER_BYTES ? `more than ${MAX_HEADER_BYTES} bytes of headers` : undefined;
}

/** `:method`, `:scheme`, `:authority` and `:path`. */
const PSEUDO_HEADERS = 4;

/** The open sessions. One that was silent for the time is closed if it has no call, and else asked whether it lives. */
function sessionsOf(server: Http2Server, bounds: Bounds): ReadonlySet<ServerHttp2Session> {
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    let calls = 0;
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    session.on('stream', (stream) => {
      calls++;
      stream.once('close', () => calls--);
    });
    session.setTimeout(bounds.keepAliveMs);
    session.on('timeout', () => {
      if (calls === 0) session.close();
      else requireLife(session, bounds);
    });
  });
  return sessions;
}

/**
 * Destroys a session that answers no ping in time. Node stops reading from one that sent a broken frame, and would not even
 * see its caller close the connection.
 */
function requireLife(session: ServerHttp2Session, bounds: Bounds): void {
  const timer = setTimeout(() => session.destroy(), bounds.headersTimeoutMs).unref();
  // A session that is closed before fails its ping.
  session.ping((error) => {
    clearTimeout(timer);
    // The answer to a ping starts no new silence by itself.
    if (error === null) session.setTimeout(bounds.keepAliveMs);
  });
}

interface Open {
  readonly http1: Server;
  readonly sessions: ReadonlySet<ServerHttp2Session>;
  readonly undecided: Undecided;
  readonly stopping: Stopping;
}

async function close({ http1, sessions, undecided, stopping }: Open, graceMs: number): Promise<void> {
  stopping.now = true;
  // The connections of HTTP/2 are the same server's: it has closed when they have.
  const closed = new Promise<void>((resolve) => void http1.close(() => resolve()));
  undecided.destroy();
  for (const session of sessions) session.close();
  // A connection that answers its last call becomes idle after that, and Node would keep it.
  const idle = setInterval(() => http1.closeIdleConnections(), 20);
  const end = setTimeout(() => {
    http1.closeAllConnections();
    undecided.destroy();
    for (const session of sessions) session.destroy();
  }, graceMs);
  await closed;
  clearTimeout(end);
  clearInterval(idle);
}
