/** One routed call: what its caller sends goes to the plugin, what the plugin answers goes to the caller. */
import type { HostLog, HostMetrics, Registration, Routes, Target } from '../port.js';
import type { Caller, CallerEvents } from './caller.js';
import { formatDuration } from './duration.js';
import { answerHeaders, forwardedTrailers } from './headers.js';
import type { CallHeaders } from './headers.js';
import type { RoutedPath } from './path.js';
import { Refusal } from './refusal.js';
import type { AnswerSink, Exchange, Failure, Outgoing, Written } from './upstream.js';
import type { Upstreams } from './upstreams.js';

/** What all calls share. */
export interface CallHost {
  readonly routes: Routes;
  readonly log: HostLog;
  readonly metrics: HostMetrics;
  readonly upstreams: Upstreams;
  readonly headersMs: number;
  /** A number that grows with each call: plugins of several targets are called one after another. */
  turn(): number;
  started(call: Call): void;
  ended(call: Call): void;
}

/** What is known of a call when it starts. */
export interface CallFacts {
  readonly callerId: string;
  readonly method: string;
  readonly path: RoutedPath;
  readonly headers: CallHeaders;
  readonly body: Outgoing['body'];
}

/** Targets that one call tries at most, each having refused the connection before. */
const MAX_ATTEMPTS = 8;
/** The longest time that a timer can wait; a longer deadline is none. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** As web servers write the status of a call whose caller did not wait for it. */
const CALLER_LEFT = 499;

export class Call implements AnswerSink, CallerEvents {
  /** Moves on to another provider when the first refuses the connection and the caller asked for any. */
  registration: Registration;
  /** Among those under way. */
  place = -1;
  readonly #host: CallHost;
  readonly #caller: Caller;
  readonly #facts: CallFacts;
  readonly #startedAt = performance.now();
  readonly #tried: string[] = [];
  #target: Target | undefined;
  #exchange: Exchange | undefined;
  #deadline: NodeJS.Timeout | undefined;
  /** Since when the plugin has the whole request and has not begun to answer. */
  #waitingSince: number | undefined;
  #status = 0;
  #over = false;

  constructor(host: CallHost, caller: Caller, facts: CallFacts, registration: Registration) {
    this.#host = host;
    this.#caller = caller;
    this.#facts = facts;
    this.registration = registration;
  }

  start(): void {
    const { headers, path } = this.#facts;
    this.#host.started(this);
    this.#host.log.info(this.#fields(), `[ROUTER] ${this.#route()} (service: ${path.type})`);
    this.#caller.listen(this);
    if (headers.timeoutMs !== undefined && headers.timeoutMs <= MAX_TIMER_MS)
      this.#deadline = setTimeout(() => this.#expired(), headers.timeoutMs);
    this.#attempt(this.#untried());
  }

  /** Gives up a plugin that has been silent for too long. Called about once a second. */
  sweep(now: number): void {
    const since = this.#waitingSince;
    if (since === undefined || now - since < this.#host.headersMs) return;
    const { grpc, streams, timeoutMs } = this.#facts.headers;
    // A deadline says when to give up; a stream may have nothing to say for long.
    if (grpc || streams || timeoutMs !== undefined) return;
    const seconds = this.#host.headersMs / 1_000;
    this.#stop(
      new Refusal(
        504,
        'deadline_exceeded',
        `${this.#plugin()} has not begun to answer for ${seconds} s; whether it did what was asked is unknown`,
      ),
    );
  }

