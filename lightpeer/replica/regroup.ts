/**
 * A change of view. The peer that makes it asks all for a promise to follow no older view, takes the longest chain of the
 * newest view that any of them has, adds a NETWORK block with those that answered, and leads from there. Within a view one
 * peer orders, so chains of a view are beginnings of one another: the longest holds whatever any disk acknowledged.
 */
import { compareBallots, memberPayload, samePoint, viewOf } from '../chain/block.js';
import type { Ballot, Member, View } from '../chain/block.js';
import { PeerError } from '../port.js';
import { fetchChain } from './fetch.js';
import { createLeader } from './leader.js';
import type { Prepared } from './ports.js';
import {
  diskFailed,
  loosen,
  newestView,
  noteMembers,
  others,
  pointAt,
  sameBallot,
  viewBallot,
} from './state.js';
import type { State } from './state.js';

export interface Change {
  readonly admit?: readonly Member[];
  /** Who goes on purpose. It is asked for its chain, and is no member. */
  readonly leave?: readonly string[];
  /** Who is known to be dead: not even asked. */
  readonly dead?: readonly string[];
  /** Who has been silent: asked, but not for long. */
  readonly silent?: readonly string[];
  readonly networks?: readonly string[];
  /** A network of its own: no longer looked for, nor looking for, the one before. */
  readonly alone?: boolean;
  /** Asked beside the members. */
  readonly ask?: readonly string[];
}

export type Regrouped =
  | { readonly done: 'leading'; readonly view: View; readonly strays: readonly string[] }
  /** Another one proposes, or has a newer view: `go` is where to move. */
  | { readonly done: 'not'; readonly go?: string | undefined };

const SHORT_ASK_MS = 400;

export async function regroup(state: State, change: Change): Promise<Regrouped> {
  const { self, transport, limits } = state;
  const before = newestView(state);
  const dead = new Set(change.dead);
  const leaving = new Set(change.leave);
  const admitted = change.admit ?? [];
  const asked = [
    ...new Set([...others(state, before?.members ?? []), ...others(state, admitted), ...(change.ask ?? [])]),
  ].filter((address) => !dead.has(address) && address !== self.address);
  const networks = [...new Set([...(before?.networks ?? []), ...(change.networks ?? [])])];
  const ballot: Ballot = {
    epoch: Math.max(state.promised.epoch, viewBallot(state).epoch, state.seenEpoch) + 1,
    by: self.address,
  };
  state.promised = ballot;
  loosen(state, 'the members of the network change');
  const current = (): boolean => state.promised === ballot && !state.closing && state.mode === 'loose';
  await state.store.flushed();

  const answers = new Map<string, Prepared>();
  await Promise.all(
    asked.map((address) =>
      transport
        .call(
          address,
          'prepare',
          { ballot, networks },
          change.silent?.includes(address) === true ? SHORT_ASK_MS : limits.ask,
        )
        .then(
          (answer) => answers.set(address, answer),
          () => undefined,
        ),
    ),
  );
  if (!current()) return { done: 'not' };
  const refused = [...answers.values()].filter(({ promised }) => !promised);
  for (const { standing } of refused) state.seenEpoch = Math.max(state.seenEpoch, standing.epoch);
  if (refused.length > 0) {
    const newer = [...answers].find(
      ([, { promised, view }]) => !promised && compareBallots(view, viewBallot(state)) > 0,
    );
    return { done: 'not', go: newer?.[0] };
  }

  const goes = await catchUp(state, answers, current);
  if (!current()) return { done: 'not' };
  if (goes !== undefined) return { done: 'not', go: goes };

  const strays: string[] = [];
  for (const [address, { head }] of answers) {
    const here = await pointAt(state, head.height).catch(() => undefined);
    if (here === undefined || !samePoint(here, head)) strays.push(address);
  }
  if (!current()) return { done: 'not' };

  // Read again: catching up may have brought newer views.
  const last = newestView(state);
  const stays = ({ address, legacy }: Member): boolean =>
    !leaving.has(address) &&
    !dead.has(address) &&
    (legacy || (answers.has(address) && !strays.includes(address)));
  const members = new Map<string, Member>([[self.address, { ...self, legacy: false }]]);
  for (const member of [...(last?.members ?? before?.members ?? []), ...admitted])
    if (member.address !== self.address && stays(member)) members.set(member.address, member);
  const named =
    change.alone === true
      ? []
      : [...new Set([...(last?.networks ?? []), ...(change.networks ?? [])])].slice(0, 16);
  const { placed, synced } = state.store.append(
    [
      {
        id: state.newId(),
        prevId: '',
        type: 0,
        payload: memberPayload([...members.values()]),
        path: '',
        deleted: false,
        at: state.today(),
        view: {
          epoch: ballot.epoch,
          networks: named.length > 0 ? named : [state.newId()],
          legacy: [...members.values()].filter(({ legacy }) => legacy).map(({ address }) => address),
          committed: state.committed,
          left: [...leaving],
        },
      },
    ],
    state.committed,
  );
  synced.catch((error: unknown) => diskFailed(state, error));
  // A read found damage meanwhile: the chain takes no more.
  if (placed.length === 0) return { done: 'not' };
  const view = viewOf(placed[0]!)!;
  lead(state, view, before);
  return { done: 'leading', view, strays };
}

