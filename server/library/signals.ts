/** The caller's leaving, the deadline and the server's stop as one signal, with nothing left behind after the call. */
import { AppError } from '../errors.js';

export interface LinkedSignal {
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
  sources: readonly (AbortSignal | undefined)[],
  timeoutMs: number | undefined,
): LinkedSignal {
  const controller = new AbortController();
  const deadline = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
  const cleanups: (() => void)[] = [];
  const abort = (reason: unknown): void => {
    controller.abort(
      reason instanceof AppError ? reason : new AppError('overloaded', 'The call was cancelled.', {}, reason),
    );
  };
  for (const source of sources) {
    if (source === undefined) continue;
    if (source.aborted) {
      abort(source.reason);
      break;
    }
    const listener = (): void => abort(source.reason);
    source.addEventListener('abort', listener, { once: true });
    cleanups.push(() => source.removeEventListener('abort', listener));
  }
  if (timeoutMs !== undefined) {
    const seconds = timeoutMs / 1000;
    const timer = setTimeout(
      () => abort(new AppError('deadline_exceeded', `The call did not end within its ${seconds} s.`)),
      timeoutMs,
    );
    cleanups.push(() => clearTimeout(timer));
  }
  return {
    signal: controller.signal,
    remainingMs: () => (deadline === undefined ? undefined : Math.max(0, deadline - performance.now())),
    release: () => {
      for (const cleanup of cleanups.splice(0)) cleanup();
    },
  };
}
