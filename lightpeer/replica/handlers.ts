/** What this peer answers to others. */
import { compareBallots, NO_BALLOT, samePoint } from '../chain/block.js';
import type { Point } from '../chain/block.js';
import { PeerError } from '../port.js';
import { follow } from './follow.js';
import { joinLegacy } from './legacy-network.js';
import { leaderOf, moveTo } from './move.js';
import { changeView } from './place.js';
import type { Calls, Fetched, Handlers, Prepared } from './ports.js';
import {
  compareNetworks,
  loosen,
  newestView,
  pointAt,
  refuseStrangers,
  sameBallot,
  statusOf,
  viewBallot,
} from './state.js';
import type { State } from './state.js';

interface Admission {
  readonly ask: Calls['admit']['ask'];
  done(): void;
  failed(error: unknown): void;
}

/** How long a new member may take to have the whole chain. */
const ADMIT_MS = 8000;
/** Blocks of a message, so that the other side reads and writes some while the next are on their way. */
const FETCH_BLOCKS = 128;

export function createHandlers(state: State): Handlers {
  let admissions: Admission[] = [];

  const notLeading = (): PeerError =>
    new PeerError(
      'refused',
      `${state.self.address} does not order the blocks of its network; ${viewBallot(state).by || 'nobody'} does`,
    );

  async function prepare({ ballot, networks }: Calls['prepare']['ask']): Promise<Prepared> {
    // Neither of two chains is the peer's while the one takes the place of the other.
    await state.move?.arriving?.catch(() => undefined);
    // Who moves there has the chain that it comes from as yet.
    if (state.move?.leader !== ballot.by) refuseStrangers(state, { networks });
    state.seenEpoch = Math.max(state.seenEpoch, ballot.epoch);
    if (state.mode === 'failed' || state.closing) throw new PeerError('refused', 'this peer stands aside');
    const { move } = state;
    if (move !== undefined && move.detached && move.leader !== ballot.by)
      throw new PeerError('refused', `this peer moves to the network of ${move.leader}`);
    const staging = () => (state.move?.detached === true ? state.move.staging : undefined);
    if (staging()?.whole() === false)
      throw new PeerError('refused', 'this peer has not all of the chain that it fetches');
    const answer = (promised: boolean): Prepared => {
      const staged = staging();
      const { height, digest } = staged?.head() ?? state.store.synced();
      return {
        promised,
        standing: state.promised,
        view: staged === undefined ? viewBallot(state) : (staged.view() ?? NO_BALLOT),
        head: { height, digest },
        committed: state.committed,
      };
    };
    if (compareBallots(ballot, state.promised) <= 0) return answer(false);
    state.promised = ballot;
    state.promisedAt = state.clock.now();
    loosen(state, `fenced by view ${ballot.epoch} of ${ballot.by}`);
    await state.store.flushed();
    return answer(state.promised === ballot);
  }

  /** All who ask while a change of view is on its way are taken in by the next one. */
  const admit = (ask: Calls['admit']['ask']): Promise<Record<string, never>> =>
    new Promise((resolve, reject) => {
      if (state.mode !== 'leading' && state.transitions() === 0) return reject(notLeading());
      admissions.push({ ask, done: () => resolve({}), failed: reject });
      if (admissions.length === 1) state.transition(takeIn).catch(() => undefined);
    });

  async function takeIn(): Promise<void> {
    const taken = admissions;
    admissions = [];
    try {
      if (state.mode !== 'leading') throw notLeading();
      const changed = await changeView(state, {
        admit: taken.map(({ ask }) => ask.member),
        networks: taken.flatMap(({ ask }) => ask.networks),
      });
      const view = newestView(state);
      if (!changed || view === undefined || state.leader === undefined)
        throw new PeerError('refused', 'the view changed otherwise meanwhile: try again');
      const all = state.leader.reached(view.at.height);
      for (const { ask, done, failed } of taken)
        if (view.members.some(({ address }) => address === ask.member.address))
          withTimeout(state, all).then(done, failed);
        else
          failed(
            new PeerError('refused', `${ask.member.address} could not be reached, or has another chain`),
          );
    } catch (error) {
      for (const { failed } of taken) failed(error);
      throw error;
    }
  }

  async function locate({ places, waypoints }: Calls['locate']['ask']) {
    let common: Point | undefined;
    for (const place of places.toReversed()) {
      const here = await pointAt(state, place.height);
      if (here !== undefined && samePoint(here, place)) {
        common = place;
        break;
      }
    }
    const own = new Set(state.store.waypoints().map(({ height, digest }) => `${height} ${digest}`));
    const { id: _, ...head } = state.store.head();
    return {
      common,
      base: state.store.base(),
      head,
      waypoint: waypoints.findLast(({ height, digest }) => own.has(`${height} ${digest}`)),
    };
  }

  async function* fetch(after: Point): AsyncGenerator<Fetched> {
    const { store } = state;
    const known = await pointAt(state, after.height);
    let height = after.height;
    if (known === undefined || !samePoint(known, after)) {
      const snapshot = store.snapshot();
      height = snapshot.base.height;
      yield { snapshot, blocks: [] };
      for await (const kept of store.keptParts(snapshot)) yield { kept, blocks: [] };
    }
    const end = store.synced().height;
    while (height < end) {
      const placed = await store.after(height, end);
      if (placed.length === 0) return;
      for (let from = 0; from < placed.length; from += FETCH_BLOCKS)
        yield { blocks: placed.slice(from, from + FETCH_BLOCKS).map(({ block }) => block) };
      height = placed.at(-1)!.height;
    }
  }

  return {
    status: async () => statusOf(state),
    submit: async ({ blocks }) => {
      if (state.leader === undefined) throw notLeading();
      return { heights: await state.leader.submit(blocks) };
    },
    prepare,
    locate,
    admit,
    merge: async ({ target, networks }) => {
      refuseStrangers(state, { networks });
      const there = await leaderOf(state, target).catch((error: unknown) => {
        if (!(error instanceof PeerError) || error.code !== 'unimplemented') throw error;
        return undefined;
      });
      if (there === undefined) {
        joinLegacy(state, target).catch((error: unknown) =>
          state.log.info({ target, error: String(error) }, 'could not join Go peers yet'),
        );
        return {};
      }
      const mine = statusOf(state);
      if (sameBallot(there.view, mine.view) || there.address === state.self.address) return {};
      // Both sides judge alike, so that they do not change places.
      if (mine.mode === 'leading' && compareNetworks(mine, there) < 0) return {};
      state
        .transition(() => moveTo(state, target))
        .catch((error: unknown) => {
          state.log.info({ target, error: String(error) }, 'could not move to another network yet');
        });
      return {};
    },
    leave: async ({ address }) => {
      if (!newestView(state)?.members.some((member) => member.address === address)) return {};
      const changed = await state.transition(() => changeView(state, { leave: [address] }));
      if (!changed) throw new PeerError('refused', 'the view changed otherwise meanwhile: try again');
      return {};
    },
    replicate: (source) => follow(state, source),
    fetch,
  };
}

function withTimeout(state: State, wait: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = state.clock.after(ADMIT_MS, () =>
      reject(new PeerError('timeout', 'not all members have the chain yet')),
    );
    wait.then(resolve, reject).finally(cancel);
  });
}
