/** A call that is answered with a stream of messages. */
import type { HttpRequest, HttpResponse } from './http.js';
import { answer, headerOf } from './http.js';
import type { Encoding } from './codec.js';
import { decode, encode } from './codec.js';
import type { BodySink } from './body.js';
import { COMPRESS_FROM_BYTES, compress, decompress, discard, readBody, takesGzip } from './body.js';
import type { Init, StreamMethod } from './method.js';
import type { Settings } from './call.js';
import { Call } from './call.js';
import { COMPRESSED, END_OF_STREAM, EnvelopeReader, PREFIX_BYTES, envelope } from './envelope.js';
import type { Envelope } from './envelope.js';
import { ConnectError } from './error.js';
import { compression, timeoutOf, versionOf } from './request-headers.js';

/** Answers a server-streaming call whose path, method and content type are good. */
export function startStream(
  method: StreamMethod,
  encoding: Encoding,
  { request, response, settings }: { request: HttpRequest; response: HttpResponse; settings: Settings },
): void {
  new StreamCall(method, encoding, { request, response, settings }).start();
}

class StreamCall extends Call implements BodySink {
  readonly #method: StreamMethod;
  readonly #encoding: Encoding;
  readonly #headers: string[];
  readonly #compresses: boolean;
  #compressed = false;
  #done = false;
  #iterator: AsyncIterator<Init> | undefined;
  declare protected readonly settings: Settings;

  constructor(
    method: StreamMethod,
    encoding: Encoding,
    { request, response, settings }: { request: HttpRequest; response: HttpResponse; settings: Settings },
  ) {
    super(request, response, settings);
    this.#method = method;
    this.#encoding = encoding;
    this.#compresses = takesGzip(headerOf(request, 'connect-accept-encoding'));
    this.#headers = ['content-type', `application/connect+${encoding}`];
    if (this.#compresses) this.#headers.push('connect-content-encoding', 'gzip');
  }

  start(): void {
    try {
      versionOf(this.request.headers);
      this.startDeadline(timeoutOf(this.request.headers));
      this.#compressed = compression(this.request.headers['connect-content-encoding']);
    } catch (error) {
      discard(this.request, this.settings.bodyTimeoutMs);
      return this.refuse(this.errorOf(error));
    }
    const { maxBytes, bodyTimeoutMs } = this.settings;
    readBody(this.request, { maxBytes: maxBytes + PREFIX_BYTES, bodyTimeoutMs }, this);
  }

  body(bytes: Buffer): void {
    void this.#run(bytes);
  }

  failed(error: ConnectError): void {
    this.refuse(error);
  }

  serverStops(): void {
    const message = 'the server stops';
    this.stop('unavailable', message);
    this.refuse(new ConnectError('unavailable', message));
  }

  async #run(bytes: Buffer): Promise<void> {
    try {
      const message = await this.#messageOf(onlyEnvelope(bytes, this.settings.maxBytes));
      const request = decode(this.#method.schemas.input, this.#encoding, message);
      // Its deadline may have passed before it was there.
      if (this.#isDone()) return;
      this.#open();
      this.#iterator = this.#method.call(request, this)[Symbol.asyncIterator]();
      await this.#pump(this.#iterator);
      this.#end();
    } catch (error) {
      this.refuse(this.errorOf(error));
    }
  }

  async #messageOf({ flags, bytes }: Envelope): Promise<Buffer> {
    if ((flags & ~COMPRESSED) !== 0) {
      throw new ConnectError(
        'invalid_argument',
        `an envelope's flags are ${flags}; only the lowest may be set`,
      );
    }
    if ((flags & COMPRESSED) === 0) return bytes;
    if (!this.#compressed) {
      const message = 'a message is said to be compressed, and no Connect-Content-Encoding says how';
      throw new ConnectError('internal', message);
    }
    return decompress(bytes, this.settings.maxBytes);
  }

  #open(): void {
    if (this.settings.stopping?.aborted === true) throw new ConnectError('unavailable', 'the server stops');
    this.settings.streams.add(this);
    // Asked for, the signal watches for the caller's leaving.
    this.signal.throwIfAborted();
    this.response.writeHead(200, this.#headers);
    this.response.flushHeaders();
  }

  async #pump(iterator: AsyncIterator<Init>): Promise<void> {
    for (;;) {
      const next = await iterator.next();
      if (this.#done || next.done === true) return;
      const bytes = await this.#enveloped(next.value);
      // While it waited, the call may have ended.
      if (this.#isDone()) return;
      if (!this.response.write(bytes)) await drained(this.response);
      if (this.#isDone()) return;
    }
  }

  #isDone(): boolean {
    return this.#done;
  }

  async #enveloped(init: Init): Promise<Buffer> {
    const bytes = encode(this.#method.schemas.output, this.#encoding, init);
    if (!this.#compresses || bytes.length < COMPRESS_FROM_BYTES) return envelope(0, bytes);
    return envelope(COMPRESSED, await compress(bytes));
  }

  protected refuse(error: ConnectError): void {
    this.#end(error);
  }

  #end(error?: ConnectError): void {
    if (this.#done) return;
    const last = envelope(END_OF_STREAM, Buffer.from(JSON.stringify({ error })));
    if (this.response.headersSent) this.response.end(last);
    else answer(this.response, 200, this.#headers, last);
    this.finish();
  }

  /** Also called when the caller has left: the implementation's loop ends, whether it looks at its signal or not. */
  protected override finish(): void {
    if (this.#done) return;
    this.#done = true;
    super.finish();
    this.settings.streams.delete(this);
    // A generator that waits in its middle ends when it goes on; one that throws then has nobody to tell.
    this.#iterator?.return?.().catch(() => undefined);
  }
}

/** A call of one message has exactly one envelope. */
function onlyEnvelope(body: Buffer, maxBytes: number): Envelope {
  const reader = new EnvelopeReader(maxBytes);
  const [only, ...others] = reader.take(body);
  if (reader.unfinished) throw new ConnectError('invalid_argument', 'the last envelope is not whole');
  if (only === undefined)
    throw new ConnectError('unimplemented', 'the request has no message, and one is needed');
  if (others.length > 0) {
    const message = `the request has ${others.length + 1} messages, and one is needed`;
    throw new ConnectError('unimplemented', message);
  }
  return only;
}

/** Resolves when the response takes more, or is closed. */
function drained(response: HttpResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
