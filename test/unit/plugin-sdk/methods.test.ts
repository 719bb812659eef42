/** What a plugin answers on its port, without any host. */
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect, constants } from 'node:http2';
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import t from 'tap';
import type { Test } from 'tap';
import { createConnectClient } from '../../../connect/index.js';
import { ConnectError, serverStream, startPlugin, unary } from '../../../plugin-sdk/src/index.js';
import type { Plugin, PluginOptions } from '../../../plugin-sdk/src/index.js';
import { Logger } from '../../../proto/gen/capability/logger/v1/logger_pb.js';
import { HealthService, ServingStatus } from '../../../proto/gen/connectplugin/health/v1/health_pb.js';
import { HealthState, PluginControl, PluginIdentity } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { Health, HealthCheckResponse_ServingStatus } from '../../../proto/gen/grpc/health/v1/health_pb.js';
import { until } from '../../helpers/eventually.js';
import { frame, opened, wire } from '../connect/fixtures/served.js';

const logged: string[] = [];
/** Signals of the calls of Wait. */
const waiting: AbortSignal[] = [];
let texts = 0;

const options: PluginOptions = {
  id: 'test-plugin',
  version: '1.2.3',
  host: '127.0.0.1',
  port: 0,
  bodyLimitBytes: 1_000,
  log: { info: (text) => void logged.push(text), warn: (text) => void logged.push(text) },
  provides: [
    {
      type: 'echo',
      version: '1.0.0',
      path: '/echo.v1.Echo/',
      methods: {
        Params: ({ params, query }) => ({ params, query }),
        Text: (request) => {
          texts += 1;
          return { text: request.text('text') };
        },
        Wait: (_, { signal }) => {
          waiting.push(signal);
          return new Promise((resolve) => signal.addEventListener('abort', resolve));
        },
        Nothing: () => undefined,
        Missing: () => {
          throw new ConnectError('not_found', 'there is none');
        },
        Broken: () => {
          throw new Error('a secret');
        },
        Later: async () => ({ later: true }),
        Caller: (_, { caller, remoteAddress, header }) => ({ caller, remoteAddress, seen: header('x-test') }),
      },
      listener: (request, response) => void request.pipe(response),
    },
    {
      type: 'logger',
      version: '1.0.0',
      path: '/capability.logger.v1.Logger/',
      handlers: [unary(Logger.method.log, ({ message }) => (logged.push(message), {}))],
    },
    {
      type: 'health',
      version: '1.0.0',
      path: '/grpc.health.v1.Health/',
      handlers: [
        serverStream(Health.method.watch, async function* () {
          yield { status: HealthCheckResponse_ServingStatus.SERVING };
          yield { status: HealthCheckResponse_ServingStatus.NOT_SERVING };
        }),
      ],
    },
  ],
  requires: [{ type: 'other', minVersion: '2.0.0' }],
};

async function start(t: Test, more: Partial<PluginOptions> = {}): Promise<{ plugin: Plugin; url: string }> {
  const plugin = await startPlugin({ ...options, ...more });
  t.teardown(() => plugin.close());
  return { plugin, url: `http://127.0.0.1:${plugin.port}` };
}

const JSON_TYPE = { 'content-type': 'application/json' };
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

interface Row {
  readonly what: string;
  readonly path: string;
  readonly init?: RequestInit;
  readonly status?: number;
  readonly body: unknown;
}

const post = (body: string, headers: Record<string, string> = JSON_TYPE): RequestInit => ({
  method: 'POST',
  headers,
  body,
});

