/** Tables: what `kubectl get` shows of each kind. */
import { stringAt } from './json.js';
import type { JsonObject } from './json.js';
import type { ApiResource } from './resources.js';
import type { Stored } from './storage.js';
import { toObject } from './storage.js';
import { COLUMNS } from './table-columns.js';
import type { Column } from './table-columns.js';

export type IncludeObject = 'None' | 'Metadata' | 'Object';

const GENERIC: readonly Column[] = [
  { name: 'Name', format: 'name', cell: (_object, stored) => stored.name },
  {
    name: 'Created At',
    type: 'date',
    cell: (object) => (object.metadata as JsonObject).creationTimestamp,
  },
];

const columnsOf = (resource: ApiResource): readonly Column[] =>
  resource.custom?.columns ?? COLUMNS[resource.groupResource] ?? GENERIC;

const definitions = new WeakMap<ApiResource, string>();

/** The column definitions of a kind, as JSON. */
export function columnsJson(resource: ApiResource): string {
  let json = definitions.get(resource);
  if (json === undefined) {
    json = JSON.stringify(
      columnsOf(resource).map(({ name, type = 'string', format = '', priority = 0, description = '' }) => ({
        name,
        type,
        format,
        description,
        priority,
      })),
    );
    definitions.set(resource, json);
  }
  return json;
}

/** What a row says beside its cells: pods that are over say so. */
function rowConditions(resource: ApiResource, object: JsonObject): JsonObject[] | undefined {
  if (resource.groupResource !== 'pods') return undefined;
  const phase = stringAt(object, 'status', 'phase');
  if (phase !== 'Succeeded' && phase !== 'Failed') return undefined;
  const message = phase === 'Succeeded' ? 'The pod has completed successfully.' : 'The pod failed.';
  return [{ type: 'Completed', status: 'True', reason: phase, message }];
}

/** One row, as JSON. */
export function tableRow(resource: ApiResource, stored: Stored, include: IncludeObject): string {
  const object = toObject(resource, stored);
  const cells = columnsOf(resource).map(({ cell }) => cell(object, stored));
  const shown =
    include === 'None'
      ? undefined
      : include === 'Object'
        ? object
        : { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
  const conditions = rowConditions(resource, object);
  return JSON.stringify({ cells, ...(conditions !== undefined && { conditions }), object: shown ?? null });
}
