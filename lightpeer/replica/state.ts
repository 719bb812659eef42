/** What one peer knows of itself: its chain, its view, what it promised, and the role that it plays. */
import { compareBallots, NO_BALLOT, ORIGIN, viewOf } from '../chain/block.js';
import type { Ballot, Member, Point, View } from '../chain/block.js';
import { PeerError } from '../port.js';
import type { Staging, Store } from '../store/port.js';
import type { Leader } from './leader.js';
import type { Suspicion } from './link.js';
import type { LegacyMembers } from './legacy.js';
import type { Clock, Limits, Log, Meant, Mode, Status, Transport } from './ports.js';

export interface Self {
  /** `ip:port`, as other peers dial it. */
  readonly address: string;
  readonly name: string;
}

/** On its way to another network. */
export interface Move {
  /** Who orders there; nobody else may prepare this peer meanwhile. */
  readonly leader: string;
  /** Left the old view for good. */
  detached: boolean;
  staging: Staging | undefined;
  /** The fetched chain becomes, or became, the peer's own. */
  arriving: Promise<void> | undefined;
}

/** Counters, as plain numbers, for whoever shows them. */
export interface Counters {
  persisted: number;
  views: number;
  moves: number;
  removed: number;
  rewinds: number;
  notified: number;
  refused: number;
  rejoins: number;
  compactions: number;
  diskFailures: number;
}

export interface ReplicaDeps {
  readonly self: Self;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Log;
  readonly random: () => number;
  /** A random id: of a block, of a network. */
  readonly newId: () => string;
  /** Wall clock, for people. */
  readonly today: () => number;
}

export interface State extends ReplicaDeps {
  store: Store;
  mode: Mode;
  promised: Ballot;
  /** Highest epoch that anybody was heard to use. */
  seenEpoch: number;
  committed: number;
  leader: Leader | undefined;
  /** The stream from the leader, of a follower. */
  followed: { readonly ballot: Ballot; detach(error: PeerError): void } | undefined;
  /** When the leader was last heard, and since when its stream is gone. */
  heardAt: number;
  brokenSince: number | undefined;
  looseSince: number;
  /** When this peer last gave somebody a promise, or lost the stream of whom it gave it to. */
  promisedAt: number;
  move: Move | undefined;
  /** The chain is not compacted before, as there was no room. */
  dropAgainAt: number;
  closing: boolean;
  /** Address → when it was removed as dead, and when it is looked for next. */
  readonly lost: Map<string, { since: number; next: number; wait: number }>;
  /** Members that no longer do their part, by the leader's judgement. */
  readonly suspects: Map<string, Suspicion>;
  readonly legacy: LegacyMembers;
  readonly counters: Counters;
  /** One change of view at a time. */
  transition<T>(run: () => Promise<T>): Promise<T>;
  transitions(): number;
  changed(): void;
  rewound(left: Point): void;
}

export const newestView = (state: State): View | undefined => {
  const network = state.store.network();
  return network === undefined ? undefined : viewOf(network);
};

export const viewBallot = (state: State): Ballot => newestView(state)?.ballot ?? NO_BALLOT;

/** Members that are peers of ours, without this one. */
export const others = (state: State, members: readonly Member[]): string[] =>
  members
    .filter(({ address, legacy }) => !legacy && address !== state.self.address)
    .map(({ address }) => address);

export function statusOf(state: State): Status {
  const { self, store } = state;
  const view = newestView(state);
  const { id, ...head } = store.head();
  return {
    ...self,
    mode: state.mode,
    view: view?.ballot ?? NO_BALLOT,
    promised: state.promised,
    members: view?.members ?? [],
    networks: view?.networks ?? store.forgotten?.networks ?? [],
    head,
    headId: id,
    base: store.base(),
    committed: state.committed,
    lost: [...state.lost.keys()],
    clientBlocks: store.clientBlocks(),
  };
}

const own = ({ members }: Status): number => members.filter(({ legacy }) => !legacy).length;