const ROWS: readonly Row[] = [
  { what: 'query', path: 'Params?a=1&b=%26', body: { params: { a: '1', b: '&' }, query: 'a=1&b=%26' } },
  { what: 'the first of two', path: 'Params?a=1&a=2', body: { params: { a: '1' } } },
  { what: 'JSON', path: 'Params', init: post('{"a":[1]}'), body: { params: { a: [1] }, query: '' } },
  { what: 'a form', path: 'Params', init: post('a=1+2', FORM), body: { params: { a: '1 2' } } },
  { what: 'the body wins', path: 'Params?a=1', init: post('{"a":"2"}'), body: { params: { a: '2' } } },
  { what: 'POST without a body', path: 'Text?text=x', init: { method: 'POST' }, body: { text: 'x' } },
  {
    what: 'no prototype',
    path: 'Text',
    init: post('{"__proto__":{"text":"x"}}'),
    status: 400,
    body: /text is missing/,
  },
  {
    what: 'missing',
    path: 'Text',
    status: 400,
    body: /^Text: the parameter text is missing; give it as \?text=…/,
  },
  { what: 'empty', path: 'Text?text=', status: 400, body: /text is missing/ },
  { what: 'no text', path: 'Text', init: post('{"text":1}'), status: 400, body: /text must be a text/ },
  { what: 'no JSON', path: 'Text', init: post('{'), status: 400, body: /^Text: the body is no JSON/ },
  { what: 'no object', path: 'Text', init: post('[]'), status: 400, body: /must be a JSON object/ },
  {
    what: 'another type',
    path: 'Text',
    init: post('x', { 'content-type': 'text/plain' }),
    status: 415,
    body: /not of text\/plain/,
  },
  {
    what: 'too large',
    path: 'Text',
    init: post(`{"text":"${'x'.repeat(1_000)}"}`),
    status: 429,
    body: /1011 bytes, and at most 1000/,
  },
  {
    what: 'another method',
    path: 'Text',
    init: { method: 'PUT' },
    status: 405,
    body: /GET and POST, not PUT/,
  },
  { what: 'nothing', path: 'Nothing', body: {} },
  { what: 'a promise', path: 'Later', body: { later: true } },
  { what: 'an error of its own', path: 'Missing', status: 404, body: 'there is none' },
  {
    what: 'an error that is not',
    path: 'Broken',
    status: 500,
    body: "Broken failed; the plugin's log says why",
  },
];

t.test('methods of parameters', async (t) => {
  const { url } = await start(t);
  for (const { what, path, init, status = 200, body } of ROWS) {
    const answer = await fetch(`${url}/echo.v1.Echo/${path}`, init);
    t.equal(answer.status, status, what);
    const got = (await answer.json()) as { message?: string };
    if (status === 200) t.match(got, body, what);
    else t.match(got.message, body, what);
  }
  t.match(logged.join('\n'), /Broken failed: Error: a secret/, 'what failed is in the log, and nowhere else');
});

t.test('a body that is too large without saying so', async (t) => {
  const { url } = await start(t);
  const body = Readable.from(['{"text":"', 'x'.repeat(900), 'x'.repeat(900), '"}']);
  const answer = await new Promise<number | undefined>((resolve, reject) => {
    const request = httpRequest(`${url}/echo.v1.Echo/Text`, { method: 'POST', headers: JSON_TYPE }, (got) => {
      got.resume();
      resolve(got.statusCode);
    });
    request.on('error', reject);
    body.pipe(request);
  });
  t.equal(answer, 429);
});

t.test('who calls', async (t) => {
  const { url } = await start(t);
  const direct = await fetch(`${url}/echo.v1.Echo/Caller`, { headers: { 'x-test': 'a' } });
  t.same(await direct.json(), { remoteAddress: '127.0.0.1', seen: 'a' });
  const routed = await fetch(`${url}/echo.v1.Echo/Caller`, { headers: { 'x-plugin-caller': 'api-1a2b' } });
  t.match(await routed.json(), { caller: 'api-1a2b' });
});

t.test('over HTTP/2', async (t) => {
  const { url } = await start(t);
  const session = connect(url);
  t.teardown(() => session.close());
  const ask = async (headers: Record<string, string>, body?: string): Promise<string> => {
    const stream = session.request(headers);
    stream.end(body);
    let text = '';
    for await (const part of stream.setEncoding('utf8')) text += part as string;
    return text;
  };
  t.match(await ask({ ':path': '/echo.v1.Echo/Text?text=x' }), '{"text":"x"}');
  const posted = { ':path': '/echo.v1.Echo/Text', ':method': 'POST', ...JSON_TYPE };
  t.match(await ask(posted, '{"text":"y"}'), '{"text":"y"}');
});

t.test('a listener gets what is no method', async (t) => {
  const { url } = await start(t);
  const answer = await fetch(`${url}/echo.v1.Echo/any/thing`, { method: 'PUT', body: 'as it came' });
  t.equal(await answer.text(), 'as it came');
});

