/**
 * From one network to another: how a peer joins, comes back, and how two networks become one. The peer fetches the other
 * chain beside its own, hands over its own blocks that the other lacks (each keeps its id, so handing over twice is
 * harmless), and is then taken in by a change of view there. Until that very moment its own chain stays as it was.
 */
import { locate } from '../chain/locate.js';
import type { Located } from '../chain/locate.js';
import { ORIGIN, samePoint, viewOf } from '../chain/block.js';
import type { Block, Placed, Point } from '../chain/block.js';
import { PeerError } from '../port.js';
import type { Staging } from '../store/port.js';
import { fetchChain } from './fetch.js';
import type { Status } from './ports.js';
import { functional, loosen, newestView, others, pointAt, sameBallot } from './state.js';
import type { Move, State } from './state.js';

/** Handing over blocks, and being taken in, wait for all members there. */
const SLOW_ASK_MS = 10_000;
const HAND_OVER_BYTES = 1 << 20;
const HAND_OVER_BLOCKS = 256;
/** Of a chain that is fetched, blocks of about so many bytes may wait for the disk. */
const AHEAD_BYTES = 4 << 20;
/** What a block weighs beside its payload, roughly. */
const BLOCK_BYTES = 300;

/** The status of whoever orders in the network of a peer. */
export async function leaderOf(state: State, address: string): Promise<Status> {
  const { transport, limits } = state;
  const asked = await transport.call(address, 'status', {}, limits.ask);
  if (asked.mode === 'leading') return asked;
  if (asked.mode === 'following') {
    const leader = await transport.call(asked.view.by, 'status', {}, limits.ask);
    if (leader.mode === 'leading') return leader;
  }
  throw new PeerError('refused', `${address} is between two views: try again`);
}

/** Moves to the network of a peer. Resolves when this peer is a member there. */
export async function moveTo(state: State, target: string): Promise<void> {
  const { transport, self } = state;
  const there = await leaderOf(state, target);
  if (there.address === self.address || isMember(state, there)) return;
  const leader = there.address;
  const move: Move = { leader, detached: false, staging: undefined, arriving: undefined };
  state.move = move;
  const before = newestView(state);
  if (state.mode === 'leading')
    for (const address of others(state, before?.members ?? []))
      void transport
        .call(address, 'merge', { target: leader, networks: before?.networks ?? [] }, state.limits.ask)
        .catch(() => undefined);
  try {
    const located = await locateAt(state, leader);
    await fetchInto(state, move, located.common ?? ORIGIN);
    move.detached = true;
    loosen(state, `this peer moves to the network of ${leader}`);
    await handOver(state, leader, located);
    await fetchRest(state, move);
    await move.arriving;
    await transport.call(
      leader,
      'admit',
      { member: { ...self, legacy: false }, networks: before?.networks ?? [] },
      SLOW_ASK_MS,
    );
    state.counters.moves++;
    state.log.info({ leader }, 'joined a network');
  } finally {
    if (state.move === move) state.move = undefined;
    await giveUp(move);
  }
}

const isMember = (state: State, there: Status): boolean =>
  functional(statusMode(state)) &&
  sameBallot(there.view, newestView(state)?.ballot ?? { epoch: 0, by: '' }) &&
  there.members.some(({ address }) => address === state.self.address);

const statusMode = (state: State) => ({ mode: state.mode }) as Status;

const locateAt = (state: State, leader: string): Promise<Located> =>
  locate(
    {
      base: state.store.base(),
      head: state.store.head(),
      at: (height) => pointAt(state, height),
    },
    (places) =>
      state.transport.call(
        leader,
        'locate',
        { places, waypoints: state.store.waypoints().slice(-1000) },
        state.limits.ask,
      ),
  );

