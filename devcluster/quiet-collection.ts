/**
 * Gives memory back when it is quiet. V8 collects as memory is asked for: after a burst of writes it keeps their garbage, the
 * holes between what is left, and a large young generation, until another burst, which may never come.
 */
import { performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';

export interface QuietCollectionOptions {
  /** Milliseconds between looks, and for which it must have been quiet. Default 500. */
  everyMs?: number;
  /** Bytes that must have come since it was least. Default 24 MiB. */
  grownBytes?: number;
  /** Default `collectGarbage`. */
  collect?: () => Promise<void>;
}

/** The event loop is quiet when it is busy for less than this share of the time. */
const QUIET = 0.05;

/** Bytes of the heap and of buffers. */
const held = (): number => {
  const { total_physical_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
};

/** A collection takes some tenths of a second of an otherwise idle process. Answers what ends it. */
export function startQuietCollection(options: QuietCollectionOptions = {}): () => void {
  const { everyMs = 500, grownBytes = 24 * 1024 * 1024, collect = collectGarbage } = options;
  let last = performance.eventLoopUtilization();
  let least = held();
  const look = async (): Promise<void> => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    least = Math.min(least, held());
    if (utilization > QUIET || held() < least + grownBytes) return;
    await collect();
    // What is left is in use.
    least = held();
  };
  // A Node without an inspector cannot collect, and goes on as it is.
  const timer = setInterval(() => void look().catch(() => clearInterval(timer)), everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** Collects all that is garbage and gives its room back. Of Node's own ways to do so it is the one without flags. */
export async function collectGarbage(): Promise<void> {
  const { Session } = await import('node:inspector');
  const session = new Session();
  session.connect();
  try {
    await new Promise<void>((resolve, reject) => {
      session.post('HeapProfiler.collectGarbage', (error) => (error === null ? resolve() : reject(error)));
    });
  } finally {
    session.disconnect();
  }
}