t.test('paths of nobody', async (t) => {
  const { url } = await start(t);
  for (const path of ['/', '/nope', '/echo.v1.Echo', '/toString', '/capability.logger.v1.Logger/Nope']) {
    const answer = await fetch(`${url}${path}`);
    t.equal(answer.status, 404, path);
    t.equal(((await answer.json()) as { code: string }).code, 'unimplemented', path);
  }
});

t.test('protobuf services', async (t) => {
  const { url } = await start(t);
  const client = createConnectClient({ baseUrl: url });
  t.teardown(() => client.close());
  await client.unary(Logger.method.log, { message: 'by protobuf' });
  t.ok(logged.includes('by protobuf'));
  const seen: number[] = [];
  for await (const { status } of client.stream(Health.method.watch, {})) seen.push(status);
  t.same(seen, [1, 2]);
});

t.test('what a host asks', async (t) => {
  const { plugin, url } = await start(t);
  const client = createConnectClient({ baseUrl: url });
  t.teardown(() => client.close());
  const info = await client.unary(PluginIdentity.method.getPluginInfo, {});
  t.match(info, {
    selfId: 'test-plugin',
    selfVersion: '1.2.3',
    provides: [
      { type: 'echo', version: '1.0.0', path: '/echo.v1.Echo/' },
      { type: 'logger' },
      { type: 'health' },
    ],
    requires: [{ type: 'other', minVersion: '2.0.0', requiredForStartup: true, watchForChanges: true }],
  });
  const lacking = await client.unary(PluginControl.method.getHealth, {});
  t.match(lacking, {
    state: HealthState.DEGRADED,
    reason: 'nobody provides other',
    unavailableDependencies: ['other'],
  });
  plugin.setHealth('unhealthy', 'the disk is full');
  t.match(plugin.health(), { state: 'unhealthy', reason: 'the disk is full; nobody provides other' });
  t.match(await client.unary(PluginControl.method.getHealth, {}), { state: HealthState.UNHEALTHY });
  plugin.setHealth('unhealthy', `${'x'.repeat(999)}😀`);
  const inJson = createConnectClient({ baseUrl: url, json: true });
  t.teardown(() => inJson.close());
  const { reason } = await inJson.unary(PluginControl.method.getHealth, {});
  t.equal(reason, `${'x'.repeat(999)}\ufffd`, 'cut within a character');
});

t.test('the health service', async (t) => {
  const { plugin, url } = await start(t);
  const client = createConnectClient({ baseUrl: url });
  t.teardown(() => client.close());
  const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = ServingStatus;
  const check = async (service: string): Promise<ServingStatus> =>
    (await client.unary(HealthService.method.check, { service })).status;
  for (const service of ['', 'echo', 'echo.v1.Echo']) t.equal(await check(service), SERVING, service);
  t.equal(await check('nope'), SERVICE_UNKNOWN);
  const seen: ServingStatus[] = [];
  for await (const { status } of client.stream(HealthService.method.watch, { service: 'echo' })) {
    seen.push(status);
    if (seen.length === 1) plugin.setHealth('unhealthy');
    if (seen.length === 2) plugin.setHealth('healthy');
    if (seen.length === 3) break;
  }
  t.same(seen, [SERVING, NOT_SERVING, SERVING]);
});

t.test('probes', async (t) => {
  const { plugin, url } = await start(t);
  const probe = async (path: string): Promise<[number, object]> => {
    const answer = await fetch(`${url}${path}`);
    return [answer.status, (await answer.json()) as object];
  };
  t.match(await probe('/health'), [200, { status: 'ok', plugin: 'test-plugin', health: 'degraded' }]);
  t.match(await probe('/ready'), [503, { status: 'not ready', unavailable_dependencies: ['other'] }]);
  plugin.setHealth('unhealthy', 'why');
  t.match(await probe('/health'), [503, { status: 'unhealthy', reason: /^why/ }]);
});

t.test('an address that is taken', async (t) => {
  const { plugin } = await start(t);
  await t.rejects(startPlugin({ ...options, port: plugin.port }), { code: 'EADDRINUSE' });
});

