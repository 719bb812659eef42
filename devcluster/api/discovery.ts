/** What the API says about itself: health, version, groups and resources. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { arch, platform } from 'node:os';
import { sendJson } from './answers.js';
import { methodNotAllowed } from './errors.js';
import type { JsonObject } from './json.js';
import { openApi } from './openapi.js';
import type { ApiResource, Resources } from './resources.js';
import type { Schema } from './schema.js';
import { UNSTORED_KINDS } from '../data/kinds.js';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

export const VERSION = {
  major: '1',
  minor: '35',
  gitVersion: 'v1.35.4+xi-k8s.embedded',
  gitCommit: '',
  gitTreeState: '',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: '',
  platform: `${platform()}/${arch() === 'x64' ? 'amd64' : arch()}`,
} as const;

export interface Discovery {
  /** Answers the request when it is one of discovery; true when it did. */
  (pathname: string, request: IncomingMessage, response: ServerResponse): boolean;
  /** Whether this group exists, in any version. */
  servesGroup(group: string): boolean;
}

const SUBRESOURCE: Record<string, { kind?: string; group?: string; version?: string; verbs: string[] }> = {
  status: { verbs: ['get', 'patch', 'update'] },
  scale: { kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: ['get', 'patch', 'update'] },
  log: { verbs: ['get'] },
  binding: { kind: 'Binding', verbs: ['create'] },
  eviction: { kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] },
  finalize: { verbs: ['update'] },
};

function resourceList(apiVersion: string, resources: readonly ApiResource[]): JsonObject {
  const stored = resources.flatMap((resource) => [
    {
      name: resource.plural,
      singularName: resource.singular,
      namespaced: resource.namespaced,
      kind: resource.kind,
      verbs: VERBS,
      ...(resource.shortNames && { shortNames: [...resource.shortNames] }),
      ...(resource.categories && { categories: [...resource.categories] }),
    },
    ...(resource.subresources ?? []).map((sub) => {
      const { kind = resource.kind, group, version, verbs = [] } = SUBRESOURCE[sub] ?? { verbs: [] };
      return {
        name: `${resource.plural}/${sub}`,
        singularName: '',
        namespaced: resource.namespaced,
        ...(group !== undefined && { group }),
        ...(version !== undefined && { version }),
        kind,
        verbs,
      };
    }),
  ]);
  const reviews = UNSTORED_KINDS.filter(({ group, version }) => `${group}/${version}` === apiVersion).map(
    (row) => ({
      name: row.plural,
      singularName: row.singular,
      namespaced: row.namespaced,
      kind: row.kind,
      verbs: ['create'],
    }),
  );
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersion,
    resources: [...stored, ...reviews].sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

export function createDiscovery(resources: Resources, schema: Schema): Discovery {
  const byVersion = new Map<string, ApiResource[]>();
  for (const resource of resources.all)
    byVersion.set(resource.apiVersion, [...(byVersion.get(resource.apiVersion) ?? []), resource]);
  for (const { group, version } of UNSTORED_KINDS)
    if (!byVersion.has(`${group}/${version}`)) byVersion.set(`${group}/${version}`, []);
  const groups = [...new Set([...byVersion.keys()].filter((key) => key.includes('/')))].sort();

  const group = (apiVersion: string): JsonObject => {
    const [name = '', version = ''] = apiVersion.split('/');
    const entry = { groupVersion: apiVersion, version };
    return { name, versions: [entry], preferredVersion: entry };
  };
  const documents = openApi(resources, schema);

  const answer = (path: string, request: IncomingMessage): JsonObject | string | undefined => {
    switch (path) {
      case '/healthz':
      case '/readyz':
      case '/livez':
        return 'ok';
      case '/version':
        return VERSION;
      case '/api':
        return {
          kind: 'APIVersions',
          versions: ['v1'],
          serverAddressByClientCIDRs: [
            { clientCIDR: '0.0.0.0/0', serverAddress: request.headers.host ?? '' },
          ],
        };
      case '/apis':
        return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(group) };
      case '/':
        return {
          paths: [
            '/api',
            '/api/v1',
            '/apis',
            ...groups.map((name) => `/apis/${name}`),
            '/healthz',
            '/livez',
            '/openapi/v3',
            '/readyz',
            '/version',
          ],
        };
    }
    if (path.startsWith('/openapi/')) return documents(path);
    const found = /^\/(?:api|apis)\/(.+)$/.exec(path)?.[1];
    if (found === undefined) return undefined;
    const isCore = path.startsWith('/api/');
    if (byVersion.has(found) && isCore === !found.includes('/'))
      return resourceList(found, byVersion.get(found) ?? []);
    const named = groups.find((name) => !isCore && name.startsWith(`${found}/`));
    return named === undefined ? undefined : { kind: 'APIGroup', apiVersion: 'v1', ...group(named) };
  };

  const discovery = (pathname: string, request: IncomingMessage, response: ServerResponse): boolean => {
    const path = pathname.length > 1 ? pathname.replace(/\/$/, '') : pathname;
    if (/^\/(healthz|readyz|livez)\//.test(path))
      return discovery(path.slice(0, path.indexOf('/', 1)), request, response);
    // Most requests are for resources: those have more segments than discovery.
    if (path.split('/').length > 4 && !path.startsWith('/openapi/')) return false;
    const body = answer(path, request);
    if (body === undefined) return false;
    if (request.method !== 'GET' && request.method !== 'HEAD') throw methodNotAllowed();
    if (typeof body === 'string') {
      response.writeHead(200, {
        'content-type': 'text/plain; charset=utf-8',
        'x-content-type-options': 'nosniff',
      });
      response.end(body);
    } else sendJson(response, 200, JSON.stringify(body) + '\n');
    return true;
  };
  return Object.assign(discovery, {
    servesGroup: (name: string) => name === '' || groups.some((group) => group.startsWith(`${name}/`)),
  });
}
