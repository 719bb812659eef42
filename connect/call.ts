/** What a unary and a streaming call have in common: the caller's deadline, its leaving, its headers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CallContext, Code } from './types.js';
import type { BodyLimits } from './body.js';
import type { HttpRequest, HttpResponse } from './http.js';
import { headerOf, isClosed, onClosed, pathOnly } from './http.js';
import { ConnectError } from './error.js';

/** How calls are bounded, and who is told of what failed in them. */
export interface CallSettings extends BodyLimits {
  readonly onError: (error: unknown, path: string) => void;
}

/** What streams need besides. */
export interface Settings extends CallSettings {
  /** The streams that are open, to be ended when the server stops. */
  readonly streams: Set<{ serverStops(): void }>;
  readonly stopping: AbortSignal | undefined;
}

export const DEADLINE = 'the deadline passed before the call was answered';

/** One call. Its signal, its timer and its listeners are made only when somebody needs them: most calls need none. */
export abstract class Call implements CallContext {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped: ConnectError | undefined;

  constructor(
    request: HttpRequest,
    response: HttpResponse,
    protected readonly settings: CallSettings,
  ) {
    this.request = request as IncomingMessage;
    this.response = response as ServerResponse;
  }

  /** A getter, so that it may be taken out of the context and costs nothing where nobody asks. */
  get header(): (name: string) => string | undefined {
    return (name) => headerOf(this.request, name);
  }

  get remoteAddress(): string {
    return this.request.socket.remoteAddress ?? '';
  }

  get signal(): AbortSignal {
    return this.#watched().signal;
  }

  /** Answers with an error. */
  protected abstract refuse(error: ConnectError): void;

  /** @param timeoutMs milliseconds that the caller waits from now on; undefined: forever */
  protected startDeadline(timeoutMs: number | undefined): void {
    if (timeoutMs !== undefined) this.#timer = setTimeout(onDeadline, timeoutMs, this).unref();
  }

  /** Nothing more will be sent. */
  protected finish(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
  }

  protected stop(code: Code, message: string): void {
    this.#stopped ??= new ConnectError(code, message);
    this.#controller?.abort(this.#stopped);
  }

  /** What an implementation threw, as its caller may see it: the message stands for what is no ConnectError. */
  protected errorOf(thrown: unknown, message = 'internal error'): ConnectError {
    if (thrown instanceof ConnectError) return thrown;
    // What fails because the call is over is nobody's fault.
    if (this.#stopped !== undefined) return this.#stopped;
    this.settings.onError(thrown, pathOnly(this.request.url));
    return new ConnectError('internal', message);
  }

  deadlinePassed(): void {
    this.stop('deadline_exceeded', DEADLINE);
    this.refuse(new ConnectError('deadline_exceeded', DEADLINE));
  }

  #watched(): AbortController {
    if (this.#controller !== undefined) return this.#controller;
    this.#controller = new AbortController();
    onClosed(this.response, () => this.#closed());
    if (this.#stopped !== undefined) this.#controller.abort(this.#stopped);
    else if (isClosed(this.response)) this.#closed();
    return this.#controller;
  }

  #closed(): void {
    // HTTP/2 says that it has finished whenever it is closed, and HTTP/1.1 that it has ended before all is sent.
    const left = !this.response.writableEnded || !this.response.writableFinished;
    this.finish();
    if (left) this.stop('canceled', 'the caller left');
  }
}

function onDeadline(call: Call): void {
  call.deadlinePassed();
}
