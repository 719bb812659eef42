/** Asks many peers at once how they are. */
import { PeerError } from '../peer-error.js';
import type { PeerIo, Peers } from '../ports.js';
import { placeOf } from './peer-pod.js';
import type { PeerPod } from './peer-pod.js';
import type { Report } from './plan.js';

/** How long a peer may take to say how it is, in milliseconds: ours never waits for others. */
const ASK_MS = 2_000;
/** Questions under way at once. */
const AT_ONCE = 64;

/** Runs at most so many at once, for all who share it. */
export function createLimit(most: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}

/** Asks the peers of all running pods: uid → what came of it. Rejects only when the signal fires. */
export type Ask = (pods: Iterable<PeerPod>, io?: PeerIo) => Promise<Map<string, Report>>;

export function createAsk(peers: Peers): Ask {
  const limit = createLimit(AT_ONCE);
  return async (pods, { signal, timeoutMs = ASK_MS } = {}) => {
    const bounds = { signal, timeoutMs: Math.min(timeoutMs, ASK_MS) };
    const reports = new Map<string, Report>();
    const ask = async (pod: PeerPod): Promise<void> => {
      try {
        const status = await peers.status(placeOf(pod), bounds);
        reports.set(pod.uid, status === undefined ? { kind: 'mute' } : { kind: 'status', ...status });
      } catch (error) {
        if (signal?.aborted === true) throw signal.reason;
        if (!(error instanceof PeerError)) throw error;
        reports.set(pod.uid, { kind: 'silent', why: error.message, lost: false });
      }
    };
    const running = [...pods].filter(({ phase }) => phase === 'running');
    await Promise.all(running.map((pod) => limit(() => ask(pod))));
    return reports;
  };
}
