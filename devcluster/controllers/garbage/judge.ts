/** What the garbage collector does with one object: pure functions from what is known of its owners and dependents. */
import type { OwnerReference } from '../meta.js';

export const FOREGROUND = 'foregroundDeletion';
export const ORPHAN = 'orphan';

/** What is kept of each object. */
export interface Item {
  uid: string;
  deleting: boolean;
  finalizers: readonly string[];
  owners: readonly OwnerReference[];
}

/** An owner is there, gone, or waits until its dependents are gone (deleted in the foreground). */
export type OwnerState = 'solid' | 'absent' | 'waiting';

export type Verdict =
  | { do: 'keep' }
  | { do: 'drop_owners'; uids: string[] }
  | { do: 'delete'; policy: 'Background' | 'Foreground' | 'Orphan' }
  | { do: 'remove_finalizer'; finalizer: string }
  /** Its dependents are to lose the reference to it, then it its finalizer. */
  | { do: 'orphan_dependents' }
  /** Its dependents are to be looked at: they hold it back. */
  | { do: 'wait_for_dependents' };

const blocks = (dependent: Item, owner: Item): boolean =>
  dependent.owners.some(({ uid, blockOwnerDeletion }) => uid === owner.uid && blockOwnerDeletion === true);

const judgeDeleted = (item: Item, dependents: readonly Item[]): Verdict => {
  if (item.finalizers.includes(ORPHAN)) {
    return dependents.length === 0
      ? { do: 'remove_finalizer', finalizer: ORPHAN }
      : { do: 'orphan_dependents' };
  }
  if (item.finalizers.includes(FOREGROUND)) {
    return dependents.some((dependent) => blocks(dependent, item))
      ? { do: 'wait_for_dependents' }
      : { do: 'remove_finalizer', finalizer: FOREGROUND };
  }
  return { do: 'keep' };
};

/**
 * An object goes when none of its owners is left, or the last ones wait for it; else it only loses those. It goes in
 * the foreground itself where an owner waits and it has dependents.
 */
const judgeOwned = (item: Item, states: readonly OwnerState[], dependents: readonly Item[]): Verdict => {
  const lost = item.owners.filter((_, at) => states[at] !== 'solid').map(({ uid }) => uid);
  if (lost.length === 0) return { do: 'keep' };
  if (lost.length < item.owners.length) return { do: 'drop_owners', uids: lost };
  if (item.finalizers.includes(ORPHAN)) return { do: 'delete', policy: 'Orphan' };
  const waitedFor = states.includes('waiting') && dependents.length > 0;
  const foreground = waitedFor || item.finalizers.includes(FOREGROUND);
  return { do: 'delete', policy: foreground ? 'Foreground' : 'Background' };
};

export const judge = (item: Item, states: readonly OwnerState[], dependents: readonly Item[]): Verdict =>
  item.deleting ? judgeDeleted(item, dependents) : judgeOwned(item, states, dependents);