/** Fetches what the one who has most has more. Gives back whom to move to when the own chain parted from that one. */
async function catchUp(
  state: State,
  answers: ReadonlyMap<string, Prepared>,
  current: () => boolean,
): Promise<string | undefined> {
  let best: { address: string; answer: Prepared } | undefined;
  const own = (): Prepared => ({
    promised: true,
    standing: state.promised,
    view: viewBallot(state),
    head: state.store.head(),
    committed: state.committed,
  });
  const compare = (a: Prepared, b: Prepared): number =>
    compareBallots(a.view, b.view) || a.head.height - b.head.height;
  for (const [address, answer] of answers)
    if (compare(answer, best?.answer ?? own()) > 0) best = { address, answer };
  if (best === undefined) return undefined;
  const { id: _, ...head } = state.store.head();
  const { common } = await state.transport.call(
    best.address,
    'locate',
    { places: [head], waypoints: [] },
    state.limits.ask,
  );
  if (common === undefined || !samePoint(common, head)) return best.address;
  for await (const { blocks, snapshot } of fetchChain(state, best.address, head)) {
    if (snapshot !== undefined) return best.address;
    if (!current()) break;
    await state.store.append(blocks, state.committed).synced;
  }
  return undefined;
}

/** From here on this peer orders. */
function lead(state: State, view: View, before: View | undefined): void {
  state.mode = 'leading';
  state.counters.views++;
  noteMembers(state, before, view);
  state.leader = createLeader({
    self: state.self.address,
    view,
    store: state.store,
    transport: state.transport,
    clock: state.clock,
    limits: state.limits,
    legacy: state.legacy,
    committed: () => state.committed,
    setCommitted: (height) => {
      state.committed = height;
      state.changed();
    },
    suspect: (address, why) => state.suspects.set(address, why),
    failed: (error) => {
      if (!(error instanceof PeerError) || error.code === 'disk') diskFailed(state, error);
    },
  });
  state.legacy.lead(
    view.members.filter(({ legacy }) => legacy).map(({ address }) => address),
    { again: before?.ballot.by === state.self.address },
  );
  state.log.info(
    { epoch: view.ballot.epoch, members: view.members.map(({ address }) => address) },
    'this peer orders the blocks of its network',
  );
  state.changed();
}

/** Whether the chain's newest view is the one of a ballot. */
export const installed = (state: State, ballot: Ballot): boolean => sameBallot(viewBallot(state), ballot);
