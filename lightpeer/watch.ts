/** The chain as its readers see it: queries and watches. */
import { ORIGIN, samePoint } from './chain/block.js';
import type { Block, Point } from './chain/block.js';
import { PeerError } from './port.js';
import type { ChainBlock, WatchEvent, WatchOptions } from './port.js';
import type { Replica } from './replica/replica.js';
import { pointAt } from './replica/state.js';

export const readable = ({ id, payload, path, deleted, at }: Block): ChainBlock => ({
  id,
  payload,
  path,
  deleted,
  at: new Date(at),
});

const cursorOf = ({ height, digest }: Point): string => `${height}-${digest}`;

function pointOf(cursor: string): Point {
  const [, height, digest] = /^(\d{1,10})-([0-9a-f]*)$/.exec(cursor) ?? [];
  if (height === undefined || digest === undefined)
    throw new PeerError('invalid', `'${cursor}' is no cursor: give one that a watch sent, or none`);
  return { height: Number(height), digest };
}

export async function* query(replica: Replica): AsyncGenerator<ChainBlock> {
  for await (const { block } of replica.store().newestFirst()) if (block.type === 1) yield readable(block);
}

export async function* watch(replica: Replica, { cursor, signal }: WatchOptions): AsyncGenerator<WatchEvent> {
  const { state } = replica;
  let at: Point = cursor === undefined || cursor === '' ? ORIGIN : pointOf(cursor);
  let rewound = false;
  let live = false;
  // An acknowledged block is held by every member, also by those who have not heard that all hold it.
  let held = state.store.head().height;
  let wake: () => void = () => undefined;
  const stopWatching = [
    replica.onChange(() => wake()),
    replica.onRewound((left) => {
      if (left.height < at.height) {
        at = left;
        rewound = true;
      }
      wake();
    }),
  ];
  const aborted = (): void => wake();
  signal?.addEventListener('abort', aborted);
  const over = (): boolean => signal?.aborted === true || state.closing;
  try {
    const here = at.height > state.committed ? undefined : await pointAt(state, at.height);
    if (at.height > 0 && (here === undefined || !samePoint(here, at))) {
      at = ORIGIN;
      rewound = true;
    }
    while (!over()) {
      if (rewound) {
        rewound = false;
        held = state.store.head().height;
        live = false;
        yield { type: 'rewound', cursor: cursorOf(at) };
        continue;
      }
      const snapshot = state.store.snapshot();
      if (at.height < snapshot.base.height) {
        if (at.height > 0) yield { type: 'rewound', cursor: cursorOf(ORIGIN) };
        at = snapshot.base;
        live = false;
        try {
          reading: for await (const some of state.store.keptParts(snapshot))
            for (const { block, height } of some) {
              if (rewound || over()) break reading;
              yield { type: 'block', block: readable(block), height, cursor: cursorOf(ORIGIN) };
            }
        } catch (error) {
          if (state.store.snapshot() === snapshot) throw error;
          // Compacted once more, or moved to another chain, in the middle: from the beginning of what there is now.
          at = ORIGIN;
          rewound = true;
        }
        continue;
      }
      if (at.height < state.committed) {
        const from = at;
        const some = await state.store.after(from.height, state.committed).catch((error: unknown) => {
          // Compacted, or moved to another chain, in this very moment.
          if (rewound || from.height < state.store.base().height) return [];
          throw error;
        });
        for (const { block, height, digest } of some) {
          if (rewound || over()) break;
          at = { height, digest };
          if (block.type === 1) yield { type: 'block', block: readable(block), height, cursor: cursorOf(at) };
        }
        continue;
      }
      if (!live && at.height >= Math.min(held, state.store.head().height)) {
        live = true;
        yield { type: 'live', cursor: cursorOf(at) };
        continue;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    signal?.removeEventListener('abort', aborted);
    for (const stop of stopWatching) stop();
  }
}