/** Below 0 when the network of `a` is the one that the other moves to. Every peer of both judges alike. */
export const compareNetworks = (a: Status, b: Status): number =>
  own(b) - own(a) || b.head.height - a.head.height || compareBallots(b.view, a.view);

export const sameBallot = (a: Ballot, b: Ballot): boolean => compareBallots(a, b) === 0;

export const related = (a: Pick<Status, 'networks'>, b: Pick<Status, 'networks'>): boolean =>
  a.networks.some((network) => b.networks.includes(network));

/** Who asks for members of its network meets a stranger at the address of one. */
export function refuseStrangers(state: State, { networks }: Meant): void {
  if (networks.length === 0 || related({ networks }, statusOf(state))) return;
  throw new PeerError('refused', `${state.self.address} belongs to another network`);
}

export const functional = ({ mode }: Status): boolean => mode === 'leading' || mode === 'following';

/** Gives up whatever role the peer plays. Who waits for blocks is told why, and tries again. */
export function loosen(state: State, why: string): void {
  const error = new PeerError(why.startsWith('fenced') ? 'fenced' : 'refused', why);
  state.leader?.stop(error);
  state.leader = undefined;
  const followed = state.followed;
  state.followed = undefined;
  followed?.detach(error);
  state.legacy.rest();
  state.suspects.clear();
  state.brokenSince = undefined;
  if (state.mode !== 'loose') state.looseSince = state.clock.now();
  if (state.mode !== 'failed') state.mode = 'loose';
  state.changed();
}

/** The disk refused. The peer stands aside until it can write again. */
export function diskFailed(state: State, error: unknown): void {
  if (state.closing || state.mode === 'failed') return;
  state.log.warn({ error: String(error) }, 'the disk refuses: this peer stands aside until it can write');
  state.counters.diskFailures++;
  loosen(state, 'the disk of this peer refuses to write');
  state.mode = 'failed';
  state.changed();
}

/** Takes notice of who came and who went between two views. */
export function noteMembers(state: State, before: View | undefined, after: View): void {
  for (const address of others(state, before?.members ?? []))
    if (!after.members.some((member) => member.address === address) && !after.left.includes(address)) {
      state.counters.removed++;
      state.lost.set(address, { since: state.clock.now(), next: state.clock.now() + 1000, wait: 1000 });
    }
  for (const { address } of after.members) state.lost.delete(address);
  for (const address of after.left) state.lost.delete(address);
  while (state.lost.size > 256) state.lost.delete(state.lost.keys().next().value!);
}

/** The place at a height of the chain, its base included. */
export async function pointAt(state: State, height: number): Promise<Point | undefined> {
  const base = state.store.base();
  if (height < base.height) return undefined;
  if (height === base.height) return base;
  return height === 0 ? ORIGIN : state.store.at(height);
}

/** How many views back a peer that starts looks for those that it may have lost. */
const VIEWS_BACK = 8;

/**
 * The members of the views before the newest one, and of the newest that damage took, but for those that left on purpose: they
 * may be there still.
 */
export async function rememberLost(state: State): Promise<void> {
  const { store } = state;
  const base = store.base().height;
  const gone = new Set([
    state.self.address,
    ...(newestView(state)?.members.map(({ address }) => address) ?? []),
  ]);
  const remember = (view: View): void => {
    for (const address of others(state, view.members))
      if (!gone.has(address)) state.lost.set(address, { since: state.clock.now(), next: 0, wait: 1000 });
    for (const address of view.left) gone.add(address);
  };
  if (store.forgotten !== undefined) {
    remember(store.forgotten);
    state.log.warn(
      { members: others(state, store.forgotten.members) },
      'the damaged part of the chain, which is in damaged.log, tells of members: they are asked for it',
    );
  } else if (store.cut > 0 && newestView(state) === undefined)
    state.log.warn({}, 'all of the chain was damaged: it is in damaged.log, and this peer knows no network');
  for (const { height } of store.waypoints().slice(-VIEWS_BACK).reverse()) {
    const placed = height > base ? await store.at(height) : undefined;
    const view = placed === undefined ? undefined : viewOf(placed);
    if (view !== undefined) remember(view);
  }
}
