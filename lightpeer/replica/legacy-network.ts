/** A network with peers that speak only the reference's service: they come to us, we come to them, they bring blocks. */
import { membersOf, ORIGIN } from '../chain/block.js';
import type { Block, Member } from '../chain/block.js';
import { blockProblem, idProblem, listProblem } from '../chain/bounds.js';
import { PeerError } from '../port.js';
import { arrive } from './move.js';
import { changeView } from './place.js';
import { loosen, newestView, others, statusOf } from './state.js';
import type { Move, State } from './state.js';

/** More than this of a chain of Go peers is not held in memory: it comes newest first, and is needed the other way. */
const MOST_BYTES = 256 << 20;
const MOMENT_MS = 3000;
const SOON_MS = 2000;

/** Resolves when this peer leads or follows, or when it takes too long. */
async function settled(state: State): Promise<void> {
  const end = state.clock.now() + MOMENT_MS;
  while ((state.mode === 'loose' || state.transitions() > 0) && state.clock.now() < end)
    await new Promise<void>((resolve) => state.clock.after(20, resolve));
}

const listed = (state: State, address: string): boolean =>
  newestView(state)?.members.some((member) => member.address === address) === true;

/**
 * A Go peer connects (ConnectNewPeer): it becomes a member, once however often it asks, and gets the chain from the head
 * back to the oldest block. What comes meanwhile it is told of afterwards.
 */
export async function* connectLegacy(
  state: State,
  member: Member,
  signal: AbortSignal,
): AsyncGenerator<Block> {
  await settled(state);
  if (state.mode === 'following') {
    yield* state.transport.legacy.connect(newestView(state)!.ballot.by, member, signal);
    return;
  }
  if (!listed(state, member.address))
    await state.transition(() => changeView(state, { admit: [{ ...member, legacy: true }] }));
  const { leader } = state;
  const view = newestView(state);
  if (leader === undefined || view === undefined || !listed(state, member.address))
    throw new PeerError('refused', 'the network is between two views: try again');
  await leader.reached(view.at.height);
  const resume = state.legacy.pause(member.address);
  let height = state.committed;
  try {
    const { store } = state;
    const head = height;
    let network = false;
    let held: Block | undefined;
    for await (const { block } of store.newestFirst(head + 1)) {
      if (held !== undefined) yield { ...held, prevId: block.id };
      held = block;
      network ||= block.type === 0;
    }
    // The reference takes the first NETWORK block that it finds for the member list.
    const last = network ? undefined : store.network()?.block;
    if (held !== undefined) yield { ...held, prevId: last?.id ?? '' };
    if (last !== undefined) yield { ...last, prevId: '' };
  } catch (error) {
    height = 0;
    throw error;
  } finally {
    resume(height === 0 ? state.committed : height);
  }
}

/**
 * A Go peer made a block and tells of it (NotifyNewBlock). Refused unless it stands on the head, as the reference does, and where
 * our peers could not pass it on.
 */
export async function notified(state: State, block: Block): Promise<void> {
  state.counters.notified++;
  const problem =
    idProblem(block.id) ?? blockProblem(block) ?? (block.type === 0 ? listProblem(block) : undefined);
  if (problem !== undefined) {
    state.counters.refused++;
    throw new PeerError('invalid', problem);
  }
  await settled(state);
  if ((await state.store.heightOf(block.id)) !== undefined) return;
  if (state.mode === 'following') {
    await state.transport.legacy.notify(newestView(state)!.ballot.by, block, MOMENT_MS);
    return;
  }
  const { leader } = state;
  if (leader === undefined) throw new PeerError('refused', 'this peer is between two views: try again');
  state.legacy.toldByOthers(block.id);
  try {
    await leader.submitAfter({ ...block, view: undefined });
  } catch (error) {
    state.counters.refused++;
    throw error;
  }
  if (block.type === 0) state.clock.after(SOON_MS, () => reconcile(state, block));
}

