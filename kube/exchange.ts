/** One HTTP request and its answer on undici's lowest level, where it shows whether a byte has left. */
import type { Dispatcher } from 'undici';
import type { IncomingHttpHeaders } from 'node:http';

export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  headers: string[];
  body?: string | undefined;
}

/** Takes the chunks of a success's body as they come, in the exchange's stead. */
export interface Reader {
  push(chunk: Buffer): void;
}

/** Bytes of an answer that may wait for their reader before the socket is paused. */
const HIGH_WATER = 256 * 1024;

/**
 * `whole` resolves `answered` when the whole body is here, `stream` at the headers and pauses the socket while the reader
 * is slow. `answered` rejects with the transport's error. A request is never written twice: undici sends one again when
 * the socket dies under a pipeline, and that second start is refused here.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  /** True from the moment that the request is written to a socket. */
  sent = false;
  code = 0;
  headers: IncomingHttpHeaders = {};
  readonly answered: Promise<void>;
  #resolve!: () => void;
  #reject!: (error: Error) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #chunks: Buffer[] = [];
  #waiting = 0;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(
    dispatcher: Dispatcher,
    request: HttpRequest,
    private readonly mode: 'whole' | 'stream',
    private readonly reader?: Reader,
  ) {
    this.answered = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    dispatcher.dispatch(
      {
        method: request.method,
        path: request.path,
        headers: request.headers,
        ...(request.body !== undefined && { body: request.body }),
      },
      this,
    );
  }

  /** Ends it now: a request in the pool's queue will not be sent, a running one loses its socket. */
  cancel(error: Error): void {
    if (this.#ended) return;
    this.#fail(error);
    this.#controller?.abort(error);
  }

  /** The whole body, unless a reader took it; only after `answered`. */
  body(): Buffer {
    const [only] = this.#chunks;
    return only !== undefined && this.#chunks.length === 1 ? only : Buffer.concat(this.#chunks);
  }

  /** The body as it comes. Leaving the loop closes the socket, unless the body has ended. */
  async *stream(): AsyncGenerator<Buffer, void, undefined> {
    try {
      for (;;) {
        const chunks = this.#chunks;
        this.#chunks = [];
        this.#waiting = 0;
        if (chunks.length === 0) {
          if (this.#error) throw this.#error;
          if (this.#ended) return;
          this.#controller?.resume();
          await new Promise<void>((resolve) => (this.#wake = resolve));
        }
        yield* chunks;
      }
    } finally {
      this.cancel(new Error('the reader has left'));
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#error) return controller.abort(this.#error);
    if (this.sent) return controller.abort(new Error('the connection was lost'));
    this.#controller = controller;
    this.sent = true;
  }

  onResponseStart(_: Dispatcher.DispatchController, code: number, headers: IncomingHttpHeaders): void {
    if (code < 200) return;
    this.code = code;
    this.headers = headers;
    if (this.mode === 'stream') this.#resolve();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#ended) return;
    if (this.reader !== undefined && this.code < 300) return this.reader.push(chunk);
    this.#chunks.push(chunk);
    if (this.mode === 'whole') return;
    this.#waiting += chunk.length;
    if (this.#waiting > HIGH_WATER) controller.pause();
    this.#wake?.();
  }

  onResponseEnd(): void {
    this.#ended = true;
    this.#resolve();
    this.#wake?.();
  }

  onResponseError(_: unknown, error: Error): void {
    this.#fail(error);
  }

  #fail(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#reject(error);
    this.#wake?.();
  }
}
