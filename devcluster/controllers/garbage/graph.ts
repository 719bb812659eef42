/** Who owns whom, of all objects that are watched. */
import type { Change, KubeObject, Resource } from '../../../kube/index.js';
import { sameJson } from '../canonical.js';
import { uidOf } from '../meta.js';
import { FOREGROUND } from './judge.js';
import type { Item } from './judge.js';

export interface Entry extends Item {
  readonly resource: Resource;
  readonly object: KubeObject;
}

export interface Graph {
  get(uid: string): Entry | undefined;
  dependentsOf(uid: string): Entry[];
  /** Takes in a change and answers the uids of objects that must be looked at because of it. */
  apply(resource: Resource, change: Change<KubeObject>): string[];
}

const NONE: readonly never[] = [];

const entryOf = (resource: Resource, object: KubeObject): Entry => ({
  resource,
  object,
  uid: uidOf(object),
  deleting: object.metadata?.deletionTimestamp !== undefined,
  finalizers: object.metadata?.finalizers ?? NONE,
  owners: object.metadata?.ownerReferences ?? NONE,
});

export const createGraph = (): Graph => {
  const entries = new Map<string, Entry>();
  const dependents = new Map<string, Set<string>>();

  const unlink = ({ uid, owners }: Entry): void => {
    for (const owner of owners) {
      const ofOwner = dependents.get(owner.uid);
      ofOwner?.delete(uid);
      if (ofOwner?.size === 0) dependents.delete(owner.uid);
    }
  };
  const link = ({ uid, owners }: Entry): void => {
    for (const owner of owners) {
      dependents.set(owner.uid, (dependents.get(owner.uid) ?? new Set<string>()).add(uid));
    }
  };
  /** Owners that may wait for this one. */
  const waiting = ({ owners }: Entry): string[] =>
    owners.map(({ uid }) => uid).filter((uid) => entries.get(uid)?.deleting === true);

  return {
    get: (uid) => entries.get(uid),
    dependentsOf: (uid) =>
      [...(dependents.get(uid) ?? [])].flatMap((dependent) => entries.get(dependent) ?? []),
    apply: (resource, { type, object }) => {
      const entry = entryOf(resource, object);
      const before = entries.get(entry.uid);
      if (before !== undefined) unlink(before);
      if (type === 'deleted') {
        entries.delete(entry.uid);
        return [...(dependents.get(entry.uid) ?? []), ...waiting(before ?? entry)];
      }
      entries.set(entry.uid, entry);
      link(entry);
      const same =
        before !== undefined &&
        before.deleting === entry.deleting &&
        sameJson([before.finalizers, before.owners], [entry.finalizers, entry.owners]);
      if (same || (entry.owners.length === 0 && !entry.deleting && before === undefined)) return [];
      const holdsBack = entry.deleting && entry.finalizers.includes(FOREGROUND);
      return [
        entry.uid,
        ...(before === undefined ? [] : waiting(before)),
        ...(holdsBack ? (dependents.get(entry.uid) ?? []) : []),
      ];
    },
  };
};
