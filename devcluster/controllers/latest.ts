/**
 * What a controller wrote itself and its watch has not shown yet. A decision that rests on what was written before, such
 * as a count that goes on from the last one, is made on that and not on an older copy.
 */
import type { KubeObject } from '../../kube/objects.js';
import { uidOf } from './meta.js';

export interface Latest<T extends KubeObject> {
  /** The newer of the copy and what was written over it. */
  of(key: string, copy: T): T;
  /** Remembers the server's answer to a write. */
  wrote(key: string, answer: T): void;
  forget(key: string): void;
}

const versionOf = ({ metadata }: KubeObject): bigint => BigInt(metadata?.resourceVersion ?? 0);

export const createLatest = <T extends KubeObject>(): Latest<T> => {
  const written = new Map<string, T>();
  return {
    of: (key, copy) => {
      const own = written.get(key);
      if (own !== undefined && uidOf(own) === uidOf(copy) && versionOf(own) > versionOf(copy)) return own;
      written.delete(key);
      return copy;
    },
    wrote: (key, answer) => void written.set(key, answer),
    forget: (key) => void written.delete(key),
  };
};
