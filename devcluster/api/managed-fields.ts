/** Who manages which fields of an object. */
import { compare, difference, isEmpty, union } from './field-sets.js';
import type { FieldSet, Shape } from './field-sets.js';
import { isObject, objectAt, objectsAt, stringAt } from './json.js';
import type { JsonObject } from './json.js';
import type { Schema } from './schema.js';

export interface ManagedEntry {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string;
  readonly fields: FieldSet;
}

/** Fields that nobody manages. */
const UNMANAGED: FieldSet = {
  'f:apiVersion': {},
  'f:kind': {},
  'f:metadata': {
    '.': {},
    'f:name': {},
    'f:namespace': {},
    'f:creationTimestamp': {},
    'f:selfLink': {},
    'f:uid': {},
    'f:generation': {},
    'f:managedFields': {},
    'f:resourceVersion': {},
  },
};

/** The set without the fields that nobody manages. */
export const manageable = (set: FieldSet): FieldSet => difference(set, UNMANAGED);

export const readEntries = (metadata: JsonObject | undefined): ManagedEntry[] =>
  objectsAt(metadata, 'managedFields').flatMap((entry) =>
    isObject(entry.fieldsV1)
      ? [
          {
            manager: stringAt(entry, 'manager') ?? '',
            operation: entry.operation === 'Apply' ? 'Apply' : 'Update',
            apiVersion: stringAt(entry, 'apiVersion') ?? '',
            subresource: stringAt(entry, 'subresource') ?? '',
            time: stringAt(entry, 'time') ?? '',
            fields: entry.fieldsV1 as FieldSet,
          } satisfies ManagedEntry,
        ]
      : [],
  );

/** Writes the entries into the metadata, in the API's order. */
export function writeEntries(metadata: JsonObject, entries: readonly ManagedEntry[]): void {
  const rank = ({ operation, time, manager, subresource }: ManagedEntry): string =>
    [operation, time, manager, subresource].join('\n');
  const kept = entries.filter(({ fields }) => !isEmpty(fields)).sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
  if (kept.length === 0) delete metadata.managedFields;
  else
    metadata.managedFields = kept.map(({ manager, operation, apiVersion, subresource, time, fields }) => ({
      manager,
      operation,
      apiVersion,
      ...(time !== '' && { time }),
      fieldsType: 'FieldsV1',
      fieldsV1: fields,
      ...(subresource !== '' && { subresource }),
    }));
}

export interface Writer {
  readonly manager: string;
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string;
}

/**
 * Records a write that is no apply: its manager has what it changed, and nobody else has it any more. `object` gets the
 * entries; a client may have sent entries of its own.
 */
export function recordUpdate(
  schema: Schema,
  shape: Shape,
  old: JsonObject,
  object: JsonObject,
  by: Writer,
): void {
  const metadata = objectAt(object, 'metadata') ?? {};
  const sent = objectsAt(metadata, 'managedFields');
  const isReset = sent.length === 1 && isEmpty((sent[0] ?? {}) as FieldSet);
  const own = readEntries(metadata);
  const entries = own.length > 0 || isReset ? own : readEntries(objectAt(old, 'metadata'));
  // What was never recorded of an object is recorded from its first apply on.
  const wasStored = stringAt(old, 'metadata', 'uid') !== undefined;
  if (wasStored && (isReset || (own.length === 0 && entries.length === 0))) {
    delete metadata.managedFields;
    object.metadata = metadata;
    return;
  }
  const { changed, removed } = compare(schema, shape, old, object);
  const gained = manageable(changed);
  const lost = union(changed, removed);
  const isOwn = (entry: ManagedEntry): boolean =>
    entry.operation === 'Update' &&
    entry.manager === by.manager &&
    entry.apiVersion === by.apiVersion &&
    entry.subresource === by.subresource;
  const before = entries.find(isOwn);
  const others = isEmpty(lost)
    ? entries.filter((entry) => !isOwn(entry))
    : entries
        .filter((entry) => !isOwn(entry))
        .map((entry) => ({ ...entry, fields: difference(entry.fields, lost) }));
  const fields = difference(union(before?.fields ?? {}, gained), removed);
  const time =
    before !== undefined && isEmpty(gained) && isEmpty(manageable(removed)) ? before.time : by.time;
  writeEntries(metadata, [
    ...others,
    {
      manager: by.manager,
      operation: 'Update',
      apiVersion: by.apiVersion,
      subresource: by.subresource,
      time,
      fields,
    },
  ]);
  object.metadata = metadata;
}
