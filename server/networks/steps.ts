/** Does what a plan says, one step after another. */
import { setMaxListeners } from 'node:events';
import { PeerError } from '../peer-error.js';
import type { PeerFault } from '../peer-error.js';
import type { Leadership, Peers } from '../ports.js';
import type { NetworkMetrics } from './network-metrics.js';
import { placeOf } from './peer-pod.js';
import type { PeerPod } from './peer-pod.js';
import type { Plan, Report, Step } from './plan.js';
import type { PodEvents } from './pod-events.js';
import type { Look, Sight } from './sightings.js';

interface Options {
  readonly peers: Peers;
  readonly leadership: Leadership;
  readonly events: PodEvents;
  readonly metrics: NetworkMetrics;
  readonly look: Look;
}

/** What the steps need of the network's own state. */
export interface Progress {
  /** Whether the pod was told to join before, and said that it did. */
  isJoined(pod: PeerPod): boolean;
  /** Writes down that the pod's peer is about to be told to join. What it rejects with, the peer is not told. */
  begin(pod: PeerPod, report: Report | undefined): Promise<void>;
  /** Takes back what `begin` wrote: the peer refused, and nothing happened. */
  undo(pod: PeerPod, report: Report | undefined): Promise<void>;
  /** Remembers a join. */
  keep(pod: PeerPod, report: Report | undefined): Promise<void>;
  /** The peer has left the network that it was in, and is empty. */
  left(pod: PeerPod): void;
  /** All was tried for a pod without the label, or it is no more. */
  seenOff(pod: PeerPod): void;
}

export interface Outcome {
  /** Steps that were done. */
  readonly done: number;
  /** Why the others were not, a sentence each. */
  readonly failures: readonly string[];
}

/** How long a peer may take to join, which is to fetch a chain, and to leave, in milliseconds. */
const JOIN_MS = 20_000;
const LEAVE_MS = 5_000;
/**
 * How long a join that is under way may go on when the leading ends, in milliseconds: of one that is cut off nobody knows whether
 * it happened, and a peer of the reference may be left half in.
 */
const FINISH_MS = 5_000;
/** What a peer says that answers and does not do it. */
const REFUSALS: ReadonlySet<PeerFault> = new Set(['refused', 'overloaded', 'invalid']);
/** What a peer says that did not join: the others leave it open. */
const NOTHING_HAPPENED: ReadonlySet<PeerFault> = new Set([...REFUSALS, 'unsupported']);
/** Contacts that one pass tries for a peer. */
const CONTACTS = 3;

