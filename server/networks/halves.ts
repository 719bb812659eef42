/** Which peers of a network know each other, as sets. Pure. */
import type { PeerPod } from './peer-pod.js';
import type { Report, Situation } from './plan.js';

type Status = Extract<Report, { kind: 'status' }>;

/** A healthy peer. */
export interface Node {
  readonly pod: PeerPod;
  readonly address: string;
  /** Undefined for a peer that cannot be asked. */
  readonly status: Status | undefined;
}

export interface Halves {
  /** The one that the others join comes first. */
  readonly halves: readonly (readonly Node[])[];
  /** Peers that cannot be asked and are left alone for now; why, or undefined when it joined as far as one can see. */
  readonly held: ReadonlyMap<PeerPod, string | undefined>;
}

/** What is written down of a peer that cannot be asked from before it is told to join until it is known how that ended. */
export const joining = (incarnation: string): string => `joining ${incarnation}`;

/** Whether it is written down that the pod's peer, as it is now, was told to join, and not how that ended. */
export const isDoubtful = ({ uid, incarnation }: PeerPod, done: Situation['done']): boolean =>
  done.get(uid) === joining(incarnation);

export const byAge = (a: PeerPod, b: PeerPod): number =>
  a.createdAt - b.createdAt || (a.uid < b.uid ? -1 : a.uid > b.uid ? 1 : 0);

/** Nodes in sets by who is linked to whom, directly or not. */
function united(nodes: readonly Node[], linked: (node: Node) => Iterable<Node>): Node[][] {
  const left = new Set(nodes);
  const sets: Node[][] = [];
  for (const start of nodes) {
    if (!left.delete(start)) continue;
    const set = [start];
    for (const node of set) for (const other of linked(node)) if (left.delete(other)) set.push(other);
    sets.push(set);
  }
  return sets;
}

/**
 * - `joined`: written down as done, or found to be; `apart`: it never was, or is found not to be.
 * - `doubtful`: it was told to join, and nothing tells whether it did.
 * - `anew`: what is written is of another life of it.
 */
type Past = 'joined' | 'apart' | 'doubtful' | 'anew';

function pastOf(pod: PeerPod, { done, reports }: Pick<Situation, 'done' | 'reports'>): Past {
  const written = done.get(pod.uid);
  if (written === undefined) return 'apart';
  if (written === pod.incarnation) return 'joined';
  if (!isDoubtful(pod, done)) return 'anew';
  const report = reports.get(pod.uid);
  const found = report?.kind === 'mute' ? report.found : undefined;
  return found === undefined || found === 'alike' ? 'doubtful' : found;
}

const blocksOf = (half: readonly Node[]): number =>
  Math.max(...half.map(({ status }) => status?.blocks ?? 0));

/** Whether the disks of all of them refuse. Nobody can join such, nor write there. */
const standsAside = (half: readonly Node[]): boolean =>
  half.every(({ status }) => status?.trouble !== undefined);

/** The oldest pod of a half. */
export const oldestOf = (half: readonly Node[]): PeerPod => half.map(({ pod }) => pod).sort(byAge)[0]!;

/** Peers that know each other, as sets. */
export function halves(
  nodes: readonly Node[],
  situation: Pick<Situation, 'pods' | 'reports' | 'done'>,
): Halves {
  const asked = nodes.filter(({ status }) => status !== undefined);
  const mute = nodes.filter(({ status }) => status === undefined);
  const lists = new Map(asked.map((node) => [node, new Set(node.status?.members)]));
  const byAddress = new Map(asked.map((node) => [node.address, node]));
  const knows = (node: Node, other: Node): boolean => lists.get(node)?.has(other.address) === true;
  const sets = united(asked, (node) =>
    [...(lists.get(node) ?? [])].flatMap((member) => {
      const other = byAddress.get(member);
      return other !== undefined && knows(other, node) ? [other] : [];
    }),
  );

  // One that cannot be asked belongs to those of whom most list it. Started anew since it was joined, it has forgotten, whatever
  // they list.
  const witnesses = (node: Node, set: readonly Node[]): number => set.filter((by) => knows(by, node)).length;
  const pasts = new Map(mute.map((node) => [node, pastOf(node.pod, situation)]));
  const homes = new Map<Node, Node[]>();
  for (const node of mute) {
    const home = sets.reduce<Node[]>(
      (best, set) => (witnesses(node, set) > witnesses(node, best) ? set : best),
      [],
    );
    if (home.length > 0 && pasts.get(node) !== 'anew') homes.set(node, home);
  }
  // Those who list some of them know what became of the rest: it was dropped, or never came. Without such, what was written is all
  // there is to go by.
  const { together, held } =
    homes.size > 0
      ? { together: [], held: new Map<PeerPod, string | undefined>() }
      : byWriting(mute, pasts, situation);
  for (const [node, home] of homes) home.push(node);
  const alone = mute.filter((node) => !homes.has(node) && !together.includes(node) && !held.has(node.pod));
  // Who may have joined must not be left behind.
  const sizeOf = (half: readonly Node[]): number => half.length + (half === together ? held.size : 0);
  /**
   * The half that the others join: one that takes somebody; of such the larger; of equal ones that with a peer that cannot merge, as it loses what it has when it
   * joins; then that with more blocks; then the older.
   */
  const byWeight = (a: readonly Node[], b: readonly Node[]): number =>
    Number(standsAside(a)) - Number(standsAside(b)) ||
    sizeOf(b) - sizeOf(a) ||
    Number(b.some(({ status }) => status === undefined)) -
      Number(a.some(({ status }) => status === undefined)) ||
    blocksOf(b) - blocksOf(a) ||
    byAge(oldestOf(a), oldestOf(b));
  const all = [...sets, ...alone.map((node) => [node]), ...(together.length > 0 ? [together] : [])];
  return { halves: all.sort(byWeight), held };
}

/** What can be said of peers that nobody lists and that cannot be asked. */
function byWriting(
  mute: readonly Node[],
  pasts: ReadonlyMap<Node, Past>,
  { pods, reports, done }: Pick<Situation, 'pods' | 'reports' | 'done'>,
): { together: Node[]; held: Map<PeerPod, string | undefined> } {
  const together = mute.filter((node) => pasts.get(node) === 'joined');
  const awaited = pods.find(({ uid, incarnation }) => {
    const report = reports.get(uid);
    return report?.kind === 'silent' && !report.lost && done.get(uid) === incarnation;
  });
  // Whoever joined another meanwhile would count as a member when the one who is away comes back, and be none.
  if (together.length === 0 && awaited !== undefined) {
    const why = `its network is that of pod ${awaited.namespace}/${awaited.name}, whose peer does not answer`;
    return { together, held: new Map(mute.map(({ pod }) => [pod, why])) };
  }
  const doubtful = mute.filter((node) => pasts.get(node) === 'doubtful').sort((a, b) => byAge(a.pod, b.pod));
  // With nobody left whom they may have joined, the first of them is the network that the others may have joined.
  if (together.length === 0) together.push(...doubtful.splice(0, 1));
  const whyHeld = ({ uid }: PeerPod): string | undefined => {
    const report = reports.get(uid);
    return report?.kind === 'mute' && report.found === 'alike'
      ? undefined
      : 'it may have joined already: the next blocks of its network are to tell';
  };
  return { together, held: new Map(doubtful.map(({ pod }) => [pod, whyHeld(pod)])) };
}
