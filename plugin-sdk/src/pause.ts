/** Waiting that can be cut short, and how long to wait after failures. */

export interface Pause {
  /** Waits so many milliseconds, or until woken; at once when it was woken since the last wait. */
  wait(ms: number): Promise<void>;
  /** Ends the present wait, or the next. */
  wake(): void;
}

export function createPause(): Pause {
  let woken = false;
  let end: (() => void) | undefined;
  return {
    wait: (ms) =>
      new Promise((resolve) => {
        if (woken) {
          woken = false;
          return resolve();
        }
        const timer = setTimeout(() => end?.(), ms);
        end = () => {
          clearTimeout(timer);
          end = undefined;
          woken = false;
          resolve();
        };
      }),
    wake() {
      woken = true;
      end?.();
    },
  };
}

export interface BackOff {
  /** Milliseconds to wait after one more failure, `mostMs` at most: growing, with jitter. */
  next(mostMs: number): number;
  reset(): void;
}

const FIRST_MS = 100;

/** Grows from 100 ms; each wait is between half of that and all of it, so that not all come at once. */
export function createBackOff(): BackOff {
  let failures = 0;
  return {
    next(mostMs) {
      const ms = Math.min(mostMs, FIRST_MS * 2 ** failures);
      failures = Math.min(failures + 1, 20);
      return ms * (0.5 + Math.random() / 2);
    },
    reset() {
      failures = 0;
    },
  };
}
