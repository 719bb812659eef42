/** Delays between tries. */
export interface Backoff {
  baseMs: number;
  maxMs: number;
}

/** Milliseconds to wait after the given number of failures (from 1): doubling, bounded, and half of it random. */
export function backoffMs({ baseMs, maxMs }: Backoff, failures: number): number {
  const full = Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 30));
  return full / 2 + (Math.random() * full) / 2;
}
