/** What calls have in common with HTTP: requests and answers of both of its versions, read and written the same way. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';

/** A request of HTTP/1.1, or of HTTP/2 by Node's compatibility API. */
export type HttpRequest = IncomingMessage | Http2ServerRequest;
export type HttpResponse = ServerResponse | Http2ServerResponse;

/**
 * A request header by its lower-case name; several of one name are joined by ", ". HTTP/1.1 servers need Node's
 * `joinDuplicateHeaders` for the names that Node takes the first of otherwise; `listenBoth` sets it.
 */
export function headerOf(request: HttpRequest, name: string): string | undefined {
  if (request.httpVersionMajor === 2) return joined(request.rawHeaders, name);
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

/** Node's HTTP/2 keeps only the first of some headers; the raw list has all. */
function joined(raw: readonly string[], name: string): string | undefined {
  let found: string | undefined;
  for (let at = 0; at < raw.length; at += 2) {
    if (raw[at] === name) found = found === undefined ? raw[at + 1] : `${found}, ${raw[at + 1]}`;
  }
  return found;
}

/** A request's URL without its query. */
export function pathOnly(url = ''): string {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
}

/** Whether the caller can no longer be answered. */
export function isClosed(response: HttpResponse): boolean {
  if ('stream' in response) return response.stream.destroyed || response.stream.closed;
  return response.destroyed || response.req.socket.destroyed;
}

/**
 * Tells, at least once, when an answer is out or its caller has left. Node (before 24) tells nothing of that to an answer of
 * HTTP/1.1 that waits behind another one on its connection: it has no socket yet.
 */
export function onClosed(response: HttpResponse, closed: () => void): void {
  const plain = response as ServerResponse;
  plain.on('close', closed);
  if ('stream' in response || plain.socket !== null) return;
  const waiting = waitingOn(plain.req.socket);
  waiting.add(closed);
  plain.on('close', () => waiting.delete(closed));
}

/** Who waits on a connection behind other answers. One listener for all: a caller may send many requests at once. */
const WAITING = new WeakMap<Socket, Set<() => void>>();

function waitingOn(socket: Socket): Set<() => void> {
  const known = WAITING.get(socket);
  if (known !== undefined) return known;
  const waiting = new Set<() => void>();
  WAITING.set(socket, waiting);
  socket.once('close', () => {
    for (const closed of waiting) closed();
  });
  return waiting;
}

/** Answers with these headers (names and values in turn) and a body, in one write where HTTP/1.1 has it so. */
export function answer(
  response: HttpResponse,
  status: number,
  headers: string[],
  body: string | Buffer,
): void {
  const plain = response as ServerResponse;
  // A write to a response whose connection is gone would be an error without a listener.
  if (plain.headersSent || isClosed(response)) return;
  plain.writeHead(status, headers);
  if (typeof body === 'string') endAtOnce(response, body, 'utf8');
  else if (body.length > SMALL) plain.end(body);
  else endAtOnce(response, body.toString('latin1'), 'latin1');
}

/** Bodies up to so many bytes are copied to go out together with the headers. */
const SMALL = 16 * 1024;

/**
 * Sends the headers and the whole body in one write. Node puts a text behind the headers, and bytes apart from them; latin1 keeps
 * bytes as they are. At the end it writes once more, nothing, and both by writev, which costs half as much again as a plain write,
 * unless the first is on its way by then.
 */
export function endAtOnce(response: HttpResponse, body: string, encoding: 'latin1' | 'utf8'): void {
  const plain = response as ServerResponse;
  if ('stream' in response) return void plain.end(body, encoding);
  plain.write(body, encoding);
  plain.socket?.uncork();
  plain.end();
}

/** Answers with a value as JSON. */
export function answerJson(
  response: HttpResponse,
  status: number,
  { value, headers = [] }: { value: unknown; headers?: string[] },
): void {
  const body = JSON.stringify(value);
  const length = String(Buffer.byteLength(body));
  answer(response, status, ['content-type', 'application/json', 'content-length', length, ...headers], body);
}
