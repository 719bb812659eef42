/** A leader looks for members that were removed as dead: a part of the network may have been cut off, and be back. */
import type { Status } from './ports.js';
import { compareNetworks, functional, related, sameBallot, statusOf } from './state.js';
import type { State } from './state.js';

const LONGEST_WAIT_MS = 5000;
/** The same of one that has been away for long: a partition may last. */
const LONG_AWAY_MS = 60_000;
const AT_ONCE = 16;

/** Where to move, when a better part of the network was found. */
export async function seekLost(state: State): Promise<string | undefined> {
  const now = state.clock.now();
  const due = [...state.lost].filter(([, { next }]) => next <= now).slice(0, AT_ONCE);
  const found: (string | undefined)[] = await Promise.all(
    due.map(async ([address, entry]) => {
      const longest = now - entry.since > state.limits.lookFor ? LONG_AWAY_MS : LONGEST_WAIT_MS;
      entry.wait = Math.min(entry.wait * 1.5, longest);
      entry.next = now + entry.wait * (0.8 + 0.4 * state.random());
      const status = await state.transport
        .call(address, 'status', {}, state.limits.ask)
        .catch(() => undefined);
      return status === undefined ? undefined : meet(state, status);
    }),
  );
  return found.find((address) => address !== undefined);
}

/** Two peers met: says where to move, or asks the other side to come. */
async function meet(state: State, status: Status): Promise<string | undefined> {
  const mine = statusOf(state);
  if (state.mode !== 'leading' || !related(status, mine) || sameBallot(status.view, mine.view))
    return undefined;
  if (functional(status) && compareNetworks(status, mine) < 0) return status.address;
  const whom = functional(status) ? status.view.by : status.address;
  await state.transport
    .call(whom, 'merge', { target: state.self.address, networks: mine.networks }, state.limits.ask)
    .catch(() => undefined);
  return undefined;
}
