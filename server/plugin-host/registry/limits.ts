/** How often something may happen: a bucket of allowances for each key, filled again as time passes. */

export interface Rate {
  /** How many at once. */
  readonly burst: number;
  /** How many come back in a second. */
  readonly perSecond: number;
}

export interface Limiter {
  /** Takes one allowance of the key; false when it has none. */
  take(key: string): boolean;
  /** Forgets keys that have all their allowances again. */
  sweep(): void;
}

/** Above this many keys, those that are full again are forgotten at once. */
const KEYS = 10_000;

interface Bucket {
  left: number;
  at: number;
}

/** @param now milliseconds */
export function createLimiter({ burst, perSecond }: Rate, now: () => number): Limiter {
  const buckets = new Map<string, Bucket>();
  const refilled = (bucket: Bucket): number =>
    Math.min(burst, bucket.left + (Math.max(0, now() - bucket.at) / 1000) * perSecond);

  function sweep(): void {
    for (const [key, bucket] of buckets) if (refilled(bucket) >= burst) buckets.delete(key);
  }

  return {
    take(key) {
      const bucket = buckets.get(key);
      const left = bucket === undefined ? burst : refilled(bucket);
      if (bucket === undefined && buckets.size >= KEYS) {
        sweep();
        if (buckets.size >= KEYS) return false;
      }
      if (left < 1) return false;
      buckets.set(key, { left: left - 1, at: now() });
      return true;
    },
    sweep,
  };
}
