/** What is not about objects: who may ask, discovery, bad requests, reviews, logs. */
import { connect } from 'node:net';
import t from 'tap';
import { startApiServer } from '../../../devcluster/api/api-server.js';
import { CONFIG_MAPS, configMap, DEPLOYMENTS, PODS, startApi } from './server.js';
import type { Body } from './server.js';
import { createStreamPods, makePod } from './stream-pods.js';

const api = await startApi(t);

t.test('only loopback names, and no other sites', async (t) => {
  const host = `127.0.0.1:${api.server.port}`;
  const cases: [Record<string, string>, number][] = [
    [{}, 200],
    [{ host: 'localhost' }, 200],
    [{ host: 'localhost:1' }, 200],
    [{ host: '127.9.8.7:8080' }, 200],
    [{ host: '[::1]:80' }, 200],
    [{ host: 'example.com' }, 403],
    [{ host: 'localhost.example.com' }, 403],
    [{ host: '127.0.0.1.example.com' }, 403],
    [{ host: '10.0.0.1' }, 403],
    [{ origin: `http://${host}` }, 200],
    [{ origin: 'http://example.com' }, 403],
    [{ origin: 'null' }, 403],
    [{ 'sec-fetch-site': 'same-origin' }, 200],
    [{ 'sec-fetch-site': 'none' }, 200],
    [{ 'sec-fetch-site': 'cross-site' }, 403],
    [{ 'sec-fetch-site': 'same-site' }, 403],
  ];
  for (const [headers, code] of cases) {
    const answer = await api.call('GET', '/api/v1/pods', undefined, headers);
    t.equal(answer.code, code, JSON.stringify(headers));
    if (code === 403) t.match(answer.body, { kind: 'Status', reason: 'Forbidden', message: /^forbidden: / });
  }
  await t.rejects(startApiServer({ host: '0.0.0.0' }), {
    message: /listens on loopback addresses only, and 0.0.0.0 is none/,
  });
  await t.rejects(startApiServer({ port: api.server.port }), { code: 'EADDRINUSE' });
});

t.test('discovery', async (t) => {
  t.match(await api.ok('GET', '/version'), {
    major: '1',
    minor: '35',
    gitVersion: 'v1.35.4+xi-k8s.embedded',
  });
  for (const path of ['/healthz', '/readyz', '/livez', '/readyz/ping'])
    t.match(await api.call('GET', path), { code: 200, text: 'ok' });
  for (const path of ['/healthz/none', '/readyz/none/of/them/there'])
    t.match(await api.call('GET', path), { code: 404, text: '404 page not found\n' });
  t.match(await api.ok('GET', '/api'), { kind: 'APIVersions', versions: ['v1'] });
  const groups = await api.ok('GET', '/apis');
  const apps = {
    name: 'apps',
    versions: [{ groupVersion: 'apps/v1', version: 'v1' }],
    preferredVersion: { groupVersion: 'apps/v1' },
  };
  t.match(
    (groups.groups as Body[]).find(({ name }) => name === 'apps'),
    apps,
  );
  t.match(await api.ok('GET', '/apis/apps'), { kind: 'APIGroup', ...apps });
  const list = await api.ok('GET', '/apis/apps/v1');
  t.match(list, { kind: 'APIResourceList', groupVersion: 'apps/v1' });
  const resources = list.resources as Body[];
  t.match(
    resources.find(({ name }) => name === 'deployments'),
    {
      singularName: 'deployment',
      namespaced: true,
      kind: 'Deployment',
      verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
      shortNames: ['deploy'],
      categories: ['all'],
    },
  );
  t.match(
    resources.find(({ name }) => name === 'deployments/scale'),
    { group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: ['get', 'patch', 'update'] },
  );
  t.match(await api.call('POST', '/version'), { code: 405 });
});

