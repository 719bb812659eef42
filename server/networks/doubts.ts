/**
 * Peers that cannot be asked and were told to join, of whom nobody knows whether they did: the leader was killed, or the call
 * ended in the middle. Who joins twice is listed twice, so they are not told again before their blocks say that they are apart.
 */
import { createHash } from 'node:crypto';
import { PeerError } from '../peer-error.js';
import type { Peers } from '../ports.js';
import { isDoubtful } from './halves.js';
import { placeOf } from './peer-pod.js';
import type { PeerPod } from './peer-pod.js';
import type { Report, Situation } from './plan.js';

/** A block that one of them has and the other has not had for so long is not under way, in milliseconds. */
export const MOMENT_MS = 5_000;
/** How long a peer may take to show its blocks, in milliseconds. */
const READ_MS = 2_000;
/** Members that are compared with, until one shows its blocks. */
const CONTACTS = 3;

interface Bound {
  readonly blocks: number;
  readonly bytes: number;
}
/** What is looked for. */
const SAMPLE: Bound = { blocks: 16, bytes: 1 << 20 };
/** Where it is looked for. */
const SEARCH: Bound = { blocks: 2_000, bytes: 32 << 20 };

/** Digests of payloads, newest first. */
export interface Excerpt {
  readonly digests: readonly string[];
  /** There are no more. */
  readonly whole: boolean;
}

/**
 * How a sample of one peer's newest blocks lies in those of another. `all`: in a row, and where the sample is all that there is,
 * as the oldest ones; `none`: not one of them; `some`: anything else, or it cannot be told.
 */
export function overlap(sample: Excerpt, other: Excerpt): 'all' | 'some' | 'none' {
  const { length } = sample.digests;
  for (let at = 0; length > 0 && at + length <= other.digests.length; at++) {
    const ends = !sample.whole || !other.whole || at + length === other.digests.length;
    if (ends && sample.digests.every((digest, i) => other.digests[at + i] === digest)) return 'all';
  }
  const known = new Set(other.digests);
  return other.whole && !sample.digests.some((digest) => known.has(digest)) ? 'none' : 'some';
}

interface Doubt {
  readonly incarnation: string;
  /** What was the newest at the first look: blocks that both may have by chance, as when two programs write the same page. */
  first: string | undefined;
  /** What the other side did not have when it was looked for. */
  lacking: { readonly sample: Excerpt; readonly by: 'peer' | 'contact'; readonly since: number } | undefined;
}

export interface Doubts {
  /** Puts what is found out into the reports. Rejects only when the signal fires. */
  look(
    known: Pick<Situation, 'pods' | 'done'> & { readonly reports: Map<string, Report> },
    signal: AbortSignal,
  ): Promise<void>;
  /** The peer is told to join anew, or is no more. */
  forget(uid: string): void;
}

export function createDoubts(peers: Pick<Peers, 'payloads'>, now = () => performance.now()): Doubts {
  const doubts = new Map<string, Doubt>();

  const read = async (pod: PeerPod, most: Bound, signal: AbortSignal): Promise<Excerpt> => {
    const digests: string[] = [];
    let bytes = 0;
    for await (const payload of peers.payloads(placeOf(pod), { signal, timeoutMs: READ_MS })) {
      if (digests.length >= most.blocks || bytes >= most.bytes) return { digests, whole: false };
      digests.push(createHash('sha256').update(payload).digest('base64'));
      bytes += payload.byteLength;
    }
    return { digests, whole: true };
  };

  const compare = async (
    pod: PeerPod,
    contact: PeerPod,
    doubt: Doubt,
    signal: AbortSignal,
  ): Promise<'joined' | 'alike' | 'apart' | undefined> => {
    const sideOf = (by: 'peer' | 'contact'): PeerPod => (by === 'peer' ? pod : contact);
    const { lacking } = doubt;
    if (lacking !== undefined) {
      const side = await read(sideOf(lacking.by), SEARCH, signal);
      if (overlap(lacking.sample, side) === 'none')
        return now() - lacking.since >= MOMENT_MS ? 'apart' : undefined;
      doubt.lacking = undefined;
    }
    let by: 'peer' | 'contact' = 'peer';
    let sample = await read(contact, SAMPLE, signal);
    if (sample.digests.length === 0) {
      by = 'contact';
      sample = await read(pod, SAMPLE, signal);
    }
    const newest = sample.digests.join();
    doubt.first ??= newest;
    if (newest === '') return undefined;
    const found = overlap(sample, await read(sideOf(by), SEARCH, signal));
    if (found === 'none') doubt.lacking = { sample, by, since: now() };
    return found !== 'all' ? undefined : newest === doubt.first ? 'alike' : 'joined';
  };

  return {
    async look({ pods, reports, done }, signal) {
      for (const { uid } of pods.filter((pod) => !isDoubtful(pod, done))) doubts.delete(uid);
      const doubtful = pods.filter((pod) => isDoubtful(pod, done));
      if (doubtful.length === 0) return;
      const isMute = ({ uid }: PeerPod): boolean => reports.get(uid)?.kind === 'mute';
      const listed = new Set(
        [...reports.values()].flatMap((report) => (report.kind === 'status' ? report.members : [])),
      );
      // Those who list some of them know of the others too, and join nobody twice.
      if (pods.some((pod) => isMute(pod) && listed.has(pod.address ?? ''))) return;
      const contacts = pods
        .filter((pod) => isMute(pod) && done.get(pod.uid) === pod.incarnation)
        .sort((a, b) => b.createdAt - a.createdAt)
        .slice(0, CONTACTS);
      for (const pod of doubtful.filter(isMute)) {
        let doubt = doubts.get(pod.uid);
        if (doubt?.incarnation !== pod.incarnation) {
          doubt = { incarnation: pod.incarnation, first: undefined, lacking: undefined };
          doubts.set(pod.uid, doubt);
        }
        for (const contact of contacts)
          try {
            const found = await compare(pod, contact, doubt, signal);
            if (found !== undefined) reports.set(pod.uid, { kind: 'mute', found });
            break;
          } catch (error) {
            if (signal.aborted) throw signal.reason;
            if (!(error instanceof PeerError)) throw error;
          }
      }
    },
    forget: (uid) => void doubts.delete(uid),
  };
}
