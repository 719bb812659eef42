/** Into a network and out of it, as those who run the peer want it. */
import { memberPayload, ORIGIN } from '../chain/block.js';
import type { Block, View } from '../chain/block.js';
import { PeerError } from '../port.js';
import type { Changes } from './changes.js';
import { joinLegacy } from './legacy-network.js';
import { leaderOf, moveTo } from './move.js';
import { changeView } from './place.js';
import { compareNetworks, functional, loosen, newestView, others, sameBallot, statusOf } from './state.js';
import type { State } from './state.js';

const JOIN_MS = 30_000;

export type Join = (address: string, timeoutMs?: number) => Promise<void>;

/** Both peers are in one network when it resolves: the smaller network has moved to the larger. */
export function createJoin(state: State, changes: Changes): Join {
  const { clock, self, transport, limits, log } = state;

  async function join(address: string, timeoutMs = JOIN_MS): Promise<void> {
    const deadline = clock.now() + timeoutMs;
    if (address === self.address) throw new PeerError('invalid', `${address} is this peer itself`);
    for (;;) {
      try {
        if (await joined(address)) return;
      } catch (error) {
        const { code } = error as PeerError;
        if (code === 'invalid' || code === 'unreachable' || code === 'closed' || clock.now() >= deadline)
          throw error;
        log.info({ address, error: String(error) }, 'not joined yet');
      }
      if (clock.now() >= deadline) throw new PeerError('timeout', `not joined to ${address} in time`);
      // Not long: the other side may be on its way here.
      await changes.wait(100 + 100 * state.random());
    }
  }

  async function joined(address: string): Promise<boolean> {
    if (state.closing) throw new PeerError('closed', 'this peer is being stopped');
    if (!functional(statusOf(state))) return false;
    const there = await leaderOf(state, address).catch((error: PeerError) => {
      if (error.code !== 'unimplemented') throw error;
      return undefined;
    });
    if (there === undefined) return joinLegacy(state, address);
    const mine = statusOf(state);
    if (there.address === self.address || sameBallot(there.view, mine.view)) return functional(mine);
    if (compareNetworks(there, mine) < 0) {
      await state.transition(() => moveTo(state, there.address));
      return true;
    }
    await transport.call(there.address, 'merge', { target: mine.view.by, networks: [] }, limits.ask);
    return false;
  }

  return join;
}

/**
 * Tells the network that this peer goes, so that nobody has to find out. False when members are there and none of those
 * asked lets it go.
 */
export async function goAway(state: State): Promise<boolean> {
  const { self, transport, limits } = state;
  const view = newestView(state);
  if (view === undefined || view.members.every(({ address }) => address === self.address)) return true;
  if (!functional(statusOf(state))) return false;
  const known = others(state, view.members);
  if (known.length === 0) return goAwayFromLegacy(state, view);
  const to = state.mode === 'leading' ? known : [...new Set([view.ballot.by, ...known])];
  let alone = true;
  for (const address of to.slice(0, 2)) {
    try {
      await transport.call(address, 'leave', { address: self.address }, limits.silence * 2);
      return true;
    } catch (error) {
      if (!(error instanceof PeerError) || error.code !== 'unreachable') alone = false;
    }
  }
  return alone;
}

/** Go peers know no leaving: they are told of a member list without this peer. */
async function goAwayFromLegacy(state: State, { members }: View): Promise<true> {
  const { store, transport, limits } = state;
  const stay = members.filter(({ legacy }) => legacy);
  const block: Block = {
    id: state.newId(),
    prevId: store.head().id,
    type: 0,
    payload: memberPayload(stay),
    path: '',
    deleted: false,
    at: state.today(),
  };
  await Promise.all(
    stay.map(({ address }) => transport.legacy.notify(address, block, limits.ask).catch(() => undefined)),
  );
  return true;
}

/**
 * Out of the network, for good. With `forget` the chain goes too: at once, so that a peer that dies meanwhile has the old
 * one or none. Throws `refused` when the network does not let it go yet: it would come after this peer.
 */
export async function leave(state: State, { forget = false } = {}): Promise<void> {
  const members = (newestView(state)?.members ?? [])
    .map(({ address }) => address)
    .filter((address) => address !== state.self.address);
  if (!(await goAway(state)))
    throw new PeerError(
      'refused',
      `the network of ${state.self.address} is between two views and does not let it go yet: try again`,
    );
  loosen(state, 'this peer left its network');
  state.lost.clear();
  if (forget) {
    const empty = await state.store.stage(ORIGIN);
    await empty.commit();
    state.committed = 0;
    state.counters.rewinds++;
    state.rewound(ORIGIN);
  }
  await changeView(state, { dead: members, leave: members, alone: true });
}