type Join = Extract<Step, { do: 'join' | 'merge' }>;
const isJoin = (step: Step): step is Join => step.do === 'join' || step.do === 'merge';
const called = ({ namespace, name }: PeerPod): string => `${namespace}/${name}`;
const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export function createSteps({ peers, leadership, events, metrics, look }: Options) {
  const { signal } = leadership;
  /** When a pod's peer last did not answer in time, by uid. */
  const slow = new Map<string, number>();
  const finishing = new AbortController();
  // Each join under way listens to it; that many are no leak.
  setMaxListeners(0, finishing.signal);
  signal.addEventListener(
    'abort',
    () => setTimeout(() => finishing.abort(signal.reason), FINISH_MS).unref(),
    {
      once: true,
    },
  );

  /** Joins by the first contact that takes it. @throws the last contact's error. */
  const join = async (step: Join, contacts: readonly PeerPod[]): Promise<PeerPod> => {
    let last = new PeerError('refused', 'there is nobody to join.');
    for (const contact of contacts) {
      // The first was looked at already.
      if (contact !== contacts[0] && (await look(contact).catch(() => 'gone')) !== 'as known') continue;
      try {
        const bounds = { signal: finishing.signal, timeoutMs: JOIN_MS };
        await peers[step.do](placeOf(step.pod), contact.address ?? '', bounds);
        return contact;
      } catch (error) {
        if (!(error instanceof PeerError)) throw error;
        last = error;
        // Another contact helps only when it was the contact's fault, which a peer that answers says by refusing.
        if (!REFUSALS.has(error.fault)) break;
      }
    }
    throw last;
  };

  /** The contacts to try for a peer, of which the first is still what is known of it. */
  const lookedAt = async (contacts: readonly PeerPod[]): Promise<PeerPod[]> => {
    for (const [i, contact] of contacts.entries())
      if ((await look(contact)) === 'as known') return contacts.slice(i, i + CONTACTS);
    if (contacts.length > 0)
      throw new PeerError('refused', 'whom it could join is no longer what is known of it.');
    return [];
  };

  /** Sees a peer off: it leaves by itself, or else a member drops it. */
  const leave = async ({ pod, contacts }: Extract<Step, { do: 'leave' }>): Promise<void> => {
    const bounds = { signal, timeoutMs: LEAVE_MS };
    try {
      await peers.leave(placeOf(pod), undefined, bounds);
    } catch (error) {
      const contact = contacts[0];
      // One that refuses is there, and would keep what it has.
      if (contact === undefined || !(error instanceof PeerError) || REFUSALS.has(error.fault)) throw error;
      await peers.leave(placeOf(contact), pod.address, bounds);
    }
  };

  /** Those that did not answer in time come last: a pass ends with the first that does not. */
  const inOrder = (steps: readonly Step[]): Step[] =>
    [...steps].sort((a, b) => (slow.get(a.pod.uid) ?? 0) - (slow.get(b.pod.uid) ?? 0));

  const run = async (network: string, plan: Plan, progress: Progress): Promise<Outcome> => {
    const failures: string[] = [];
    const newest: PeerPod[] = [];
    let done = 0;
    const reports = new Map(plan.standings.map(({ pod, report }) => [pod.uid, report]));
    const isDeparted = ({ uid }: PeerPod): boolean => !reports.has(uid);
    /** Those that have still to leave another network: they would carry its state into this one. */
    const unfit = new Set(plan.steps.flatMap((step) => (step.do === 'leave' ? [step.pod.uid] : [])));

    /** Answers false when it was not done because the leading is over. */
    const act = async (step: Step): Promise<boolean> => {
      const { pod } = step;
      switch (step.do) {
        case 'drop':
          await peers.leave(placeOf(pod), step.address, { signal, timeoutMs: LEAVE_MS });
          return true;
        case 'leave':
          await leave(step);
          unfit.delete(pod.uid);
          progress.left(pod);
          events.tell(pod, 'Normal', 'LeftNetwork', `The peer has left its network: ${step.why}.`);
          return true;
        default: {
          const report = reports.get(pod.uid);
          const contacts = await lookedAt(
            [...newest, ...step.contacts].filter(({ uid }) => uid !== pod.uid && !unfit.has(uid)),
          );
          const repeated = progress.isJoined(pod);
          if (contacts.length > 0) await progress.begin(pod, report);
          // Looking and writing took their time.
          if (!leadership.holds()) return false;
          const began = performance.now();
          const contact = await join(step, contacts).catch(async (error: unknown) => {
            // Of anything else one does not know whether it happened.
            if (error instanceof PeerError && NOTHING_HAPPENED.has(error.fault))
              await progress.undo(pod, report);
            throw error;
          });
          metrics.joined(step.do, (performance.now() - began) / 1000);
          await progress.keep(pod, report);
          if (repeated)
            throw new PeerError(
              'refused',
              `The peer of pod ${called(pod)} joins ${network} and is no member after it.`,
            );
          if (report?.kind === 'status') newest.unshift(pod);
          events.tell(
            pod,
            'Normal',
            step.do === 'merge' ? 'MergedNetworks' : 'JoinedNetwork',
            step.do === 'merge'
              ? `The peer has taken its half of network ${network} to that of pod ${called(contact)}.`
              : `The peer has joined network ${network} by pod ${called(contact)}.`,
          );
          return true;
        }
      }
    };

    /** What is not done, as the pod is another than it was. */
    const pass = ({ do: what, pod }: Step, sight: Sight): void => {
      if (isDeparted(pod) && sight === 'gone') return progress.seenOff(pod);
      unfit.add(pod.uid);
      metrics.step(what, 'stale');
      failures.push(`Pod ${called(pod)} is no longer what is known of it.`);
    };

    for (const step of inOrder(plan.steps)) {
      if (isJoin(step) && unfit.has(step.pod.uid)) continue;
      const sight = await look(step.pod, isDeparted(step.pod)).catch((error: unknown) => {
        if (signal.aborted) return 'changed' as const;
        throw error;
      });
      // A process that was stopped for a while learns here that another leads.
      if (!leadership.holds()) break;
      if (sight !== 'as known') {
        pass(step, sight);
        continue;
      }
      try {
        if (!(await act(step))) break;
        done++;
        slow.delete(step.pod.uid);
        metrics.step(step.do, 'ok');
      } catch (error) {
        if (signal.aborted) break;
        if (!(error instanceof PeerError)) throw error;
        metrics.step(step.do, error.fault);
        failures.push(words(error));
        if (isJoin(step)) events.tell(step.pod, 'Warning', 'JoinFailed', words(error));
        if (error.fault === 'deadline') {
          if (!isDeparted(step.pod)) slow.set(step.pod.uid, performance.now());
          break;
        }
      } finally {
        // Tried once: one that has no label is not ours to chase.
        if (isDeparted(step.pod)) progress.seenOff(step.pod);
      }
    }
    return { done, failures };
  };

  return {
    run,
    /** Pods that are no more. */
    forget: (uid: string): void => void slow.delete(uid),
  };
}
