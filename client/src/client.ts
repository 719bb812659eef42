import { errorOf, lost } from './error.js';
import { functions } from './functions.gen.js';
import type { Functions } from './functions.gen.js';
import { pause, retryDelayMs } from './retry.js';
import { createStream } from './stream.js';
import type { Stream } from './stream.js';

export interface ClientOptions {
  /** Where the server is: `http://localhost:8080`. */
  baseUrl: string;
  /** A bearer token, or a function that is asked for one before each request. */
  token?: string | (() => string | Promise<string>) | undefined;
  /** Instead of the global `fetch`. */
  fetch?: typeof fetch | undefined;
  /** More headers for every request. */
  headers?: Record<string, string> | undefined;
  /**
   * How often a read is tried again after a failed connection, a 429 or a 503; 2 by default. Streams and functions that
   * change anything are sent once, whatever this says.
   */
  retries?: number | undefined;
}

export interface ReadOptions {
  /** Ends the call, on the server too; it then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** The server's deadline for the call; a read that is tried again has it anew. */
  timeoutSeconds?: number | undefined;
  /** Names the call in the server's log; the server makes an id when absent. */
  requestId?: string | undefined;
}

export interface ChangeOptions extends ReadOptions {
  /** Everything but the storing: the API server checks the change and answers as if it were made. */
  dryRun?: boolean | undefined;
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
  readonly accept: 'application/json' | 'application/x-ndjson';
  /** Whether something may have changed when it fails. */
  readonly mayChange: boolean;
}

/**
 * Makes a client. It holds no connection and needs no closing.
 * @throws TypeError when `baseUrl` is no address
 */
export function createClient({ baseUrl, token, headers, retries = 2, ...rest }: ClientOptions): Client {
  if (!/^https?:\/\//i.test(baseUrl) || !URL.canParse(baseUrl))
    throw new TypeError(
      `baseUrl must be an address such as http://localhost:8080, and is ${JSON.stringify(baseUrl)}`,
    );
  const base = `${baseUrl.replace(/\/+$/, '')}/v1/functions/`;
  const fetchIt = rest.fetch ?? fetch;

  async function headersOf({ accept, options }: Sending): Promise<Headers> {
    const all = new Headers(headers);
    all.set('accept', accept);
    all.set('content-type', 'application/json');
    const bearer = typeof token === 'function' ? await token() : token;
    if (bearer !== undefined) all.set('authorization', `Bearer ${bearer}`);
    if (options.timeoutSeconds !== undefined) all.set('x-timeout-seconds', String(options.timeoutSeconds));
    if (options.requestId !== undefined) all.set('x-request-id', options.requestId);
    return all;
  }

  /** Sends a call once. @throws XiError, or the signal's reason */
  async function send(sending: Sending, signal: AbortSignal | undefined): Promise<Response> {
    const { name, params, options, mayChange } = sending;
    signal?.throwIfAborted();
    // Before the try: what cannot be put on the wire is the program's fault, not the network's.
    const body = JSON.stringify(params);
    const all = await headersOf(sending);
    let response: Response;
    try {
      response = await fetchIt(`${base}${name}${options.dryRun === true ? '?dry_run=true' : ''}`, {
        method: 'POST',
        // The server sends nobody elsewhere, and whoever else does so must not make us send a change again.
        redirect: 'manual',
        body,
        headers: all,
        signal: signal ?? null,
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw lost(`${baseUrl} gave no answer`, mayChange, error);
    }
    if (response.ok) return response;
    const text = await response.text().catch(() => '');
    signal?.throwIfAborted();
    throw errorOf(response, text, mayChange);
  }

  /** Sends a call once and reads its result. */
  async function once(sending: Sending): Promise<unknown> {
    const { signal } = sending.options;
    const response = await send(sending, signal);
    let text: string;
    try {
      text = await response.text();
    } catch (error) {
      signal?.throwIfAborted();
      throw lost(`${baseUrl} broke off its answer`, sending.mayChange, error);
    }
    try {
      return JSON.parse(text);
    } catch {
      throw errorOf(response, text, sending.mayChange);
    }
  }

  async function call(sending: Sending, tries: number): Promise<unknown> {
    for (let tried = 1; ; tried++) {
      try {
        return await once(sending);
      } catch (error) {
        const delay = tried < tries ? retryDelayMs(error, tried) : undefined;
        if (delay === undefined) throw error;
        await pause(delay, sending.options.signal);
      }
    }
  }

  const stream = (sending: Sending): Stream<unknown, unknown> =>
    createStream({
      signal: sending.options.signal,
      cut: (why, cause) =>
        lost(`${baseUrl} cut the stream before its last line: ${why}`, sending.mayChange, cause),
      open: async (signal) => (await send(sending, signal)).body,
    });

  const methods: Record<string, unknown> = {};
  for (const [name, { mode, effect }] of Object.entries(functions)) {
    const reads = effect === 'read';
    const sending = (accept: Sending['accept'], params: object, options: ChangeOptions): Sending => ({
      name,
      params,
      options,
      accept,
      mayChange: !reads && options.dryRun !== true,
    });
    const streamed = (params: object = {}, options: ChangeOptions = {}) =>
      stream(sending('application/x-ndjson', params, options));
    const progress = (params: object = {}, options: ChangeOptions = {}) =>
      streamed({ ...params, wait: true }, options);
    const unary = (params: { wait?: boolean } = {}, options: ChangeOptions = {}) =>
      // A wait is read as a stream: its heartbeats keep connections that fetch and proxies would give up as dead.
      mode === 'progress' && params.wait === true
        ? streamed(params, options).result
        : call(sending('application/json', params, options), reads ? 1 + retries : 1);
    methods[name] =
      mode === 'stream' ? streamed : mode === 'progress' ? Object.assign(unary, { progress }) : unary;
  }
  return methods as Client;
}
