/** The caller's leaving, the deadline and the server's stop as one signal, with nothing left behind after the call. */
import { AppError } from '../errors.js';

/** What ends a call: an AbortSignal, or an Ender in its stead. */
export interface Ending {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void, options?: { once: true }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** As much of an AbortController and its signal as a call needs: an EventTarget costs more than all else of a short call. */
export class Ender implements Ending {
  aborted = false;
  reason: unknown;
  readonly #listeners = new Set<() => void>();

  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }

  addEventListener(_: 'abort', listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_: 'abort', listener: () => void): void {
    this.#listeners.delete(listener);
  }
}

/** Passes on a signal that lives long: it gets one listener, however many calls listen. */
export function relay(signal: AbortSignal): Ending {
  const ender = new Ender();
  if (signal.aborted) ender.abort(signal.reason);
  else signal.addEventListener('abort', () => ender.abort(signal.reason), { once: true });
  return ender;
}

/**
 * Signals and a deadline as one, for a call. Its reason is always an AppError: that of the source when it is one, else
 * `overloaded` (never seen by a caller who left).
 */
export class LinkedSignal {
  #ended: AppError | undefined;
  #controller: AbortController | undefined;
  readonly #deadline: number | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #listening: (readonly [source: Ending, listener: () => void])[] = [];

  /** @param timeoutMs milliseconds until `deadline_exceeded`; none when undefined. */
  constructor(sources: readonly (Ending | undefined)[], timeoutMs: number | undefined) {
    for (const source of sources) {
      if (source === undefined) continue;
      if (source.aborted) {
        this.#end(source.reason);
        break;
      }
      const listener = (): void => this.#end(source.reason);
      source.addEventListener('abort', listener, { once: true });
      this.#listening.push([source, listener]);
    }
    if (timeoutMs === undefined) return;
    this.#deadline = performance.now() + timeoutMs;
    this.#timer = setTimeout(
      () =>
        this.#end(
          new AppError('deadline_exceeded', `The call did not end within its ${timeoutMs / 1000} s.`),
        ),
      timeoutMs,
    );
  }

  /** Why the call must end; undefined while it may go on. */
  get ended(): AppError | undefined {
    return this.#ended;
  }

  /** For those who must know at once; made when it is first asked for. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#ended !== undefined) this.#controller.abort(this.#ended);
    }
    return this.#controller.signal;
  }

  /** Milliseconds until the deadline; undefined without one. */
  remainingMs(): number | undefined {
    return this.#deadline === undefined ? undefined : Math.max(0, this.#deadline - performance.now());
  }

  /** Takes every listener and timer down. */
  release(): void {
    clearTimeout(this.#timer);
    for (const [source, listener] of this.#listening.splice(0)) source.removeEventListener('abort', listener);
  }

  #end(reason: unknown): void {
    this.#ended ??=
      reason instanceof AppError ? reason : new AppError('overloaded', 'The call was cancelled.', {}, reason);
    this.#controller?.abort(this.#ended);
  }
}
