/** The served resources, looked up by path and by kind. */
import { KINDS } from '../data/kinds.js';
import type { KindRow } from '../data/kinds.js';

export interface ApiResource extends KindRow {
  /** `v1`, `apps/v1`. */
  readonly apiVersion: string;
  /** `pods`, `deployments.apps`. */
  readonly groupResource: string;
}

export interface Resources {
  readonly all: readonly ApiResource[];
  find(group: string, version: string, plural: string): ApiResource | undefined;
  byKind(apiVersion: string, kind: string): ApiResource | undefined;
}

export function createResources(rows: readonly KindRow[] = KINDS): Resources {
  const all = rows.map((row) => ({
    ...row,
    apiVersion: row.group === '' ? row.version : `${row.group}/${row.version}`,
    groupResource: row.group === '' ? row.plural : `${row.plural}.${row.group}`,
  }));
  const byPath = new Map(all.map((resource) => [`${resource.apiVersion}/${resource.plural}`, resource]));
  const byKind = new Map(all.map((resource) => [`${resource.apiVersion}/${resource.kind}`, resource]));
  return {
    all,
    find: (group, version, plural) => byPath.get(`${group === '' ? '' : `${group}/`}${version}/${plural}`),
    byKind: (apiVersion, kind) => byKind.get(`${apiVersion}/${kind}`),
  };
}
