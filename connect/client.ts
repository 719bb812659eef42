/** Calls to Connect servers over pooled connections. */
import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import type { Dispatcher } from 'undici';
import request from 'undici/lib/api/api-request.js';
import Pool from 'undici/lib/dispatcher/pool.js';
import type { CallOptions, ConnectClient } from './types.js';
import type { Encoding } from './codec.js';
import { decode, encode } from './codec.js';
import { COMPRESSED, END_OF_STREAM, EnvelopeReader, envelope } from './envelope.js';
import { ConnectError, errorOfAnswer, errorOfJson } from './error.js';
import { codeOfStatus } from './codes.js';
import { pathOf } from './method.js';
import type { Bound } from './bound.js';
import { bound, timeoutHeader } from './bound.js';
import { wholeBody } from './body.js';

export interface ClientOptions {
  /** `http://127.0.0.1:8080`, with a path before the services' if they have one. */
  readonly baseUrl: string | URL;
  /** Sent with each call; a function is asked at each. A call's own headers win. */
  readonly headers?: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>) | undefined;
  /** Milliseconds that a unary call may take where it says nothing itself. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** Messages as JSON and not in binary. Default false. */
  readonly json?: boolean | undefined;
  /** Bytes that a message of an answer may have. Default 4 MiB. */
  readonly maxBytes?: number | undefined;
}

interface Connection {
  readonly pool: Pool;
  readonly address: string;
  readonly prefix: string;
  readonly encoding: Encoding;
  readonly maxBytes: number;
  headers(call: CallOptions): Record<string, string>;
}

/**
 * A client of one server. Connections are opened when they are needed, as many as there are calls at once, and kept.
 * @throws TypeError when the base URL is none.
 */
export function createConnectClient(options: ClientOptions): ConnectClient {
  const connection = connectionOf(options);
  const { timeoutMs = 10_000 } = options;
  return {
    unary: (method, request, call = {}) =>
      callUnary(connection, { method, request, call: { ...call, timeoutMs: call.timeoutMs ?? timeoutMs } }),
    stream: (method, request, call = {}) => callStream(connection, { method, request, call }),
    close: () => connection.pool.destroy(),
  };
}

function connectionOf({
  baseUrl,
  headers = {},
  json = false,
  maxBytes = 4 << 20,
}: ClientOptions): Connection {
  const url = new URL(baseUrl);
  // undici's own timers would end quiet streams; each call is bounded by its own deadline.
  const pool = new Pool(url.origin, { headersTimeout: 0, bodyTimeout: 0, connect: { timeout: 10_000 } });
  return {
    pool,
    address: url.origin,
    prefix: url.pathname.replace(/\/+$/, ''),
    encoding: json ? 'json' : 'proto',
    maxBytes,
    headers: (call) => ({ ...(typeof headers === 'function' ? headers() : headers), ...call.headers }),
  };
}

interface Calling<M> {
  readonly method: M;
  readonly request: MessageInitShape<
    M extends DescMethodUnary | DescMethodServerStreaming ? M['input'] : never
  >;
  readonly call: CallOptions;
}

async function callUnary<M extends DescMethodUnary>(
  connection: Connection,
  { method, request, call }: Calling<M>,
): Promise<MessageShape<M['output']>> {
  const { encoding, maxBytes } = connection;
  const limits = bound(call);
  try {
    const body = encode(method.input, encoding, request as MessageInitShape<M['input']>);
    const type = `application/${encoding}`;
    const response = await send(connection, { path: pathOf(method), type, body, call, limits });
    const bytes = await wholeBody(response.body, maxBytes);
    const answered = contentType(response);
    if (response.statusCode !== 200) throw errorOfAnswer(response.statusCode, answered, bytes);
    requireType(answered, type);
    requirePlain(response, 'content-encoding');
    return decodeAnswer(method.output as M['output'], encoding, bytes);
  } catch (error) {
    throw errorOfCall(error, { address: connection.address, limits });
  } finally {
    limits.done();
  }
}

