/**
 * Objects of one kind are alike in most of their parts: pods of one workload differ in little more than names and
 * addresses. A part that equals one seen lately becomes that one, so that many objects hold it once.
 */
import type { KubeObject } from '../../kube/index.js';

/** Parts that are remembered, twice: those seen since the last turn, and those of the turn before. */
const REMEMBERED = 1_000;
/** Characters of JSON from which on a part is not worth remembering: it would be held for nobody. */
const LONG = 4_096;

/** Characters up to which the JSON parser itself keeps equal strings once. */
const SHORT = 10;
/** The rest of the metadata is an object's own. */
const SHARED_METADATA = 'namespace creationTimestamp labels annotations ownerReferences finalizers'.split(
  ' ',
);

type Parts = Record<string, unknown>;

/** Answers what puts known parts in place of equal ones, in an object that is nobody else's yet. */
export const createAlike = <T extends KubeObject>(remembered = REMEMBERED): ((object: T) => T) => {
  let recent = new Map<string, unknown>();
  let older = recent;
  const known = (part: unknown): unknown => {
    const text = JSON.stringify(part);
    if (text.length > LONG) return part;
    const found = recent.get(text) ?? older.get(text) ?? part;
    if (recent.size >= remembered) [older, recent] = [recent, new Map<string, unknown>()];
    recent.set(text, found);
    return found;
  };
  const share = (section: unknown, only?: readonly string[]): void => {
    if (section === null || typeof section !== 'object' || Array.isArray(section)) return;
    const parts = section as Parts;
    for (const key of only ?? Object.keys(parts)) {
      const part = parts[key];
      if ((typeof part === 'object' && part !== null) || (typeof part === 'string' && part.length > SHORT))
        parts[key] = known(part);
    }
  };
  return (object) => {
    const { metadata, spec, status } = object as Parts;
    share(metadata, SHARED_METADATA);
    share(spec);
    share(status);
    return object;
  };
};
