/** The served resources, looked up by path and by kind. Those of custom kinds come and go. */
import { KINDS } from '../data/kinds.js';
import type { KindRow } from '../data/kinds.js';
import type { JsonObject } from './json.js';
import type { Strategy } from './strategy.js';
import type { Column } from './table-columns.js';

export interface ApiResource extends KindRow {
  /** `v1`, `apps/v1`. */
  readonly apiVersion: string;
  /** `pods`, `deployments.apps`. */
  readonly groupResource: string;
  /** What is particular to a custom kind. */
  readonly custom?: CustomKind;
}

/** The fields, as names, under which a custom kind keeps its replicas. */
export interface ScalePaths {
  readonly spec: readonly string[];
  readonly status: readonly string[];
  readonly selector: readonly string[] | undefined;
}

export interface CustomKind {
  readonly listKind: string;
  readonly strategy: Strategy;
  readonly columns: readonly Column[];
  readonly scale: ScalePaths | undefined;
  /** The object as this version shows it, where it may have been stored by another one. */
  readonly show: ((object: JsonObject) => JsonObject) | undefined;
}

export interface Resources {
  /** The list is another one after each change. */
  readonly all: readonly ApiResource[];
  find(group: string, version: string, plural: string): ApiResource | undefined;
  byKind(apiVersion: string, kind: string): ApiResource | undefined;
  /** Serves these versions of a group resource instead of those until now; none ends it. */
  serve(groupResource: string, versions: readonly ApiResource[]): void;
  /** The listener is called after each change. Answers the function that ends that. */
  subscribe(listener: () => void): () => void;
}

/** The resource of a row. */
export const toResource = (row: KindRow, custom?: CustomKind): ApiResource => ({
  ...row,
  apiVersion: row.group === '' ? row.version : `${row.group}/${row.version}`,
  groupResource: row.group === '' ? row.plural : `${row.plural}.${row.group}`,
  ...(custom && { custom }),
});

export function createResources(rows: readonly KindRow[] = KINDS): Resources {
  let all: readonly ApiResource[] = [];
  let byPath = new Map<string, ApiResource>();
  let byKind = new Map<string, ApiResource>();
  const listeners = new Set<() => void>();
  const set = (next: readonly ApiResource[]): void => {
    all = next;
    byPath = new Map(all.map((resource) => [`${resource.apiVersion}/${resource.plural}`, resource]));
    byKind = new Map(all.map((resource) => [`${resource.apiVersion}/${resource.kind}`, resource]));
  };
  set(rows.map((row) => toResource(row)));
  return {
    get all() {
      return all;
    },
    find: (group, version, plural) => byPath.get(`${group === '' ? '' : `${group}/`}${version}/${plural}`),
    byKind: (apiVersion, kind) => byKind.get(`${apiVersion}/${kind}`),
    serve(groupResource, versions) {
      set([...all.filter((resource) => resource.groupResource !== groupResource), ...versions]);
      for (const listener of listeners) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
