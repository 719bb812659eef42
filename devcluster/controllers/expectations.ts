/**
 * What a controller did and its watch has not shown yet. Until then a reconcile would count wrongly and do it again.
 * A change that was never seen (an object that came and went between two lists) is forgotten after a while.
 */
export interface Expectations {
  /** Call before the change's answer can arrive by watch, or right after its answer; `uid` names what is awaited. */
  expect(key: string, uid: string): void;
  /** The watch showed it. */
  seen(uid: string): void;
  /** Milliseconds until the key's oldest expectation is forgotten; undefined when nothing is awaited. */
  pending(key: string): number | undefined;
  forget(key: string): void;
}

export const createExpectations = (
  isSeen: (uid: string) => boolean,
  { timeoutMs = 30_000, clock = Date.now }: { timeoutMs?: number; clock?: () => number } = {},
): Expectations => {
  const awaited = new Map<string, Map<string, number>>();
  const keys = new Map<string, string>();
  const drop = (uid: string): void => {
    const key = keys.get(uid);
    keys.delete(uid);
    const ofKey = key === undefined ? undefined : awaited.get(key);
    ofKey?.delete(uid);
    if (key !== undefined && ofKey?.size === 0) awaited.delete(key);
  };
  return {
    expect: (key, uid) => {
      // The watch may have been faster than the answer.
      if (isSeen(uid)) return;
      const ofKey = awaited.get(key) ?? new Map<string, number>();
      awaited.set(key, ofKey.set(uid, clock() + timeoutMs));
      keys.set(uid, key);
    },
    seen: drop,
    pending: (key) => {
      for (const [uid, until] of [...(awaited.get(key) ?? [])]) {
        const left = until - clock();
        if (left > 0) return left;
        drop(uid);
      }
      return undefined;
    },
    forget: (key) => {
      for (const uid of awaited.get(key)?.keys() ?? []) keys.delete(uid);
      awaited.delete(key);
    },
  };
};
