/** Sends calls: credentials, deadlines, retries, and what a failure means. The rules of resending live here only. */
import { KubeError } from './errors.js';
import type { CallOptions } from './kube.js';
import type { Connection, Credentials } from './connection.js';
import { parseObject, statusError } from './answers.js';
import { backoffMs } from './backoff.js';
import type { Backoff } from './backoff.js';
import { Exchange } from './exchange.js';

import type { HttpRequest, Reader } from './exchange.js';
import { createListReader } from './list-reader.js';
import type { KubeList } from './objects.js';
import { createPoolSource } from './pools.js';
import { Scope } from './scope.js';

export interface KubeLog {
  debug(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

export interface CallerOptions {
  defaultTimeoutMs: number;
  retries: number;
  backoff: Backoff;
  userAgent: string;
  connections: number;
  log: KubeLog | undefined;
}

export interface Call {
  method: HttpRequest['method'];
  path: string;
  contentType?: string | undefined;
  body?: unknown;
  /** Makes what takes the body of a success as it comes, for each attempt anew. */
  reader?: (() => Reader) | undefined;
}

export interface Caller {
  /** Answers the object of a success. */
  call<T>(call: Call, options?: CallOptions): Promise<T>;
  /** Answers a list of what `project` keeps of each object; it is parsed as it comes. */
  list<T, P>(call: Call, project: (object: T) => P, options?: CallOptions): Promise<KubeList<P>>;
  /** The bytes of a success's body. The time limit is that of the opening; an open stream ends at the signal only. */
  stream(call: Call, options?: CallOptions): AsyncGenerator<Buffer, void, undefined>;
  close(): Promise<void>;
}

const NO_CREDENTIALS: Credentials = Object.freeze({});
const TRANSIENT_CODES = new Set([429, 500, 502, 503, 504]);
/** Bytes that are read of an error's body on a stream. */
const ERROR_BODY = 64 * 1024;

export function createCaller(connection: Connection, options: CallerOptions): Caller {
  const { origin, pathname } = new URL(connection.url);
  const prefix = pathname.replace(/\/+$/, '');
  const pools = createPoolSource(connection, options.connections);
  const live = new Set<Scope>();
  let closed = false;

  const nameOf = (call: Call) => `${call.method} ${origin}${prefix}${call.path.split('?', 1)[0]}`;

  const credentialsNow = (scope: Scope): Credentials | Promise<Credentials> => {
    const got = connection.credentials?.get() ?? NO_CREDENTIALS;
    return got instanceof Promise ? scope.race(got) : got;
  };

  const start = (
    call: Call,
    body: string | undefined,
    credentials: Credentials,
    mode: 'whole' | 'stream',
  ) => {
    const headers = [
      'accept',
      mode === 'stream' ? '*/*' : 'application/json',
      'user-agent',
      options.userAgent,
    ];
    if (credentials.authorization !== undefined) headers.push('authorization', credentials.authorization);
    for (const [name, value] of credentials.headers ?? []) headers.push(name, value);
    if (body !== undefined) headers.push('content-type', call.contentType ?? 'application/json');
    const { calls, streams } = pools.for(credentials);
    const request = { method: call.method, path: prefix + call.path, headers, body };
    return new Exchange(mode === 'stream' ? streams : calls, request, mode, call.reader?.());
  };

  /** One request and its answer's headers (`stream`) or all of it. Throws KubeError, also for an error status. */
  const attempt = async (call: Call, body: string | undefined, scope: Scope, mode: 'whole' | 'stream') => {
    const change = call.method !== 'GET';
    let credentials = await credentialsNow(scope);
    for (let renewed = false; ; renewed = true) {
      if (scope.stopped) throw scope.error(nameOf(call), 'not_sent');
      const exchange = start(call, body, credentials, mode);
      await answered(call, scope, exchange);
      if (exchange.code >= 200 && exchange.code < 300) return exchange;

      const text = mode === 'stream' ? await firstBytes(exchange) : exchange.body();
      if (exchange.code === 401 && !renewed && connection.credentials) {
        connection.credentials.renew(credentials);
        const fresh = await credentialsNow(scope);
        if (fresh !== credentials) {
          credentials = fresh;
          continue;
        }
      }
      const answer = { code: exchange.code, retryAfter: exchange.headers['retry-after'], body: text };
      throw statusError(nameOf(call), answer, change);
    }
  };

  const answered = async (call: Call, scope: Scope, exchange: Exchange): Promise<void> => {
    scope.onStop = () => exchange.cancel(new Error('stopped'));
    try {
      await exchange.answered;
    } catch (cause) {
      const outcome = exchange.sent && call.method !== 'GET' ? 'unknown' : 'not_sent';
      if (scope.stopped) throw scope.error(nameOf(call), outcome);
      const cut = exchange.code !== 0;
      throw new KubeError(
        `${nameOf(call)}: ${cut ? "the API server's answer was cut short" : 'no answer from the API server'}: ${reasonOf(cause)}`,
        { reason: cut ? 'bad_answer' : 'unreachable', outcome, cause },
      );
    }
  };

  const closedError = (call: Call) =>
    new KubeError(`${nameOf(call)}: the client is closed.`, { reason: 'cancelled', outcome: 'not_sent' });

  /** Runs a call until it succeeds, fails for good, or may not be sent again. */
  const withRetries = async (call: Call, scope: Scope): Promise<Exchange> => {
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    for (let failures = 1; ; failures++) {
      try {
        return await attempt(call, body, scope, 'whole');
      } catch (error) {
        if (!(error instanceof KubeError) || failures > options.retries || !mayResend(error)) throw error;
        const waitMs = Math.max(backoffMs(options.backoff, failures), (error.retryAfterSeconds ?? 0) * 1000);
        if (waitMs >= scope.remainingMs()) throw error;
        options.log?.debug(
          { call: nameOf(call), err: error, failures, waitMs },
          'a call to the API server is tried again',
        );
        await scope.sleep(waitMs);
      }
    }
  };

  /** The answer of a call, all of it. */
  const whole = async (call: Call, callOptions: CallOptions): Promise<Exchange> => {
    if (closed) throw closedError(call);
    const scope = new Scope(callOptions.timeoutMs ?? options.defaultTimeoutMs, callOptions.signal, live);
    try {
      return await withRetries(call, scope);
    } finally {
      scope.end();
    }
  };

  return {
    async call<T>(call: Call, callOptions: CallOptions = {}): Promise<T> {
      const exchange = await whole(call, callOptions);
      return parseObject<T>(() => nameOf(call), exchange.body(), call.method !== 'GET');
    },

    async list<T, P>(call: Call, project: (object: T) => P, callOptions: CallOptions = {}) {
      // Of several attempts the last has the answer.
      let reader = createListReader(project);
      await whole({ ...call, reader: () => (reader = createListReader(project)) }, callOptions);
      return reader.end((text) => parseObject<KubeList<T>>(() => nameOf(call), text, false));
    },

    async *stream(call, callOptions = {}) {
      if (closed) throw closedError(call);
      const scope = new Scope(callOptions.timeoutMs ?? options.defaultTimeoutMs, callOptions.signal, live);
      try {
        const exchange = await attempt(call, undefined, scope, 'stream');
        scope.clearDeadline();
        try {
          for await (const chunk of exchange.stream()) {
            if (scope.stopped) break;
            yield chunk;
          }
        } catch (cause) {
          if (scope.stopped) throw scope.error(nameOf(call), 'not_sent');
          throw new KubeError(`${nameOf(call)}: the connection was lost: ${reasonOf(cause)}`, {
            reason: 'unreachable',
            outcome: 'not_sent',
            cause,
          });
        }
        if (scope.stopped) throw scope.error(nameOf(call), 'not_sent');
      } finally {
        scope.end();
      }
    },

    async close() {
      closed = true;
      for (const scope of live)
        scope.stop({ kind: 'cancelled', text: 'was cancelled: the client was closed' });
      await pools.destroy();
    },
  };
}

/**
 * Reads may go out again after any passing trouble; changes only when they surely did not happen: never sent, or refused
 * with 429. A read's outcome is never `unknown`, so that one rule serves both.
 */
function mayResend(error: KubeError): boolean {
  if (error.outcome === 'unknown') return false;
  if (error.reason === 'status') return TRANSIENT_CODES.has(error.code ?? 0);
  return (error.reason === 'unreachable' || error.reason === 'bad_answer') && !isLasting(error.cause);
}

/** Certificates that do not fit will not fit in a second either. */
const isLasting = (cause: unknown) =>
  cause === undefined ||
  /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/.test(String((cause as { code?: unknown }).code));

async function firstBytes(exchange: Exchange): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of exchange.stream()) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > ERROR_BODY) break;
    }
  } catch {
    // What has come will do for an error's text.
  }
  return Buffer.concat(chunks);
}

/** undici's and Node's errors in a few words; an AggregateError of several addresses has none of its own. */
export function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.message === '') return cause.errors.map(reasonOf).join(', ');
  return cause instanceof Error ? cause.message : String(cause);
}
