/** Places whose plugin was told to stop: who asks there before its server is away still hears that one. */
import { tether } from './tether.js';

export interface Endings {
  /** The plugin at the url is about to be told to stop. */
  begins(url: string): void;
  /** Whether one that was told to stop may still be there. */
  isUnderWay(url: string): boolean;
  /** Resolves when none is there any more, or when the one that is has had its time, or the signal fires. */
  over(url: string, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** @param graceMs milliseconds that a plugin which was told to stop has for it */
export function createEndings(graceMs: number): Endings {
  const ending = new Map<string, Promise<void>>();
  const closing = new AbortController();
  return {
    begins(url) {
      const gone = tether(url, AbortSignal.any([closing.signal, AbortSignal.timeout(graceMs)])).then(() => {
        if (ending.get(url) === gone) ending.delete(url);
      });
      ending.set(url, gone);
    },
    isUnderWay: (url) => ending.has(url),
    over(url, signal) {
      const gone = ending.get(url);
      if (gone === undefined || signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const done = (): void => {
          signal.removeEventListener('abort', done);
          resolve();
        };
        signal.addEventListener('abort', done);
        void gone.then(done);
      });
    },
    close: () => closing.abort(),
  };
}
