/** How much may be held at once: who wants more waits for its turn. */

export interface Budget {
  /**
   * Resolves when there is room, in the order of the calls, to what gives it back. What is larger than everything goes alone.
   * @param bytes at most that many are held.
   */
  take(bytes: number): Promise<() => void>;
  /** The same at once; undefined when there is no room. */
  tryTake(bytes: number): (() => void) | undefined;
}

/** @param items at most that many at once, however few bytes they have. */
export function createBudget({
  bytes: mostBytes = Infinity,
  items: mostItems = Infinity,
}: {
  bytes?: number;
  items?: number;
}): Budget {
  const waiting: { bytes: number; go(release: () => void): void }[] = [];
  let bytesNow = 0;
  let itemsNow = 0;

  const hasRoom = (bytes: number): boolean =>
    itemsNow === 0 || (bytesNow + bytes <= mostBytes && itemsNow < mostItems);

  const grant = (bytes: number): (() => void) => {
    let given = true;
    bytesNow += bytes;
    itemsNow += 1;
    return () => {
      if (!given) return;
      given = false;
      bytesNow -= bytes;
      itemsNow -= 1;
      for (let next = waiting[0]; next !== undefined && hasRoom(next.bytes); next = waiting[0]) {
        waiting.shift();
        next.go(grant(next.bytes));
      }
    };
  };

  const tryTake = (bytes: number): (() => void) | undefined =>
    waiting.length === 0 && hasRoom(bytes) ? grant(bytes) : undefined;

  return {
    tryTake,
    take: (bytes) =>
      new Promise((resolve) => {
        const release = tryTake(bytes);
        if (release === undefined) waiting.push({ bytes, go: resolve });
        else resolve(release);
      }),
  };
}
