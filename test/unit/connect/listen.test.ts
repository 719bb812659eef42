import t from 'tap';
import { connect as openSession } from 'node:http2';
import type { ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { Test } from 'tap';
import { listenBoth } from '../../../connect/index.js';
import type { ListenOptions } from '../../../connect/index.js';
import { until } from '../../helpers/eventually.js';
import { http1, http2, wire } from './fixtures/served.js';

/** Answers with the version and the method; `/hold` is answered when the test says so. */
const listening = async (t: Test, options: Partial<ListenOptions> = {}) => {
  const held: ServerResponse[] = [];
  const listener = await listenBoth({
    host: '127.0.0.1',
    port: 0,
    onRequest: (request, response) => {
      request.resume();
      if (request.url === '/hold') held.push(response);
      else response.end(`${request.httpVersion} ${request.method}`);
    },
    ...options,
  });
  t.teardown(() => listener.close(0));
  return { ...listener, held };
};

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n';
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

t.test('both versions are spoken on one port', async (t) => {
  const { port } = await listening(t);
  t.equal((await http1(port, { method: 'PUT', path: '/' })).body.toString(), '1.1 PUT');
  t.equal((await http2(port, { method: 'PUT', path: '/' })).body.toString(), '2.0 PUT');
});

t.test('the first bytes may come one by one', async (t) => {
  const { port } = await listening(t);
  const drip = async (text: string) => {
    const { socket, text: got } = wire(port);
    socket.setNoDelay(true);
    for (const byte of text) {
      socket.write(byte);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return { socket, got };
  };
  const one = await drip(`PUT / HTTP/1.1\r\nHost: a\r\n\r\n`);
  await until(() => one.got().includes('1.1 PUT'));
  const two = await drip(PREFACE);
  two.socket.write(SETTINGS);
  // A server's first frame is its settings.
  await until(() => two.got().length >= 9);
  t.equal(two.got().charCodeAt(3), 4);
  for (const { socket } of [one, two]) socket.destroy();
});

t.test('an upgrade to h2c is ignored, and the request answered', async (t) => {
  const { port } = await listening(t);
  const upgrade = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n';
  const { socket, text } = wire(port, `${GET}${upgrade}\r\n`);
  await until(() => text().includes('1.1 GET'));
  t.match(text(), /^HTTP\/1.1 200/);
  socket.destroy();
});

t.test('what is no good HTTP is answered and closed, and others are served on', async (t) => {
  const { port } = await listening(t, { headersTimeoutMs: 200 });
  const many = Array.from({ length: 130 }, (_, at) => `x-${at}: 1\r\n`).join('');
  const rows: [what: string, bytes: string, answer: RegExp][] = [
    ['no HTTP', 'hello\r\n\r\n', /^HTTP\/1.1 400[^]*"invalid_argument"/],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', /^HTTP\/1.1 400/],
    ['an unknown method', 'PRY / HTTP/1.1\r\n\r\n', /^HTTP\/1.1 400/],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', /^HTTP\/1.1 400/],
    ['large headers', `${GET}x: ${'a'.repeat(40_000)}\r\n\r\n`, /^HTTP\/1.1 431[^]*"resource_exhausted"/],
    ['many headers', `${GET}${many}\r\n`, /^HTTP\/1.1 431[^]*(more than 128|too many)/],
    ['two lengths', `${GET}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, /^HTTP\/1.1 400/],
    [
      'a length and chunks',
      `${GET}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
      /^HTTP\/1.1 400/,
    ],
    ['headers that stop', GET, /^HTTP\/1.1 408[^]*"deadline_exceeded"/],
    ['no first bytes', '', /^$/],
    ['half a preface', 'PR', /^$/],
    ['an unfinished preface', 'PRI * HTTP/3.0\r\n\r\n', /^(?!HTTP)/],
    ['garbage after a preface', `${PREFACE}${'garbage'.repeat(10)}`, /^(?!HTTP)/],
  ];
  for (const [what, bytes, answer] of rows) {
    const { text, closed } = wire(port, Buffer.from(bytes, 'latin1'));
    await closed;
    t.match(text(), answer, what);
  }
  t.equal((await http1(port, { path: '/' })).status, 200);
  t.equal((await http2(port, { path: '/' })).status, 200);
});

t.test('callers that end their side, or reset, leave nothing behind', async (t) => {
  const { port, close } = await listening(t);
  const silent = wire(port);
  silent.socket.end();
  await silent.closed;
  const asking = wire(port, `${GET}\r\n`);
  asking.socket.end();
  await asking.closed;
  t.match(asking.text(), /1.1 GET$/, 'who ends its side after its request is answered');
  const two = wire(port, Buffer.concat([Buffer.from(PREFACE), SETTINGS]));
  await until(() => two.text().length >= 9);
  two.socket.end();
  await two.closed;
  for (const bytes of ['', 'G', PREFACE, GET]) {
    const { socket } = wire(port, bytes);
    await once(socket, 'connect');
    socket.resetAndDestroy();
  }
  await close(600_000);
  t.pass('nothing is waited for: the time of grace is longer than that of a test');
});

t.test('HTTP/2 has the same bounds on headers', async (t) => {
  const { port } = await listening(t);
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`x-${at}`, '1']));
  for (const headers of [many(129), { x: 'a'.repeat(33_000) }]) {
    const got = await http2(port, { path: '/', headers });
    t.equal(got.status, 431);
    t.match(got.body.toString(), /resource_exhausted/);
  }
  await t.rejects(http2(port, { path: '/', headers: many(1000) }), 'far more end the stream');
  t.equal((await http2(port, { path: '/' })).status, 200);
});

