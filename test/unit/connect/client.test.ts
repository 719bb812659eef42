import t from 'tap';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { once } from 'node:events';
import { gzipSync } from 'node:zlib';
import type { Test } from 'tap';
import { ConnectError, createConnectClient } from '../../../connect/index.js';
import type { ClientOptions, ConnectClient } from '../../../connect/index.js';
import { until } from '../../helpers/eventually.js';
import { freePort } from '../../helpers/free-port.js';
import { DISCOVER, DISCOVER_PATH, WATCH, discover, enveloped, serve, watch } from './fixtures/served.js';

const client = (t: Test, options: ClientOptions): ConnectClient => {
  const made = createConnectClient(options);
  t.teardown(() => made.close());
  return made;
};

const failure = async (call: Promise<unknown>): Promise<ConnectError> => {
  const error: unknown = await call.then(
    () => new Error('it succeeded'),
    (cause: unknown) => cause,
  );
  if (error instanceof ConnectError) return error;
  throw error;
};

/** All that a stream gives, and the error that it ends with. */
const drain = async (stream: AsyncIterable<{ serviceType: string }>) => {
  const got: string[] = [];
  try {
    for await (const { serviceType } of stream) got.push(serviceType);
  } catch (error) {
    return { got, error: error as ConnectError };
  }
  return { got, error: undefined };
};

const started = async (t: Test, server: Server): Promise<string> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => new Promise((resolve) => server.close(resolve)));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

/** A server that is none of ours. */
const foreign = async (t: Test, listener: RequestListener): Promise<string> => {
  const server = createServer(listener);
  t.teardown(() => server.closeAllConnections());
  return started(t, server);
};

for (const json of [false, true]) {
  const encoding = json ? 'JSON' : 'binary';

  t.test(`${encoding}: calls and streams go out and come back`, async (t) => {
    const { baseUrl } = await serve(t, [
      discover(({ serviceType }) => ({ endpoint: { providerId: serviceType } })),
      watch(async function* ({ serviceType }) {
        for (let at = 0; at < 3; at++) yield { serviceType: `${serviceType}${at}` };
      }),
    ]);
    const { unary, stream } = client(t, { baseUrl, json });
    const { endpoint, singleProvider } = await unary(DISCOVER, { serviceType: 'größe' });
    t.same([endpoint?.providerId, singleProvider], ['größe', false]);
    t.same(await drain(stream(WATCH, { serviceType: 'a' })), { got: ['a0', 'a1', 'a2'], error: undefined });
    const large = 'x'.repeat(300_000);
    t.equal((await unary(DISCOVER, { serviceType: large })).endpoint?.providerId, large);
    t.same((await drain(stream(WATCH, { serviceType: large }))).got, [`${large}0`, `${large}1`, `${large}2`]);
  });

  t.test(`${encoding}: errors come back with code, text and details`, async (t) => {
    const details = [{ type: 'a.B', value: 'AAE' }];
    const refuse = () => new ConnectError('already_exists', 'there is one', { details });
    const { baseUrl } = await serve(t, [
      discover(() => {
        throw refuse();
      }),
      watch(async function* () {
        yield { serviceType: 'first' };
        throw refuse();
      }),
    ]);
    const { unary, stream } = client(t, { baseUrl, json });
    const expected = { code: 'already_exists', message: 'there is one', details };
    t.match(await failure(unary(DISCOVER, {})), expected);
    const { got, error } = await drain(stream(WATCH, {}));
    t.same(got, ['first']);
    t.match(error, expected);
  });
}

t.test('headers are asked for at each call, and those of the call win', async (t) => {
  const seen: (string | undefined)[][] = [];
  const { baseUrl } = await serve(t, [
    discover((_, { header }) => {
      const names = ['x-call', 'x-own', 'connect-protocol-version', 'connect-timeout-ms', 'content-type'];
      seen.push(names.map(header));
      return {};
    }),
  ]);
  let calls = 0;
  const { unary } = client(t, { baseUrl, headers: () => ({ 'x-call': String(++calls), 'x-own': 'client' }) });
  await unary(DISCOVER, {});
  await unary(DISCOVER, {}, { headers: { 'x-own': 'call' }, timeoutMs: 1499.5 });
  await unary(DISCOVER, {}, { timeoutMs: Infinity });
  t.same(seen, [
    ['1', 'client', '1', '10000', 'application/proto'],
    ['2', 'call', '1', '1500', 'application/proto'],
    ['3', 'client', '1', '9999999999', 'application/proto'],
  ]);
});

