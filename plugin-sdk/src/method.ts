/** Methods of small parameters: read from the query and the body, answered as JSON. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ConnectError, UnaryCall, answerError, discard } from '../../connect/index.js';
import type { CallContext, CallSettings } from '../../connect/index.js';

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

function requestOf(name: string, request: IncomingMessage, body: Buffer): MethodRequest {
  const url = request.url ?? '';
  const at = url.indexOf('?');
  const query = at < 0 ? '' : url.slice(at + 1);
  const params = { ...fromQuery(query), ...fromBody(name, request.headers['content-type'], body) };
  return { method: name, params, query, text: (parameter) => textOf(name, params, parameter) };
}

/** A method where it is served. */
export interface ServedMethod {
  readonly name: string;
  readonly method: Method;
  readonly settings: CallSettings;
}

/** Answers one call of a method. */
export function answer(served: ServedMethod, request: IncomingMessage, response: ServerResponse): void {
  if (request.method === 'GET' || request.method === 'POST')
    return new MethodCall(served, request, response).start();
  discard(request, served.settings.bodyTimeoutMs);
  const refusal = new ConnectError(
    'unimplemented',
    `${served.name} answers GET and POST, not ${request.method}`,
  );
  answerError(response, refusal, { status: 405, headers: ['allow', 'GET, POST'] });
}

class MethodCall extends UnaryCall implements MethodContext {
  constructor(
    private readonly served: ServedMethod,
    request: IncomingMessage,
    response: ServerResponse,
  ) {
    super(request, response, served.settings);
  }

  get caller(): string | undefined {
    return this.header('x-plugin-caller');
  }

  protected run(body: Buffer): void {
    void this.#run(body);
  }

  async #run(body: Buffer): Promise<void> {
    const { method, name } = this.served;
    try {
      const result = await method(requestOf(name, this.request, body), this);
      this.send('application/json', JSON.stringify(result ?? {}));
    } catch (error) {
      const refusal = this.errorOf(error, `${name} failed; the plugin's log says why`);
      this.refuse(refusal, refusal instanceof Unsupported ? 415 : undefined);
    }
  }
}
