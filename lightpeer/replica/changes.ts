/** Who wants to know when something about a peer changed. */
import type { Clock } from './ports.js';

export interface Changes {
  /** Calls back at each change; the function given back ends it. */
  listen(listener: () => void): () => void;
  /** Resolves at the next change, or after a while. */
  wait(ms: number): Promise<void>;
  tell(): void;
}

export function createChanges(clock: Clock): Changes {
  const listeners = new Set<() => void>();
  return {
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    wait: (ms) =>
      new Promise((resolve) => {
        const done = (): void => {
          listeners.delete(done);
          cancel();
          resolve();
        };
        const cancel = clock.after(ms, done);
        listeners.add(done);
      }),
    tell: () => {
      for (const listener of [...listeners]) listener();
    },
  };
}
