/** Waiting for what comes by itself, by looking again and again. How long it takes is never what a test is about. */
import { setTimeout as delay } from 'node:timers/promises';

/** Resolves when the condition holds; the test's own time limit ends it otherwise. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await delay(5);
}

/** Whether the condition holds before so many milliseconds have passed. */
export async function holdsWithin(holds: () => boolean | Promise<boolean>, ms = 20_000): Promise<boolean> {
  const end = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > end) return false;
    await delay(20);
  }
  return true;
}

/** Answers the first value that passes. Throws with the last one when none has for `patienceMs`, 30 s by default. */
export async function eventually<T>(
  read: () => T | Promise<T>,
  passes: (value: T) => boolean,
  { what, patienceMs = 30_000, everyMs = 20 }: { what: string; patienceMs?: number; everyMs?: number },
): Promise<T> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const value = await read();
    if (passes(value)) return value;
    if (performance.now() > end)
      throw new Error(`not so: ${what}; it is still ${JSON.stringify(value, undefined, 1)}`);
    await delay(everyMs);
  }
}
