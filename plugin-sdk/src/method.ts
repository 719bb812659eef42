/** Methods of small parameters: read from the query and the body, answered as JSON. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ConnectError, answerError, headerOf } from '../../connect/index.js';
import type { CallContext } from '../../connect/index.js';
import { bodyOf } from './body.js';

/** What a method is asked. */
export interface MethodRequest {
  /** The method's name: `Store`. */
  readonly method: string;
  /** Parameters of the query and of the body (a JSON object or a form), which wins. Texts, but for what JSON says. */
  readonly params: Readonly<Record<string, unknown>>;
  /** The query as it came, not decoded, without its `?`. */
  readonly query: string;
  /** A parameter. Throws ConnectError `invalid_argument`, which names it, when it is missing, empty or no text. */
  text(name: string): string;
}

/** What a method knows of its call. */
export interface MethodContext extends CallContext {
  /** The runtime id of the plugin that calls, when it came through the host's router; undefined when it came directly. */
  readonly caller: string | undefined;
}

/**
 * Answers a call with what becomes JSON (`{}` for undefined). A ConnectError that it throws is the answer; any other error
 * is logged, and the caller learns only that the method failed.
 */
export type Method = (request: MethodRequest, context: MethodContext) => unknown;

function textOf(method: string, params: Readonly<Record<string, unknown>>, name: string): string {
  const value = Object.hasOwn(params, name) ? params[name] : undefined;
  if (typeof value === 'string' && value !== '') return value;
  const what = value === undefined || value === '' ? 'is missing' : 'must be a text';
  throw new ConnectError(
    'invalid_argument',
    `${method}: the parameter ${name} ${what}; give it as ?${name}=… or as JSON {"${name}":"…"}`,
  );
}

/** The first of several parameters of one name counts. */
const fromQuery = (query: string): Record<string, unknown> =>
  Object.fromEntries([...new URLSearchParams(query)].reverse());

function fromJson(method: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ConnectError('invalid_argument', `${method}: the body is no JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ConnectError('invalid_argument', `${method}: the body must be a JSON object of parameters`);
  return value as Record<string, unknown>;
}

function fromBody(method: string, contentType: string | undefined, body: Buffer): Record<string, unknown> {
  if (body.length === 0) return {};
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase();
  const text = body.toString('utf8');
  if (type === 'application/json') return fromJson(method, text);
  if (type === 'application/x-www-form-urlencoded') return fromQuery(text);
  throw new Unsupported(`${method} takes a body of application/json, or none, not of ${type ?? 'no type'}`);
}

/** A body of a type that no method takes. */
class Unsupported extends ConnectError {
  constructor(message: string) {
    super('invalid_argument', message);
  }
}

interface Answerer {
  readonly method: Method;
  readonly name: string;
  readonly bodyLimitBytes: number;
  readonly failed: (error: unknown, name: string) => void;
}

/** Answers with JSON, if nobody has answered and the caller is still there. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

function requestOf(name: string, request: IncomingMessage, body: Buffer): MethodRequest {
  const url = request.url ?? '';
  const at = url.indexOf('?');
  const query = at < 0 ? '' : url.slice(at + 1);
  const params = { ...fromQuery(query), ...fromBody(name, request.headers['content-type'], body) };
  return { method: name, params, query, text: (parameter) => textOf(name, params, parameter) };
}

/** Most methods never look at the signal, which costs as much as the rest of a small call. */
class Context implements MethodContext {
  private left: AbortController | undefined;

  constructor(
    private readonly request: IncomingMessage,
    private readonly response: ServerResponse,
  ) {}

  /** A property, so that methods may take it out of the context. */
  readonly header = (name: string): string | undefined => headerOf(this.request, name);

  get caller(): string | undefined {
    return this.header('x-plugin-caller');
  }

  get remoteAddress(): string {
    return this.request.socket.remoteAddress ?? '';
  }

  get signal(): AbortSignal {
    if (this.left !== undefined) return this.left.signal;
    const left = new AbortController();
    this.left = left;
    const end = (): void => left.abort();
    const limit = Number(this.header('connect-timeout-ms'));
    const timer = limit > 0 ? setTimeout(end, Math.min(limit, LONGEST_TIMER_MS)) : undefined;
    const { response } = this;
    if (response.destroyed && !response.writableFinished) end();
    response.once('close', () => {
      clearTimeout(timer);
      if (!response.writableFinished) end();
    });
    return left.signal;
  }
}

const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Answers one call of a method. Never rejects. */
export async function answer(
  { method, name, bodyLimitBytes, failed }: Answerer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'POST') {
    request.resume();
    const refusal = new ConnectError('unimplemented', `${name} answers GET and POST, not ${request.method}`);
    return answerError(response, refusal, { status: 405, headers: ['allow', 'GET, POST'] });
  }
  try {
    const body = await bodyOf(request, bodyLimitBytes);
    const result = await method(requestOf(name, request, body), new Context(request, response));
    sendJson(response, 200, result ?? {});
  } catch (error) {
    if (error instanceof Unsupported) return answerError(response, error, { status: 415 });
    if (error instanceof ConnectError) return answerError(response, error);
    failed(error, name);
    answerError(response, new ConnectError('internal', `${name} failed; the plugin's log says why`));
  }
}
