/** What a peer does that belongs nowhere at the moment: at its start, when its leader is gone, when a move failed. */
import { compareBallots } from '../chain/block.js';
import type { Status } from './ports.js';
import { moveTo } from './move.js';
import { regroup } from './regroup.js';
import type { Change } from './regroup.js';
import { compareNetworks, functional, newestView, others, related, sameBallot, statusOf } from './state.js';
import type { State } from './state.js';

/** How long each peer of a view that lost its leader waits for the one before it in the list. */
const RANK_MS = 400;
/** A leader that was silent for long is not waited for as long as others. */
const LOOK_AT_LEADER_MS = 400;

/** Looks at who is there and decides; called again while the peer is loose. */
export async function findPlace(state: State, since: number): Promise<void> {
  const { transport, clock } = state;
  const view = newestView(state);
  const promised = state.promised;
  const old = others(state, view?.members ?? []);
  // Those that have been away for long are not waited for here: whoever orders the blocks goes on asking them.
  const recent = [...state.lost].filter(([, { since }]) => clock.now() - since <= state.limits.lookFor);
  const known = [...new Set([...old, ...recent.map(([address]) => address)])];
  const answers = await Promise.all(
    known.map((address) =>
      transport
        .call(address, 'status', {}, address === view?.ballot.by ? LOOK_AT_LEADER_MS : state.limits.ask)
        .catch(() => undefined),
    ),
  );
  // Somebody else is about to change the view.
  if (state.promised !== promised || state.closing || state.mode === 'failed') return;
  const mine = statusOf(state);
  const near: Status[] = [];
  // Not reached, or somebody else has the address now.
  const gone: string[] = [];
  for (const [i, status] of answers.entries())
    if (status !== undefined && related(status, mine)) near.push(status);
    else gone.push(known[i]!);

  const elsewhere = near.filter(
    (status) =>
      functional(status) && !sameBallot(status.view, mine.view) && compareBallots(status.view, mine.view) > 0,
  );
  const best = elsewhere.sort(compareNetworks)[0];
  if (best !== undefined) return moveTo(state, best.address);

  const together = near.filter(
    (status) => old.includes(status.address) && sameBallot(status.view, mine.view),
  );
  const waited = clock.now() - since;
  const leader = together.find(({ mode, address }) => mode === 'leading' && address === mine.view.by);
  // It speaks to its members again, or removes this one.
  if (leader !== undefined && waited < state.limits.silence) return;
  const order = (view?.members ?? []).map(({ address }) => address);
  const rank = together.filter(
    ({ address }) => order.indexOf(address) < order.indexOf(state.self.address),
  ).length;
  if (waited < rank * RANK_MS) return;

  if (together.length === 0) {
    const other = near.filter(functional).sort(compareNetworks)[0];
    if (other !== undefined) return moveTo(state, other.address);
  }
  await changeView(state, { dead: gone, networks: mine.networks });
}

/** A change of view, and what follows from how it ended. */
export async function changeView(state: State, change: Change): Promise<boolean> {
  const result = await regroup(state, change);
  if (result.done === 'leading') {
    for (const address of result.strays)
      void state.transport
        .call(
          address,
          'merge',
          { target: state.self.address, networks: result.view.networks },
          state.limits.ask,
        )
        .catch(() => undefined);
    return true;
  }
  if (result.go !== undefined) await moveTo(state, result.go);
  return false;
}
