/**
 * The declared permissions are those that a function uses: what each call really asks of the API server is recorded
 * between the two, and compared with the rules of its contract, both ways.
 */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { startDevcluster } from '../../devcluster/devcluster.js';
import { contracts } from '../../schemas/index.js';
import type { Contract, FunctionName } from '../../schemas/index.js';
import { call } from '../helpers/http.js';
import { startOperator } from '../helpers/operator.js';

const cluster = await startDevcluster();
t.teardown(() => cluster.close());

/** What RBAC calls a request: `list apps/deployments`; undefined for paths outside of resources. */
function attribute(method: string, target: string): string | undefined {
  const url = new URL(target, cluster.url);
  const parts = url.pathname.split('/').slice(1);
  if (parts[0] !== 'api' && parts[0] !== 'apis') return undefined;
  const group = parts[0] === 'api' ? '' : (parts[1] ?? '');
  const rest = parts.slice(parts[0] === 'api' ? 2 : 3);
  const [resource, name, subresource] = rest[0] === 'namespaces' && rest.length > 2 ? rest.slice(2) : rest;
  const reading = url.searchParams.get('watch') === 'true' ? 'watch' : name === undefined ? 'list' : 'get';
  const verbs: Record<string, string> = {
    GET: reading,
    POST: 'create',
    PUT: 'update',
    PATCH: 'patch',
    DELETE: 'delete',
  };
  return `${verbs[method]} ${group}/${resource}${subresource === undefined ? '' : `/${subresource}`}`;
}

let asked = new Set<string>();
const proxy = http.createServer((request, response) => {
  const used = attribute(request.method ?? '', request.url ?? '');
  if (used !== undefined) asked.add(used);
  const { hostname, port } = new URL(cluster.url);
  const onward = http.request(
    {
      hostname,
      port,
      method: request.method,
      path: request.url,
      headers: { ...request.headers, host: `${hostname}:${port}` },
    },
    (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    },
  );
  onward.on('error', () => response.destroy());
  response.on('close', () => onward.destroy());
  request.pipe(onward);
});
proxy.listen(0, '127.0.0.1');
await once(proxy, 'listening');
t.teardown(() => {
  proxy.close();
  proxy.closeAllConnections();
});

const folder = await mkdtemp(join(tmpdir(), 'xi-k8s-test-'));
t.teardown(() => rm(folder, { recursive: true }));
const kubeconfig = join(folder, 'config');
await writeFile(
  kubeconfig,
  JSON.stringify({
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    clusters: [
      { name: 'c', cluster: { server: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` } },
    ],
    users: [{ name: 'u', user: {} }],
  }),
);
const operator = await startOperator('kubeconfig', { KUBECONFIG: kubeconfig });
t.teardown(() => operator.stop());

/** One whole call; a follow ends by its deadline. */
async function run(name: string, params: object): Promise<void> {
  const response = await fetch(`${operator.url}/v1/functions/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-timeout-seconds': 'follow' in params ? '1' : '30' },
    body: JSON.stringify(params),
  });
  const text = await response.text();
  t.equal(response.status, 200, `${name} ${JSON.stringify(params)}: ${text.slice(0, 300)}`);
}

/** The rules that a contract declares for these params. */
const declared = ({ permissions }: Contract, params: Record<string, unknown>): Set<string> =>
  new Set(
    permissions
      .filter(({ when }) => when === undefined || (params[when] !== undefined && params[when] !== false))
      .flatMap(({ group, resource, verbs }) => verbs.map((verb) => `${verb} ${group}/${resource}`)),
  );

/** A pod of a Deployment that stays, as soon as there is one. */
async function podOf(deployment: string): Promise<string> {
  for (;;) {
    const { body } = await call(operator.url, 'list_pods', { deployment });
    const found = (body['items'] as { name: string; deleting: boolean }[]).find(({ deleting }) => !deleting);
    if (found !== undefined) return found.name;
  }
}

const web = { name: 'web' };
const calls: [FunctionName, Record<string, unknown>][] = [
  ['create_deployment', { name: 'web', image: 'nginx:1', replicas: 1 }],
  ['create_deployment', { name: 'waited', image: 'nginx:1', replicas: 1, wait: true }],
  ['get_deployment', web],
  ['list_deployments', {}],
  ['scale_deployment', { ...web, replicas: 2 }],
  // Its pods take their time to start, so that there is something to follow.
  ['wait_for_deployment', web],
  ['scale_deployment', { ...web, replicas: 3, wait: true }],
  ['set_deployment_image', { ...web, image: 'nginx:2' }],
  ['set_deployment_image', { ...web, image: 'nginx:3', wait: true }],
  ['restart_deployment', web],
  ['restart_deployment', { ...web, wait: true }],
  ['rollback_deployment', web],
  ['rollback_deployment', { ...web, wait: true }],
  ['list_pods', {}],
  ['list_pods', { deployment: 'web' }],
  ['pod_logs', { deployment: 'waited' }],
  ['pod_logs', { label_selector: 'app=waited' }],
  ['pod_logs', { deployment: 'waited', follow: true }],
  ['pod_logs', { label_selector: 'app=waited', follow: true }],
  ['list_namespaces', {}],
  ['server_info', {}],
];

const check = async (t: Test, name: FunctionName, params: Record<string, unknown>): Promise<void> => {
  asked = new Set();
  await run(name, params);
  const rules = declared(contracts[name], params);
  const what = `${name} ${JSON.stringify(params)}`;
  t.same(
    [...asked].filter((one) => !rules.has(one)),
    [],
    `${what} asks for nothing else`,
  );
  t.same(
    [...rules].filter((one) => !asked.has(one)),
    [],
    `${what} uses what it declares`,
  );
};

t.test('what is asked of the API server is what the contracts declare', async (t) => {
  for (const [name, params] of calls) await check(t, name, params);
  const pod = await podOf('waited');
  await check(t, 'get_pod', { name: pod });
  await check(t, 'pod_logs', { pod });
  await check(t, 'pod_logs', { pod, follow: true });
  await check(t, 'delete_pod', { name: pod });
  await check(t, 'delete_pod', { name: await podOf('waited'), wait: true });
  await check(t, 'delete_deployment', { name: 'waited', wait: true });
  await check(t, 'delete_deployment', web);
  const tested = new Set([...calls.map(([name]) => name), 'get_pod', 'delete_pod', 'delete_deployment']);
  t.same(
    Object.keys(contracts).filter((name) => !tested.has(name as FunctionName)),
    [],
    'every function is among them',
  );
});
