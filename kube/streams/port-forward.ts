/** One connection to a port of a pod, through the API server. */
import { Duplex } from 'node:stream';
import { KubeError } from '../errors.js';
import type { At, CallOptions } from '../kube.js';
import { PODS } from '../objects.js';
import { objectPath } from '../paths.js';
import type { Opened, Opener } from './open.js';
import { createSpdySession } from './spdy-session.js';
import type { SpdySession } from './spdy-session.js';
import type { SpdyStream } from './spdy-stream.js';
import { webSocketDuplex } from './websocket-duplex.js';

const PROTOCOL = 'SPDY/3.1+portforward.k8s.io';
/** Milliseconds between pings, below what proxies and load balancers take for idle. */
const PING_MS = 10_000;
/** Bytes that wait for the reader, beside those in the session. */
const HIGH_WATER = 64 * 1024;
/** Bytes that are kept of the far side's error. */
const MAX_ERROR = 4 * 1024;
/** How long the far side's error may come after the end of its data, in milliseconds; it closes the error stream when all is well. */
const ERROR_MS = 2_000;

/**
 * See `Kube.portForward`. Each connection has a WebSocket of its own: in one that were shared a slow reader would hold up
 * the others, since nothing on the way keeps windows.
 */
export async function portForward(
  opener: Opener,
  { at, port }: { at: At; port: number },
  options?: CallOptions,
): Promise<Duplex> {
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new KubeError(`${port} cannot be a port: use one of 1 to 65535.`, {
      reason: 'invalid_name',
      outcome: 'not_sent',
    });
  const opened = await opener.open(objectPath(PODS, at, 'portforward'), PROTOCOL, options);
  const { scope, socket } = opened;
  const what = `${opened.what}, port ${port}`;
  const session = createSpdySession(webSocketDuplex(socket), { role: 'client' });
  scope.onStop = () => session.destroy(scope.error(what, 'not_sent'));
  if (scope.stopped) scope.onStop();
  const headers = (streamtype: string) => ({ streamtype, port: String(port), requestid: '0' });
  try {
    const [errors, data] = await Promise.all([session.open(headers('error')), session.open(headers('data'))]);
    return new Connection({ ...opened, what }, session, { errors, data });
  } catch (cause) {
    scope.end();
    session.destroy(cause as Error);
    throw lost(what, (cause as Error).message, cause);
  }
}

const lost = (what: string, why: string, cause: unknown): KubeError =>
  cause instanceof KubeError
    ? cause
    : new KubeError(`${what}: ${why}`, { reason: 'unreachable', outcome: 'unknown', cause });

class Connection extends Duplex {
  readonly #session: SpdySession;
  readonly #data: SpdyStream;
  readonly #errors: SpdyStream;
  #ended = false;

  constructor(
    { what, scope }: Pick<Opened, 'what' | 'scope'>,
    session: SpdySession,
    { errors, data }: { errors: SpdyStream; data: SpdyStream },
  ) {
    super({ allowHalfOpen: false, highWaterMark: HIGH_WATER });
    this.#session = session;
    this.#data = data;
    this.#errors = errors;
    let text = '';
    const fail = (why: string, cause?: unknown): void => void this.destroy(lost(what, why, cause));
    const conclude = (): void => {
      if (!this.#ended || this.destroyed) return;
      if (text !== '' || data.wasReset) fail(text || 'the far side reset the connection');
      else this.push(null);
    };
    errors.end();
    errors
      .setEncoding('utf8')
      .on('data', (part: string) => {
        if (text.length < MAX_ERROR) text += part;
      })
      .on('close', conclude);
    let patience: NodeJS.Timeout | undefined;
    data
      .on('data', (chunk: Buffer) => {
        if (!this.push(chunk)) data.pause();
      })
      .on('end', () => {
        this.#ended = true;
        // Runtimes end the data of a connection that failed before they say why.
        if (errors.destroyed) return conclude();
        this.end();
        patience = setTimeout(conclude, ERROR_MS);
      })
      .on('error', (cause) => fail(cause.message, cause));
    scope.onStop = () => void this.destroy(scope.error(what, 'unknown'));
    const pings = setInterval(() => session.ping(), PING_MS);
    pings.unref();
    void session.closed.then((cause) => {
      if (!this.#ended) fail(cause?.message ?? 'the connection was lost', cause);
    });
    this.once('close', () => {
      clearInterval(pings);
      clearTimeout(patience);
      scope.end();
    });
    if (scope.stopped) scope.onStop();
  }

  override _read(): void {
    this.#data.resume();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#data.write(chunk)) done();
    else this.#data.once('drain', done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#data.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#data.destroy();
    this.#errors.destroy();
    if (error === null && this.#ended) this.#session.close();
    else this.#session.destroy(error ?? new Error('the connection was given up'));
    done(error);
  }
}
