/** Which headers a call carries on, and what the router itself reads of them. */
import type { OutgoingHttpHeaders } from 'node:http2';
import { badRequest, NOT_SENT, Refusal } from './refusal.js';

/** Of one connection, by RFC 9110 7.6.1 and its ancestors, and those of the message's framing, which the router sets. */
const OF_THE_CONNECTION: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'content-length',
  'trailer',
]);

/** What only the router may tell a plugin of its caller, and what must not be told. */
const OF_THE_CALLER: ReadonlySet<string> = new Set([
  'host',
  'expect',
  'authorization',
  'x-plugin-runtime-id',
  'x-plugin-caller',
  'forwarded',
  'x-real-ip',
]);

const LINE_BREAK = /[\r\n\0]/;
const LENGTH = /^\d{1,15}$/;

/** A call's headers, as the router needs them. */
export interface CallHeaders {
  readonly runtimeId: string | undefined;
  readonly authorization: string | undefined;
  /** Milliseconds that the caller gives the call. */
  readonly timeoutMs: number | undefined;
  /** Bytes of the body, when the caller said how many. */
  readonly length: number | undefined;
  /** Whether a body of unknown length follows (over HTTP/1.1). */
  readonly chunked: boolean;
  readonly grpc: boolean;
  /** A stream of the Connect protocol. */
  readonly streams: boolean;
  /** Name and value by turns: what the plugin gets to see. */
  readonly forward: string[];
}

class Reader implements CallHeaders {
  runtimeId: string | undefined;
  authorization: string | undefined;
  timeoutMs: number | undefined;
  length: number | undefined;
  chunked = false;
  grpc = false;
  streams = false;
  connection: string | undefined;
  cookies: string | undefined;
  readonly forward: string[] = [];

  read(name: string, value: string): void {
    if (LINE_BREAK.test(value)) throw badRequest(`the header ${name} holds a line break`);
    if (this.known(name, value)) return;
    if (!isReserved(name)) this.forward.push(name, value);
  }

  /** Takes what the router reads; true for what goes no further. */
  private known(name: string, value: string): boolean {
    switch (name) {
      case 'x-plugin-runtime-id':
        this.runtimeId = once(name, this.runtimeId, value);
        return true;
      case 'authorization':
        this.authorization = once(name, this.authorization, value);
        return true;
      case 'content-length':
        this.length = readLength(value, this.length);
        return true;
      case 'transfer-encoding':
        // Node frames by the last coding alone; what the others did to the body would get lost.
        if (this.chunked || value.trim().toLowerCase() !== 'chunked') throw unknownCoding();
        this.chunked = true;
        return true;
      case 'connection':
        this.connection = this.connection === undefined ? value : `${this.connection},${value}`;
        return true;
      case 'te':
        // The one value that is meant for the plugin too: gRPC asks for it.
        if (/\btrailers\b/i.test(value)) this.forward.push('te', 'trailers');
        return true;
      case 'trailer':
        this.forward.push('trailer', value);
        return true;
      case 'cookie':
        // HTTP/2 may split it, HTTP/1.1 may not.
        this.cookies = this.cookies === undefined ? value : `${this.cookies}; ${value}`;
        return true;
      case 'content-type':
        this.grpc = value.startsWith('application/grpc') && !value.startsWith('application/grpc-web');
        this.streams = /^application\/connect\+/i.test(value);
        return false;
      case 'connect-timeout-ms':
        this.timeoutMs = readConnectTimeout(value);
        return false;
      case 'grpc-timeout':
        this.timeoutMs = readGrpcTimeout(value);
        return false;
      default:
        return false;
    }
  }
}

/**
 * Reads a call's raw headers (name and value by turns).
 * @throws Refusal 401 for a doubled identity header, 400 for a timeout or length that is none, 501 for an unknown transfer coding.
 */
export function readCallHeaders(raw: readonly string[]): CallHeaders {
  const reader = new Reader();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!;
    if (name.charCodeAt(0) !== 0x3a) reader.read(name.toLowerCase(), raw[i + 1]!);
  }
  if (reader.cookies !== undefined) reader.forward.push('cookie', reader.cookies);
  if (reader.connection !== undefined) dropNamed(reader.forward, reader.connection);
  return reader;
}

