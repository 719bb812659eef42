import { XiError, errorOf } from './error.js';
import { functions } from './functions.gen.js';
import type { Functions } from './functions.gen.js';
import { pause, retryDelayMs } from './retry.js';
import { createStream } from './stream.js';
import type { Stream } from './stream.js';

export interface ClientOptions {
  /** Where the server is: `http://localhost:8080`. */
  baseUrl: string;
  /** A bearer token, or a function that is asked for one before each request. */
  token?: string | (() => string | Promise<string>);
  /** Instead of the global `fetch`. */
  fetch?: typeof fetch;
  /** More headers for every request. */
  headers?: Record<string, string>;
  /**
   * How often a read is tried again after a failed connection, a 429 or a 503; 2 by default. Streams and functions that
   * change anything are sent once, whatever this says.
   */
  retries?: number;
}

export interface ReadOptions {
  /** Ends the call; it then rejects with the signal's reason. */
  signal?: AbortSignal;
  /** The server's deadline for the call. */
  timeoutSeconds?: number;
  /** Names the call in the server's log; the server makes an id when absent. */
  requestId?: string;
}

export interface ChangeOptions extends ReadOptions {
  /** Everything but the storing: the API server checks the change and answers as if it were made. */
  dryRun?: boolean;
}

type Options<F> = F extends { effect: 'read' } ? ReadOptions : ChangeOptions;
type Args<F extends { params: unknown }> =
  Record<never, never> extends F['params']
    ? [params?: F['params'], options?: Options<F>]
    : [params: F['params'], options?: Options<F>];

type Method<F extends { params: unknown; item: unknown; result: unknown; mode: string }> =
  F['mode'] extends 'stream'
    ? (...args: Args<F>) => Stream<F['item'], F['result']>
    : F['mode'] extends 'progress'
      ? {
          (...args: Args<F>): Promise<F['result']>;
          /** The same call with `wait: true`, as a stream: how far it is, item by item, then the result. */
          progress(...args: Args<F>): Stream<F['item'], F['result']>;
        }
      : (...args: Args<F>) => Promise<F['result']>;

/** A method for every function of the server. */
export type Client = { readonly [K in keyof Functions]: Method<Functions[K]> };

/** A call as it is sent. */
interface Sending {
  readonly name: string;
  readonly params: object;
  readonly options: ChangeOptions;
  readonly accept: string;
  readonly reads: boolean;
  /** Whether something may have changed when it fails. */
  readonly mayChange: boolean;
}

const NDJSON = 'application/x-ndjson';

/** Makes a client. It holds no connection and needs no closing. */
export function createClient({ baseUrl, token, headers = {}, retries = 2, ...rest }: ClientOptions): Client {
  const base = `${baseUrl.replace(/\/+$/, '')}/v1/functions/`;
  const fetchIt = rest.fetch ?? fetch;

  /** Sends a call once. @throws XiError, or the reason of the caller's signal */
  async function send(
    { name, params, options, accept, mayChange }: Sending,
    signal: AbortSignal | undefined,
  ) {
    const bearer = typeof token === 'function' ? await token() : token;
    let response: Response;
    try {
      response = await fetchIt(`${base}${name}${options.dryRun === true ? '?dry_run=true' : ''}`, {
        method: 'POST',
        // The server sends nobody elsewhere, and whoever else does so must not make us send a change again.
        redirect: 'error',
        body: JSON.stringify(params),
        headers: {
          ...headers,
          accept,
          'content-type': 'application/json',
          ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
          ...(options.timeoutSeconds === undefined
            ? {}
            : { 'x-timeout-seconds': String(options.timeoutSeconds) }),
          ...(options.requestId === undefined ? {} : { 'x-request-id': options.requestId }),
        },
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      throw lost(error, `${baseUrl} gave no answer`, mayChange, signal);
    }
    if (response.ok) return response;
    const error = await errorOf(response);
    signal?.throwIfAborted();
    throw error;
  }

  /** Sends a call and reads its result. */
  async function once(sending: Sending): Promise<unknown> {
    const { signal } = sending.options;
    const response = await send(sending, signal);
    let text: string;
    try {
      text = await response.text();
    } catch (error) {
      throw lost(error, `${baseUrl} broke off its answer`, sending.mayChange, signal);
    }
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new XiError(
        {
          code: 'bad_gateway',
          status: response.status,
          detail: `${baseUrl} answered something that is not JSON.`,
        },
        error,
      );
    }
  }

  async function call(sending: Sending): Promise<unknown> {
    for (let tried = 0; ; tried++) {
      try {
        return await once(sending);
      } catch (error) {
        const delay = sending.reads && tried < retries ? retryDelayMs(error, tried) : undefined;
        if (delay === undefined) throw error;
        await pause(delay, sending.options.signal);
      }
    }
  }

  const stream = (sending: Sending): Stream<unknown, unknown> =>
    createStream({
      signal: sending.options.signal,
      changes: sending.mayChange,
      open: async (signal) => {
        const { body } = await send(sending, signal);
        if (body !== null) return body;
        throw new XiError({ code: 'bad_gateway', status: 502, detail: `${baseUrl} sent no stream.` });
      },
    });

  const methods: Record<string, unknown> = {};
  for (const [name, { mode, effect }] of Object.entries(functions)) {
    const sending = (accept: string, params: object, options: ChangeOptions): Sending => ({
      name,
      params,
      options,
      accept,
      reads: effect === 'read',
      mayChange: effect !== 'read' && options.dryRun !== true,
    });
    const unary = (params: object = {}, options: ChangeOptions = {}) =>
      call(sending('application/json', params, options));
    const streamed = (params: object = {}, options: ChangeOptions = {}) =>
      stream(sending(NDJSON, params, options));
    const progress = (params: object = {}, options: ChangeOptions = {}) =>
      streamed({ wait: true, ...params }, options);
    methods[name] =
      mode === 'stream' ? streamed : mode === 'progress' ? Object.assign(unary, { progress }) : unary;
  }
  return methods as Client;
}

/** The error of a call without an answer. A change may have happened all the same. */
function lost(error: unknown, what: string, mayChange: boolean, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted === true) return signal.reason;
  const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const detail = `${what}: ${reason instanceof Error ? reason.message : String(reason)}`;
  return new XiError(
    { code: 'unreachable', status: 0, detail, ...(mayChange ? { outcome: 'unknown' } : {}) },
    error,
  );
}