t.test('a base URL may have a path', async (t) => {
  const paths: (string | undefined)[] = [];
  const url = await foreign(t, (request, response) => {
    paths.push(request.url);
    response.setHeader('content-type', 'application/proto').end();
  });
  for (const baseUrl of [url, `${url}/`, `${url}/a/b`, `${url}/a/b/`]) {
    await client(t, { baseUrl }).unary(DISCOVER, {});
  }
  const deep = `/a/b${DISCOVER_PATH}`;
  t.same(paths, [DISCOVER_PATH, DISCOVER_PATH, deep, deep]);
  t.throws(() => createConnectClient({ baseUrl: 'no URL' }), { code: 'ERR_INVALID_URL' });
});

t.test('connections are kept', async (t) => {
  const sockets = new Set<Socket>();
  const url = await foreign(t, (request, response) => {
    sockets.add(request.socket);
    response.setHeader('content-type', 'application/proto').end();
  });
  const { unary } = client(t, { baseUrl: url });
  for (let call = 0; call < 20; call++) await unary(DISCOVER, {});
  // The next call may come in the moment before the last one's connection is free.
  t.ok(sockets.size <= 2, `20 calls took ${sockets.size} connections`);
});

t.test('a refused connection is unavailable, and says where', async (t) => {
  const port = await freePort();
  const { unary, stream } = client(t, { baseUrl: `http://127.0.0.1:${port}` });
  const expected = { code: 'unavailable', message: new RegExp(`http://127.0.0.1:${port}.*ECONNREFUSED`) };
  t.match(await failure(unary(DISCOVER, {})), expected);
  t.match((await drain(stream(WATCH, {}))).error, expected);
});

t.test('a connection that breaks is unavailable, and so is a closed client', async (t) => {
  const broken = createTcpServer((socket) => socket.once('data', () => socket.destroy()));
  const one = client(t, { baseUrl: await started(t, broken) });
  t.match(await failure(one.unary(DISCOVER, {})), { code: 'unavailable' });
  await one.close();
  t.match(await failure(one.unary(DISCOVER, {})), { code: 'unavailable' });
});

t.test('bounds: the deadline, the signal, and what was bounded is told', async (t) => {
  const signals: AbortSignal[] = [];
  let held = 0;
  const forever = (serviceType: string, signal: AbortSignal): Promise<never> => {
    signals.push(signal);
    if (serviceType === 'held') held++;
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))));
  };
  const { baseUrl } = await serve(t, [
    discover(({ serviceType }, { signal }) => forever(serviceType, signal)),
    watch(async function* ({ serviceType }, { signal }) {
      yield { serviceType: 'first' };
      await forever(serviceType, signal);
    }),
  ]);
  const { unary, stream } = client(t, { baseUrl, timeoutMs: 30 });
  t.match(await failure(unary(DISCOVER, {})), { code: 'deadline_exceeded', message: /30 ms|deadline/ });
  t.match(await failure(unary(DISCOVER, {}, { timeoutMs: 10 })), { code: 'deadline_exceeded' });
  const timed = await drain(stream(WATCH, {}, { timeoutMs: 50 }));
  t.match(timed.error, { code: 'deadline_exceeded' });

  const fired = AbortSignal.abort(new Error('enough'));
  t.match(await failure(unary(DISCOVER, {}, { signal: fired })), { code: 'canceled' });
  const controller = new AbortController();
  const call = failure(
    unary(DISCOVER, { serviceType: 'held' }, { signal: controller.signal, timeoutMs: 60_000 }),
  );
  const streamed = drain(stream(WATCH, { serviceType: 'held' }, { signal: controller.signal }));
  await until(() => held === 2);
  controller.abort();
  t.match(await call, { code: 'canceled' });
  t.match(await streamed, { got: ['first'], error: { code: 'canceled' } });
  await until(() => signals.every(({ aborted }) => aborted));
});

t.test('leaving the loop cancels the call', async (t) => {
  let ended = false;
  const { baseUrl } = await serve(t, [
    watch(async function* () {
      try {
        for (;;) yield { serviceType: 'x'.repeat(1000) };
      } finally {
        ended = true;
      }
    }),
  ]);
  const { stream } = client(t, { baseUrl });
  let count = 0;
  for await (const _ of stream(WATCH, {})) if (++count === 10) break;
  await until(() => ended);
  t.equal(count, 10);
});