t.test('paths and methods that are not served', async (t) => {
  for (const path of ['/', '/nope', '/apis/none', '/apis/none/v1/things']) {
    const answer = await api.call('GET', path);
    if (path === '/') t.match(answer, { code: 200, body: { paths: Array } });
    else
      t.match(
        answer,
        { code: 404, text: '404 page not found\n', headers: { 'content-type': 'text/plain; charset=utf-8' } },
        path,
      );
  }
  for (const path of [
    '/api/v2',
    '/apis/apps/v9',
    '/apis/apps/v9/deployments',
    '/api/v1/things',
    `${PODS}/a/nope`,
    '/api/v1/pods/a',
    '/apis/apps/v1/namespaces/default/pods',
  ])
    t.match(await api.call('GET', path), {
      code: 404,
      body: {
        kind: 'Status',
        reason: 'NotFound',
        message: 'the server could not find the requested resource',
      },
    });
  const methods: [string, string][] = [
    ['POST', '/api/v1/pods'],
    ['PUT', PODS],
    ['PATCH', PODS],
    ['POST', `${PODS}/a`],
    ['OPTIONS', PODS],
    ['DELETE', '/api/v1/pods'],
  ];
  for (const [method, path] of methods)
    t.match(
      await api.call(method, path),
      {
        code: 405,
        body: {
          reason: 'MethodNotAllowed',
          message: 'the server does not allow this method on the requested resource',
        },
      },
      `${method} ${path}`,
    );
});

t.test('bodies that cannot be read', async (t) => {
  const head =
    "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: ";
  const cases: [string, string][] = [
    ['', 'unexpected end of JSON input (<empty>)'],
    ['{', 'unexpected end of JSON input ({)'],
    ['{"a":', 'unexpected end of JSON input ({"a":)'],
    ['{a}', "invalid character 'a' looking for beginning of object key string ({a})"],
    ['{"a" 1}', 'invalid character \'1\' after object key ({"a" 1})'],
    ['{"a":1 2}', 'invalid character \'2\' after object key:value pair ({"a":1 2})'],
    ['{"a":x}', 'invalid character \'x\' looking for beginning of value ({"a":x})'],
    ['{"a":[1 2]}', 'invalid character \'2\' after array element ({"a":[1 2]})'],
    ['x', "invalid character 'x' looking for beginning of value (78)"],
  ];
  for (const [text, message] of cases)
    t.match(
      await api.call('POST', CONFIG_MAPS, text),
      { code: 400, body: { reason: 'BadRequest', message: head + message } },
      text,
    );
  t.match(await api.call('POST', CONFIG_MAPS, '[]'), {
    code: 400,
    body: { message: /cannot unmarshal array into Go value/ },
  });
  t.match(await api.call('POST', CONFIG_MAPS, 'a: b', { 'content-type': 'text/plain' }), {
    code: 415,
    body: { reason: 'UnsupportedMediaType' },
  });
  const large = JSON.stringify(configMap('large', { a: 'x'.repeat(3 * 1024 * 1024) }));
  const refusal = {
    code: 413,
    body: { reason: 'RequestEntityTooLarge', message: 'Request entity too large: limit is 3145728' },
  };
  t.match(await api.call('POST', CONFIG_MAPS, large), refusal);
  t.match(
    await api.call('POST', CONFIG_MAPS, large, { 'transfer-encoding': 'chunked' }),
    refusal,
    'an unannounced length too',
  );
  t.match(
    await api.call('POST', CONFIG_MAPS, configMap('proto'), {
      'content-type': 'application/vnd.kubernetes.protobuf',
    }),
    { code: 400 },
  );
  t.match(await api.call('GET', CONFIG_MAPS), { code: 200, body: { items: [] } }, 'nothing of it was stored');
});

t.test('a client that goes away leaves nothing', async (t) => {
  const socket = connect(api.server.port, '127.0.0.1');
  socket.write(
    `POST ${CONFIG_MAPS} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"metadata"`,
  );
  await new Promise((resolve) => setTimeout(resolve, 20));
  socket.destroy();
  t.match(await api.ok('GET', CONFIG_MAPS), { items: [] });
});

