/** The member's side of a leader's stream. */
import { compareBallots, samePoint } from '../chain/block.js';
import type { View } from '../chain/block.js';
import { PeerError } from '../port.js';
import { dropUpTo } from './dropping.js';
import { arrive } from './move.js';
import type { Append, AppendSink, AppendSource } from './ports.js';
import { diskFailed, loosen, newestView, noteMembers, sameBallot, viewBallot } from './state.js';
import type { State } from './state.js';

/** A leader's word without blocks is answered unless something was said so shortly before. */
const ANSWER_MS = 100;

/** Takes a leader's stream. Its first message says which view it is of; only one that was promised is followed. */
export function follow(state: State, source: AppendSource): AppendSink {
  let ballot: Append['ballot'] | undefined;
  let ready = false;
  let over = false;
  let told = -1;
  let toldAt = 0;

  const end = (error: PeerError): void => {
    if (over) return;
    over = true;
    source.close(error);
  };
  const tell = (): void => {
    if (over) return;
    const { height, digest } = state.store.synced();
    told = height;
    toldAt = state.clock.now();
    source.synced({ height, digest });
  };

  async function begin(append: Append): Promise<void> {
    ballot = append.ballot;
    state.seenEpoch = Math.max(state.seenEpoch, ballot.epoch);
    if (state.mode === 'failed' || state.closing)
      return end(new PeerError('refused', 'this peer stands aside'));
    if (compareBallots(ballot, state.promised) !== 0 || state.mode === 'leading')
      return end(
        new PeerError(
          'fenced',
          `promised to view ${state.promised.epoch} of ${state.promised.by || 'nobody'}`,
        ),
      );
    const move = state.move;
    if (move !== undefined && (move.leader !== ballot.by || !move.detached))
      return end(new PeerError('refused', `this peer moves to the network of ${move.leader}`));
    state.followed?.detach(new PeerError('fenced', 'the same leader opened another stream'));
    state.followed = { ballot, detach: end };
    state.heardAt = state.clock.now();
    state.brokenSince = undefined;
    if (move !== undefined) await arrive(state, move);
    await state.store.flushed();
    if (over || state.followed?.detach !== end) return;
    ready = true;
    if (sameBallot(viewBallot(state), ballot)) enter();
    tell();
  }

  /** The view's own NETWORK block is in the chain: this peer is a member. */
  function enter(before?: View): void {
    const view = newestView(state)!;
    if (state.mode === 'following' && before === undefined) return;
    state.mode = 'following';
    noteMembers(state, before, view);
    state.counters.views++;
    state.changed();
  }

  function take(append: Append): void {
    state.heardAt = state.clock.now();
    if (append.blocks.length > 0) {
      if (!samePoint(state.store.head(), append.previous))
        return end(new PeerError('refused', 'the blocks do not continue this chain'));
      const before = newestView(state);
      const { synced } = state.store.append(append.blocks, state.committed);
      const after = newestView(state);
      if (after !== undefined && state.mode !== 'following' && sameBallot(after.ballot, append.ballot))
        enter(before);
      synced.then(
        () => {
          if (state.store.synced().height > told) tell();
        },
        (error: unknown) => {
          end(new PeerError('disk', String(error)));
          diskFailed(state, error);
        },
      );
    } else if (state.clock.now() - toldAt > ANSWER_MS) tell();
    const committed = Math.min(append.committed, state.store.synced().height);
    if (committed > state.committed) {
      state.committed = committed;
      state.changed();
    }
    if (append.compactTo <= state.committed) void dropUpTo(state, append.compactTo);
  }

  return {
    append: (append) => {
      if (over) return;
      if (ballot === undefined)
        begin(append).catch((error: unknown) => {
          end(new PeerError('disk', String(error)));
          if (error instanceof PeerError && error.code === 'disk') diskFailed(state, error);
          else if (state.followed?.detach === end) loosen(state, String(error));
        });
      else if (!sameBallot(append.ballot, state.promised))
        end(new PeerError('fenced', 'a newer view was promised'));
      else if (ready) take(append);
      else state.heardAt = state.clock.now();
    },
    closed: () => {
      over = true;
      if (state.followed?.detach !== end) return;
      state.followed = undefined;
      state.brokenSince = state.clock.now();
      // Not the last word: it may come back, or a new view may begin.
      if (state.mode === 'loose') state.promisedAt = state.clock.now();
    },
  };
}
