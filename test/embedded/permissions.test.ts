/**
 * The declared permissions are those that a function uses: what each call really asks of the API server is recorded
 * between the two, and compared with the rules of its contract, both ways.
 */
import { once } from 'node:events';
import http from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { startDevcluster } from '../../devcluster/devcluster.js';
import { kubeconfigOf } from '../../devcluster/kubeconfig.js';
import { contracts } from '../../schemas/index.js';
import type { Contract, FunctionName } from '../../schemas/index.js';
import { allLines, call } from '../helpers/http.js';
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
  // A connection to a pod is opened by GET, and needs the right to create one.
  const verbs: Record<string, string> = {
    GET: subresource === 'portforward' ? 'create' : reading,
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
      // An apply that makes the object needs the right to create it too.
      if (request.method === 'PATCH' && answer.statusCode === 201)
        asked.add(attribute('POST', request.url ?? '') ?? '');
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    },
  );
  onward.on('error', () => response.destroy());
  response.on('close', () => onward.destroy());
  request.pipe(onward);
});
proxy.on('upgrade', (request, socket: Socket, head) => {
  const used = attribute(request.method ?? '', request.url ?? '');
  if (used !== undefined) asked.add(used);
  const { hostname, port } = new URL(cluster.url);
  const onward = connect(Number(port), hostname, () => {
    const headers = request.rawHeaders.map((text, i) => (i % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('');
    onward.write(`${request.method} ${request.url} HTTP/1.1\r\n${headers}\r\n`);
    onward.write(head);
    onward.pipe(socket).pipe(onward);
  });
  const end = (): void => {
    onward.destroy();
    socket.destroy();
  };
  for (const side of [onward, socket]) side.on('error', end).on('close', end);
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
await writeFile(kubeconfig, kubeconfigOf(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`));
const operator = await startOperator('kubeconfig', { KUBECONFIG: kubeconfig });
t.teardown(() => operator.stop());

/** One whole call; a follow and a watch end by their deadline. */
async function run(name: string, params: object, status = 200): Promise<void> {
  const endless = 'follow' in params || name.startsWith('watch_');
  const response = await fetch(`${operator.url}/v1/functions/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-timeout-seconds': endless ? '1' : '30' },
    body: JSON.stringify(params),
  });
  const text = await response.text();
  t.equal(response.status, status, `${name} ${JSON.stringify(params)}: ${text.slice(0, 300)}`);
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

const tested = new Set<string>();
const check = async (
  t: Test,
  name: FunctionName,
  params: Record<string, unknown>,
  status = 200,
): Promise<void> => {
  tested.add(name);
  asked = new Set();
  await run(name, params, status);
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
  for (const [name, params] of calls) {
    // Beside a roll-out that is under way a change by what was read may lose as often as it tries.
    if (/^(set|restart|rollback)/.test(name)) await allLines(operator.url, 'wait_for_deployment', web);
    await check(t, name, params);
  }
  // No pod that pretends has a host.
  const at = { pod: await podOf('waited') };
  for (const name of ['list_plugins', 'list_plugin_services', 'get_plugin_graph', 'watch_plugins'] as const)
    await check(t, name, at, 502);
  await check(t, 'get_plugin', { ...at, plugin: 'p' }, 502);
  await check(t, 'call_plugin_service', { ...at, type: 's', method: 'M' }, 502);
  const plugins = [{ name: 'plugin', image: 'plugin:1', port: 8081 }];
  await check(t, 'deploy_plugins', { name: 'p', model: 'separate', plugins, wait: false });
  await check(t, 'remove_plugin', { deployment: 'plugin', wait: true });
  await check(t, 'deploy_plugins', { name: 'p', model: 'separate', plugins, wait: true });
  await check(t, 'remove_plugin', { deployment: 'plugin', wait: false });
  const pod = await podOf('waited');
  await check(t, 'get_pod', { name: pod });
  await check(t, 'pod_logs', { pod });
  await check(t, 'pod_logs', { pod, follow: true });
  // The pods only pretend to run, so that no peer is reached: it is asked for, and waited for in vain.
  const network = 'n';
  await check(t, 'join_network', { network, deployment: 'waited', wait: false });
  await check(t, 'leave_network', { deployment: 'waited', wait: false });
  await check(t, 'join_network', { network, label_selector: 'app=waited', wait: false });
  await check(t, 'leave_network', { label_selector: 'app=waited', wait: false });
  const alone = await podOf('waited');
  await check(t, 'join_network', { network, pod: alone, wait: false });
  await check(
    t,
    'join_network',
    { network: 'm', pod: alone, move: true, wait: true, timeout_seconds: 1 },
    504,
  );
  for (const name of ['get_network', 'watch_network'] as const) await check(t, name, { network: 'm' });
  for (const name of ['query_network', 'watch_network_state'] as const)
    await check(t, name, { network: 'm' }, 409);
  await check(t, 'persist_to_network', { network: 'm', payload: '' }, 409);
  await check(t, 'leave_network', { pod: alone, wait: true });
  await check(t, 'list_networks', {});
  await check(t, 'add_lightpeer', { deployment: 'waited', image: 'peer' });
  await check(t, 'delete_pod', { name: pod });
  await check(t, 'delete_pod', { name: await podOf('waited'), wait: true });
  await check(t, 'delete_deployment', { name: 'waited', wait: true });
  await check(t, 'delete_deployment', web);
  t.same(
    Object.keys(contracts).filter((name) => !tested.has(name)),
    [],
    'every function is among them',
  );
});
