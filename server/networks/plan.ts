/**
 * What to do for one network: from its pods, what their peers say, and what was done, to the joins, merges and leaves to make.
 * Pure, and decided afresh each time; once all is done it answers no steps.
 */
import type { PeerStatus } from '../ports.js';
import { byAge, halves, oldestOf } from './halves.js';
import type { Node } from './halves.js';
import type { PeerPod } from './peer-pod.js';

/** What came of asking a pod's peer. */
export type Report =
  /** It says what it belongs to. */
  | ({ readonly kind: 'status' } & PeerStatus)
  /**
   * It is healthy, and speaks the reference's protocol only: it cannot be asked. `found` is what its blocks tell of a join of
   * which nobody knows how it ended: that it happened; that it looks so, which may be chance; or that it did not.
   */
  | { readonly kind: 'mute'; readonly found?: 'joined' | 'alike' | 'apart' }
  /** It does not answer; `lost` when for so long that the other members have dropped it. */
  | { readonly kind: 'silent'; readonly why: string; readonly lost: boolean };

/** A running pod of another network. */
export interface Stranger {
  readonly createdAt: number;
  /** It is known to have still to leave the network that it was in. */
  readonly moved: boolean;
}

export interface Situation {
  /** The pods with the network's label. */
  readonly pods: readonly PeerPod[];
  /** By uid; a pod that was not asked has none. */
  readonly reports: ReadonlyMap<string, Report>;
  /** Peers that cannot be asked and were joined: uid → incarnation, or `joining` of it where it is not known how that ended. */
  readonly done: ReadonlyMap<string, string>;
  /** Running pods of other networks, by address. */
  readonly elsewhere: Pick<ReadonlyMap<string, Stranger>, 'get'>;
  /** Pods whose peers were last known in another network, and have still to leave it: uids. */
  readonly moved: ReadonlySet<string>;
  /** Pods whose peers are known to be in this network rightly: uids. */
  readonly settled: ReadonlySet<string>;
  /** Pods that run on and whose label was seen to go. */
  readonly departed: readonly PeerPod[];
}

export type Step =
  /** The peer leaves the network that it is in, and forgets its state. */
  | {
      readonly do: 'leave';
      readonly pod: PeerPod;
      readonly why: string;
      readonly contacts: readonly PeerPod[];
    }
  /** A member is told to drop the address of one that belongs to another network. */
  | { readonly do: 'drop'; readonly pod: PeerPod; readonly address: string }
  /** One peer joins, by the first of the contacts that takes it. */
  | { readonly do: 'join'; readonly pod: PeerPod; readonly contacts: readonly PeerPod[] }
  /** A half of the network that does not know the other joins it, by one of its peers. */
  | { readonly do: 'merge'; readonly pod: PeerPod; readonly contacts: readonly PeerPod[] };

export type State = 'member' | 'apart' | 'unreachable' | 'waiting' | 'over';

/** How a pod stands to its network, and why when it is no member. */
export interface Standing {
  readonly pod: PeerPod;
  readonly state: State;
  readonly why?: string;
  readonly report?: Report;
}

export interface Plan {
  readonly steps: readonly Step[];
  /** In the order of the pods. */
  readonly standings: readonly Standing[];
  /**
   * The members in the order in which they are tried as contacts: those that can be asked first, of them the well before those in
   * trouble, then those whose chains are foremost, newest first.
   */
  readonly contacts: readonly PeerPod[];
  /** What `done` should be, before the steps. */
  readonly done: ReadonlyMap<string, string>;
}

type Status = Extract<Report, { kind: 'status' }>;

/** What keeps a healthy peer from being joined: words, or undefined. */
const unfit = (pod: PeerPod, { self }: Status): string | undefined =>
  self === pod.address
    ? undefined
    : `its peer calls itself ${self || 'nothing'}, where others would not find it; it must listen on and name its pod's address, ${pod.address}`;

/** Why a peer has to leave the network that it is in, or undefined. */
function misplaced(node: Node, nodes: readonly Node[], situation: Situation): string | undefined {
  const { pod, address, status } = node;
  if (status === undefined) return undefined;
  const here = new Map(nodes.map((other) => [other.address, other]));
  const labelled = new Set(situation.pods.map((other) => other.address));
  const strangers = status.members.filter((member) => !labelled.has(member));
  const companions = status.members.filter(
    (member) => member === address || here.get(member)?.status?.members.includes(address) === true,
  );
  if (situation.moved.has(pod.uid)) {
    const others = strangers.filter((member) => situation.elsewhere.get(member) !== undefined);
    const [stranger] = others.length > 0 || companions.length > 1 ? others : strangers;
    if (stranger !== undefined) return `its label changed, and it is still with ${stranger}`;
    // What the last of a network bring along becomes another's state only where there is none that it would overwrite.
    const settled = nodes.filter((other) => !situation.moved.has(other.pod.uid));
    const isJoined = settled.some((other) => status.members.includes(other.address));
    return status.blocks > 0 && !isJoined && settled.some((other) => (other.status?.blocks ?? 0) > 0)
      ? 'its label changed, and its new network has a state of its own'
      : undefined;
  }
  // Of those that have still to leave it is known that it is they who moved.
  const there = strangers.filter((member) => situation.elsewhere.get(member)?.moved === false);
  if (there.length === 0 || situation.settled.has(pod.uid)) return undefined;
  // Nobody knows who moved, so the minority goes; of equal ones the younger, which both sides find alike.
  const oldest = (created: number[]): number => Math.min(...created);
  const mine = oldest(companions.map((member) => here.get(member)?.pod.createdAt ?? pod.createdAt));
  const theirs = oldest(there.map((member) => situation.elsewhere.get(member)?.createdAt ?? 0));
  const first = (addresses: string[]): string => [...addresses].sort()[0] ?? '';
  const goes =
    there.length - companions.length || mine - theirs || (first(companions) < first(there) ? -1 : 1);
  return goes > 0 ? `it is with ${there[0]}, which belongs to another network` : undefined;
}

