/**
 * The Connect protocol on Node's own HTTP.
 *
 * Serving: `createHandler([unary(Method, implementation), serverStream(Method, implementation)], options?)` gives
 * `(request, response) => boolean`, false when the path is none of its methods; `listenBoth({ host, port, onRequest })`
 * gives `Promise<{ port, close(graceMs?) }>`, one port for HTTP/1.1 and h2c.
 * Calling: `createConnectClient({ baseUrl, headers?, timeoutMs?, json? })` gives `{ unary, stream, close }`.
 * Failing: `new ConnectError(code, message, { details?, cause? })`, `ConnectError.from(unknown)`, `errorBody(code, message)`.
 */
export type {
  CallContext,
  CallOptions,
  Code,
  ConnectClient,
  Handler,
  StreamImplementation,
  UnaryImplementation,
} from './types.js';
export { codeOfStatus, isCode, statusOf } from './codes.js';
export { ConnectError, errorBody, errorOfAnswer } from './error.js';
export type { ConnectErrorOptions, ErrorDetail } from './error.js';
export { serverStream, unary } from './method.js';
export { createHandler } from './handler.js';
export type { ConnectHandler, HandlerOptions } from './handler.js';
export { UnaryCall, answerError } from './unary-call.js';
export type { CallSettings } from './call.js';
export { discard, wholeBody } from './body.js';
export { bound, timeoutHeader } from './bound.js';
export type { Bound } from './bound.js';
export { answerJson, endAtOnce, onClosed, pathOnly } from './http.js';
export type { HttpRequest, HttpResponse } from './http.js';
export { listenBoth } from './listen.js';
export type { ListenOptions, Listener } from './listen.js';
export { createConnectClient } from './client.js';
export type { ClientOptions } from './client.js';
