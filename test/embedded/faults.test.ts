/**
 * What callers are told when the API server fails. No real one fails on command in these ways, so small servers play it;
 * test/cluster kills the real one.
 */
import { once } from 'node:events';
import http from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { kubeconfigOf } from '../../devcluster/kubeconfig.js';
import { freePort } from '../helpers/free-port.js';
import { allLines, call } from '../helpers/http.js';
import { startOperator } from '../helpers/operator.js';
import type { Operator } from '../helpers/operator.js';

const folder = await mkdtemp(join(tmpdir(), 'xi-k8s-test-'));
t.teardown(() => rm(folder, { recursive: true }));

/** An operator that acts on the API server at a port. */
async function operatorOn(t: Test, port: number): Promise<Operator> {
  const path = join(folder, `config-${port}`);
  await writeFile(path, kubeconfigOf(`http://127.0.0.1:${port}`));
  const operator = await startOperator('kubeconfig', { KUBECONFIG: path });
  t.teardown(() => operator.stop());
  return operator;
}

async function listening(t: Test, server: Server | http.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** An API server that answers every call with this Status, and counts the calls. */
async function answering(t: Test, code: number, status: object, headers: Record<string, string> = {}) {
  const calls: string[] = [];
  const server = http.createServer((request, response) => {
    calls.push(`${request.method} ${request.url?.split('?')[0]}`);
    response.writeHead(code, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, ...status }));
  });
  return { operator: await operatorOn(t, await listening(t, server)), calls };
}

await t.test('the API server is away', async (t) => {
  const { url, opsUrl } = await operatorOn(t, await freePort());
  for (const [name, params] of [
    ['list_pods', {}],
    ['create_deployment', {}],
  ] as const) {
    const answer = await call(url, name, params);
    t.match(
      answer,
      {
        status: 503,
        body: { code: 'cluster_unavailable', detail: /cannot be reached/, retry_after_seconds: 1 },
      },
      name,
    );
    t.equal(answer.headers.get('retry-after'), '1');
    t.notOk(answer.body['outcome'], 'nothing was sent');
  }
  t.match((await call(url, 'server_info')).body, { cluster: { reachable: false, message: String } });
  const ready = await fetch(`${opsUrl}/readyz`);
  t.equal(ready.status, 503);
  t.match(await ready.json(), { message: /does not answer/ });
  t.equal((await fetch(`${opsUrl}/healthz`)).status, 200);
});

await t.test('a change whose connection breaks is unknown, and sent once', async (t) => {
  let requests = 0;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      requests++;
      socket.destroy();
    });
  });
  const { url } = await operatorOn(t, await listening(t, server));
  const answer = await call(url, 'create_deployment');
  t.match(answer, {
    status: 502,
    body: {
      code: 'bad_gateway',
      outcome: 'unknown',
      detail: /look before you send it again/,
      object: { name: 'nginx-deployment' },
    },
  });
  t.equal(requests, 1);
});

await t.test('an API server that is silent', async (t) => {
  const server = createServer((socket) => socket.on('error', () => undefined));
  const { url } = await operatorOn(t, await listening(t, server));
  const headers = { 'x-timeout-seconds': '0.3' };
  t.match(await call(url, 'list_pods', {}, { headers }), {
    status: 504,
    body: { code: 'deadline_exceeded' },
  });
  const change = await call(url, 'create_deployment', {}, { headers });
  t.match(change, { status: 504, body: { code: 'deadline_exceeded', outcome: 'unknown' } });
  t.match(await call(url, 'create_deployment', { wait: true, timeout_seconds: 1 }), {
    status: 504,
    body: { outcome: 'unknown' },
  });
  await t.rejects(allLines(url, 'pod_logs', { pod: 'x' }, { headers }), { message: /504/ });
});

