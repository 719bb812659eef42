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

export interface LinkedSignal {
  /** Why the call must end; undefined while it may go on. */
  readonly ended: AppError | undefined;
  /** For those who must know at once; made when it is first asked for. */
  readonly signal: AbortSignal;
  /** Milliseconds until the deadline; undefined without one. */
  remainingMs(): number | undefined;
  /** Takes every listener and timer down. */
  release(): void;
}

/**
 * Links signals and a deadline. The linked signal's reason is always an AppError: that of the source when it is one, else
 * `overloaded` (never seen by a caller who left).
 * @param timeoutMs milliseconds until `deadline_exceeded`; none when undefined.
 */
export function linkSignals(
  sources: readonly (Ending | undefined)[],
  timeoutMs: number | undefined,
): LinkedSignal {
  let controller: AbortController | undefined;
  let ended: AppError | undefined;
  const deadline = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
  const cleanups: (() => void)[] = [];
  const end = (reason: unknown): void => {
    ended ??=
      reason instanceof AppError ? reason : new AppError('overloaded', 'The call was cancelled.', {}, reason);
    controller?.abort(ended);
  };
  for (const source of sources) {
    if (source === undefined) continue;
    if (source.aborted) {
      end(source.reason);
      break;
    }
    const listener = (): void => end(source.reason);
    source.addEventListener('abort', listener, { once: true });
    cleanups.push(() => source.removeEventListener('abort', listener));
  }
  if (timeoutMs !== undefined) {
    const seconds = timeoutMs / 1000;
    const timer = setTimeout(
      () => end(new AppError('deadline_exceeded', `The call did not end within its ${seconds} s.`)),
      timeoutMs,
    );
    cleanups.push(() => clearTimeout(timer));
  }
  return {
    get ended() {
      return ended;
    },
    get signal() {
      if (controller === undefined) {
        controller = new AbortController();
        if (ended !== undefined) controller.abort(ended);
      }
      return controller.signal;
    },
    remainingMs: () => (deadline === undefined ? undefined : Math.max(0, deadline - performance.now())),
    release: () => {
      for (const cleanup of cleanups.splice(0)) cleanup();
    },
  };
}
