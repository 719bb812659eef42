/** Persisting: a block goes to whoever orders the blocks, again and again with the same id, until every member has it. */
import type { Block } from '../chain/block.js';
import { blockProblem, idProblem } from '../chain/bounds.js';
import { PeerError } from '../port.js';
import type { PersistOptions } from '../port.js';
import type { Changes } from './changes.js';
import { sameBallot, viewBallot } from './state.js';
import type { State } from './state.js';
import { createSubmitter } from './submitter.js';

const PERSIST_MS = 30_000;
const SUBMIT_MS = 5000;
const RETRY_MS = 30;

export type Persist = (payload: Uint8Array, options?: PersistOptions) => Promise<{ id: string }>;

const sameContent = (a: Block, b: Block): boolean =>
  a.type === b.type &&
  a.path === b.path &&
  a.deleted === b.deleted &&
  Buffer.compare(a.payload, b.payload) === 0;

export function createPersist(state: State, changes: Changes): Persist {
  const { clock, transport } = state;

  const submitter = createSubmitter({ clock, mostBytes: state.limits.queueBytes }, (blocks) =>
    transport.call(viewBallot(state).by, 'submit', { blocks }, SUBMIT_MS),
  );
  let submittedTo = viewBallot(state);
  changes.listen(() => {
    const to = viewBallot(state);
    const followed = state.mode === 'following';
    if (followed && sameBallot(to, submittedTo)) return;
    submittedTo = to;
    if (submitter.idle()) return;
    submitter.abandon(new PeerError('refused', 'somebody else orders the blocks of the network now'));
  });

  function checked(payload: Uint8Array, { id, path = '', deleted = false }: PersistOptions): Block {
    const block: Block = {
      id: id ?? state.newId(),
      prevId: '',
      type: 1,
      payload,
      path,
      deleted,
      at: state.today(),
    };
    const problem = idProblem(block.id) ?? blockProblem(block);
    if (problem !== undefined) throw new PeerError('invalid', problem);
    return deleted ? { ...block, payload: new Uint8Array() } : block;
  }

  async function persist(payload: Uint8Array, options: PersistOptions = {}): Promise<{ id: string }> {
    const block = checked(payload, options);
    await order(block, options);
    // Whoever orders takes a known id for a retry. What it stands for the own chain tells, as every member has the block by now.
    const there = options.id === undefined ? undefined : await state.store.find(block.id);
    if (there !== undefined && !sameContent(there.block, block))
      throw new PeerError(
        'exists',
        `the chain has another block with the id ${block.id}: a retry has the same payload and path, and another block another id`,
      );
    state.counters.persisted++;
    return { id: block.id };
  }

  /** Resolves when every member has a block with the id. */
  async function order(block: Block, options: PersistOptions): Promise<void> {
    const deadline = clock.now() + (options.timeoutMs ?? PERSIST_MS);
    let why = 'the peer is between two views';
    for (;;) {
      const left = deadline - clock.now();
      if (state.closing) throw new PeerError('closed', 'this peer is being stopped');
      if (options.signal?.aborted === true) throw new PeerError('closed', 'the caller gave up');
      if (left <= 0)
        throw new PeerError('timeout', `not persisted in time: ${why}. Retry with the id ${block.id}`);
      try {
        if (state.leader !== undefined) await within(left, state.leader.submit([block]));
        else if (state.mode === 'following') await within(left, submitter.submit(block));
        else {
          if (state.mode === 'failed')
            throw new PeerError(
              'disk',
              'the disk of this peer refuses to write, or is damaged: free space, or try again in a moment',
            );
          await changes.wait(Math.min(left, 1000));
          continue;
        }
        return;
      } catch (error) {
        const { code, message } = error as PeerError;
        if (code === 'overloaded' || code === 'invalid' || (code === 'disk' && state.mode === 'failed'))
          throw error;
        why = message;
        await new Promise<void>((resolve) => clock.after(Math.min(RETRY_MS, left), resolve));
      }
    }
  }

  function within<T>(ms: number, work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = clock.after(ms, () => reject(new PeerError('timeout', 'not every member has it yet')));
      work.then(resolve, reject).finally(cancel);
    });
  }

  return persist;
}