await t.test('others change the Deployment between its being read and its being patched', async (t) => {
  const metadata = { name: 'web', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' };
  const template = { spec: { containers: [{ name: 'main', image: 'nginx' }] } };
  const deployment = { metadata, spec: { replicas: 1, selector: { matchLabels: { app: 'web' } }, template } };
  const conflict = { kind: 'Status', status: 'Failure', code: 409, reason: 'Conflict', message: 'modified' };
  for (const [conflicts, status] of [
    [6, 200],
    [Infinity, 409],
  ] as const) {
    let patches = 0;
    const server = http.createServer((request, response) => {
      request.resume();
      if (request.method === 'PATCH') patches++;
      const refused = request.method === 'PATCH' && patches <= conflicts;
      response.writeHead(refused ? 409 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(refused ? conflict : deployment));
    });
    const { url } = await operatorOn(t, await listening(t, server));
    t.equal((await call(url, 'restart_deployment', { name: 'web' })).status, status);
    t.equal(patches, Math.min(conflicts + 1, 8));
  }
});

await t.test("the API server's refusals", async (t) => {
  const forbidden =
    'deployments.apps is forbidden: User "system:serviceaccount:xi-k8s:xi-k8s" cannot create resource "deployments" in API group "apps" in the namespace "default"';
  const cases: [string, number, object, Record<string, string>, object][] = [
    [
      'no rule',
      403,
      { reason: 'Forbidden', message: forbidden },
      {},
      {
        status: 403,
        body: {
          code: 'permission_denied',
          permission: { group: 'apps', resource: 'deployments', verb: 'create', namespace: 'default' },
          detail: /system:serviceaccount:xi-k8s:xi-k8s/,
        },
      },
    ],
    [
      'policy',
      403,
      { reason: 'Forbidden', message: 'pods "x" is forbidden: exceeded quota' },
      {},
      { status: 422, body: { code: 'rejected_by_cluster', detail: /quota/ } },
    ],
    [
      'namespace goes',
      403,
      {
        reason: 'Forbidden',
        message: 'being terminated',
        details: { causes: [{ reason: 'NamespaceTerminating', message: 'm', field: 'metadata.namespace' }] },
      },
      {},
      { status: 409, body: { code: 'conflict' } },
    ],
    [
      'credentials',
      401,
      { reason: 'Unauthorized', message: 'Unauthorized' },
      {},
      { status: 502, body: { code: 'bad_gateway', detail: /credentials/, outcome: undefined } },
    ],
    [
      'conflict',
      409,
      { reason: 'Conflict', message: 'the object has been modified' },
      {},
      { status: 409, body: { code: 'conflict' } },
    ],
    [
      'invalid',
      422,
      {
        reason: 'Invalid',
        message: 'is invalid',
        details: { causes: [{ reason: 'FieldValueRequired', message: 'Required value', field: 'spec.x' }] },
      },
      {},
      {
        status: 422,
        body: {
          code: 'rejected_by_cluster',
          causes: [{ field: 'spec.x', reason: 'FieldValueRequired', message: 'Required value' }],
        },
      },
    ],
    [
      'storage',
      500,
      { reason: 'InternalError', message: 'etcdserver: request timed out' },
      {},
      { status: 502, body: { code: 'bad_gateway', outcome: 'unknown' } },
    ],
    [
      'too large',
      413,
      { reason: 'RequestEntityTooLarge', message: 'limit is 3145728' },
      {},
      { status: 413, body: { code: 'payload_too_large' } },
    ],
  ];
  for (const [what, code, status, headers, expected] of cases) {
    const { operator, calls } = await answering(t, code, status, headers);
    t.match(await call(operator.url, 'create_deployment'), expected, what);
    t.equal(calls.filter((one) => one.startsWith('POST')).length, 1, `${what}: sent once`);
  }
  const busy = await answering(
    t,
    429,
    { reason: 'TooManyRequests', message: 'slow down', details: { retryAfterSeconds: 7 } },
    { 'retry-after': '7' },
  );
  const answer = await call(
    busy.operator.url,
    'create_deployment',
    {},
    { headers: { 'x-timeout-seconds': '2' } },
  );
  t.match(answer, { status: 429, body: { code: 'too_many_requests', retry_after_seconds: 7 } });
  t.equal(answer.headers.get('retry-after'), '7');
  const old = await answering(t, 410, {
    reason: 'Expired',
    message: 'The provided continue parameter is too old',
  });
  t.match(await call(old.operator.url, 'list_pods', { continue: 'x' }), {
    status: 410,
    body: { code: 'gone' },
  });
});

await t.test('answers that make no sense', async (t) => {
  const server = http.createServer((_request, response) => response.end('<html>'));
  const { url } = await operatorOn(t, await listening(t, server));
  t.match(await call(url, 'list_pods'), { status: 502, body: { code: 'bad_gateway' } });
  t.match(await call(url, 'create_deployment'), {
    status: 502,
    body: { code: 'bad_gateway', outcome: 'unknown' },
  });
});
