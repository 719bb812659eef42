/** Calls to a service of others, through the host's router. */
import sendRequest from 'undici/lib/api/api-request.js';
import type { DescMethodServerStreaming, DescMethodUnary } from '@bufbuild/protobuf';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { ConnectError, bound, errorOfAnswer, timeoutHeader, wholeBody } from '../../connect/index.js';
import type { Bound, CallOptions, ConnectClient } from '../../connect/index.js';
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
 * it is gone the host is asked again. While no host knows this plugin, as right after its start, a call waits for one: until its
 * deadline, or for 10 s. What fails rejects with ConnectError; `unavailable` when nobody provides the service. A call is sent a
 * second time only when the router says that it did not reach a plugin.
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
/** How long a second try waits for a host that has forgotten this plugin to know it again. */
const RENEWAL_MS = 3_000;

/** Set by the router on what it answers itself, without having sent anything to a plugin. */
const NOT_SENT = 'x-plugin-not-sent';

/** When a call ends at the latest. */
type Ends = Pick<Bound, 'signal'>;

/** Where a call goes. */
interface Way {
  readonly host: Host;
  readonly provider: Provider;
}

export function createService(link: Link, dependency: Dependency): ServiceClient {
  const { type } = dependency;

  /** The host is asked once for all who call; each waits for no longer than it says itself. */
  const find = ({ signal }: Ends): Promise<Provider> => Promise.race([dependency.find(), ending(signal)]);

  const way = async (ends: Ends): Promise<Way> => {
    await known(ends);
    const provider = dependency.provider() ?? (await find(ends));
    return { host: await known(ends), provider };
  };

  /** The first handshake may be under way, or one with a host that has forgotten this plugin. */
  const known = async ({ signal }: Ends): Promise<Host> => link.host() ?? (await link.whenKnown(signal));

  /** The way of a call that ends when its caller says so; the way itself does in any case. */
  const wayWithin = async ({ signal, timeoutMs = TIMEOUT_MS }: CallOptions): Promise<Way> => {
    const limits = bound({ signal, timeoutMs });
    try {
      return await way(limits);
    } catch (error) {
      throw limited(limits, type, link) ?? ConnectError.from(error);
    } finally {
      limits.done();
    }
  };

  /** Finds out in the background what a failure means for the next call. */
  const learn = ({ host }: Way, { code }: ConnectError): void => {
    if (code === 'unauthenticated') link.doubt(host.identity);
    if (code === 'unavailable' || code === 'not_found' || code === 'unimplemented') dependency.doubt();
  };

  /** Makes a second try worth while. Rejects when it is not. */
  const recover = async ({ host }: Way, { code }: ConnectError, { signal }: Ends): Promise<void> => {
    if (code === 'unauthenticated') await renewed(link, host, signal);
    await find({ signal });
  };

  const callOnce = async ({ host, provider }: Way, method: string, outgoing: Outgoing): Promise<unknown> => {
    const path = `${provider.path}/${method}`;
    const { statusCode: status, headers, body: answer } = await dispatch(host, path, outgoing);
    const bytes = await wholeBody(answer, ANSWER_BYTES);
    if (status === 200) return jsonOf(`${type}/${method}`, headers, bytes);
    const error = errorOfAnswer(status, textOf(headers['content-type']), bytes);
    throw headers[NOT_SENT] === undefined ? error : new NotSent(error);
  };

  const call = async (method: string, outgoing: Outgoing & Ends): Promise<unknown> => {
    for (let again = false; ; again = true) {
      const at = await way(outgoing);
      try {
        return await callOnce(at, method, outgoing);
      } catch (thrown) {
        const error = ConnectError.from(thrown);
        if (again || !(error instanceof NotSent)) {
          learn(at, error);
          throw error;
        }
        await recover(at, error, outgoing);
      }
    }
  };

  return {
    type,
    available: () => dependency.provider() !== undefined,
    whenAvailable: async (signal) => void (await dependency.whenThere(signal)),
    async call<Result>(method: string, params: object = {}, options: CallOptions = {}) {
      const { signal, timeoutMs = TIMEOUT_MS, headers = {} } = options;
      const limits = bound({ signal, timeoutMs });
      try {
        const outgoing = {
          method: 'POST',
          headers: {
            ...headers,
            'content-type': 'application/json',
            'connect-protocol-version': '1',
            'connect-timeout-ms': timeoutHeader(timeoutMs),
          },
          body: JSON.stringify(params),
          signal: limits.signal,
        };
        return (await call(method, outgoing)) as Result;
      } catch (error) {
        throw limited(limits, `${type}/${method}`, link) ?? ConnectError.from(error);
      } finally {
        limits.done();
      }
    },
    async unary(method, request, options = {}) {
      const rest = remaining(options);
      const at = await wayWithin(options);
      try {
        return await at.host.client.unary(routed(method, at.provider), request, rest());
      } catch (error) {
        learn(at, ConnectError.from(error));
        throw error;
      }
    },
    async *stream(method, request, options = {}) {
      const rest = remaining(options);
      const at = await wayWithin(options);
      try {
        yield* at.host.client.stream(routed(method, at.provider), request, rest());
      } catch (error) {
        learn(at, ConnectError.from(error));
        throw error;
      }
    },
    async request({ path, method = 'POST', headers = {}, body, signal }) {
      const at = await wayWithin({ signal });
      const outgoing = { method, headers, body, signal };
      const answer = await dispatch(at.host, `${at.provider.path}/${path}`, outgoing).catch(
        (cause: unknown) => {
          if (signal?.aborted === true)
            throw new ConnectError('canceled', `${type}/${path}: the call was canceled`, { cause });
          throw ConnectError.from(cause);
        },
      );
      if (answer.headers[NOT_SENT] !== undefined) dependency.doubt();
      return { status: answer.statusCode, headers: answer.headers, body: answer.body };
    },
  };
}

