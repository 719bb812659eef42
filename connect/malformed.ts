/** Answers to what is no good HTTP/1.1: there is no request yet that a handler could answer. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Code } from './types.js';
import { errorBody } from './error.js';

const KNOWN: Readonly<Record<string, readonly [status: string, code: Code, message: string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'resource_exhausted',
    'the headers are too large or too many',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    '408 Request Timeout',
    'deadline_exceeded',
    'the headers did not come whole in time',
  ],
};

/** For a server's `clientError`: an answer, as far as one can be written, and the connection's end. */
export function answerMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const known = KNOWN[error.code ?? ''];
  const [status, code, message] = known ?? [
    '400 Bad Request',
    'invalid_argument',
    `this is no HTTP/1.1: ${error.message}`,
  ];
  const body = errorBody(code, message);
  const head = `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
  socket.end(`${head}\r\nConnection: close\r\n\r\n${body.toString()}`);
}

/** For a request with more headers than are taken: `more than 128 headers`. */
export function refuseHeaders(request: IncomingMessage, response: ServerResponse, tooMuch: string): void {
  request.resume();
  const body = errorBody('resource_exhausted', `the request has ${tooMuch}`);
  const close = request.httpVersionMajor === 1 ? { connection: 'close' } : {};
  response.writeHead(431, { 'content-type': 'application/json', 'content-length': body.length, ...close });
  response.end(body);
}
