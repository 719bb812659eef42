/** A member's blocks on their way to whoever orders them: those that come at once travel together. */
import type { Block } from '../chain/block.js';
import { PeerError } from '../port.js';
import { createGather } from './gather.js';
import type { Clock } from './ports.js';

interface Waiting {
  readonly block: Block;
  resolve(): void;
  reject(error: unknown): void;
}

export interface Submitter {
  /** Resolves when every member has the block. Rejects with `overloaded` when too much waits. */
  submit(block: Block): Promise<void>;
  /** What is on its way is no longer waited for: it is sent again, with its id, to somebody else. */
  abandon(error: PeerError): void;
  /** Nothing waits. */
  idle(): boolean;
}

/** Calls at a time: one on its way there while the blocks of another are written. */
const CALLS = 3;
const BATCH_BLOCKS = 256;
const BATCH_BYTES = 1 << 20;

/** Of payloads more than so many bytes wait. */
export const tooMuch = (bytes: number): PeerError =>
  new PeerError('overloaded', `more than ${bytes} bytes wait to be persisted: try again later`);

/** @param mostBytes of payloads that wait at most. */
export function createSubmitter(
  { clock, mostBytes }: { readonly clock: Clock; readonly mostBytes: number },
  send: (blocks: readonly Block[]) => Promise<unknown>,
): Submitter {
  let held = 0;
  let queue: Waiting[] = [];
  const sent = new Set<Waiting[]>();
  const gather = createGather(clock, pump);

  function pump(): void {
    while (sent.size < CALLS && queue.length > 0 && gather.due(queue.length, sent.size === 0)) {
      gather.clear();
      const batch: Waiting[] = [];
      let bytes = 0;
      for (const waiting of queue.slice(0, BATCH_BLOCKS)) {
        if (batch.length > 0 && bytes + waiting.block.payload.byteLength > BATCH_BYTES) break;
        bytes += waiting.block.payload.byteLength;
        batch.push(waiting);
      }
      queue = queue.slice(batch.length);
      sent.add(batch);
      send(batch.map(({ block }) => block)).then(
        () => settle(batch, ({ resolve }) => resolve()),
        (error: unknown) => settle(batch, ({ reject }) => reject(error)),
      );
    }
  }

  function settle(batch: Waiting[], how: (waiting: Waiting) => void): void {
    if (!sent.delete(batch)) return;
    gather.over(batch.length, queue.length);
    for (const waiting of batch) {
      held -= waiting.block.payload.byteLength;
      how(waiting);
    }
    pump();
  }

  return {
    submit: (block) =>
      new Promise((resolve, reject) => {
        if (held > mostBytes) return reject(tooMuch(mostBytes));
        held += block.payload.byteLength;
        queue.push({ block, resolve, reject });
        pump();
      }),
    idle: () => queue.length === 0 && sent.size === 0,
    abandon: (error) => {
      const all = [...[...sent].flat(), ...queue];
      sent.clear();
      gather.clear();
      queue = [];
      held = 0;
      for (const { reject } of all) reject(error);
    },
  };
}
