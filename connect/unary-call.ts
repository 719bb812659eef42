/** Unary calls, from their headers to their answers. */
import type { Message } from '@bufbuild/protobuf';
import type { HttpRequest, HttpResponse } from './http.js';
import { answer, answerJson, headerOf } from './http.js';
import type { Encoding } from './codec.js';
import { decode, encodeBinary, encodeJson } from './codec.js';
import type { BodySink } from './body.js';
import { COMPRESS_FROM_BYTES, compress, decompress, discard, readBody, takesGzip } from './body.js';
import type { Init, UnaryMethod } from './method.js';
import type { CallSettings } from './call.js';
import { Call } from './call.js';
import type { ConnectError } from './error.js';
import { statusOf } from './codes.js';
import { compression, timeoutOf, versionOf } from './request-headers.js';

const CONTENT_TYPE: Readonly<Record<Encoding, string>> = {
  json: 'application/json',
  proto: 'application/proto',
};
const NONE: string[] = [];

/** A call of one body that has one answer. What it does with the body is another's. */
export abstract class UnaryCall extends Call implements BodySink {
  #compressed = false;
  #answered = false;

  /** Reads the request. */
  start(): void {
    try {
      versionOf(this.request.headers);
      this.startDeadline(timeoutOf(this.request.headers));
      this.#compressed = compression(this.request.headers['content-encoding']);
    } catch (error) {
      discard(this.request, this.settings.bodyTimeoutMs);
      return this.refuse(this.errorOf(error));
    }
    readBody(this.request, this.settings, this);
  }

  body(bytes: Buffer): void {
    if (this.#compressed && bytes.length > 0) void this.#decompress(bytes);
    // Its deadline may have passed before it was there.
    else if (!this.#answered) this.run(bytes);
  }

  failed(error: ConnectError): void {
    this.refuse(error);
  }

  /** Does what the body asks for, and ends in `send` or `refuse`. Throws nothing. */
  protected abstract run(bytes: Buffer): void;

  async #decompress(bytes: Buffer): Promise<void> {
    try {
      const whole = await decompress(bytes, this.settings.maxBytes);
      if (!this.#answered) this.run(whole);
    } catch (error) {
      this.refuse(this.errorOf(error));
    }
  }

  /** Answers, unless the deadline did. */
  protected send(type: string, body: string | Buffer): void {
    if (this.#answered) return;
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    if (length < COMPRESS_FROM_BYTES || !takesGzip(headerOf(this.request, 'accept-encoding'))) {
      return this.#answer(body, ['content-type', type, 'content-length', String(length)]);
    }
    void this.#sendCompressed(type, body);
  }

  async #sendCompressed(type: string, body: string | Buffer): Promise<void> {
    try {
      const bytes = await compress(typeof body === 'string' ? Buffer.from(body) : body);
      const length = String(bytes.length);
      this.#answer(bytes, ['content-type', type, 'content-length', length, 'content-encoding', 'gzip']);
    } catch (error) {
      this.refuse(this.errorOf(error));
    }
  }

  #answer(body: string | Buffer, headers: string[]): void {
    if (this.#answered) return;
    this.#answered = true;
    this.finish();
    answer(this.response, 200, headers, body);
  }

  protected refuse(error: ConnectError, status?: number): void {
    if (this.#answered) return;
    this.#answered = true;
    this.finish();
    answerError(this.response, error, { status });
  }
}

/** Answers a unary call whose path, method and content type are good. */
export function startUnary(
  method: UnaryMethod,
  encoding: Encoding,
  { request, response, settings }: { request: HttpRequest; response: HttpResponse; settings: CallSettings },
): void {
  new MessageCall(method, encoding, { request, response, settings }).start();
}

/** A call of a message that is answered with one. */
class MessageCall extends UnaryCall {
  readonly #method: UnaryMethod;
  readonly #encoding: Encoding;

  constructor(
    method: UnaryMethod,
    encoding: Encoding,
    { request, response, settings }: { request: HttpRequest; response: HttpResponse; settings: CallSettings },
  ) {
    super(request, response, settings);
    this.#method = method;
    this.#encoding = encoding;
  }

  protected run(bytes: Buffer): void {
    try {
      const message: Message = decode(this.#method.schemas.input, this.#encoding, bytes);
      const result = this.#method.call(message, this);
      if (result instanceof Promise) void this.#wait(result);
      else this.#give(result);
    } catch (error) {
      this.refuse(this.errorOf(error));
    }
  }

  async #wait(result: Promise<Init>): Promise<void> {
    try {
      this.#give(await result);
    } catch (error) {
      this.refuse(this.errorOf(error));
    }
  }

  #give(result: Init): void {
    const { output } = this.#method.schemas;
    const body = this.#encoding === 'json' ? encodeJson(output, result) : encodeBinary(output, result);
    this.send(CONTENT_TYPE[this.#encoding], body);
  }
}

/** A unary error: its code's status, and JSON whatever the request was in. */
export function answerError(
  response: HttpResponse,
  error: ConnectError,
  { status = statusOf(error.code), headers = NONE }: { status?: number | undefined; headers?: string[] } = {},
): void {
  answerJson(response, status, { value: error, headers });
}
