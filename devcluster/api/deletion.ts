/** What becomes of an object that is deleted: marked, and gone once nothing keeps it. */
import { equal, numberAt, objectAt, stringsAt } from './json.js';
import type { Json, JsonObject } from './json.js';
import type { Strategy } from './strategy.js';

const FOREGROUND = 'foregroundDeletion';
const ORPHAN = 'orphan';

/** The object's metadata, made where there is none. */
export const metadataOf = (object: JsonObject): JsonObject => {
  const found = objectAt(object, 'metadata');
  if (found !== undefined) return found;
  const made: JsonObject = {};
  object.metadata = made;
  return made;
};

const after = (seconds: number): string =>
  new Date(Date.now() + seconds * 1_000).toISOString().slice(0, 19) + 'Z';

/** Marks the object as going, as its kind and the request want it. Answers whether it was going already. */
export function markDeleted(
  object: JsonObject,
  strategy: Strategy,
  request: { propagationPolicy: string | undefined; gracePeriodSeconds: number | undefined },
): { wasGoing: boolean } {
  const { propagationPolicy, gracePeriodSeconds } = request;
  const metadata = metadataOf(object);
  const before = stringsAt(metadata, 'finalizers');
  let finalizers = before;
  if (propagationPolicy !== undefined) {
    finalizers = before.filter((item) => item !== FOREGROUND && item !== ORPHAN);
    if (propagationPolicy === 'Foreground') finalizers = [...finalizers, FOREGROUND];
    if (propagationPolicy === 'Orphan') finalizers = [...finalizers, ORPHAN];
  }
  setList(metadata, 'finalizers', finalizers);
  const grace = strategy.graceSeconds?.(object, gracePeriodSeconds);
  const wasGoing = metadata.deletionTimestamp !== undefined;
  const oldGrace = numberAt(metadata, 'deletionGracePeriodSeconds') ?? 0;
  if (!wasGoing) {
    strategy.beginDelete?.(object);
    const seconds = grace ?? 0;
    metadata.deletionTimestamp = after(seconds);
    // Kinds that empty themselves first have no period.
    if (strategy.beginDelete === undefined) metadata.deletionGracePeriodSeconds = seconds;
    const generation = numberAt(metadata, 'generation');
    if (strategy.keepsGeneration !== true && generation !== undefined && generation > 0)
      metadata.generation = generation + 1;
  } else if (grace !== undefined && gracePeriodSeconds !== undefined && grace < oldGrace) {
    metadata.deletionTimestamp = after(grace);
    metadata.deletionGracePeriodSeconds = grace;
  }
  return { wasGoing };
}

/** Gives `target` the field as `source` has it, absence included. */
export function keep(target: JsonObject, source: JsonObject, key: string): void {
  const value = source[key];
  if (value === undefined) delete target[key];
  else target[key] = value;
}

function setList(target: JsonObject, key: string, list: string[]): void {
  if (list.length === 0) delete target[key];
  else target[key] = list;
}

/** Whether anything but metadata and status differs; a status that is no subresource counts too. */
export function contentChanged(object: JsonObject, old: JsonObject, hasStatus: boolean): boolean {
  const content = ({ metadata: _m, status, kind: _k, apiVersion: _a, ...rest }: JsonObject): Json =>
    hasStatus ? rest : { ...rest, status };
  return !equal(content(object), content(old));
}

/** Whether a deleted object has nothing left that keeps it. */
export function isGone(object: JsonObject, strategy: Strategy): boolean {
  const metadata = metadataOf(object);
  return (
    metadata.deletionTimestamp !== undefined &&
    stringsAt(metadata, 'finalizers').length === 0 &&
    (numberAt(metadata, 'deletionGracePeriodSeconds') ?? 0) === 0 &&
    strategy.holds?.(object) !== true
  );
}
