/** Opens WebSockets to the API server, by the same connection, credentials and proxies as all other calls. */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { IncomingMessage } from 'node:http';
import type { buildConnector } from 'undici';
import { statusError } from '../answers.js';
import { reasonOf } from '../caller.js';
import type { Connection, Credentials } from '../connection.js';
import { createConnector } from '../connector.js';
import { KubeError } from '../errors.js';
import type { CallOptions } from '../kube.js';
import { Scope } from '../scope.js';
import { MAX_MESSAGE } from './channels.js';

export interface OpenerOptions {
  defaultTimeoutMs: number;
  userAgent: string;
}

export interface Opened {
  /** The call's name, as its errors begin. */
  readonly what: string;
  /** Paused, so that nothing is lost before it is listened to. */
  readonly socket: WebSocket;
  /** Ends at the caller's signal and with the client; to be ended with the stream. Without a deadline from now on. */
  readonly scope: Scope;
}

export interface Opener {
  /** Resolves when the server has switched to the subprotocol. Rejects with KubeError. */
  open(path: string, protocol: string, options?: CallOptions): Promise<Opened>;
  /** Stops all that is open. */
  close(): void;
}

const NO_CREDENTIALS: Credentials = Object.freeze({});
/** Bytes that are read of an error's body. */
const ERROR_BODY = 64 * 1024;
/** For how long they are waited for, in milliseconds. */
const ERROR_BODY_MS = 5_000;

export function createOpener(connection: Connection, options: OpenerOptions): Opener {
  const base = new URL(connection.url);
  const prefix = base.pathname.replace(/\/+$/, '');
  const connectors = new WeakMap<Credentials, buildConnector.connector>();
  const live = new Set<Scope>();
  let closed = false;

  const connect = (credentials: Credentials): Promise<Socket> => {
    const connector = connectors.get(credentials) ?? createConnector(connection, credentials);
    connectors.set(credentials, connector);
    const { protocol, host, port } = base;
    const hostname = base.hostname.replace(/^\[|\]$/g, '');
    return new Promise((resolve, reject) =>
      connector({ protocol, host, hostname, port }, (error, socket) =>
        error ? reject(error) : resolve(socket),
      ),
    );
  };

  const credentialsNow = async (): Promise<Credentials> =>
    (await connection.credentials?.get()) ?? NO_CREDENTIALS;

  /** One handshake. Answers the refusal, when the server has refused. */
  const attempt = async (
    path: string,
    protocol: string,
    credentials: Credentials,
    scope: Scope,
  ): Promise<{ socket: WebSocket } | { refusal: Refusal }> => {
    // Loaded when it is first needed: it costs memory and time that most programs' start can do without.
    const { WebSocket } = await import('ws');
    const connection = await connect(credentials);
    if (scope.stopped) {
      connection.destroy();
      throw new Error('stopped');
    }
    const { authorization, headers = [] } = credentials;
    const socket = new WebSocket(`${base.protocol.replace('http', 'ws')}//${base.host}${prefix}${path}`, {
      createConnection: () => connection,
      headers: {
        'user-agent': options.userAgent,
        ...(authorization !== undefined && { authorization }),
        ...Object.fromEntries(headers),
        'sec-websocket-protocol': protocol,
      },
      perMessageDeflate: false,
      maxPayload: MAX_MESSAGE,
    });
    scope.onStop = () => socket.terminate();
    return new Promise((resolve, reject) => {
      socket.once('open', () => {
        socket.pause();
        resolve({ socket });
      });
      socket.once('unexpected-response', (_, answer) => {
        void readRefusal(answer)
          .then((refusal) => resolve({ refusal }), reject)
          .finally(() => socket.terminate());
      });
      // The library takes no subprotocol with a slash, as Kubernetes' has, so it is not told of any.
      socket.once('upgrade', ({ headers }) => {
        const chosen = headers['sec-websocket-protocol'];
        delete headers['sec-websocket-protocol'];
        if (chosen === protocol) return;
        reject(new Error(`it answered ${chosen ?? 'no subprotocol'} and not ${protocol}`));
        socket.terminate();
      });
      socket.on('error', reject);
    });
  };

  return {
    async open(path, protocol, call = {}) {
      const what = `GET ${base.origin}${prefix}${path.split('?', 1)[0]}`;
      if (closed)
        throw new KubeError(`${what}: the client is closed.`, { reason: 'cancelled', outcome: 'not_sent' });
      const scope = new Scope(call.timeoutMs ?? options.defaultTimeoutMs, call.signal, live);
      try {
        let credentials = await scope.race(credentialsNow());
        for (let renewed = false; ; renewed = true) {
          if (scope.stopped) throw scope.error(what, 'not_sent');
          const found = await scope.race(attempt(path, protocol, credentials, scope));
          if ('socket' in found) {
            scope.clearDeadline();
            return { what, socket: found.socket, scope };
          }
          const { refusal } = found;
          if (refusal.code === 401 && !renewed && connection.credentials) {
            connection.credentials.renew(credentials);
            const fresh = await scope.race(credentialsNow());
            if (fresh !== credentials) {
              credentials = fresh;
              continue;
            }
          }
          throw statusError(what, refusal, false);
        }
      } catch (cause) {
        scope.end();
        if (cause instanceof KubeError) throw cause;
        if (scope.stopped) throw scope.error(what, 'not_sent');
        throw new KubeError(`${what}: no WebSocket to the API server: ${reasonOf(cause)}`, {
          reason: 'unreachable',
          outcome: 'not_sent',
          cause,
        });
      }
    },

    close() {
      closed = true;
      for (const scope of live)
        scope.stop({ kind: 'cancelled', text: 'was cancelled: the client was closed' });
    },
  };
}

interface Refusal {
  code: number;
  retryAfter: string | undefined;
  body: Buffer;
}

async function readRefusal(answer: IncomingMessage): Promise<Refusal> {
  const chunks: Buffer[] = [];
  let size = 0;
  const timer = setTimeout(() => answer.destroy(), ERROR_BODY_MS);
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > ERROR_BODY) break;
    }
  } catch {
    // What has come will do for an error's text.
  } finally {
    clearTimeout(timer);
  }
  const { statusCode: code = 0, headers } = answer;
  return { code, retryAfter: headers['retry-after'], body: Buffer.concat(chunks) };
}