/** Below 0 when `a` is the better contact. One whose disk refuses may be a member still, and has what there was before. */
const byUse = (a: Node, b: Node): number =>
  Number(a.status === undefined) - Number(b.status === undefined) ||
  Number(a.status?.trouble !== undefined) - Number(b.status?.trouble !== undefined) ||
  (b.status?.height ?? 0) - (a.status?.height ?? 0) ||
  byAge(b.pod, a.pod);

/** Decides. */
export function plan(situation: Situation): Plan {
  const { pods, reports, departed } = situation;
  const standings = new Map<PeerPod, Standing>();
  const nodes: Node[] = [];
  for (const pod of pods) {
    const report = reports.get(pod.uid);
    const { address } = pod;
    const stand = (state: State, why: string | undefined): void =>
      void standings.set(pod, {
        pod,
        state,
        ...(why === undefined ? {} : { why }),
        ...(report === undefined ? {} : { report }),
      });
    const taker = address === undefined ? undefined : situation.elsewhere.get(address);
    if (pod.phase !== 'running' || address === undefined)
      stand(pod.phase === 'over' ? 'over' : 'waiting', pod.why);
    else if (taker !== undefined && taker.createdAt > pod.createdAt)
      stand('unreachable', `its address ${address} is that of a younger pod of another network`);
    else if (report === undefined) stand('waiting', 'its peer has not been asked yet');
    else if (report.kind === 'silent') stand('unreachable', report.why);
    else {
      const status = report.kind === 'status' ? report : undefined;
      const fault = status && unfit(pod, status);
      stand('apart', fault ?? 'it is still to be joined');
      if (fault === undefined) nodes.push({ pod, address, status });
    }
  }

  const leaving = new Map<PeerPod, string>();
  const after = nodes.map((node) => {
    const why = misplaced(node, nodes, situation);
    if (why === undefined || node.status === undefined) return node;
    leaving.set(node.pod, why);
    // It is alone then, and forgets what it had.
    return { ...node, status: { ...node.status, members: [], blocks: 0 } };
  });
  const {
    halves: [main = [], ...others],
    held,
  } = halves(after, situation);
  const contacts = [...main].sort(byUse).map(({ pod }) => pod);

  const steps: Step[] = [];
  const here = new Set(pods.map(({ address }) => address));
  const isTaken = (address: string): boolean =>
    here.has(address) || situation.elsewhere.get(address) !== undefined;
  const dropped = new Set<string>();
  for (const pod of departed)
    if (pod.address !== undefined && !isTaken(pod.address) && isListed(pod.address, after)) {
      dropped.add(pod.address);
      steps.push({ do: 'leave', pod, why: 'its label was removed', contacts });
    }
  for (const [pod, why] of leaving) steps.push({ do: 'leave', pod, why, contacts: [] });
  for (const { pod, status } of main)
    for (const address of status?.members ?? [])
      // One that has still to leave forgets what it has by that; one that is dropped before keeps it.
      if (!here.has(address) && situation.elsewhere.get(address)?.moved === false && !dropped.has(address)) {
        dropped.add(address);
        steps.push({ do: 'drop', pod, address });
      }
  for (const half of [...others].sort((a, b) => byAge(oldestOf(a), oldestOf(b)))) {
    const aged = [...half].sort((a, b) => byAge(a.pod, b.pod));
    const [first, ...rest] = aged.filter(({ status }) => status !== undefined);
    if (first !== undefined) steps.push({ do: rest.length > 0 ? 'merge' : 'join', pod: first.pod, contacts });
    // The others of a half follow their own; one that knows nothing of halves joins by itself.
    for (const { pod, status } of aged) if (status === undefined) steps.push({ do: 'join', pod, contacts });
  }

  for (const [pod, why] of [...held, ...main.map(({ pod }) => [pod, undefined] as const)]) {
    const { why: _, ...standing } = standings.get(pod)!;
    standings.set(pod, why === undefined ? { ...standing, state: 'member' } : { ...standing, why });
  }
  for (const [pod, why] of leaving)
    standings.set(pod, {
      ...standings.get(pod)!,
      state: 'apart',
      why: `it is still to leave another network: ${why}`,
    });
  return { steps, standings: [...standings.values()], contacts, done: doneNow(situation, main) };
}

/** Whether somebody lists the address, or there are only such as cannot be asked. */
const isListed = (address: string, nodes: readonly Node[]): boolean =>
  (nodes.length > 0 && nodes.every(({ status }) => status === undefined)) ||
  nodes.some(({ status }) => status?.members.includes(address) === true);

/**
 * What was done, without what is over and with those that turn out to be members. One that cannot be asked and is still to be
 * joined has not been, whatever was written of it as the first of its network: this would stand if nobody came to join it.
 */
function doneNow({ pods, reports, done }: Situation, main: readonly Node[]): Map<string, string> {
  const now = new Map<string, string>();
  for (const { uid, phase, incarnation } of pods) {
    const before = done.get(uid);
    const report = reports.get(uid);
    const lost = report?.kind === 'silent' && report.lost;
    const apart = report?.kind === 'mute' && before === incarnation;
    if (before !== undefined && phase !== 'over' && !lost && !apart && report?.kind !== 'status')
      now.set(uid, before);
  }
  for (const { pod, status } of main) if (status === undefined) now.set(pod.uid, pod.incarnation);
  return now;
}
