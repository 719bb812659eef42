/** What a watcher is sent: every state in order, and for a slow one the newest rather than a gap or an endless queue. */

export interface Feed<T> {
  push(state: T): void;
  /** Ends the stream, with an error when one is given. What waits is delivered first. */
  end(error?: Error): void;
  /** Everything pushed, until the end or the signal. To be read once. */
  read(signal: AbortSignal): AsyncGenerator<T>;
}

/**
 * Each value pushed is a whole state and not a difference, so a watcher that is `limit` states behind loses nothing when it
 * goes on from the newest.
 */
export function createFeed<T>(limit = 64): Feed<T> {
  let waiting: T[] = [];
  let ended: { error?: Error | undefined } | undefined;
  let wake = (): void => undefined;

  async function* read(signal: AbortSignal): AsyncGenerator<T> {
    const woken = (): void => wake();
    signal.addEventListener('abort', woken);
    try {
      while (!signal.aborted) {
        const next = waiting.shift();
        if (next !== undefined) yield next;
        else if (ended?.error !== undefined) throw ended.error;
        else if (ended !== undefined) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', woken);
    }
  }

  return {
    push(state) {
      if (ended !== undefined) return;
      if (waiting.length >= limit) waiting = [];
      waiting.push(state);
      wake();
    },
    end(error) {
      ended ??= { error };
      wake();
    },
    read,
  };
}
