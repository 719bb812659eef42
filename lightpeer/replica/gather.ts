/**
 * When what waits goes as a batch. Writers that wait for one batch come back together: what comes first waits a moment for the
 * others, as each on its own would take a message, or a sync, of its own.
 */
import type { Clock } from './ports.js';

export interface Gather {
  /** Whether so many go now; when not and nothing is on its way, `go` is called after a moment. */
  due(waiting: number, idle: boolean): boolean;
  /** A batch of so many is over while so many others wait: as many are likely to come. */
  over(size: number, waiting: number): void;
  /** A batch goes, or nothing will any more. */
  clear(): void;
}

/** In milliseconds. */
const GATHER_MS = 5;

export function createGather(clock: Clock, go: () => void): Gather {
  let expected = 1;
  let cancel: (() => void) | undefined;
  const clear = (): void => {
    cancel?.();
    cancel = undefined;
  };
  return {
    due: (waiting, idle) => {
      if (waiting >= expected) return true;
      if (idle)
        cancel ??= clock.after(GATHER_MS, () => {
          cancel = undefined;
          expected = 1;
          go();
        });
      return false;
    },
    over: (size, waiting) => void (expected = size + waiting),
    clear,
  };
}
