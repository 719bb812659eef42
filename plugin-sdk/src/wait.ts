/** Waiting for what others bring about. */

export interface Wait<T> {
  /** Resolves with the value as soon as there is one. Rejects with the signal's reason. */
  value(signal?: AbortSignal): Promise<T>;
  /** Looks again. To be called after whatever may have brought the value about. */
  look(): void;
}

/** Waits for what is read to be anything but undefined. */
export function createWait<T>(read: () => T | undefined): Wait<T> {
  const waiting = new Set<() => void>();
  return {
    value: (signal) =>
      new Promise((resolve, reject) => {
        const end = (): void => {
          waiting.delete(look);
          signal?.removeEventListener('abort', leave);
        };
        const look = (): void => {
          const value = read();
          if (value === undefined) return;
          end();
          resolve(value);
        };
        const leave = (): void => {
          end();
          reject(signal?.reason as Error);
        };
        waiting.add(look);
        signal?.addEventListener('abort', leave, { once: true });
        look();
        if (signal?.aborted === true) leave();
      }),
    look() {
      for (const look of [...waiting]) look();
    },
  };
}
