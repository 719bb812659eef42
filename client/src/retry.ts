import { XiError } from './error.js';

/** A server that asks for more patience than this gets its error reported instead. */
const LONGEST_SECONDS = 10;

/** How long to wait before a read that was tried so often is tried again; undefined when that is of no use. */
export function retryDelayMs(error: unknown, tried: number): number | undefined {
  if (!(error instanceof XiError)) return undefined;
  if (error.code !== 'unreachable' && error.status !== 429 && error.status !== 503) return undefined;
  const asked = error.retryAfterSeconds;
  if (asked !== undefined) return asked > LONGEST_SECONDS ? undefined : asked * 1000;
  // Half of the delay is random, so that clients that failed together do not come back together.
  return 100 * 2 ** tried * (0.5 + Math.random() / 2);
}

/** Waits, or rejects with the signal's reason. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const leave = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', leave);
      resolve();
    }, ms);
    signal?.addEventListener('abort', leave, { once: true });
  });
}