t.test('closing twice is closing once', async (t) => {
  const { plugin, url } = await start(t);
  await Promise.all([plugin.close(), plugin.close(), plugin.closed]);
  await t.rejects(fetch(`${url}/health`));
});

const TEXT = '/echo.v1.Echo/Text';
const WAIT = '/echo.v1.Echo/Wait';

/** A session of HTTP/2 that ends with the test. */
async function h2c(t: Test, url: string): Promise<ClientHttp2Session> {
  const session = connect(url);
  t.teardown(() => session.destroy());
  await once(session, 'connect');
  return session;
}

t.test('a caller that leaves in the middle of its body calls no method, in both versions', async (t) => {
  const { plugin, url } = await start(t);
  const before = texts;
  for (const headers of [
    { ...FORM, 'content-length': '100' },
    { ...FORM, 'transfer-encoding': 'chunked' },
  ]) {
    const request = httpRequest(`${url}${TEXT}`, { method: 'POST', headers });
    request.on('error', () => undefined);
    request.write('text=half');
    const [socket] = (await once(request, 'socket')) as [Socket];
    await until(() => socket.bytesWritten > 0 && socket.writableLength === 0);
    request.destroy();
  }
  const headers = opened([['content-type', FORM['content-type']]], TEXT);
  const half = frame(0, 0, { stream: 1, payload: Buffer.from('text=half') });
  const reset = (code: number) => frame(3, 0, { stream: 1, payload: Buffer.from([0, 0, 0, code]) });
  const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR } = constants;
  for (const end of [reset(NGHTTP2_CANCEL), reset(NGHTTP2_NO_ERROR), Buffer.alloc(0)]) {
    const { socket, text, closed } = wire(plugin.port, Buffer.concat([headers, half]));
    await until(() => text().length > 0);
    socket.end(end);
    await closed;
  }
  t.equal((await fetch(`${url}${TEXT}?text=x`)).status, 200);
  t.equal(texts, before + 1);
});

t.test('the signal fires when the caller leaves, in both versions', async (t) => {
  const { url } = await start(t);
  const before = waiting.length;
  const one = httpRequest(`${url}${WAIT}`).end();
  one.on('error', () => undefined);
  await until(() => waiting.length === before + 1);
  one.destroy();
  const session = await h2c(t, url);
  const two = session.request({ ':path': WAIT });
  two.on('error', () => undefined);
  await until(() => waiting.length === before + 2);
  two.close(constants.NGHTTP2_CANCEL);
  await until(() => waiting.slice(before).every(({ aborted }) => aborted));
  for (const { reason } of waiting.slice(before)) t.match(reason, { code: 'canceled' });
});

t.test('at its deadline a call is answered, and its signal fires', async (t) => {
  const { url } = await start(t);
  const answer = await fetch(`${url}${WAIT}`, { headers: { 'connect-timeout-ms': '30' } });
  t.equal(answer.status, 504);
  t.match(await answer.json(), { code: 'deadline_exceeded' });
  t.match(waiting.at(-1)?.reason, { code: 'deadline_exceeded' });
  const wrong = await fetch(`${url}${TEXT}?text=x`, { headers: { 'connect-timeout-ms': 'soon' } });
  t.equal(wrong.status, 400);
});

t.test('a body that does not come whole in time is answered', async (t) => {
  const { plugin, url } = await start(t, { bodyTimeoutMs: 30 });
  const headers = { ...JSON_TYPE, 'content-length': '100' };
  const request = httpRequest(`${url}${TEXT}`, { method: 'POST', headers });
  request.on('error', () => undefined);
  request.write('{');
  const [one] = (await once(request, 'response')) as [IncomingMessage];
  t.equal(one.statusCode, 504);
  t.match(await json(one), { code: 'deadline_exceeded' });
  const session = await h2c(t, url);
  const stream = session.request({ ':path': TEXT, ':method': 'POST', ...JSON_TYPE });
  stream.on('error', () => undefined);
  stream.write('{');
  const [two] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  t.equal(Number(two[':status']), 504);
  for (const path of ['/nope', '/health', '/echo.v1.Echo/Text']) {
    const { text, closed } = wire(
      plugin.port,
      `PUT ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n`,
    );
    await closed;
    t.match(text(), /^HTTP\/1.1 (404|200|405)/, 'and one that nobody reads is not waited for');
  }
});
