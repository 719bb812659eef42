/** Calls to a service of others, through the host's router. */
import sendRequest from 'undici/lib/api/api-request.js';
import type { DescMethodServerStreaming, DescMethodUnary } from '@bufbuild/protobuf';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { ConnectError, errorOfAnswer } from '../../connect/index.js';
import type { CallOptions, ConnectClient } from '../../connect/index.js';
import { readWhole } from './body.js';
import type { Dependency, Provider } from './dependency.js';
import { identityHeaders } from './link.js';
import type { Host, Link } from './link.js';

/** A request of its own making, for `ServiceClient.request`. */
export interface RawRequest {
  /** What follows the service's path, with its query: `Get?code=abc`. */
  readonly path: string;
  /** Default: POST. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | Readable;
  readonly signal?: AbortSignal;
}

/** What a service answered. The body must be read to its end, or destroyed. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable;
}

/**
 * A service that another plugin provides, wherever that one is now. Each call goes to the provider that the host names; when
 * it is gone the host is asked again. What fails rejects with ConnectError; `unavailable` when nobody provides the service. A
 * call is sent a second time only when the router says that it did not reach a plugin.
 */
export interface ServiceClient extends Pick<ConnectClient, 'unary' | 'stream'> {
  readonly type: string;
  /** Whether somebody provides it, as far as is known now. */
  available(): boolean;
  /** Waits until somebody does. Rejects with the signal's reason. */
  whenAvailable(signal?: AbortSignal): Promise<void>;
  /** Calls a method with JSON parameters, and answers its JSON. A deadline of 10 s unless `timeoutMs` says otherwise. */
  call<Result = unknown>(method: string, params?: object, options?: CallOptions): Promise<Result>;
  /** Sends any request; bodies are streamed both ways. Answers whatever came, errors included, and never sends twice. */
  request(request: RawRequest): Promise<RawAnswer>;
}

const TIMEOUT_MS = 10_000;
/** Largest answer of a call; `request` has no such bound. */
const ANSWER_BYTES = 16 << 20;
/** How long a call waits for a host that has forgotten this plugin to know it again. */
const RENEWAL_MS = 3_000;

/** Set by the router on what it answers itself, without having sent anything to a plugin. */
const NOT_SENT = 'x-plugin-not-sent';

/** Where a call goes. */
interface Way {
  readonly host: Host;
  readonly provider: Provider;
}

/** What failed, and whether the router kept it back. */
interface Failure {
  readonly error: ConnectError;
  readonly notSent: boolean;
}

export function createService(link: Link, dependency: Dependency): ServiceClient {
  const { type } = dependency;

  const way = async (): Promise<Way> => {
    const provider = dependency.provider() ?? (await dependency.find());
    const host = link.host();
    if (host === undefined)
      throw new ConnectError('unavailable', `${type} is not called: no host knows this plugin`);
    return { host, provider };
  };

  /** Finds out in the background what a failure means for the next call. */
  const learn = ({ host }: Way, { code }: ConnectError): void => {
    if (code === 'unauthenticated') link.doubt(host.identity);
    if (code === 'unavailable' || code === 'not_found' || code === 'unimplemented') dependency.doubt();
  };

  /** Makes a second try worth while. Rejects when it is not. */
  const recover = async ({ host }: Way, { code }: ConnectError, signal: AbortSignal): Promise<void> => {
    if (code === 'unauthenticated') await renewed(link, host, signal);
    await dependency.find();
  };

  const callOnce = async (at: Way, method: string, body: string, bounds: Bounds): Promise<unknown> => {
    const { host, provider } = at;
    const {
      statusCode: status,
      headers,
      body: answer,
    } = await dispatch(host, {
      path: `${provider.path}/${method}`,
      method: 'POST',
      headers: {
        ...bounds.headers,
        'content-type': 'application/json',
        'connect-protocol-version': '1',
        'connect-timeout-ms': String(Math.ceil(bounds.timeoutMs)),
      },
      body,
      signal: bounds.signal,
    });
    const bytes = await readWhole(answer, ANSWER_BYTES).catch((error: unknown) => {
      answer.destroy();
      throw error;
    });
    if (status === 200) return jsonOf(`${type}/${method}`, headers, bytes);
    const error = errorOfAnswer(status, textOf(headers['content-type']), bytes);
    throw new Failed({ error, notSent: headers[NOT_SENT] !== undefined });
  };

  const call = async (method: string, params: object, bounds: Bounds): Promise<unknown> => {
    const body = JSON.stringify(params);
    for (let again = false; ; again = true) {
      const at = await way();
      try {
        return await callOnce(at, method, body, bounds);
      } catch (thrown) {
        const { error, notSent } = failureOf(thrown, bounds, `${type}/${method}`);
        if (again || !notSent) {
          learn(at, error);
          throw error;
        }
        await recover(at, error, bounds.signal);
      }
    }
  };

  return {
    type,
    available: () => dependency.provider() !== undefined,
    whenAvailable: dependency.whenThere,
    async call<Result>(method: string, params: object = {}, options: CallOptions = {}) {
      const bounds = boundsOf(options);
      try {
        return (await call(method, params, bounds)) as Result;
      } finally {
        bounds.end();
      }
    },
    async unary(method, request, options) {
      const at = await way();
      try {
        return await at.host.client.unary(routed(method, at.provider), request, options);
      } catch (error) {
        learn(at, ConnectError.from(error));
        throw error;
      }
    },
    async *stream(method, request, options) {
      const at = await way();
      try {
        yield* at.host.client.stream(routed(method, at.provider), request, options);
      } catch (error) {
        learn(at, ConnectError.from(error));
        throw error;
      }
    },
    async request({ path, method = 'POST', headers = {}, body, signal }) {
      const at = await way();
      const {
        statusCode,
        headers: answered,
        body: answer,
      } = await dispatch(at.host, {
        path: `${at.provider.path}/${path}`,
        method,
        headers,
        body,
        signal,
      }).catch((error: unknown) => {
        throw ConnectError.from(error);
      });
      if (answered[NOT_SENT] !== undefined) dependency.doubt();
      return { status: statusCode, headers: answered, body: answer };
    },
  };
}

/** A method with the path that the router has for it; the client makes paths of a service's name. */
const routed = <M extends DescMethodUnary | DescMethodServerStreaming>(method: M, { path }: Provider): M => ({
  ...method,
  parent: { ...method.parent, typeName: path.slice(1) },
});

/** A call that was answered with an error. */
class Failed extends Error {
  constructor(readonly failure: Failure) {
    super(failure.error.message);
  }
}

/** How long a call may take, and what ends it. */
interface Bounds {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly headers: Readonly<Record<string, string>>;
  timedOut(): boolean;
  end(): void;
}

function boundsOf({ signal, timeoutMs = TIMEOUT_MS, headers = {} }: CallOptions): Bounds {
  const ending = new AbortController();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    ending.abort();
  }, timeoutMs);
  const left = (): void => ending.abort(signal?.reason);
  if (signal?.aborted === true) left();
  else signal?.addEventListener('abort', left, { once: true });
  return {
    signal: ending.signal,
    timeoutMs,
    headers,
    timedOut: () => timedOut,
    end() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', left);
    },
  };
}

