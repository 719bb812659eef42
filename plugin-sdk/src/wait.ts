/** Waiting for what others bring about. */

/**
 * Resolves when it holds: at once, or when what is added to `waiting` is called. Rejects with the signal's reason.
 */
export function whenIt(
  holds: () => boolean,
  waiting: Set<() => void>,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  if (holds()) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const come = (): void => {
      signal.removeEventListener('abort', left);
      resolve();
    };
    const left = (): void => {
      waiting.delete(come);
      reject(signal.reason as Error);
    };
    if (signal.aborted) return left();
    signal.addEventListener('abort', left, { once: true });
    waiting.add(come);
  });
}