/** The headers of a plugin's answer that its caller gets to see: its length is one of them, once, no other framing is. */
export function answerHeaders(status: number, raw: readonly string[]): string[] {
  const forward: string[] = [];
  let connection: string | undefined;
  // RFC 9110 8.6: this status has none.
  let measured = status === 204;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    if (name === 'connection') connection = `${connection ?? ''},${raw[i + 1]!}`;
    else if (name === 'content-length') {
      if (!measured) forward.push(raw[i]!, raw[i + 1]!);
      measured = true;
    } else if (!OF_THE_CONNECTION.has(name) && name !== NOT_SENT) forward.push(raw[i]!, raw[i + 1]!);
  }
  if (connection !== undefined) dropNamed(forward, connection);
  return forward;
}

/** As node:http2 takes headers; what comes several times is a list. */
export function objectOf(list: readonly string[], status?: number): OutgoingHttpHeaders {
  const headers = Object.create(null) as OutgoingHttpHeaders;
  if (status !== undefined) headers[':status'] = status;
  for (let i = 0; i + 1 < list.length; i += 2) {
    const name = list[i]!.toLowerCase();
    const before = headers[name];
    if (before === undefined) headers[name] = list[i + 1];
    else if (Array.isArray(before)) before.push(list[i + 1]!);
    else headers[name] = [String(before), list[i + 1]!];
  }
  return headers;
}

/** Trailers that may go on, either way: none that frames the message or says who calls. */
export function forwardedTrailers(raw: readonly string[]): string[] {
  const forward: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    if (!OF_THE_CONNECTION.has(name) && !isReserved(name)) forward.push(raw[i]!, raw[i + 1]!);
  }
  return forward;
}

/** The value of a header in a raw list, by its lower-case name. */
export function headerIn(raw: readonly string[], wanted: string): string | undefined {
  for (let i = 0; i + 1 < raw.length; i += 2) if (raw[i]!.toLowerCase() === wanted) return raw[i + 1];
  return undefined;
}

/** Underscores count as hyphens: to CGI-like servers `X_Plugin_Caller` is the same header. */
function isReserved(name: string): boolean {
  const plain = name.includes('_') ? name.replaceAll('_', '-') : name;
  return OF_THE_CALLER.has(plain) || OF_THE_CONNECTION.has(plain) || plain.startsWith('x-forwarded');
}

function dropNamed(headers: string[], connection: string): void {
  const named = connection
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter(
      (name) =>
        name !== '' &&
        name !== 'keep-alive' &&
        name !== 'close' &&
        name !== 'te' &&
        name !== 'content-length',
    );
  if (named.length === 0) return;
  for (let i = headers.length - 2; i >= 0; i -= 2)
    if (named.includes(headers[i]!.toLowerCase())) headers.splice(i, 2);
}

function once(name: string, before: string | undefined, value: string): string {
  if (before !== undefined)
    throw new Refusal(401, 'unauthenticated', `the header ${name} came twice; send it once`);
  return value;
}

const unknownCoding = (): Refusal =>
  new Refusal(501, 'unimplemented', 'the only transfer-encoding that the host knows is chunked, once', true);

function readLength(value: string, before: number | undefined): number {
  const length = Number(value);
  if (!LENGTH.test(value) || (before !== undefined && before !== length))
    throw badRequest('the header content-length is no number of bytes, or came twice');
  return length;
}

function readConnectTimeout(value: string): number {
  if (!/^\d{1,10}$/.test(value))
    throw badRequest('the header connect-timeout-ms must be a whole number of at most 10 digits');
  return Number(value);
}

const GRPC_UNITS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

function readGrpcTimeout(value: string): number {
  const match = /^(\d{1,8})([HMSmun])$/.exec(value);
  if (match === null)
    throw badRequest('the header grpc-timeout must be at most 8 digits and one of H, M, S, m, u, n');
  return Number(match[1]) * GRPC_UNITS[match[2]!]!;
}