/** A Go peer changed the member list. Whom it brought is taken in; whom it dropped is judged by our own checks. */
function reconcile(state: State, block: Block): void {
  const view = newestView(state);
  if (state.mode !== 'leading' || view === undefined) return;
  const theirs = membersOf(block) ?? [];
  const unknown = theirs.filter(({ address }) => !listed(state, address));
  if (unknown.length === 0 && theirs.length === view.members.length) return;
  void state
    .transition(async () => {
      if (state.mode !== 'leading') return;
      const admit: Member[] = [];
      for (const member of unknown) {
        const speaks = await state.transport.call(member.address, 'status', {}, state.limits.ask).then(
          () => 'ours',
          (error: unknown) => (error as PeerError).code,
        );
        if (speaks === 'unimplemented') admit.push({ ...member, legacy: true });
        else if (speaks === 'ours')
          await state.transport
            .call(member.address, 'merge', { target: state.self.address, networks: [] }, state.limits.ask)
            .catch(() => undefined);
      }
      await changeView(state, { admit });
    })
    .catch((error: unknown) =>
      state.log.warn({ error: String(error) }, 'the members of Go peers were not taken in'),
    );
}

/**
 * This peer joins a network of Go peers (ConnectNewPeer on one of them): their chain becomes its own, its own blocks are
 * added after it, and it leads those of our peers that are there. True when it was done, or was so already.
 */
export async function joinLegacy(state: State, address: string): Promise<boolean> {
  if (listed(state, address)) return true;
  if (state.mode === 'following') {
    await state.transport.call(
      newestView(state)!.ballot.by,
      'merge',
      { target: address, networks: [] },
      state.limits.ask,
    );
    return false;
  }
  if (state.mode !== 'leading') return false;
  await state.transition(() => takeOver(state, address));
  return true;
}

async function takeOver(state: State, address: string): Promise<void> {
  const before = newestView(state);
  const blocks: Block[] = [];
  const stop = new AbortController();
  let bytes = 0;
  const self = { ...state.self, legacy: false };
  for await (const block of state.transport.legacy.connect(address, self, stop.signal)) {
    const problem = blockProblem(block);
    if (problem !== undefined) {
      stop.abort();
      throw new PeerError('invalid', `the chain of ${address} cannot be taken over: ${problem}`);
    }
    blocks.push({ ...block, view: undefined });
    bytes += block.payload.byteLength + 200;
    if (bytes > MOST_BYTES) {
      stop.abort();
      throw new PeerError('refused', `the chain of ${address} has more than ${MOST_BYTES} bytes`);
    }
  }
  const list = blocks.find(({ type }) => type === 0);
  const theirs = list === undefined ? undefined : membersOf(list);
  if (list === undefined || theirs === undefined)
    throw new PeerError('invalid', `${address} sent a chain without a member list`);
  const problem = listProblem(list);
  if (problem !== undefined)
    throw new PeerError('invalid', `the chain of ${address} cannot be taken over: ${problem}`);
  const ids = new Set(blocks.map(({ id }) => id));
  await state.store.flushed();
  const extras: Block[] = [];
  for await (const { block } of state.store.newestFirst())
    if (block.type === 1 && !ids.has(block.id)) extras.unshift(block);

  loosen(state, `this peer moves to the network of ${address}`);
  const move: Move = {
    leader: state.self.address,
    detached: true,
    staging: await state.store.stage(ORIGIN),
    arriving: undefined,
  };
  state.move = move;
  try {
    const oldestFirst = blocks.reverse();
    for (let i = 0; i < blocks.length; i += 256) await move.staging!.append(oldestFirst.slice(i, i + 256));
    await arrive(state, move);
  } finally {
    state.move = undefined;
    await move.staging?.abort();
  }
  const theirMembers = theirs.filter((member) => member.address !== state.self.address);
  const legacy: Member[] = [];
  for (const member of theirMembers) {
    const speaks = await state.transport.call(member.address, 'status', {}, state.limits.ask).then(
      () => 'ours',
      (error: unknown) => (error as PeerError).code,
    );
    if (speaks === 'unimplemented') legacy.push({ ...member, legacy: true });
  }
  const own = others(state, before?.members ?? []);
  await changeView(state, { admit: legacy, networks: before?.networks ?? [], ask: own });
  for (let i = 0; i < extras.length; i += 256) await state.leader?.submit(extras.slice(i, i + 256));
  state.log.info({ address, members: statusOf(state).members.length }, 'joined a network of Go peers');
}
