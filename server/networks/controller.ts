/** The controller of the networks: changes of pods and the time enqueue a network, and each is brought in line afresh. */
import { isStatus } from '../kube-errors.js';
import { PeerError } from '../peer-error.js';
import { createWorkQueue } from '../ports.js';
import type { Kube, Leadership, Log, Peers, Reflect } from '../ports.js';
import type { Ask } from './ask.js';
import { createDoubts, MOMENT_MS } from './doubts.js';
import { followPods } from './follow-pods.js';
import { isDoubtful, joining } from './halves.js';
import { createLedger } from './ledger.js';
import type { NetworkMetrics } from './network-metrics.js';
import { ownerOf } from './network-key.js';
import type { SharedNetworks } from './network-key.js';
import type { PeerPod } from './peer-pod.js';
import { plan } from './plan.js';
import type { Plan, Report, Situation } from './plan.js';
import { createPodEvents } from './pod-events.js';
import { createRoster } from './roster.js';
import { createLook } from './sightings.js';
import { createSteps } from './steps.js';

export interface ControllerOptions {
  readonly kube: Kube;
  readonly reflect: Reflect;
  readonly peers: Peers;
  readonly ask: Ask;
  readonly log: Log;
  readonly metrics: NetworkMetrics;
  readonly shared: SharedNetworks;
  /** The namespaces whose pods count; all when empty. */
  readonly namespaces: readonly string[];
  /** How often each network's peers are asked how they are, in milliseconds. */
  readonly healthMs: number;
  /** Where what was done is kept. */
  readonly ledger: { readonly namespace: string; readonly name: string };
  /** The name of this process. */
  readonly identity: string;
}

/** Networks that are brought in line at once. */
const AT_ONCE = 32;
/** One that takes longer waits for its peers, and holds up no other, in milliseconds. */
const PATIENCE_MS = 1_000;
/** After steps a network is looked at again so soon, in milliseconds. */
const LOOK_MS = 100;
/** Peers that are asked in a second: with more pods than fit, each network is asked less often. */
const ASKED_A_SECOND = 200;
/** A peer that is silent for so long was dropped by its fellows, and people are told, in milliseconds. */
const LOST_MS = 5_000;

/** How long writing down a join may take, in milliseconds. */
const KEEP_MS = 5_000;

/** What could not be done, to be tried again. */
class Unfinished extends Error {
  override readonly name = 'Unfinished';
}

