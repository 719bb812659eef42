/** Groups, versions and resources as discovery shows them: one by one, and all in one answer. */
import { UNSTORED_KINDS } from '../data/kinds.js';
import type { KindRow } from '../data/kinds.js';
import type { JsonObject } from './json.js';
import type { ApiResource, Resources } from './resources.js';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
/** Of custom kinds, in the order in which the API shows them. */
const CUSTOM_VERBS = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch'];
const SET = ['get', 'patch', 'update'];
const CONNECT = ['create', 'get'];

const SUBRESOURCES: Record<
  string,
  { kind?: string; group?: string; version?: string; verbs: readonly string[] }
> = {
  status: { verbs: SET },
  scale: { kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: SET },
  log: { verbs: ['get'] },
  attach: { kind: 'PodAttachOptions', verbs: CONNECT },
  exec: { kind: 'PodExecOptions', verbs: CONNECT },
  portforward: { kind: 'PodPortForwardOptions', verbs: CONNECT },
  binding: { kind: 'Binding', verbs: ['create'] },
  eviction: { kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] },
  finalize: { verbs: ['update'] },
  token: { kind: 'TokenRequest', group: 'authentication.k8s.io', version: 'v1', verbs: ['create'] },
};

/** The order in which the API server shows its groups, which clients take as their preference. */
const GROUPS = [
  '',
  'apps',
  'events.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'autoscaling',
  'batch',
  'networking.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'storage.k8s.io',
  'apiextensions.k8s.io',
  'scheduling.k8s.io',
  'coordination.k8s.io',
  'discovery.k8s.io',
];

/** Stable versions before beta ones before alpha ones, each the newest first; others by their names. */
function versionRank(version: string): [number, number, number] {
  const match = /^v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?$/.exec(version);
  if (match === null) return [0, 0, 0];
  const [, major, stage, minor] = match;
  return [stage === undefined ? 3 : stage === 'beta' ? 2 : 1, Number(major), Number(minor ?? 0)];
}
export function byVersion(a: string, b: string): number {
  const left = versionRank(a);
  const right = versionRank(b);
  for (const index of [0, 1, 2] as const) if (left[index] !== right[index]) return right[index] - left[index];
  return a < b ? -1 : 1;
}

interface Version {
  readonly version: string;
  readonly apiVersion: string;
  readonly stored: readonly ApiResource[];
  readonly unstored: readonly KindRow[];
}
export interface Group {
  readonly name: string;
  readonly versions: readonly Version[];
}

const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
/** The subresources of custom kinds are not sorted among themselves. */
const byPlural = (a: { plural: string }, b: { plural: string }): number => (a.plural < b.plural ? -1 : 1);

/** The groups with their versions, in the order of preference; the core group, called ``, first. */
export function groupsOf(resources: Resources): Group[] {
  const rank = (name: string): number => {
    const index = GROUPS.indexOf(name);
    return index < 0 ? GROUPS.length : index;
  };
  const rows: readonly KindRow[] = [...resources.all, ...UNSTORED_KINDS];
  const names = [...new Set(rows.map(({ group }) => group))];
  return names
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
    .map((name) => ({
      name,
      versions: [...new Set(rows.filter(({ group }) => group === name).map(({ version }) => version))]
        .sort(byVersion)
        .map((version) => {
          const isHere = (row: KindRow): boolean => row.group === name && row.version === version;
          return {
            version,
            apiVersion: name === '' ? version : `${name}/${version}`,
            stored: resources.all.filter(isHere),
            unstored: UNSTORED_KINDS.filter(isHere),
          };
        }),
    }));
}

const verbsOf = (row: KindRow | ApiResource, isStored: boolean): string[] => {
  if (!isStored) return ['create'];
  if ('custom' in row) return CUSTOM_VERBS;
  return VERBS.filter((verb) => verb !== 'deletecollection' || row.deleteCollection !== false);
};

const naming = (row: KindRow): JsonObject => ({
  ...(row.shortNames && { shortNames: [...row.shortNames] }),
  ...(row.categories && { categories: [...row.categories] }),
});

/** The APIResourceList of one version. */
export function resourceList({ apiVersion, stored, unstored }: Version): JsonObject {
  const main = (row: KindRow, isStored: boolean) => ({
    name: row.plural,
    singularName: row.singular,
    namespaced: row.namespaced,
    kind: row.kind,
    verbs: verbsOf(row, isStored),
    ...naming(row),
  });
  const subresources = (row: KindRow) =>
    (row.subresources ?? []).map((sub) => {
      const { kind = row.kind, group, version, verbs } = SUBRESOURCES[sub] ?? { verbs: [] };
      return {
        name: `${row.plural}/${sub}`,
        singularName: '',
        namespaced: row.namespaced,
        ...(group !== undefined && { group }),
        ...(version !== undefined && { version }),
        kind,
        verbs: [...verbs],
      };
    });
  const isCustom = stored.some((row) => 'custom' in row);
  const all = [
    ...(isCustom ? [...stored].sort(byPlural) : stored).flatMap((row) => [
      main(row, true),
      ...subresources(row),
    ]),
    ...unstored.map((row) => main(row, false)),
  ];
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersion,
    resources: isCustom ? all : all.sort(byName),
  };
}

/** The APIGroup of one group. */
export function groupJson({ name, versions }: Group): JsonObject {
  const entries = versions.map(({ apiVersion, version }) => ({ groupVersion: apiVersion, version }));
  return { name, versions: entries, preferredVersion: entries[0] };
}

/** The APIGroupDiscoveryList of these groups: all that their lists say, in one answer. */
export function aggregated(groups: readonly Group[]): JsonObject {
  const responseKind = (kind: string, group = '', version = ''): JsonObject => ({ group, version, kind });
  const resource = (row: KindRow, isStored: boolean) => ({
    resource: row.plural,
    responseKind: responseKind(row.kind),
    scope: row.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: row.singular,
    verbs: verbsOf(row, isStored),
    ...naming(row),
    ...(row.subresources && {
      subresources: [...row.subresources].sort().map((subresource) => {
        const { kind = row.kind, group, version, verbs } = SUBRESOURCES[subresource] ?? { verbs: [] };
        return { subresource, responseKind: responseKind(kind, group, version), verbs: [...verbs] };
      }),
    }),
  });
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: groups.map(({ name, versions }) => ({
      metadata: name === '' ? {} : { name },
      versions: versions.map(({ version, stored, unstored }) => ({
        version,
        resources: [
          ...stored.map((row) => resource(row, true)),
          ...unstored.map((row) => resource(row, false)),
        ].sort((a, b) => (a.resource < b.resource ? -1 : 1)),
        freshness: 'Current',
      })),
    })),
  };
}
