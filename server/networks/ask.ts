/** Asks many peers at once how they are. */
import { PeerError } from '../peer-error.js';
import { createTurns } from '../ports.js';
import type { PeerIo, Peers } from '../ports.js';
import { placeOf } from './peer-pod.js';
import type { PeerPod } from './peer-pod.js';
import type { Report } from './plan.js';

/** How long a peer may take to say how it is, in milliseconds: ours never waits for others. */
const ASK_MS = 2_000;
/** Questions under way at once. */
const AT_ONCE = 64;

/** A question, whose it is, and what begins it. */
interface Question {
  readonly namespace: string;
  /** All that are asked at once for one network. */
  readonly round: string;
  readonly begin: () => void;
}

/** Runs so many at once, for all who share it; of those that wait, one of the namespace and round with the fewest under way. */
export function createShares(most: number) {
  const turns = createTurns<Question>({
    ownersOf: ({ namespace, round }) => [namespace, round],
    most: Math.ceil(most / 2),
  });
  let running = 0;
  const fill = (): void => {
    while (running < most) {
      const next = turns.take();
      if (next === undefined) return;
      running++;
      next.begin();
    }
  };
  return async <T>(namespace: string, round: string, work: () => Promise<T>): Promise<T> => {
    const question = await new Promise<Question>((resolve) => {
      const asked: Question = { namespace, round, begin: () => resolve(asked) };
      turns.add(asked);
      fill();
    });
    try {
      return await work();
    } finally {
      running--;
      turns.over(question);
      fill();
    }
  };
}

/** Asks the peers of all running pods: uid → what came of it. Rejects only when the signal fires. */
export type Ask = (pods: Iterable<PeerPod>, io?: PeerIo) => Promise<Map<string, Report>>;

export function createAsk(peers: Peers): Ask {
  const shared = createShares(AT_ONCE);
  let rounds = 0;
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
    const round = String(++rounds);
    const running = [...pods].filter(({ phase }) => phase === 'running');
    await Promise.all(running.map((pod) => shared(pod.namespace, round, () => ask(pod))));
    return reports;
  };
}
