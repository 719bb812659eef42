/** An API server of a test, and how its tests talk to it over HTTP. */
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import { startApiServer } from '../../../devcluster/api/api-server.js';
import type { ApiServer, ApiServerOptions } from '../../../devcluster/api/api-server.js';

/** JSON of any form: the tests say what they expect of it. */
export interface Body {
  [key: string]: Value;
}
export type Value = string | number | boolean | null | undefined | Body | Value[];

export interface Answer {
  code: number;
  headers: IncomingMessage['headers'];
  text: string;
  body: Body;
}

export interface Api {
  server: ApiServer;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Answers the body, and fails when the code is another than expected. */
  ok(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Body>;
  watch(path: string, headers?: Record<string, string>): Promise<Watch>;
}

export interface Watch {
  /** The next event; undefined at the end. */
  next(): Promise<{ type: string; object: Body } | undefined>;
  close(): void;
}

export const PATCH = {
  json: { 'content-type': 'application/json-patch+json' },
  merge: { 'content-type': 'application/merge-patch+json' },
  strategic: { 'content-type': 'application/strategic-merge-patch+json' },
  apply: { 'content-type': 'application/apply-patch+yaml' },
} as const;

export const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
export const PODS = '/api/v1/namespaces/default/pods';
export const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';

/** The value under a path of keys and indexes. */
export function dig(value: Value, ...path: (string | number)[]): Value {
  let current = value;
  for (const key of path) current = (current as Record<string | number, Value> | null | undefined)?.[key];
  return current;
}

export async function startApi(t: Test, options: ApiServerOptions = {}): Promise<Api> {
  const server = await startApiServer(options);
  t.teardown(() => server.close());
  const open = (
    method: string,
    path: string,
    body: unknown,
    headers: Record<string, string>,
  ): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const payload =
        body === undefined
          ? undefined
          : Buffer.isBuffer(body) || typeof body === 'string'
            ? body
            : JSON.stringify(body);
      const request = httpRequest(
        server.url + path,
        {
          method,
          headers: {
            ...(payload !== undefined && {
              'content-type': 'application/json',
              ...(headers['transfer-encoding'] === undefined && {
                'content-length': String(Buffer.byteLength(payload)),
              }),
            }),
            ...headers,
          },
        },
        resolve,
      );
      request.on('error', reject);
      request.end(payload);
    });
  const call: Api['call'] = async (method, path, body, headers = {}) => {
    const response = await open(method, path, body, headers);
    let text = '';
    for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) text += chunk;
    const isJson = response.headers['content-type']?.startsWith('application/json') === true;
    return {
      code: response.statusCode ?? 0,
      headers: response.headers,
      text,
      body: isJson ? (JSON.parse(text) as Body) : {},
    };
  };
  const api: Api = {
    server,
    call,
    async ok(method, path, body, headers) {
      const answer = await call(method, path, body, headers);
      if (answer.code >= 300) throw new Error(`${method} ${path}: ${answer.code} ${answer.text}`);
      return answer.body;
    },
    async watch(path, headers = {}) {
      const response = await open('GET', path, undefined, headers);
      if (response.statusCode !== 200) throw new Error(`watch of ${path}: ${response.statusCode}`);
      const lines = createInterface({ input: response, crlfDelay: Infinity })[Symbol.asyncIterator]();
      response.on('error', () => undefined);
      t.teardown(() => response.destroy());
      return {
        async next() {
          const line = await lines.next();
          return line.done === true ? undefined : (JSON.parse(line.value) as { type: string; object: Body });
        },
        close: () => response.destroy(),
      };
    },
  };
  for (const name of ['default', 'kube-system']) await makeNamespace(api, name);
  return api;
}

/** Makes a namespace that takes pods, as its controllers would. */
export async function makeNamespace(api: Api, name: string): Promise<Body> {
  const made = await api.ok('POST', '/api/v1/namespaces', { metadata: { name } });
  await api.ok('POST', `/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: 'default' } });
  return made;
}

export const deployment = (name: string, spec: Body = {}, container: Body = {}): Body => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, labels: { app: name } },
  spec: {
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'main', image: 'nginx:1.15.4', ...container }] },
    },
    ...spec,
  },
});

export const pod = (name: string, spec: Body = {}, metadata: Body = {}): Body => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, ...metadata },
  spec: { containers: [{ name: 'main', image: 'busybox' }], ...spec },
});

export const configMap = (name: string, data: Body = {}, metadata: Body = {}): Body => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
  data,
});