async function* callStream<M extends DescMethodServerStreaming>(
  connection: Connection,
  { method, request, call }: Calling<M>,
): AsyncGenerator<MessageShape<M['output']>, void> {
  const { encoding } = connection;
  const limits = bound(call);
  try {
    const message = encode(method.input, encoding, request as MessageInitShape<M['input']>);
    const type = `application/connect+${encoding}`;
    const body = envelope(0, message);
    const response = await send(connection, { path: pathOf(method), type, body, call, limits });
    for await (const bytes of messagesOf(response, { type, maxBytes: connection.maxBytes })) {
      yield decodeAnswer(method.output as M['output'], encoding, bytes);
    }
  } catch (error) {
    throw errorOfCall(error, { address: connection.address, limits });
  } finally {
    limits.done();
  }
}

/** A message that is none is here the other side's fault. */
function decodeAnswer<M extends DescMessage>(schema: M, encoding: Encoding, bytes: Buffer): MessageShape<M> {
  try {
    return decode(schema, encoding, bytes);
  } catch (error) {
    const { message, cause } = ConnectError.from(error);
    throw new ConnectError('internal', message, { cause });
  }
}

/** The messages of a stream up to its last, which is an error or nothing. */
async function* messagesOf(
  response: Dispatcher.ResponseData,
  { type, maxBytes }: { type: string; maxBytes: number },
): AsyncGenerator<Buffer, void> {
  const answered = contentType(response);
  if (response.statusCode !== 200) {
    throw errorOfAnswer(response.statusCode, answered, await wholeBody(response.body, maxBytes));
  }
  try {
    requireType(answered, type);
  } catch (error) {
    // A body that nobody reads would keep its connection.
    response.body.on('error', () => undefined).destroy();
    throw error;
  }
  const reader = new EnvelopeReader(maxBytes);
  for await (const chunk of response.body) {
    for (const { flags, bytes } of reader.take(chunk as Buffer)) {
      if ((flags & COMPRESSED) !== 0) throw new ConnectError('internal', 'a message is compressed, unasked');
      if ((flags & END_OF_STREAM) !== 0) return endOfStream(bytes);
      yield bytes;
    }
  }
  throw new ConnectError('internal', 'the stream broke off before its last message');
}

function endOfStream(bytes: Buffer): void {
  const { error } = Object(JSON.parse(bytes.toString())) as { error?: unknown };
  const told = errorOfJson(error);
  if (told !== undefined) throw told;
}

interface Sending {
  readonly path: string;
  readonly type: string;
  readonly body: Buffer;
  readonly call: CallOptions;
  readonly limits: Bound;
}

function send(
  connection: Connection,
  { path, type, body, call, limits }: Sending,
): Promise<Dispatcher.ResponseData> {
  const headers: Record<string, string> = {
    ...connection.headers(call),
    'content-type': type,
    'connect-protocol-version': '1',
  };
  if (call.timeoutMs !== undefined) headers['connect-timeout-ms'] = timeoutHeader(call.timeoutMs);
  return request.call(connection.pool, {
    method: 'POST',
    path: connection.prefix + path,
    headers,
    body,
    signal: limits.signal,
  });
}

function contentType({ headers }: Dispatcher.ResponseData): string | undefined {
  const type = headers['content-type'];
  return Array.isArray(type) ? type.join(', ') : type;
}

/** As the protocol has it: what looks like no Connect answer is `unknown`, one in another encoding `internal`. */
function requireType(answered: string | undefined, expected: string): void {
  if (answered?.split(';')[0]?.trim().toLowerCase() === expected) return;
  const related = answered?.startsWith(expected.replace(/(json|proto)$/, '')) === true;
  const message = `it answered with the content type ${answered ?? 'none'}, and ${expected} was expected`;
  throw new ConnectError(related ? 'internal' : codeOfStatus(200), message);
}

function requirePlain({ headers }: Dispatcher.ResponseData, name: string): void {
  const encoding = headers[name];
  if (encoding === undefined || encoding === 'identity') return;
  throw new ConnectError('internal', `it answered in the encoding ${String(encoding)}, unasked`);
}

/** Why a call failed: its own bounds, what the other side told, or the connection, with the address. */
function errorOfCall(error: unknown, { address, limits }: { address: string; limits: Bound }): ConnectError {
  const reached = limits.reached();
  if (reached !== undefined) return reached;
  if (error instanceof ConnectError) return error;
  const { code } = ConnectError.from(error);
  const message = error instanceof Error ? wordsOf(error) : String(error);
  return new ConnectError(code, `${address}: ${message}`, { cause: error });
}

/** Several addresses of one name fail together, with an empty message and their errors beside it. */
function wordsOf(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map((one) => (one as Error).message).join(', ');
  return error.message;
}
