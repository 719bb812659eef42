/** A unary call, from its headers to its answer. */
import type { Message } from '@bufbuild/protobuf';
import type { HttpRequest, HttpResponse } from './http.js';
import { answer, headerOf } from './http.js';
import type { Encoding } from './codec.js';
import { decode, encodeBinary, encodeJson } from './codec.js';
import type { BodySink } from './body.js';
import { COMPRESS_FROM_BYTES, compress, decompress, discard, readBody, takesGzip } from './body.js';
import type { Init, UnaryMethod } from './method.js';
import type { Settings } from './call.js';
import { Call } from './call.js';
import type { ConnectError } from './error.js';
import { statusOf } from './codes.js';
import { compression, timeoutOf, versionOf } from './request-headers.js';

const CONTENT_TYPE: Readonly<Record<Encoding, string>> = {
  json: 'application/json',
  proto: 'application/proto',
};
const NONE: string[] = [];

/** Answers a unary call whose path, method and content type are good. */
export function startUnary(
  method: UnaryMethod,
  encoding: Encoding,
  { request, response, settings }: { request: HttpRequest; response: HttpResponse; settings: Settings },
): void {
  new UnaryCall(method, encoding, { request, response, settings }).start();
}

class UnaryCall extends Call implements BodySink {
  readonly #method: UnaryMethod;
  readonly #encoding: Encoding;
  #compressed = false;
  #answered = false;

  constructor(
    method: UnaryMethod,
    encoding: Encoding,
    { request, response, settings }: { request: HttpRequest; response: HttpResponse; settings: Settings },
  ) {
    super(request, response, settings);
    this.#method = method;
    this.#encoding = encoding;
  }

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
    else this.#run(bytes);
  }

  failed(error: ConnectError): void {
    this.refuse(error);
  }

  async #decompress(bytes: Buffer): Promise<void> {
    try {
      this.#run(await decompress(bytes, this.settings.maxBytes));
    } catch (error) {
      this.refuse(this.errorOf(error));
    }
  }

  #run(bytes: Buffer): void {
    // Its deadline may have passed before it was there.
    if (this.#answered) return;
    try {
      const message: Message = decode(this.#method.schemas.input, this.#encoding, bytes);
      const result = this.#method.call(message, this);
      if (result instanceof Promise) void this.#wait(result);
      else this.#send(result);
    } catch (error) {
      this.refuse(this.errorOf(error));
    }
  }

  async #wait(result: Promise<Init>): Promise<void> {
    try {
      this.#send(await result);
    } catch (error) {
      this.refuse(this.errorOf(error));
    }
  }

  #send(result: Init): void {
    if (this.#answered) return;
    const { output } = this.#method.schemas;
    const body = this.#encoding === 'json' ? encodeJson(output, result) : encodeBinary(output, result);
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    if (length < COMPRESS_FROM_BYTES || !takesGzip(headerOf(this.request, 'accept-encoding'))) {
      return this.#answer(body, NONE, length);
    }
    void this.#sendCompressed(body);
  }

  async #sendCompressed(body: string | Buffer): Promise<void> {
    try {
      const bytes = typeof body === 'string' ? Buffer.from(body) : body;
      this.#answer(await compress(bytes), ['content-encoding', 'gzip']);
    } catch (error) {
      this.refuse(this.errorOf(error));
    }
  }

  #answer(body: string | Buffer, headers: string[], length = body.length): void {
    if (this.#answered) return;
    this.#answered = true;
    this.finish();
    const type = CONTENT_TYPE[this.#encoding];
    answer(this.response, 200, ['content-type', type, 'content-length', String(length), ...headers], body);
  }

  protected refuse(error: ConnectError): void {
    if (this.#answered) return;
    this.#answered = true;
    this.finish();
    answerError(this.response, error);
  }
}

/** A unary error: its code's status, and JSON whatever the request was in. */
export function answerError(
  response: HttpResponse,
  error: ConnectError,
  { status = statusOf(error.code), headers = [] }: { status?: number; headers?: string[] } = {},
): void {
  const body = JSON.stringify(error);
  const length = String(Buffer.byteLength(body));
  answer(response, status, ['content-type', 'application/json', 'content-length', length, ...headers], body);
}
