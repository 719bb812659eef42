/** Calls in a closed loop: so many at once, each followed by the next. */

export interface Rate {
  readonly calls: number;
  readonly callsPerSecond: number;
}

export interface Amount {
  /** Calls under way at once. */
  readonly connections: number;
  /** Calls go on for so long; for ever when absent. */
  readonly seconds?: number;
  /** So many calls and no more. */
  readonly calls?: number;
}

export interface Worker {
  call(nth: number): Promise<unknown>;
  close(): void;
}

/** Opens all workers, lets each call in turn, and counts. Rejects with the first failure. */
export async function connectionsBy(
  { connections, seconds = Infinity, calls = Infinity }: Amount,
  open: () => Promise<Worker>,
): Promise<Rate> {
  const workers = await Promise.all(Array.from({ length: connections }, open));
  const started = performance.now();
  const until = started + seconds * 1000;
  let begun = 0;
  const run = async (worker: Worker): Promise<void> => {
    while (begun < calls && performance.now() < until) await worker.call(begun++);
  };
  try {
    await Promise.all(workers.map(run));
  } finally {
    for (const worker of workers) worker.close();
  }
  return { calls: begun, callsPerSecond: (begun * 1000) / (performance.now() - started) };
}
