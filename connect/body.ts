/** Bodies, whole and bounded. */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { HttpRequest } from './http.js';
import { ConnectError } from './error.js';

/** Who waits for a body. One of the two is called once; the second also when the caller leaves. */
export interface BodySink {
  body(bytes: Buffer): void;
  failed(error: ConnectError): void;
}

export interface BodyLimits {
  readonly maxBytes: number;
  /** Milliseconds until the last byte must have come. */
  readonly bodyTimeoutMs: number;
}

const READER = Symbol('body reader');
type Read = IncomingMessage & { [READER]: BodyReader };

const EMPTY = Buffer.alloc(0);

/** Reads a body and tells the sink. With a Content-Length it does so with the last byte, and waits for no end. */
export function readBody(request: IncomingMessage, limits: BodyLimits, sink: BodySink): void {
  const length = lengthOf(request);
  if (length > limits.maxBytes) {
    discard(request, limits.bodyTimeoutMs);
    return sink.failed(tooLarge(length, limits.maxBytes));
  }
  const reader = new BodyReader(request, sink, { limits, length });
  (request as Read)[READER] = reader;
  request.on('data', onData);
  if (length < 0) request.on('end', onEnd);
  else if (length === 0) return reader.finish();
  reader.arm();
}

/** How long a body is; -1 where only its end will tell. */
function lengthOf({ headers, httpVersionMajor }: IncomingMessage): number {
  const told = headers['content-length'];
  if (told !== undefined) return Number(told);
  // HTTP/1.1 tells of each body, and HTTP/2 need not.
  return httpVersionMajor === 1 && headers['transfer-encoding'] === undefined ? 0 : -1;
}

function onData(this: IncomingMessage, chunk: Buffer): void {
  (this as Read)[READER].take(chunk);
}

function onEnd(this: IncomingMessage): void {
  const reader = (this as Read)[READER];
  if (isCutOff(this)) reader.leave();
  else reader.finish();
}

/** HTTP/2 requests end in Node's eyes also when they are reset in their middle. */
function isCutOff(request: HttpRequest): boolean {
  return 'stream' in request && (request.stream.aborted || request.stream.rstCode !== 0);
}

function onClose(this: IncomingMessage): void {
  (this as Read)[READER].leave();
}

/**
 * Reads and throws away what is still to come of a request that is refused, so that its caller gets to read the answer. A
 * caller that goes on sending beyond the time is cut off.
 */
export function discard(request: HttpRequest, forMs: number): void {
  if (request.complete) return void request.resume();
  // Node tells nothing of a request whose answer was its connection's last.
  const timer = setTimeout(() => cut(request), forMs).unref();
  const ended = (): void => clearTimeout(timer);
  request.once('end', ended);
  request.once('close', ended);
  request.resume();
}

function cut(request: HttpRequest): void {
  if ('stream' in request) request.stream.close();
  else request.destroy();
}

/** What a message larger than the limit is answered with. */
export function tooLarge(size: number, maxBytes: number): ConnectError {
  return new ConnectError(
    'resource_exhausted',
    `the message has ${size} bytes, and at most ${maxBytes} are taken`,
  );
}

class BodyReader {
  #sink: BodySink | undefined;
  #first: Buffer | undefined;
  #chunks: Buffer[] | undefined;
  #size = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #request: IncomingMessage;
  readonly #limits: BodyLimits;
  readonly #length: number;

  constructor(
    request: IncomingMessage,
    sink: BodySink,
    { limits, length }: { limits: BodyLimits; length: number },
  ) {
    this.#request = request;
    this.#sink = sink;
    this.#limits = limits;
    this.#length = length;
  }

  /** Bounds the time until the end. */
  arm(): void {
    this.#timer = setTimeout(onSlow, this.#limits.bodyTimeoutMs, this).unref();
  }

  take(chunk: Buffer): void {
    if (this.#sink === undefined) return;
    this.#size += chunk.length;
    if (this.#size > this.#limits.maxBytes) return this.fail(tooLarge(this.#size, this.#limits.maxBytes));
    if (this.#first === undefined) {
      this.#first = chunk;
      if (this.#size !== this.#length) this.#request.on('close', onClose);
    } else (this.#chunks ??= [this.#first]).push(chunk);
    if (this.#size === this.#length) this.finish();
  }

  finish(): void {
    const sink = this.#sink;
    const bytes =
      this.#chunks === undefined ? (this.#first ?? EMPTY) : Buffer.concat(this.#chunks, this.#size);
    this.drop();
    sink?.body(bytes);
  }

  leave(): void {
    const sink = this.#sink;
    this.drop();
    sink?.failed(new ConnectError('canceled', 'the caller left before its message was whole'));
  }

  fail(error: ConnectError): void {
    const sink = this.#sink;
    this.drop();
    discard(this.#request, this.#limits.bodyTimeoutMs);
    sink?.failed(error);
  }

  drop(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#sink = this.#first = this.#chunks = undefined;
  }
}

function onSlow(reader: BodyReader): void {
  reader.fail(new ConnectError('deadline_exceeded', 'the message did not come whole in time'));
}

/**
 * An answer's body. By events, as an iteration costs as much as the rest of a small call. Rejects with ConnectError
 * `resource_exhausted` beyond the limit, and otherwise with what broke the body off; it is destroyed then.
 */
export function wholeBody(body: Readable, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const fail = (error: Error): void => {
      reject(error);
      body.destroy();
    };
    body.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBytes) chunks.push(chunk);
      else fail(new ConnectError('resource_exhausted', `the answer has more than ${maxBytes} bytes`));
    });
    body.on('end', () => resolve(Buffer.concat(chunks, size)));
    body.on('error', fail);
    body.on('close', () => reject(brokenOff()));
  });
}

const brokenOff = (): Error =>
  Object.assign(new Error('the connection ended before the body'), { code: 'ECONNRESET' });

const inflate = promisify(gunzip);
const deflate = promisify<Buffer, Buffer>(gzip);

/**
 * The bytes that were compressed.
 * @throws ConnectError resource_exhausted when they are more than the limit, invalid_argument when they are no gzip.
 */
export async function decompress(bytes: Buffer, maxBytes: number): Promise<Buffer> {
  try {
    return await inflate(bytes, { maxOutputLength: maxBytes });
  } catch (cause) {
    if (cause instanceof RangeError) {
      const message = `the message has more than ${maxBytes} bytes when it is decompressed, the most that are taken`;
      throw new ConnectError('resource_exhausted', message, { cause });
    }
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConnectError('invalid_argument', `the message is no gzip: ${why}`, { cause });
  }
}

/** Messages below this many bytes go out as they are: to compress them costs more than it saves. */
export const COMPRESS_FROM_BYTES = 1024;

export const compress = (bytes: Buffer): Promise<Buffer> => deflate(bytes);

/** Whether a list of encodings names gzip, and not with `q=0`. */
export function takesGzip(accepted: string | undefined): boolean {
  if (accepted === undefined) return false;
  return accepted.split(',').some((one) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/i.test(one));
}