/** Stages the chain of the other network from a place on. */
async function fetchInto(state: State, move: Move, after: Point): Promise<void> {
  // What comes while the disk is busy is written by one more write, all together.
  let written = Promise.resolve();
  let ahead = 0;
  for await (const { snapshot, kept = [], blocks } of fetchChain(state, move.leader, after)) {
    // Its leader streams the rest; a staging of now would be in the way of the one that becomes the chain.
    if (move.arriving !== undefined) break;
    if (snapshot !== undefined) await giveUp(move);
    const staging: Staging = (move.staging ??= await state.store.stage(snapshot ?? after));
    written = kept.length > 0 ? staging.keep(kept) : staging.append(blocks);
    written.catch(() => undefined);
    for (const { payload } of [...kept.map(({ block }) => block), ...blocks])
      ahead += payload.byteLength + BLOCK_BYTES;
    if (ahead > AHEAD_BYTES) {
      await written;
      ahead = 0;
    }
  }
  await written;
  if (move.arriving === undefined) move.staging ??= await state.store.stage(after);
}

async function giveUp(move: Move): Promise<void> {
  const { staging } = move;
  move.staging = undefined;
  await staging?.abort();
}

/** What came there while the rest was done, unless its leader streams it already. */
async function fetchRest(state: State, move: Move): Promise<void> {
  const head = move.staging?.head();
  if (head === undefined) return;
  await fetchInto(state, move, { height: head.height, digest: head.digest });
}

/** Gives the other network the blocks that it may lack. */
async function handOver(state: State, leader: string, located: Located): Promise<void> {
  await state.store.flushed();
  let blocks: Block[] = [];
  let bytes = 0;
  const send = async (): Promise<void> => {
    if (blocks.length > 0) await state.transport.call(leader, 'submit', { blocks }, SLOW_ASK_MS);
    blocks = [];
    bytes = 0;
  };
  for await (const { block } of ownBlocks(state, located)) {
    if (block.type !== 1) continue;
    if (blocks.length >= HAND_OVER_BLOCKS || bytes + block.payload.byteLength > HAND_OVER_BYTES) await send();
    blocks.push(block);
    bytes += block.payload.byteLength;
  }
  await send();
}

/** The own blocks, oldest first, that are not known to be in the other chain. */
async function* ownBlocks(state: State, { common, waypoint }: Located): AsyncGenerator<Placed> {
  const { store } = state;
  let from = common?.height;
  if (from === undefined && waypoint !== undefined) from = await coveredBy(state, waypoint);
  if (from === undefined) {
    const snapshot = store.snapshot();
    for await (const some of store.keptParts(snapshot)) yield* some;
    from = snapshot.base.height;
  }
  const head = store.head().height;
  for (let height = Math.max(from, store.base().height); height < head;) {
    const some = await store.after(height, head);
    yield* some;
    height += some.length;
    if (some.length === 0) return;
  }
}

/**
 * The other chain went through a view of ours and has compacted it. All that the members of that view were known to hold
 * when it ended is in there.
 */
async function coveredBy(state: State, waypoint: Point): Promise<number> {
  const next = state.store.waypoints().find(({ height }) => height > waypoint.height);
  if (next === undefined) return Math.max(waypoint.height, state.committed);
  const placed = next.height > state.store.base().height ? await state.store.at(next.height) : undefined;
  const view = placed === undefined ? undefined : viewOf(placed);
  return Math.max(waypoint.height, Math.min(view?.committed ?? 0, next.height));
}

/** The staged chain becomes the peer's: its new leader opened the stream. Once: a second stream finds it there. */
export function arrive(state: State, move: Move): Promise<void> {
  const { staging } = move;
  if (staging === undefined)
    return (
      move.arriving ?? Promise.reject(new PeerError('refused', 'this peer begins to fetch another chain'))
    );
  move.staging = undefined;
  return (move.arriving = take(state, staging));
}

async function take(state: State, staging: Staging): Promise<void> {
  const head = state.store.head();
  const left = await staging.commit();
  // Ahead of what was left nothing changes for the readers.
  if (!samePoint(left, head)) {
    state.counters.rewinds++;
    state.committed = Math.min(state.committed, left.height);
    state.rewound(left);
  }
  state.committed = Math.max(state.committed, state.store.base().height);
}