t.test('close waits for calls in flight, and for nothing else', async (t) => {
  const { port, close, held } = await listening(t);
  const idle = wire(port, `${GET}\r\n`);
  await until(() => idle.text().includes('GET'));
  const silent = wire(port);
  await once(silent.socket, 'connect');
  const session = openSession(`http://127.0.0.1:${port}`);
  await once(session, 'remoteSettings');
  const one = wire(port, 'GET /hold HTTP/1.1\r\nHost: a\r\n\r\n');
  const stream = session.request({ ':path': '/hold' });
  await until(() => held.length === 2);
  const closed = close(60_000);
  await idle.closed;
  await silent.closed;
  await t.rejects(http1(port, {}), { code: 'ECONNREFUSED' });
  t.notOk(one.socket.closed);
  for (const response of held) response.end('held');
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  t.equal(text, 'held');
  await one.closed;
  t.match(one.text(), /held$/);
  await closed;
});

t.test('answers of a server that stops say that their connection is closed', async (t) => {
  const { port, close, held } = await listening(t);
  const call = 'GET /hold HTTP/1.1\r\nHost: a\r\n\r\n';
  const before = wire(port, call);
  await until(() => held.length === 1);
  held[0]?.writeHead(200, ['content-length', '4']).end('held');
  await until(() => before.text().endsWith('held'));
  t.notMatch(before.text(), /connection: close/i);
  const during = [wire(port, call), wire(port, call)];
  await until(() => held.length === 3);
  const closed = close(60_000);
  held[1]?.writeHead(200, ['content-length', '4']).end('held');
  held[2]?.end('held');
  for (const { text, closed: ended } of during) {
    await ended;
    t.match(text(), /connection: close\r\n[^]*held$/i);
  }
  await closed;
});

t.test('what is open after the grace is cut', async (t) => {
  const { port, close, held } = await listening(t);
  const one = wire(port, 'GET /hold HTTP/1.1\r\nHost: a\r\n\r\n');
  const session = openSession(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  const stream = session.request({ ':path': '/hold' });
  stream.on('error', () => undefined);
  await until(() => held.length === 2);
  await close(20);
  await one.closed;
  await until(() => session.closed);
  t.pass('both are closed');
});

t.test('idle connections are closed by themselves', async (t) => {
  const { port } = await listening(t, { keepAliveMs: 50 });
  const one = wire(port, `${GET}\r\n`);
  const session = openSession(`http://127.0.0.1:${port}`);
  await one.closed;
  t.match(one.text(), /^HTTP\/1.1 200/);
  await until(() => session.closed);
});

t.test('a session that is broken ends, with a call and without; a quiet one does not', async (t) => {
  const { port, held } = await listening(t, { keepAliveMs: 50, headersTimeoutMs: 300 });
  const start = Buffer.concat([Buffer.from(PREFACE), SETTINGS]);
  // A frame of headers whose block is `:method GET`, `:scheme http`, `:path /hold` and `:authority a`.
  const block = Buffer.from('82860405' + Buffer.from('/hold').toString('hex') + '010161', 'hex');
  const call = Buffer.concat([Buffer.from([0, 0, block.length, 1, 5, 0, 0, 0, 1]), block]);
  for (const before of [start, Buffer.concat([start, call])]) {
    const { socket, text, closed } = wire(port, Buffer.concat([before, Buffer.from(GET)]));
    await until(() => text().includes('too large frame'));
    socket.end();
    await closed;
  }
  t.equal(held.length, 1);
  const session = openSession(`http://127.0.0.1:${port}`);
  let pings = 0;
  session.on('ping', () => pings++);
  const stream = session.request({ ':path': '/hold' });
  await until(() => pings >= 5);
  held[1]?.end('held');
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  t.equal(text, 'held');
  session.close();
});

t.test('a port that is taken is an error', async (t) => {
  const { port } = await listening(t);
  await t.rejects(listening(t, { port }), { code: 'EADDRINUSE' });
});