function failureOf(thrown: unknown, { signal, timedOut, timeoutMs }: Bounds, what: string): Failure {
  if (thrown instanceof Failed) return thrown.failure;
  const notSent = false;
  if (timedOut())
    return {
      notSent,
      error: new ConnectError('deadline_exceeded', `${what} took more than ${timeoutMs} ms`),
    };
  if (signal.aborted)
    return { notSent, error: new ConnectError('canceled', `${what} was called off`, { cause: thrown }) };
  return { notSent, error: ConnectError.from(thrown) };
}

/** A request as it goes to the host. */
interface Outgoing {
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | Readable | undefined;
  readonly signal: AbortSignal | undefined;
}

async function dispatch(
  { identity, pool, prefix }: Host,
  request: Outgoing,
): Promise<Dispatcher.ResponseData> {
  const { method, body = null, signal = null } = request;
  const path = prefix + request.path;
  try {
    const headers = { ...request.headers, ...identityHeaders(identity) };
    return await sendRequest.call(pool, { path, method, headers, body, signal });
  } catch (cause) {
    const { code, message } = ConnectError.from(cause);
    if (code !== 'unavailable') throw cause;
    throw new ConnectError(code, `the host ${identity.hostUrl} cannot be reached: ${message}`, { cause });
  }
}

const textOf = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value[0] : value;

function jsonOf(what: string, headers: RawAnswer['headers'], bytes: Buffer): unknown {
  if (bytes.length === 0) return {};
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    const type = textOf(headers['content-type']) ?? 'something without a type';
    throw new ConnectError('internal', `${what} answered ${type}, which is no JSON; use request() for it`, {
      cause,
    });
  }
}

/** Waits until the host, or another one, knows this plugin by a new identity. */
async function renewed(link: Link, host: Host, signal: AbortSignal): Promise<void> {
  link.doubt(host.identity);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(RENEWAL_MS)]);
  await once(host.gone, limit);
  await link.whenKnown(limit).catch(() => undefined);
}

/** Resolves when either fires. */
function once(...signals: AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const any = AbortSignal.any(signals);
    if (any.aborted) return resolve();
    any.addEventListener('abort', () => resolve(), { once: true });
  });
}
