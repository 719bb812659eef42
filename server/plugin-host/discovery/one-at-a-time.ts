/** Work about one thing at a time. */

/** Makes a function that does what it is given once all that it was given before under the same key has ended. */
export function createOneAtATime(): (key: string, work: () => Promise<void>) => Promise<void> {
  const last = new Map<string, Promise<void>>();
  return async (key, work) => {
    const turn = (last.get(key) ?? Promise.resolve()).then(work);
    const over = turn.catch(() => undefined);
    last.set(key, over);
    await over;
    if (last.get(key) === over) last.delete(key);
    return turn;
  };
}