/** A method with the path that the router has for it; the client makes paths of a service's name. */
const routed = <M extends DescMethodUnary | DescMethodServerStreaming>(method: M, { path }: Provider): M => ({
  ...method,
  parent: { ...method.parent, typeName: path.slice(1) },
});

/** An error of the router, which sent nothing to a plugin. */
class NotSent extends ConnectError {
  constructor({ code, message, details }: ConnectError) {
    super(code, message, { details });
  }
}

/** The bound that ended a call, if one did, and what the call waited for where that is known. */
function limited(limits: Bound, what: string, link: Link): ConnectError | undefined {
  const reached = limits.reached();
  if (reached === undefined) return undefined;
  const waited = link.host() === undefined ? ', and no host knows this plugin yet' : '';
  return new ConnectError(reached.code, `${what}: ${reached.message}${waited}`, { cause: reached });
}

/** Answers what is left of a call's time when it is asked. */
function remaining(options: CallOptions): () => CallOptions {
  const { timeoutMs } = options;
  const started = performance.now();
  if (timeoutMs === undefined) return () => options;
  return () => ({ ...options, timeoutMs: Math.max(1, timeoutMs - (performance.now() - started)) });
}

/** A request as it goes to the host. */
interface Outgoing {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | Readable | undefined;
  readonly signal: AbortSignal | undefined;
}

async function dispatch(
  { identity, pool, prefix }: Host,
  path: string,
  { method, headers, body, signal }: Outgoing,
): Promise<Dispatcher.ResponseData> {
  try {
    return await sendRequest.call(pool, {
      path: prefix + path,
      method,
      headers: { ...headers, ...identityHeaders(identity) },
      body: body ?? null,
      signal: signal ?? null,
    });
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

/** Rejects with the signal's reason. */
function ending(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => reject(signal.reason as Error);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

/** Resolves when either fires. */
function once(...signals: AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const any = AbortSignal.any(signals);
    if (any.aborted) return resolve();
    any.addEventListener('abort', () => resolve(), { once: true });
  });
}