  ready(): void {
    if (this.#facts.body === 'none' || this.#facts.body === 0) this.#waitingSince = performance.now();
    else this.#caller.readBody();
  }

  head(status: number, headers: string[]): void {
    this.#waitingSince = undefined;
    this.#status = status;
    this.#caller.head(status, answerHeaders(status, headers));
  }

  data(chunk: Buffer, written?: Written): boolean {
    if (this.#over) return true;
    try {
      return this.#caller.write(chunk, written);
    } catch (error) {
      this.#unanswerable(error);
      return true;
    }
  }

  end(trailers: string[]): void {
    if (this.#over) return;
    try {
      this.#caller.end(trailers);
    } catch (error) {
      return this.#unanswerable(error);
    }
    this.#finish(this.#status);
  }

  settle(): void {
    if (this.#over) return;
    try {
      this.#caller.settle();
    } catch (error) {
      this.#unanswerable(error);
    }
  }

  failed(failure: Failure): void {
    if (this.#over) return;
    if (failure.kind === 'unreached' && this.#target !== undefined) {
      this.#host.routes.refused(this.registration, this.#target, failure.why);
      const next = this.#tried.length < MAX_ATTEMPTS ? (this.#untried() ?? this.#another()) : undefined;
      if (next !== undefined) return this.#attempt(next);
    }
    this.#stop(this.#refusalOf(failure));
  }

  drain(): void {
    this.#caller.resumeBody();
  }

  body(chunk: Buffer): boolean {
    return this.#over || (this.#exchange?.write(chunk) ?? true);
  }

  bodyEnd(trailers: string[]): void {
    if (this.#over) return;
    if (this.#status === 0) this.#waitingSince = performance.now();
    this.#exchange?.end(forwardedTrailers(trailers));
  }

  drained(): void {
    if (!this.#over) this.#exchange?.resume();
  }

  closed(): void {
    if (this.#over) return;
    this.#exchange?.abort();
    this.#finish(CALLER_LEFT, 'the caller left before the answer was whole');
  }

  #attempt(target: Target | undefined): void {
    if (target === undefined) return this.#stop(this.#nowhere());
    this.#target = target;
    this.#tried.push(target.baseUrl);
    const attempt = this.#tried.length;
    try {
      const { upstream, prefix } = this.#host.upstreams.at(target.baseUrl, this.#protocol());
      const exchange = upstream.send(this.#outgoing(prefix + target.path), this);
      // It may have failed at once, and another have taken its place.
      if (attempt === this.#tried.length && !this.#over) this.#exchange = exchange;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#stop(error);
    }
  }

  #outgoing(path: string): Outgoing {
    const { callerId, method, path: asked, headers, body } = this.#facts;
    return {
      method,
      path: path + asked.method + asked.query,
      headers: [...headers.forward, 'x-plugin-caller', callerId],
      body,
    };
  }

  /** gRPC needs HTTP/2; everything else goes by it to plugins that say so. */
  #protocol(): 'http1' | 'h2c' {
    return this.#facts.headers.grpc || this.registration.metadata['protocol'] === 'h2c' ? 'h2c' : 'http1';
  }

  /** The next target of this provider that this call has not tried. */
  #untried(): Target | undefined {
    const { targets } = this.registration;
    if (targets.length === 1) return this.#tried.includes(targets[0]!.baseUrl) ? undefined : targets[0];
    const first = this.#host.turn();
    for (let i = 0; i < targets.length; i += 1) {
      const target = targets[(first + i) % targets.length]!;
      if (!this.#tried.includes(target.baseUrl)) return target;
    }
    return undefined;
  }

  /** A target of another provider, for a caller that takes any. */
  #another(): Target | undefined {
    const { path } = this.#facts;
    if (path.provider !== '-') return undefined;
    try {
      const before = this.registration;
      this.registration = this.#host.routes.resolve(path.type, '-');
      const target = this.#untried();
      if (target === undefined) this.registration = before;
      return target;
    } catch {
      return undefined;
    }
  }

  #refusalOf({ kind, why }: Failure): Refusal {
    const at = this.#target === undefined ? '' : ` at ${this.#target.baseUrl}`;
    switch (kind) {
      case 'unreached':
        return new Refusal(
          502,
          'unavailable',
          `${this.#plugin()} cannot be reached${at} (${why}); nothing was sent, so the call may be made again. ` +
            'Look whether the plugin runs and listens there',
          true,
        );
      case 'starved':
        return new Refusal(
          503,
          'resource_exhausted',
          `the host cannot open a connection to ${this.#plugin()} (${why}); nothing was sent. ` +
            'Raise its limit of open files, or call less at a time',
          true,
        );
      case 'broken':
        return new Refusal(
          502,
          'unavailable',
          `${this.#plugin()}${at} broke the call off (${why}); whether it did what was asked is unknown. ` +
            'Its log may say why',
        );
    }
  }

  #nowhere(): Refusal {
    return new Refusal(
      503,
      'unavailable',
      `${this.#plugin()} has no address now; call again when it is ready`,
      true,
    );
  }

  #unanswerable(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#stop(
      new Refusal(502, 'unavailable', `the answer of ${this.#plugin()} cannot be passed on: ${why}`),
    );
  }

  #expired(): void {
    this.#stop(
      new Refusal(
        504,
        'deadline_exceeded',
        `${this.#plugin()} has not answered within the ${this.#facts.headers.timeoutMs} ms that the caller gave`,
      ),
    );
  }

  /** Ends the call before its answer is whole. */
  #stop(refusal: Refusal): void {
    if (this.#over) return;
    this.#exchange?.abort();
    if (this.#caller.headSent) this.#caller.reset();
    else this.#caller.refuse(refusal);
    this.#finish(refusal.status, refusal.message);
  }

  #finish(status: number, trouble?: string): void {
    this.#over = true;
    this.#waitingSince = undefined;
    clearTimeout(this.#deadline);
    const { callerId, path } = this.#facts;
    const milliseconds = performance.now() - this.#startedAt;
    const text = `[ROUTER] ${this.#route()} ${status} (duration: ${formatDuration(milliseconds)})`;
    if (trouble === undefined) this.#host.log.info(this.#fields(status), text);
    else this.#host.log.warn({ ...this.#fields(status), trouble }, text);
    const { provider, type } = this.registration;
    this.#host.metrics.routed(
      { caller: callerId, provider, type, method: path.method, status },
      milliseconds / 1_000,
    );
    this.#host.ended(this);
  }

  #fields(status?: number): object {
    const { callerId: caller, path } = this.#facts;
    const { provider } = this.registration;
    return status === undefined
      ? { caller, provider, service: path.type, method: path.method }
      : { caller, provider, service: path.type, method: path.method, status };
  }

  #route(): string {
    return `${this.#facts.callerId} → ${this.registration.provider} /${this.#facts.path.method}`;
  }

  #plugin(): string {
    return `plugin ${this.registration.provider} (service ${this.#facts.path.type})`;
  }
}
