/** Calls to services of others, through the router. */
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import t from 'tap';
import type { Test } from 'tap';
import { ConnectError, serverStream, startPlugin, unary } from '../../../plugin-sdk/src/index.js';
import type { Plugin, PluginOptions } from '../../../plugin-sdk/src/index.js';
import { Logger } from '../../../proto/gen/capability/logger/v1/logger_pb.js';
import { Health, HealthCheckResponse_ServingStatus } from '../../../proto/gen/grpc/health/v1/health_pb.js';
import { until } from '../../helpers/eventually.js';
import { startTestHost } from './host.js';
import type { TestHost } from './host.js';

const said: string[] = [];
let hanging = 0;
let cancelled = 0;

const provides = (name: string): NonNullable<PluginOptions['provides']> => [
  {
    type: 'echo',
    version: '1.2.0',
    path: '/echo.v1.Echo/',
    methods: {
      Who: () => ({ who: name }),
      Echo: ({ params }, { caller, header }) => ({
        params,
        caller,
        identity: header('authorization') ?? 'none',
        timeout: header('connect-timeout-ms'),
      }),
      Missing: () => {
        throw new ConnectError('not_found', 'there is none of it');
      },
      Hang: (_, { signal }) => {
        hanging += 1;
        return new Promise((resolve) =>
          signal.addEventListener('abort', () => {
            cancelled += 1;
            resolve({});
          }),
        );
      },
    },
    listener: (request, response) => {
      response.setHeader('x-path', request.url ?? '');
      if (request.url?.endsWith('/huge') === true) return void response.end(Buffer.alloc(17 << 20));
      if (request.url?.endsWith('/broken') === true)
        return void response.write('{', () => response.destroy());
      if (request.url?.endsWith('/plain') === true)
        response.setHeader('content-type', 'text/plain').write('so');
      request.pipe(response);
    },
  },
  {
    type: 'log',
    version: '1.0.0',
    path: '/capability.logger.v1.Logger/',
    handlers: [unary(Logger.method.log, ({ message }) => (said.push(message), {}))],
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
];

async function plugin(t: Test, options: Partial<PluginOptions> & { id: string }): Promise<Plugin> {
  const started = await startPlugin({
    version: '1.0.0',
    host: '127.0.0.1',
    port: 0,
    heartbeatMs: 50,
    graceMs: 0,
    ...options,
  });
  t.teardown(() => started.close());
  return started;
}

async function start(t: Test): Promise<{ host: TestHost; url: string; caller: Plugin; echo: Plugin }> {
  const host = await startTestHost();
  t.teardown(() => host.close());
  const { url } = host;
  const echo = await plugin(t, { id: 'echo', hostUrl: url, provides: provides('first') });
  const caller = await plugin(t, {
    id: 'caller',
    hostUrl: url,
    requires: [{ type: 'echo', minVersion: '1.1.0' }, { type: 'log' }, { type: 'health' }],
  });
  await caller.whenReady();
  return { host, url, caller, echo };
}

t.test('calls of methods', async (t) => {
  const { caller, host } = await start(t);
  const service = caller.service('echo');
  t.same(await service.call('Echo', { a: '1&2', b: [1] }), {
    params: { a: '1&2', b: [1] },
    caller: caller.runtimeId,
    identity: 'none',
    timeout: '10000',
  });
  t.same(await service.call('Who'), { who: 'first' });
  await t.rejects(service.call('Missing'), { code: 'not_found', message: 'there is none of it' });
  const unread = {
    code: 'internal',
    message: 'echo/plain answered text/plain, which is no JSON; use request() for it',
  };
  await t.rejects(service.call('plain'), unread);
  await t.rejects(service.call('huge'), { code: 'resource_exhausted' });
  await t.rejects(service.call('broken'), { code: 'unavailable' });
  t.same(await service.call('Who'), { who: 'first' }, 'and others go on');
  t.ok(host.lines.some((line) => line.startsWith(`[ROUTER] ${caller.runtimeId} → `)));
});

t.test('deadlines and leaving', async (t) => {
  const { caller } = await start(t);
  const service = caller.service('echo');
  await t.rejects(service.call('Hang', {}, { timeoutMs: 30 }), {
    code: 'deadline_exceeded',
    message: 'echo/Hang: no answer within 30 ms',
  });
  const before = { hanging, cancelled };
  const leaving = new AbortController();
  const call = service.call('Hang', {}, { signal: leaving.signal, timeoutMs: 60_000 });
  const rejected = t.rejects(call, { code: 'canceled', message: 'echo/Hang: the call was canceled' });
  await until(() => hanging > before.hanging);
  leaving.abort();
  await rejected;
  await until(() => cancelled > before.cancelled);
  const gone = AbortSignal.abort(new Error('enough'));
  await t.rejects(service.call('Who', {}, { signal: gone }), { code: 'canceled' });
  await t.rejects(service.request({ path: 'Who', signal: gone }), { code: 'canceled' });
});

t.test('a deadline that is longer than timers and the header hold', async (t) => {
  const { caller } = await start(t);
  for (const timeoutMs of [Infinity, 1e12])
    t.match(await caller.service('echo').call('Echo', {}, { timeoutMs }), { timeout: '9999999999' });
});

t.test('a host that does not answer keeps nobody for longer than he waits', async (t) => {
  const { host, caller } = await start(t);
  const service = caller.service('unseen');
  host.hold('/connectplugin.v1.ServiceRegistry/DiscoverService');
  await t.rejects(service.call('Any', {}, { timeoutMs: 30 }), { code: 'deadline_exceeded' });
  const signal = AbortSignal.timeout(30);
  await t.rejects(service.unary(Logger.method.log, {}, { signal }), { code: 'canceled' });
  await t.rejects(service.request({ path: 'Any', signal }), { code: 'canceled' });
});

t.test('protobuf services', async (t) => {
  const { caller } = await start(t);
  await caller.service('log').unary(Logger.method.log, { message: 'routed' });
  t.ok(said.includes('routed'));
  const seen: number[] = [];
  for await (const { status } of caller.service('health').stream(Health.method.watch, {})) seen.push(status);
  t.same(seen, [1, 2]);
});

t.test('requests of any kind', async (t) => {
  const { caller } = await start(t);
  const service = caller.service('echo');
  const body = Readable.from(['one ', 'two']);
  const answer = await service.request({ path: 'any/path?a=1', method: 'PUT', body });
  t.equal(answer.status, 200);
  t.equal(answer.headers['x-path'], '/echo.v1.Echo/any/path?a=1');
  t.equal(await text(answer.body), 'one two');
});

t.test('a service that nobody provides', async (t) => {
  const { caller, url } = await start(t);
  const service = caller.service('nobody');
  t.notOk(service.available());
  await t.rejects(service.call('Any'), {
    code: 'unavailable',
    message: new RegExp(`^nobody provides nobody at ${url}`),
  });
  t.equal(caller.health().state, 'healthy', 'which was never required');
  await t.rejects(service.whenAvailable(AbortSignal.abort(new Error('enough'))), { message: 'enough' });
});

t.test('a provider that goes and comes back elsewhere', async (t) => {
  const { caller, echo, url } = await start(t);
  const service = caller.service('echo');
  await echo.close();
  await until(() => !service.available());
  await t.rejects(service.call('Who'), { code: 'unavailable' });
  await plugin(t, { id: 'echo', hostUrl: url, provides: provides('second') });
  await service.whenAvailable();
  t.same(await service.call('Who'), { who: 'second' });
});

t.test('a call that no plugin got to see is sent once more', async (t) => {
  const { caller, host } = await start(t);
  const service = caller.service('echo');
  host.holdBack('unavailable');
  t.same(await service.call('Who'), { who: 'first' });
  const before = caller.runtimeId;
  host.holdBack('unauthenticated');
  host.registry.remove(before ?? '');
  t.same(await service.call('Who'), { who: 'first' }, 'with a new identity');
  t.not(caller.runtimeId, before);
});

t.test('a host below a path', async (t) => {
  const { host } = await start(t);
  const front = createServer((request, response) => {
    const { method, headers } = request;
    const onward = httpRequest(
      `${host.url}${request.url?.replace(/^\/below/, '')}`,
      { method, headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      },
    );
    request.pipe(onward.on('error', () => response.destroy()));
  }).listen(0, '127.0.0.1');
  await once(front, 'listening');
  t.teardown(() => front.close().closeAllConnections());
  const { port } = front.address() as AddressInfo;
  const below = await plugin(t, {
    id: 'below',
    hostUrl: `http://127.0.0.1:${port}/below`,
    requires: [{ type: 'echo' }, { type: 'log' }],
  });
  await below.whenReady();
  t.same(await below.service('echo').call('Who'), { who: 'first' });
  await below.service('log').unary(Logger.method.log, { message: 'from below' });
  t.ok(said.includes('from below'));
});

t.test('a host that is not there', async (t) => {
  const alone = await plugin(t, { id: 'alone', hostUrl: 'http://127.0.0.1:1' });
  const service = alone.service('echo');
  const timeoutMs = 30;
  const expected = { code: 'deadline_exceeded', message: /: no answer within 30 ms, and no host knows this/ };
  await t.rejects(service.call('Who', {}, { timeoutMs }), expected);
  await t.rejects(service.unary(Logger.method.log, {}, { timeoutMs }), expected);
  const waiting = t.rejects(service.call('Who', {}, { timeoutMs: 60_000 }), {
    code: 'unavailable',
    message: 'alone stops, and is known to no host any more',
  });
  await alone.close();
  await waiting;
  await t.rejects(alone.service('other').call('Any'), { code: 'unavailable' }, 'nor is it waited for later');
});

t.test('a host that comes later', async (t) => {
  const { port, ...first } = await startTestHost();
  await first.close();
  const url = `http://127.0.0.1:${port}`;
  const early = await plugin(t, { id: 'early', hostUrl: url });
  const service = early.service('log');
  // Beyond what a call waits for a host that has forgotten the plugin.
  const calls = [
    service.call('Log', { message: 'called early' }, { timeoutMs: 60_000 }),
    service.unary(Logger.method.log, { message: 'a message of before' }, { timeoutMs: 60_000 }),
  ];
  const host = await startTestHost({ port });
  t.teardown(() => host.close());
  host.registry.admit({
    ...{ selfId: 'log', selfVersion: '1.0.0', origin: 'managed', requires: {} },
    baseUrls: [`http://127.0.0.1:${(await plugin(t, { id: 'log', provides: provides('log') })).port}`],
    provides: [{ type: 'log', version: '1.0.0', path: '/capability.logger.v1.Logger/' }],
  });
  await Promise.all(calls);
  t.ok(said.includes('called early') && said.includes('a message of before'));
});

t.test('a call while the host forgets', async (t) => {
  const first = await startTestHost();
  t.teardown(() => first.close());
  const common = { hostUrl: first.url, heartbeatMs: 60_000 };
  const echo = await plugin(t, { id: 'echo', provides: provides('first'), ...common });
  const caller = await plugin(t, { id: 'caller', requires: [{ type: 'echo' }], ...common });
  await caller.whenReady();
  const service = caller.service('echo');
  const old = caller.runtimeId;
  first.registry.remove(old ?? '');
  await service
    .call('Who')
    .catch((error: unknown) => t.equal(ConnectError.from(error).code, 'unauthenticated'));
  await until(() => caller.runtimeId !== undefined && caller.runtimeId !== old && service.available());
  t.same(await service.call('Who'), { who: 'first' }, 'it finds out by the call, not by the next heartbeat');
  t.ok(echo.ready());
});
