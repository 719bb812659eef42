/** What states held, read from the chain again: it is not kept in memory beside the file. */
import { setTimeout as delay } from 'node:timers/promises';
import { PeerError } from '../port.js';
import type { PeerPort } from '../port.js';
import { digestOf } from './folder.js';

export interface Contents {
  /**
   * Gives a content to `use`, one at a time, and resolves when that is done; or when the chain has it no more, without a
   * call. Rejects when the chain cannot be read, or with what `use` rejects with. One call at a time for a state.
   */
  read(state: string, digest: string, use: (content: Uint8Array) => Promise<void>): Promise<void>;
}

export interface ContentsOptions {
  readonly peer: Pick<PeerPort, 'query'>;
  /** The state that a path of the network stands for; undefined for none. */
  readonly stateOf: (path: string) => string | undefined;
  /** Nothing more is read; what waits is resolved. */
  readonly signal: AbortSignal;
}

interface Wanted {
  readonly digest: string;
  use(content: Uint8Array): Promise<void>;
  done(): void;
  failed(error: unknown): void;
}

/** What is wanted within that time is looked for together: each pass may go through the whole chain. */
const GATHER_MS = 20;

export function createContents({ peer, stateOf, signal }: ContentsOptions): Contents {
  const wanted = new Map<string, Wanted>();
  let passing = false;

  /** Once through the chain, newest first, until nothing is wanted any more. */
  const pass = async (): Promise<void> => {
    const asked = [...wanted];
    for await (const { path, payload, deleted } of peer.query()) {
      if (signal.aborted || wanted.size === 0) return;
      const state = stateOf(path);
      const one = state === undefined || deleted ? undefined : wanted.get(state);
      if (state === undefined || one === undefined || one.digest !== digestOf(payload)) continue;
      wanted.delete(state);
      await one.use(payload).then(one.done, one.failed);
    }
    for (const [state, one] of asked)
      if (wanted.get(state) === one) {
        wanted.delete(state);
        one.done();
      }
  };

  const run = async (): Promise<void> => {
    passing = true;
    while (wanted.size > 0 && !signal.aborted) {
      await delay(GATHER_MS, undefined, { signal, ref: false }).catch(() => undefined);
      try {
        await pass();
      } catch (error) {
        // Compacted or moved in this very moment.
        if (error instanceof PeerError && error.code === 'refused') continue;
        for (const one of wanted.values()) one.failed(error);
        wanted.clear();
      }
    }
    for (const one of wanted.values()) one.done();
    wanted.clear();
    passing = false;
  };

  return {
    read: (state, digest, use) =>
      new Promise((resolve, reject) => {
        wanted.set(state, { digest, use, done: resolve, failed: reject });
        if (!passing) void run();
      }),
  };
}