t.test('a protobuf body as kubectl sends it', async (t) => {
  const field = (number: number, value: Buffer | string): Buffer => {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
  };
  const number = (tag: number, value: number): Buffer => Buffer.from([tag << 3, value]);
  const labels = field(11, Buffer.concat([field(1, 'app'), field(2, 'proto')]));
  const container = Buffer.concat([
    field(1, 'main'),
    field(2, 'nginx:1'),
    field(8, Buffer.concat([field(1, Buffer.concat([field(1, 'cpu'), field(2, field(1, '1500m'))]))])),
  ]);
  const template = Buffer.concat([field(1, labels), field(2, field(2, container))]);
  const selector = field(1, Buffer.concat([field(1, 'app'), field(2, 'proto')]));
  const spec = Buffer.concat([number(1, 0), field(2, selector), field(3, template), number(5, 0)]);
  const raw = Buffer.concat([field(1, Buffer.concat([field(1, 'proto'), field(3, '')])), field(2, spec)]);
  const envelope = Buffer.concat([
    Buffer.from('k8s\0'),
    field(1, Buffer.concat([field(1, 'apps/v1'), field(2, 'Deployment')])),
    field(2, raw),
  ]);
  const made = await api.ok('POST', DEPLOYMENTS, envelope, {
    'content-type': 'application/vnd.kubernetes.protobuf',
  });
  t.match(made, {
    metadata: { name: 'proto' },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: 'proto' } },
      template: {
        spec: { containers: [{ name: 'main', image: 'nginx:1', resources: { limits: { cpu: '1500m' } } }] },
      },
    },
  });
  t.notOk('minReadySeconds' in (made.spec as Body), 'zeros that Go leaves out are left out');
});

t.test('reviews allow everything', async (t) => {
  const review = (group: string, plural: string, kind: string, spec: Body): Promise<Body> =>
    api.ok('POST', `/apis/${group}/v1/${plural}`, { apiVersion: `${group}/v1`, kind, spec });
  const resourceAttributes = { verb: 'create', resource: 'pods', namespace: 'default' };
  t.match(
    await review('authorization.k8s.io', 'selfsubjectaccessreviews', 'SelfSubjectAccessReview', {
      resourceAttributes,
    }),
    {
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes },
      status: { allowed: true },
    },
  );
  t.match(
    await review('authorization.k8s.io', 'subjectaccessreviews', 'SubjectAccessReview', {
      user: 'u',
      resourceAttributes,
    }),
    { status: { allowed: true } },
  );
  t.match(
    await review('authorization.k8s.io', 'selfsubjectrulesreviews', 'SelfSubjectRulesReview', {
      namespace: 'default',
    }),
    { status: { resourceRules: [{ verbs: ['*'] }] } },
  );
  t.match(
    await review('authentication.k8s.io', 'tokenreviews', 'TokenReview', { token: 'x', audiences: ['a'] }),
    { status: { authenticated: true, audiences: ['a'] } },
  );
});

t.test('logs come from what runs the pods', async (t) => {
  await makePod(api, 'logs', ['main']);
  t.match(await api.call('GET', `${PODS}/none/log`), { code: 404 });
  t.match(await api.call('GET', `${PODS}/logs/log`), {
    code: 503,
    body: { reason: 'ServiceUnavailable', message: /kubelet of the embedded cluster has not started/ },
  });
  const asked: unknown[] = [];
  let left = false;
  api.server.setPodRuntime({
    ...createStreamPods(),
    async *logs(namespace, name, query, signal) {
      asked.push([namespace, name, query.container, query.tailLines, query.follow]);
      yield 'one\n';
      if (query.follow !== true) return;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      left = true;
    },
  });
  t.match(await api.call('GET', `${PODS}/logs/log?container=main&tailLines=5`), {
    code: 200,
    text: 'one\n',
    headers: { 'content-type': 'text/plain' },
  });
  t.strictSame(asked, [['default', 'logs', 'main', 5, false]]);
  t.match(await api.call('GET', `${PODS}/logs/log?tailLines=x`), { code: 400 });
  const abort = new AbortController();
  const response = await fetch(`${api.server.url}${PODS}/logs/log?follow=true`, { signal: abort.signal });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  t.equal(Buffer.from((await reader.read()).value ?? []).toString(), 'one\n');
  abort.abort();
  while (!left) await new Promise((resolve) => setTimeout(resolve, 5));
  t.ok(left, 'the reader that leaves ends the log');
});
