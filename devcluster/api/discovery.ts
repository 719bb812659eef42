/** What the API says about itself: health, version, groups and resources. */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { arch, platform } from 'node:os';
import { NOT_ACCEPTABLE, sendJson } from './answers.js';
import { aggregated, groupJson, groupsOf, resourceList } from './discovery-lists.js';
import type { Group } from './discovery-lists.js';
import { ApiError, methodNotAllowed } from './errors.js';
import type { JsonObject } from './json.js';
import type { ServeOpenApi } from './openapi/serve.js';
import type { Resources } from './resources.js';
import type { Schema } from './schema.js';

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
  (pathname: string, request: IncomingMessage, response: ServerResponse): boolean | Promise<boolean>;
  /** Whether this group is one of the API's own, whose unknown resources are told of in a Status. */
  servesGroup(group: string): boolean;
}

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

const PLAIN = ['application/json', 'application/yaml', 'application/*', '*/*'];

/** Which form of discovery a client takes first; undefined for none that is served. */
function form(accept: string | undefined): 'aggregated' | 'plain' | undefined {
  for (const range of (accept || '*/*').split(',')) {
    const [type, ...parameters] = range.split(';').map((part) => part.trim());
    if (parameters.some((item) => item.startsWith('as='))) {
      const isIt = AGGREGATED.split(';').every((part) => part === type || parameters.includes(part));
      if (isIt) return 'aggregated';
    } else if (PLAIN.includes(type ?? '')) return 'plain';
  }
  return undefined;
}

/** Health, and the checks of it that there are here. */
const HEALTH = /^\/(healthz|readyz|livez)(\/(ping|log|etcd))?$/;

const notAcceptable = (): ApiError =>
  new ApiError({
    code: 406,
    reason: 'NotAcceptable',
    message: NOT_ACCEPTABLE,
    details: {},
  });

export function createDiscovery(resources: Resources, schema: Schema): Discovery {
  let openApi: Promise<ServeOpenApi> | undefined;
  let kept: Group[] | undefined;
  let answers = new Map<string, string>();
  resources.subscribe(() => {
    kept = undefined;
    answers = new Map();
  });
  const groups = (): Group[] => (kept ??= groupsOf(resources));
  const named = (): Group[] => groups().filter(({ name }) => name !== '');
  const once = (name: string, make: () => JsonObject): string => {
    let text = answers.get(name);
    if (text === undefined) answers.set(name, (text = JSON.stringify(make()) + '\n'));
    return text;
  };

  const lists = (path: string): string | undefined => {
    const [, root, name = '', version, ...more] = path.split('/');
    if (more.length > 0 || (root !== 'api' && root !== 'apis')) return undefined;
    const [group, of] = root === 'api' ? ['', name] : [name, version];
    const found = groups().find((item) => item.name === group && (root === 'api') === (item.name === ''));
    if (found === undefined || (root === 'api' && version !== undefined)) return undefined;
    if (of === undefined)
      return once(path, () => ({ kind: 'APIGroup', apiVersion: 'v1', ...groupJson(found) }));
    const list = found.versions.find((item) => item.version === of);
    return list && once(path, () => resourceList(list));
  };
  const root = (): JsonObject => ({
    paths: [
      '/api',
      '/api/v1',
      '/apis',
      '/apis/',
      ...named().flatMap(({ name, versions }) => [
        `/apis/${name}`,
        ...versions.map(({ apiVersion }) => `/apis/${apiVersion}`),
      ]),
      '/healthz',
      '/livez',
      '/openapi/v2',
      '/openapi/v3',
      '/readyz',
      '/version',
    ].sort(),
  });
  const plain = (path: string, request: IncomingMessage): string | undefined => {
    switch (path) {
      case '/version':
        return JSON.stringify(VERSION) + '\n';
      case '/api':
        return (
          JSON.stringify({
            kind: 'APIVersions',
            versions: ['v1'],
            serverAddressByClientCIDRs: [
              { clientCIDR: '0.0.0.0/0', serverAddress: request.headers.host ?? '' },
            ],
          }) + '\n'
        );
      case '/apis':
        return once(path, () => ({
          kind: 'APIGroupList',
          apiVersion: 'v1',
          groups: named().map(groupJson),
        }));
      case '/':
        return once(path, root);
      default:
        return lists(path);
    }
  };
  const sendAggregated = (path: string, request: IncomingMessage, response: ServerResponse): void => {
    const text = once(`${path} aggregated`, () =>
      aggregated(path === '/api' ? groups().filter(({ name }) => name === '') : named()),
    );
    const etag = `"${createHash('sha256').update(text).digest('hex').toUpperCase()}"`;
    const head = { 'cache-control': 'public', etag, vary: 'Accept' };
    if (request.headers['if-none-match'] === etag) response.writeHead(304, head).end();
    else sendJson(response, 200, text, { ...head, 'content-type': AGGREGATED });
  };

  const discovery = (
    pathname: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): boolean | Promise<boolean> => {
    const path = pathname.length > 1 ? pathname.replace(/\/$/, '') : pathname;
    // Most requests are for resources: those have more segments than discovery.
    const isOpenApi = path.startsWith('/openapi/');
    if (path.split('/').length > 4 && !isOpenApi) return false;
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (isOpenApi) {
      if (!isRead) throw methodNotAllowed();
      // Loaded when it is first asked for: the start need not wait for it.
      openApi ??= import('./openapi/serve.js').then(({ createOpenApi }) => createOpenApi(resources, schema));
      return openApi.then((serve) => serve(path, request, response));
    }
    if (HEALTH.test(path)) {
      if (!isRead) throw methodNotAllowed();
      response.writeHead(200, {
        'content-type': 'text/plain; charset=utf-8',
        'x-content-type-options': 'nosniff',
      });
      response.end('ok');
      return true;
    }
    const text = plain(path, request);
    if (text === undefined) return false;
    if (!isRead) throw methodNotAllowed();
    const as = form(request.headers.accept);
    if (as === 'aggregated' && (path === '/api' || path === '/apis')) sendAggregated(path, request, response);
    else if (as !== 'plain' && /^\/apis?(\/|$)/.test(path)) throw notAcceptable();
    else sendJson(response, 200, text);
    return true;
  };
  return Object.assign(discovery, {
    servesGroup: (name: string) =>
      groups().some(
        (group) =>
          group.name === name &&
          group.versions.some(({ stored, unstored }) =>
            [...stored, ...unstored].some((row) => !('custom' in row)),
          ),
      ),
  });
}
