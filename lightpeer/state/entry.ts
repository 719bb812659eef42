/** What is known of a state: of its file, of its last block, and of what is on its way. */
import type { Expected } from './base-log.js';
import type { Look } from './look.js';

/** What a state holds, by its digest; empty for one that is not there. */
export interface Target {
  readonly digest: string;
  /** While there is room for it; otherwise it is read from the chain when it is needed. */
  held?: { readonly content: Uint8Array; release(): void } | undefined;
}

export interface Flight {
  readonly id: string;
  acknowledged: boolean;
  seen: boolean;
}

export interface Entry {
  /** What the file held when it last agreed with the network. */
  base: string;
  /** After a restart in the middle: what the file may hold without a program having changed it. */
  expected?: Expected | undefined;
  /** The last block of the state. */
  target?: Target;
  /** The file as it was read last, and what it held. */
  look?: Look | undefined;
  digest: string;
  flight?: Flight | undefined;
  /** For a time nobody could see the file. When it is gone after that it comes back: what was deleted is not known. */
  unseen: boolean;
  /** A look at what cannot be shared: given up until it changes. */
  given?: Look | undefined;
  /** Being worked on; once more after that. */
  busy: boolean;
  again: boolean;
}

export const newEntry = (): Entry => ({ base: '', digest: '', unseen: false, busy: false, again: false });

export function letGo(target: Target | undefined): void {
  target?.held?.release();
  if (target !== undefined) target.held = undefined;
}

/** Whether it says no more than that there is no such state, here and in the network. */
export const isBlank = (entry: Entry): boolean =>
  !entry.busy &&
  !entry.unseen &&
  [entry.base, entry.digest, entry.target?.digest ?? ''].every((digest) => digest === '') &&
  [entry.expected, entry.look, entry.flight, entry.given].every((each) => each === undefined);
