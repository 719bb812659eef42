/** A work queue of keys: deduplicated, one run of a key at a time, retried by its own back-off. */
import { setMaxListeners } from 'node:events';
import { backoffMs } from './backoff.js';
import type { Backoff } from './backoff.js';
import { MAX_TIMER_MS } from './timers.js';
import { createTurns } from './turns.js';

export interface WorkQueueOptions<K extends string> {
  /**
   * Brings the world in line with one key. It may ask to be called again later; when it throws it is, after the key's
   * back-off. The signal fires at `stop`.
   */
  reconcile(key: K, signal: AbortSignal): Promise<void | { requeueAfterMs: number }>;
  /** Keys that are worked on at once. Default 1. */
  concurrency?: number | undefined;
  /** Whose a key is: of those that wait, one whose owner has the fewest under work comes first. All are one owner's by default. */
  ownerOf?: ((key: K) => string) | undefined;
  /**
   * A key that is worked on for longer waits for something else than us, and others are worked on beside it, up to sixteen times
   * as many as `concurrency`. Milliseconds; without it each counts until it ends.
   */
  patienceMs?: number | undefined;
  /** Default 200 ms, doubling to 60 s; half of each delay is random. */
  backoff?: Backoff | undefined;
  /** True for errors that a retry cannot mend: the key is left until it is added again. */
  isTerminal?: ((error: unknown) => boolean) | undefined;
  /** Told of each failure; `retryInMs` is undefined when there is no retry. */
  onError?: ((key: K, error: unknown, retryInMs: number | undefined) => void) | undefined;
}

export interface WorkQueue<K extends string> {
  /** Works on the key soon; once, however often it is added before. A key under work is run once more after it. */
  add(key: K): void;
  /** Adds the key after some milliseconds; of several delays the earliest counts. */
  addAfter(key: K, ms: number): void;
  /** Drops what waits, signals what runs, and resolves when that has ended. */
  stop(): Promise<void>;
  /** Keys that wait for their turn or are worked on; those delayed are not counted. */
  readonly size: number;
}

/** Keys that are worked on at once, those that take long among them, are so many times `concurrency` at most. */
const BESIDE = 16;

export function createWorkQueue<K extends string>(options: WorkQueueOptions<K>): WorkQueue<K> {
  const { concurrency = 1, backoff = { baseMs: 200, maxMs: 60_000 }, ownerOf, patienceMs } = options;
  const waiting = createTurns<K>({ ownersOf: (key) => [ownerOf?.(key) ?? ''] });
  const running = new Map<K, Promise<void>>();
  const again = new Set<K>();
  /** Those of `running` that take long. */
  const long = new Set<K>();
  const failures = new Map<K, number>();
  const delayed = new Map<K, { at: number; timer: NodeJS.Timeout }>();
  const stopping = new AbortController();
  // Each call under way listens to it; that many are no leak.
  setMaxListeners(0, stopping.signal);

  const add = (key: K) => {
    if (stopping.signal.aborted) return;
    if (running.has(key)) again.add(key);
    else {
      waiting.add(key);
      // Off the caller's stack, so that `add` never runs a reconcile in its own.
      queueMicrotask(fill);
    }
  };

  const addAfter = (key: K, ms: number) => {
    if (stopping.signal.aborted) return;
    const delayMs = Math.min(ms, MAX_TIMER_MS);
    const at = performance.now() + delayMs;
    const earlier = delayed.get(key);
    if (earlier && earlier.at <= at) return;
    clearTimeout(earlier?.timer);
    const timer = setTimeout(() => {
      delayed.delete(key);
      add(key);
    }, delayMs);
    delayed.set(key, { at, timer });
  };

  const work = async (key: K) => {
    try {
      const result = await options.reconcile(key, stopping.signal);
      failures.delete(key);
      if (result) addAfter(key, result.requeueAfterMs);
    } catch (error) {
      if (stopping.signal.aborted) return;
      fail(key, error);
    }
  };

  const fail = (key: K, error: unknown) => {
    const count = (failures.get(key) ?? 0) + 1;
    const terminal = options.isTerminal?.(error) === true;
    const retryInMs = terminal ? undefined : backoffMs(backoff, count);
    if (retryInMs === undefined) failures.delete(key);
    else {
      failures.set(key, count);
      addAfter(key, retryInMs);
    }
    try {
      options.onError?.(key, error, retryInMs);
    } catch {
      // It only tells; what goes wrong there must not stop the queue.
    }
  };

  /** Lets others be worked on beside the key when it takes long. Answers what ends that. */
  const bePatient = (key: K): (() => void) => {
    if (patienceMs === undefined) return () => {};
    const timer = setTimeout(() => {
      long.add(key);
      fill();
    }, patienceMs);
    return () => {
      clearTimeout(timer);
      long.delete(key);
    };
  };

  const fill = () => {
    while (!stopping.signal.aborted) {
      if (running.size - Math.min(long.size, (BESIDE - 1) * concurrency) >= concurrency) return;
      const key = waiting.take();
      if (key === undefined) return;
      const end = bePatient(key);
      running.set(
        key,
        // Begins after it is known as running: a reconcile may add its own key.
        Promise.resolve(key)
          .then(work)
          .finally(() => {
            end();
            running.delete(key);
            waiting.over(key);
            if (again.delete(key)) add(key);
            fill();
          }),
      );
    }
  };

  return {
    add,
    addAfter,
    async stop() {
      stopping.abort();
      for (const { timer } of delayed.values()) clearTimeout(timer);
      delayed.clear();
      waiting.clear();
      await Promise.allSettled(running.values());
    },
    get size() {
      return waiting.size + running.size;
    },
  };
}