/** Leads until the leadership ends. */
export async function control(leadership: Leadership, options: ControllerOptions): Promise<void> {
  const { kube, log, metrics, healthMs, namespaces } = options;
  const { signal } = leadership;
  const roster = createRoster(options.shared);
  const ledger = createLedger(kube, options.ledger);
  const events = createPodEvents({
    kube,
    log,
    signal,
    dropped: metrics.eventsDropped,
    instance: options.identity,
  });
  const look = createLook(kube, signal);
  const steps = createSteps({ peers: options.peers, leadership, events, metrics, look });
  const doubts = createDoubts(options.peers);
  /** Since when a peer is silent, by uid. */
  const silentSince = new Map<string, number>();
  /** Joins that were told to be done, by uid: the incarnation. */
  const joined = new Map<string, string>();
  const said = new Map<string, string>();

  /** The reports, with how long the silent have been so. */
  const judged = (reports: Map<string, Report>, pods: readonly PeerPod[]): Map<string, Report> => {
    const now = performance.now();
    for (const pod of pods) {
      const report = reports.get(pod.uid);
      if (report?.kind !== 'silent') {
        silentSince.delete(pod.uid);
        continue;
      }
      const since = silentSince.get(pod.uid) ?? now;
      silentSince.set(pod.uid, since);
      const lost = now - since >= LOST_MS;
      reports.set(pod.uid, { ...report, lost });
      if (lost) events.tell(pod, 'Warning', 'PeerUnreachable', report.why);
    }
    return reports;
  };

  const settle = (
    key: string,
    { standings, steps: due }: Plan,
    { departed }: Pick<Situation, 'departed'>,
  ): void => {
    const busy = new Set(due.flatMap((step) => (step.do === 'drop' ? [] : [step.pod.uid])));
    for (const { pod, state } of standings) {
      if (state !== 'member' || busy.has(pod.uid)) continue;
      roster.arrived(key, pod.uid);
      joined.delete(pod.uid);
      events.recovered(pod);
    }
    // One that is silent for a moment may list it.
    const isSilent = standings.some(({ report }) => report?.kind === 'silent' && !report.lost);
    for (const pod of departed) if (!busy.has(pod.uid) && !isSilent) roster.seenOff(key, pod.uid);
    for (const { pod, state, why = '', report } of standings)
      if (state === 'apart' && report?.kind === 'status' && !busy.has(pod.uid))
        events.tell(pod, 'Warning', 'PeerUnfit', why);
  };

  const reconcile = async (key: string): Promise<void | { requeueAfterMs: number }> => {
    if (!leadership.holds()) return;
    const began = performance.now();
    const known = roster.of(key);
    if (known.pods.length === 0 && known.departed.length === 0) {
      await ledger.set(key, new Map(), signal);
      metrics.forget(key);
      return;
    }
    const reports = judged(await options.ask(known.pods, { signal }), known.pods);
    // A join that could not be written down is done all the same.
    const done = new Map(ledger.get(key));
    for (const { uid, incarnation } of known.pods)
      if (reports.get(uid)?.kind === 'mute' && joined.get(uid) === incarnation) done.set(uid, incarnation);
    await doubts.look({ pods: known.pods, reports, done }, signal);
    const decided = plan({ ...known, reports, done });
    metrics.standings(key, decided.standings);
    await ledger.set(key, decided.done, signal);
    settle(key, decided, known);
    /** What was written of peers that are told to join, before it was. */
    const before = new Map<string, string | undefined>();
    const write = ({ uid }: PeerPod, text: string | undefined, until: AbortSignal): Promise<void> => {
      const rows = new Map(ledger.get(key));
      if (text === undefined) rows.delete(uid);
      else rows.set(uid, text);
      return ledger.set(key, rows, until);
    };
    const outcome = await steps.run(key, decided, {
      isJoined: (pod) => joined.get(pod.uid) === pod.incarnation,
      begin: async (pod, report) => {
        if (report?.kind !== 'mute') return;
        before.set(pod.uid, isDoubtful(pod, ledger.get(key)) ? undefined : ledger.get(key).get(pod.uid));
        doubts.forget(pod.uid);
        await write(pod, joining(pod.incarnation), signal);
      },
      undo: async (pod, report) => {
        if (report?.kind === 'mute') await write(pod, before.get(pod.uid), AbortSignal.timeout(KEEP_MS));
      },
      keep: async (pod, report) => {
        joined.set(pod.uid, pod.incarnation);
        // Kept also when the leading ends meanwhile: the join is done.
        if (report?.kind === 'mute') await write(pod, pod.incarnation, AbortSignal.timeout(KEEP_MS));
      },
      left: (pod) => roster.arrived(key, pod.uid),
      seenOff: (pod) => roster.seenOff(key, pod.uid),
    });
    metrics.reconciled((performance.now() - began) / 1000);
    // One that was lost long ago is asked again as all are.
    const silent = decided.standings.flatMap(({ report }) =>
      report?.kind === 'silent' && !report.lost ? [report.why] : [],
    );
    const undone = [...outcome.failures, ...silent];
    if (undone.length > 0) throw new Unfinished(undone.join(' '));
    said.delete(key);
    if (outcome.done > 0) return { requeueAfterMs: LOOK_MS };
    // Spread, so that not all networks are asked at once.
    const spread = Math.max(healthMs, (roster.size() / ASKED_A_SECOND) * 1000);
    const isOpen = decided.standings.some(
      ({ pod, state }) => state === 'apart' && isDoubtful(pod, decided.done),
    );
    const intervalMs = isOpen ? Math.min(spread, MOMENT_MS) : spread;
    return { requeueAfterMs: intervalMs * (0.75 + Math.random() / 2) };
  };

  const queue = createWorkQueue<string>({
    reconcile,
    concurrency: AT_ONCE,
    patienceMs: PATIENCE_MS,
    ownerOf,
    backoff: { baseMs: 200, maxMs: healthMs },
    // What the API server refuses it will refuse again; what peers do may change.
    isTerminal: (error) =>
      !(error instanceof Unfinished) &&
      !(error instanceof PeerError) &&
      [403, 413, 422].some((code) => isStatus(error, code)),
    onError: (key, error, retryInMs) => {
      metrics.failed();
      if (retryInMs === undefined) queue.addAfter(key, healthMs);
      const message = error instanceof Error ? error.message : String(error);
      // A network that stays as it is says so once.
      if (said.get(key) === message) return;
      said.set(key, message);
      log.warn(
        { network: key, retryInMs, ...(error instanceof Unfinished ? { why: message } : { err: error }) },
        'a network is not as it should be',
      );
    },
  });
  metrics.queue(() => queue.size);

  await ledger.load(signal);
  const pods = followPods({
    reflect: options.reflect,
    shared: options.shared,
    namespaces,
    log,
    take: (change) => {
      if (change.type === 'deleted') {
        const uid = change.object.metadata?.uid ?? '';
        events.forget(uid);
        steps.forget(uid);
        silentSince.delete(uid);
        joined.delete(uid);
        doubts.forget(uid);
      }
      return roster.change(change);
    },
    changed: (key) => queue.add(key),
  });
  await new Promise<void>((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.all([pods.stop(), queue.stop()]);
  metrics.clear();
}
