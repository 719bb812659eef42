/** One call's right to go on: its deadline, its caller's signal and the client's life linked into one. */
import { KubeError } from './errors.js';
import type { Outcome } from './errors.js';
import { MAX_TIMER_MS } from './timers.js';

export interface StopReason {
  kind: 'deadline' | 'cancelled';
  text: string;
  cause?: unknown;
}

/** A class, since one is made for every call. `live` holds a client's running scopes, so that closing it can stop them. */
export class Scope {
  /** Why the call must stop; undefined while it may go on. */
  stopped: StopReason | undefined;
  /** The one thing to do when it must stop. Each step of the call sets its own. */
  onStop: (() => void) | undefined;
  readonly #deadline: number;
  #timer: NodeJS.Timeout | undefined;
  readonly #onAbort: (() => void) | undefined;

  constructor(
    timeoutMs: number,
    private readonly signal: AbortSignal | undefined,
    private readonly live: Set<Scope>,
  ) {
    this.#deadline = performance.now() + timeoutMs;
    live.add(this);
    if (signal) {
      this.#onAbort = () => this.stop({ kind: 'cancelled', text: 'was cancelled', cause: signal.reason });
      if (signal.aborted) this.#onAbort();
      else signal.addEventListener('abort', this.#onAbort, { once: true });
    }
    if (timeoutMs < MAX_TIMER_MS) this.#timer = setTimeout(expire, Math.max(0, timeoutMs), this, timeoutMs);
  }

  /** Milliseconds until the deadline. */
  remainingMs(): number {
    return this.#deadline - performance.now();
  }

  stop(reason: StopReason): void {
    if (this.stopped) return;
    this.stopped = reason;
    this.onStop?.();
  }

  /** Takes away the deadline: a stream that is open has none. */
  clearDeadline(): void {
    clearTimeout(this.#timer);
  }

  /** Rejects with KubeError when the scope stops first; the promise itself goes on. */
  race<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const lost = () => reject(this.error('The call', 'not_sent'));
      this.onStop = lost;
      promise.then(resolve, reject);
      if (this.stopped) lost();
    });
  }

  sleep(ms: number): Promise<void> {
    let nap: NodeJS.Timeout | undefined;
    const slept = new Promise<void>((resolve) => (nap = setTimeout(resolve, ms)));
    return this.race(slept).finally(() => clearTimeout(nap));
  }

  error(what: string, outcome: Outcome): KubeError {
    const { kind, text, cause } = this.stopped ?? { kind: 'cancelled', text: 'was cancelled' };
    return new KubeError(`${what} ${text}.`, { reason: kind, outcome, cause });
  }

  /** Lets go of the timer and of the signal. */
  end(): void {
    clearTimeout(this.#timer);
    if (this.#onAbort) this.signal?.removeEventListener('abort', this.#onAbort);
    this.onStop = undefined;
    this.live.delete(this);
  }
}

const expire = (scope: Scope, timeoutMs: number) =>
  scope.stop({ kind: 'deadline', text: `had no answer within ${Math.round(timeoutMs)} ms` });
