/** Many producers, one consumer, with back-pressure: a producer waits until what it pushed has been taken. */
export interface Channel<T> {
  /** Resolves when the value was taken: true; or when the channel ended: false. */
  push(value: T): Promise<boolean>;
  /** Ends it after what was pushed. */
  end(): void;
  /** Ends it with an error after what was pushed. */
  fail(error: unknown): void;
  items(): AsyncGenerator<T, void, undefined>;
}

export function createChannel<T>(): Channel<T> {
  const waiting: { value: T; taken: (yes: boolean) => void }[] = [];
  let over: { error?: unknown } | undefined;
  let wake: (() => void) | undefined;

  const finish = (how: { error?: unknown }): void => {
    over ??= how;
    wake?.();
  };
  return {
    push: (value) =>
      new Promise((resolve) => {
        if (over !== undefined) return resolve(false);
        waiting.push({ value, taken: resolve });
        wake?.();
      }),
    end: () => finish({}),
    fail: (error) => finish({ error }),
    async *items() {
      try {
        for (;;) {
          const next = waiting.shift();
          if (next !== undefined) {
            next.taken(true);
            yield next.value;
          } else if (over !== undefined) {
            if ('error' in over) throw over.error;
            return;
          } else {
            await new Promise<void>((resolve) => (wake = resolve));
            wake = undefined;
          }
        }
      } finally {
        finish({});
        for (const { taken } of waiting.splice(0)) taken(false);
      }
    },
  };
}
