/** The work queue as every controller here uses it. */
import { KubeError, createWorkQueue } from '../../kube/index.js';
import type { KubeLog, WorkQueue } from '../../kube/index.js';

/**
 * An answer that is part of normal life: the object changed, came or went meanwhile, or its namespace goes. Where the
 * last matters to a person, an Event says so.
 */
const isExpected = (error: unknown): boolean =>
  error instanceof KubeError && [403, 404, 409].some((code) => error.is(code));

export interface ControllerQueueOptions {
  /** Names the controller in log lines. */
  name: string;
  log?: KubeLog | undefined;
  concurrency?: number;
  /** Nothing is begun before; may stay open for ever. */
  after?: Promise<unknown>;
  reconcile(key: string, signal: AbortSignal): Promise<void | { requeueAfterMs: number }>;
}

const once = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** Retries soon, as nearly every failure is a copy that lags behind. */
export const startQueue = ({
  name,
  log,
  concurrency,
  after,
  reconcile,
}: ControllerQueueOptions): WorkQueue<string> => {
  let isOpen = after === undefined;
  const opened = after?.then(() => void (isOpen = true));
  return createWorkQueue<string>({
    reconcile: async (key, signal) => {
      if (!isOpen) await Promise.race([opened, once(signal)]);
      return signal.aborted ? undefined : reconcile(key, signal);
    },
    concurrency,
    backoff: { baseMs: 10, maxMs: 30_000 },
    onError: (key, err, retryInMs) => {
      if (isExpected(err))
        log?.debug({ controller: name, key, err, retryInMs }, 'tried again with a fresh copy');
      else log?.warn({ controller: name, key, err, retryInMs }, 'a reconcile failed and is tried again');
    },
  });
};
