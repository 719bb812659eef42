/** From a request to the method that answers it. */
import type { Handler } from './types.js';
import type { HttpRequest, HttpResponse } from './http.js';
import { pathOnly } from './http.js';
import type { Encoding } from './codec.js';
import type { Settings } from './call.js';
import { StreamMethod, UnaryMethod } from './method.js';
import { answerError, startUnary } from './unary-call.js';
import { startStream } from './stream-call.js';
import { discard } from './body.js';
import { ConnectError } from './error.js';
import { encodingOf } from './request-headers.js';

export interface HandlerOptions {
  /** Bytes that a request's message may have, decompressed too. Default 4 MiB. More is `resource_exhausted`. */
  readonly maxBytes?: number | undefined;
  /** Milliseconds in which a request's message must have come. Default 30,000. */
  readonly bodyTimeoutMs?: number | undefined;
  /**
   * Told of whatever an implementation threw that is no ConnectError: the caller sees `internal` without its text.
   * @param path the method's path
   */
  readonly onError?: ((error: unknown, path: string) => void) | undefined;
  /** When it fires, open streams end with `unavailable`, and no new ones are opened. Unary calls are answered on. */
  readonly stopping?: AbortSignal | undefined;
}

/** Answers a request and says so, or answers false and leaves it untouched: its path belongs to none of the methods. */
export type ConnectHandler = (request: HttpRequest, response: HttpResponse) => boolean;

const ACCEPT_POST = {
  unary: 'application/json, application/proto',
  server_streaming: 'application/connect+json, application/connect+proto',
};

/**
 * Serves methods that `unary` and `serverStream` made, on requests of `node:http` and of `node:http2`'s compatibility API.
 * Nothing of the request may have been read, and nothing of the response written.
 * @throws TypeError for a handler that was made otherwise, or for two of one path.
 */
export function createHandler(handlers: Iterable<Handler>, options: HandlerOptions = {}): ConnectHandler {
  const methods = methodsByPath(handlers);
  const services = new Set([...methods.keys()].map(serviceOf));
  const settings = settingsOf(options);
  return (request, response) => {
    const url = request.url ?? '';
    const method = methods.get(url) ?? methods.get(pathOnly(url));
    if (method !== undefined) serve(method, { request, response, settings });
    else if (services.has(serviceOf(pathOnly(url)))) refuseUnknown({ request, response, settings });
    else return false;
    return true;
  };
}

function methodsByPath(handlers: Iterable<Handler>): Map<string, UnaryMethod | StreamMethod> {
  const methods = new Map<string, UnaryMethod | StreamMethod>();
  for (const handler of handlers) {
    if (!(handler instanceof UnaryMethod) && !(handler instanceof StreamMethod)) {
      throw new TypeError(`${handler.path} was not made by unary() or serverStream()`);
    }
    if (methods.has(handler.path)) throw new TypeError(`${handler.path} has two handlers`);
    methods.set(handler.path, handler);
  }
  return methods;
}

function settingsOf({
  maxBytes = 4 << 20,
  bodyTimeoutMs = 30_000,
  onError,
  stopping,
}: HandlerOptions): Settings {
  const streams: Settings['streams'] = new Set();
  const stop = (): void => streams.forEach((stream) => stream.serverStops());
  stopping?.addEventListener('abort', stop, { once: true });
  return { maxBytes, bodyTimeoutMs, onError: onError ?? (() => undefined), streams, stopping };
}

interface On {
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  readonly settings: Settings;
}

function serve(method: UnaryMethod | StreamMethod, on: On): void {
  if (on.request.method !== 'POST') return refuseMethod(method, on);
  const type = on.request.headers['content-type'];
  if (method.kind === 'unary') {
    const encoding = UNARY.get(type) ?? encodingOf(type, '');
    if (encoding === undefined) refuseType(method, on);
    else startUnary(method, encoding, on);
    return;
  }
  const encoding = encodingOf(type, 'connect+');
  if (encoding === undefined) refuseType(method, on);
  else startStream(method, encoding, on);
}

/** What nearly every caller sends. */
const UNARY: ReadonlyMap<string | undefined, Encoding> = new Map([
  ['application/json', 'json'],
  ['application/proto', 'proto'],
]);

function refuseMethod(method: Handler, { request, response, settings }: On): void {
  discard(request, settings.bodyTimeoutMs);
  const error = new ConnectError(
    'unknown',
    `${method.path} is called with POST, and not with ${request.method}`,
  );
  answerError(response, error, { status: 405, headers: ['allow', 'POST'] });
}

function refuseType(method: Handler, { request, response, settings }: On): void {
  discard(request, settings.bodyTimeoutMs);
  const accepted = ACCEPT_POST[method.kind];
  const type = request.headers['content-type'] ?? 'none';
  const error = new ConnectError(
    'unknown',
    `${method.path} takes ${accepted}, and the content type is ${type}`,
  );
  answerError(response, error, { status: 415, headers: ['accept-post', accepted] });
}

function refuseUnknown({ request, response, settings }: On): void {
  discard(request, settings.bodyTimeoutMs);
  const path = pathOnly(request.url);
  const error = new ConnectError('unimplemented', `${path} is no method of its service`);
  answerError(response, error, { status: 404 });
}

/** `/package.Service/`: the path up to and with its second slash; empty when it has none. */
function serviceOf(path: string): string {
  return path.slice(0, path.indexOf('/', 1) + 1);
}