t.test('answers that are none of the protocol', async (t) => {
  type Row = [what: string, status: number, type: string | undefined, body: string | Buffer, code: string];
  const proto = 'application/proto';
  const rows: Row[] = [
    ["a proxy's 502", 502, 'text/html', '<html>', 'unavailable'],
    ["a proxy's 503 without a type", 503, undefined, '', 'unavailable'],
    ['404', 404, 'text/plain', '404 page not found', 'unimplemented'],
    ['401', 401, 'text/plain', '', 'unauthenticated'],
    ['403', 403, 'text/plain', '', 'permission_denied'],
    ['400', 400, 'text/plain', '', 'internal'],
    ['418', 418, 'text/plain', '', 'unknown'],
    ['JSON without a code', 503, 'application/json', '{}', 'unavailable'],
    ['JSON with an unknown code', 404, 'application/json', '{"code":"odd","message":"m"}', 'unimplemented'],
    ['JSON that is a list', 502, 'application/json; charset=utf-8', '[]', 'unavailable'],
    ['no JSON', 502, 'application/json', '{', 'unavailable'],
    ['a web page', 200, 'text/html', '<html>', 'unknown'],
    ['no type', 200, undefined, '', 'unknown'],
    ['the other encoding', 200, 'application/json', '{}', 'internal'],
    ['no message', 200, proto, Buffer.from('0a7f', 'hex'), 'internal'],
    ['too much', 200, proto, Buffer.alloc(2000), 'resource_exhausted'],
    ['a redirect', 302, 'text/html', '', 'unknown'],
  ];
  let row = rows[0];
  const url = await foreign(t, (_, response) => {
    const [, status, type, body] = row ?? ['', 500, undefined, '', ''];
    response.writeHead(status, type === undefined ? {} : { 'content-type': type }).end(body);
  });
  const { unary } = client(t, { baseUrl: url, maxBytes: 1000 });
  for (row of rows) t.equal((await failure(unary(DISCOVER, {}))).code, row[4], row[0]);
});

t.test('streams that are none of the protocol', async (t) => {
  type Row = [what: string, status: number, type: string, body: Buffer, code: string];
  const proto = 'application/connect+proto';
  const rows: Row[] = [
    ["a proxy's 502", 502, 'text/html', Buffer.from('<html>'), 'unavailable'],
    ['an error of a call', 404, 'application/json', Buffer.from('{"code":"not_found"}'), 'not_found'],
    ['a web page', 200, 'text/html', Buffer.from('<html>'), 'unknown'],
    ['the other encoding', 200, 'application/connect+json', enveloped(2, '{}'), 'internal'],
    ['nothing', 200, proto, Buffer.alloc(0), 'internal'],
    ['half an envelope', 200, proto, enveloped(0, 'abc').subarray(0, 6), 'internal'],
    ['no end', 200, proto, enveloped(0, ''), 'internal'],
    ['an end that is no JSON', 200, proto, enveloped(2, '{'), 'internal'],
    ['an end of an unknown code', 200, proto, enveloped(2, '{"error":{"code":"odd"}}'), 'unknown'],
    ['compressed, unasked', 200, proto, enveloped(1, gzipSync('')), 'internal'],
    ['too much', 200, proto, enveloped(0, Buffer.alloc(2000)), 'resource_exhausted'],
    ['no message', 200, proto, enveloped(0, '\n\x7f'), 'internal'],
  ];
  let row = rows[0];
  const url = await foreign(t, (_, response) => {
    const [, status, type, body] = row ?? ['', 500, '', '', ''];
    response.writeHead(status, { 'content-type': type }).end(body);
  });
  const { stream } = client(t, { baseUrl: url, maxBytes: 1000 });
  for (row of rows) t.equal((await drain(stream(WATCH, {}))).error?.code, row[4], row[0]);
});

t.test('a stream that is none gives its connection back', async (t) => {
  let closed = false;
  const url = await foreign(t, (_, response) => {
    response.once('close', () => (closed = true));
    response.writeHead(200, { 'content-type': 'text/html' }).write('<html>');
  });
  const { stream } = client(t, { baseUrl: url });
  t.equal((await drain(stream(WATCH, {}))).error?.code, 'unknown');
  await until(() => closed);
});

t.test('what cannot be sent is invalid', async (t) => {
  const { unary } = client(t, { baseUrl: 'http://127.0.0.1:1' });
  const error = await failure(unary(DISCOVER, {}, { headers: { 'x-a': 'line\nbreak' } }));
  t.equal(error.code, 'invalid_argument');
});
