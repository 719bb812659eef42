/** Waiting until nobody writes a file any more. */
import { sameLook } from './look.js';
import type { Look } from './look.js';

/** A file that changed again while it settled is still being written: it gets this many times as long. */
const PATIENT = 10;
/** Something that never settles is read nevertheless. */
const LONGEST_SETTLE_MS = 5_000;

export interface SettleOptions {
  look(): Promise<Look | undefined>;
  /** What is known already needs no time. */
  readonly known: Look | undefined;
  readonly settleMs: number;
  /** Resolves early, and for ever after at once, when `signal` is aborted. */
  pause(ms: number): Promise<unknown>;
  readonly signal: AbortSignal;
}

/** The look at the file as it stays. */
export async function settled(options: SettleOptions): Promise<Look | undefined> {
  const { known, settleMs, pause, signal } = options;
  let look = await options.look();
  let wait = look === undefined ? settleMs * PATIENT : settleMs;
  for (let waited = 0; waited < LONGEST_SETTLE_MS && !signal.aborted; waited += wait) {
    if (sameLook(look, known) || look?.finished) return look;
    await pause(wait);
    const next = await options.look();
    if (sameLook(look, next)) return next;
    look = next;
    wait = settleMs * PATIENT;
  }
  return look;
}
