/** What the router answers when a call is wrong, a plugin is away, breaks off or babbles, or the caller leaves. */
import { request as httpRequest } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import t from 'tap';
import { until } from '../../helpers/eventually.js';
import {
  call,
  errorOf,
  http1Plugin,
  identityLines,
  mirror,
  rawCall,
  rawPlugin,
  refusing,
  routerLines,
  startHost,
} from './router-ground.js';
import type { Host } from './router-ground.js';
import { probe } from './registry-host.js';

/** A GET whose head is written byte by byte as given; the answer's status and error. */
async function rawGet(host: Host, target: string, headers = identityLines(host)) {
  const text = await rawCall(
    host.port,
    `GET ${target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n${headers}\r\n`,
    () => false,
  );
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
  const body = /\{.*\}/s.exec(text)?.[0] ?? '{}';
  return { status, error: JSON.parse(body) as { code?: string; message?: string } };
}

t.test('paths that could mean two things are refused before anybody is asked', async (t) => {
  let asked = 0;
  const plugin = await http1Plugin(t, (_, response) => response.end(String((asked += 1))));
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  const bad = [
    '/services/s/-/../../connectplugin.v1.ServiceRegistry/RegisterService',
    '/services/../s/-/M',
    '/services/s/-/a/..',
    '/services/s/-/.',
    '/services/s/-/..;x=1/M',
    '/services/s/-/%2e%2e/M',
    '/services/s/-/.%2E/M',
    '/services/s/-/a%2fb',
    '/services/s/-/a%2Fb',
    '/services/s/-/a%5cb',
    '/services/s/-/a\\b',
    '/services/s/-/a%00b',
    '/services/s/-/a%0d%0aHost:%20x',
    '/services/s/-/a%zz',
    '/services/s/-/a%2',
    '/services/s/-/a"b',
    '/services/s/-/a#b',
    '/services/s/-/M?a=b#c',
    '/services/s',
    'http://evil.example/services/s/-/M',
    'HTTP://127.0.0.1/services/s/-/M',
  ];
  for (const target of bad)
    t.match(await rawGet(host, target), { status: 400, error: { code: 'invalid_argument' } }, target);
  t.equal((await rawGet(host, '/services/s/-/a\0b')).status, 400);
  t.equal(asked, 0);
  for (const fine of [
    '/services/s/-/a.b/.c..d/M',
    '/services/s/-/a%20b~!$&()*+,;=:@',
    '/services/s/-/M?u=http://x/../y%2f',
  ])
    t.equal((await rawGet(host, fine)).status, 200, fine);
});

t.test('a caller must say once who it is', async (t) => {
  const plugin = await http1Plugin(t, mirror);
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  const other = host.registry.admit({
    ...{ selfId: 'other', selfVersion: '1.0.0', origin: 'managed', baseUrls: [], provides: [], requires: {} },
  });
  const id = `x-plugin-runtime-id: ${host.caller.runtimeId}\r\n`;
  const token = `authorization: Bearer ${host.caller.token}\r\n`;
  const table: [string, string][] = [
    ['none', ''],
    ['no token', id],
    ['no id', token],
    ['a wrong token', `${id}authorization: Bearer nonsense\r\n`],
    ['no bearer', `${id}authorization: Basic ${host.caller.token}\r\n`],
    ['another plugin’s token', `${id}authorization: Bearer ${other.token}\r\n`],
    ['a doubled id', id + id + token],
    ['two ids', `${id}X-Plugin-Runtime-ID: ${other.runtimeId}\r\n${token}`],
    ['a doubled token', id + token + token],
    ['an empty id', `x-plugin-runtime-id:\r\n${token}`],
    ['a huge token', `${id}authorization: Bearer ${'x'.repeat(20_000)}\r\n`],
  ];
  for (const [what, headers] of table)
    t.match(
      await rawGet(host, '/services/s/-/M', headers),
      { status: 401, error: { code: 'unauthenticated' } },
      what,
    );
  t.equal(plugin.opened(), 0);
  t.notOk(
    host.lines.some(({ text }) => text.includes(host.caller.token)),
    'no token is logged',
  );
});

t.test('timeouts and lengths that are none', async (t) => {
  const plugin = await http1Plugin(t, mirror);
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  for (const header of [
    'connect-timeout-ms: -1',
    'connect-timeout-ms: 1e3',
    'connect-timeout-ms: 12345678901',
    'grpc-timeout: 5',
    'grpc-timeout: 123456789S',
  ])
    t.match(
      await rawGet(host, '/services/s/-/M', `${identityLines(host)}${header}\r\n`),
      { status: 400, error: { code: 'invalid_argument' } },
      header,
    );
  // Two lengths, or a length and chunks: the request could be read in two ways.
  for (const framing of [
    'content-length: 1\r\ncontent-length: 2',
    'content-length: 1\r\ntransfer-encoding: chunked',
  ]) {
    const text = await rawCall(
      host.port,
      `POST /services/s/-/M HTTP/1.1\r\nhost: x\r\n${identityLines(host)}${framing}\r\n\r\n0\r\n\r\n`,
      () => false,
    );
    t.match(text, /^HTTP\/1\.1 400 /, framing);
  }
  t.equal(plugin.opened(), 0);
});

t.test('who is not there, or not well', async (t) => {
  const plugin = await http1Plugin(t, mirror);
  const host = await startHost(t);
  const id = host.provide('s', [plugin.url]);
  for (const path of [
    '/services/nothing/-/M',
    '/services/s/nobody/M',
    `/services/other/${id}/M`,
    '/services//-/M',
  ]) {
    const answer = await call(host, path);
    t.match(answer, { status: 404, headers: { 'content-type': 'application/json' } }, path);
    t.equal(errorOf(answer).code, 'not_found');
  }
  probe(host.registry).alive(id, { state: 'unhealthy', reason: 'disk full', unavailableDependencies: [] });
  const sick = await call(host, `/services/s/${id}/M`);
  t.equal(sick.status, 503);
  t.match(errorOf(sick), { code: 'unavailable', message: /disk full/ });
  t.ok(routerLines(host).some(({ level, text }) => level === 'warn' && text.includes('503')));
});

t.test('a plugin that refuses the connection is unroutable from then on, until it answers', async (t) => {
  const url = await refusing();
  const host = await startHost(t);
  const id = host.provide('s', [url]);
  const first = await call(host, `/services/s/${id}/M`, { body: 'x' });
  t.equal(first.status, 502);
  t.match(errorOf(first), { code: 'unavailable', message: /ECONNREFUSED.*nothing was sent/ });
  t.equal(first.headers['x-plugin-not-sent'], '1', 'for programs too');
  t.equal((await call(host, `/services/s/${id}/M`)).status, 503, 'the second call is not tried');
  probe(host.registry).alive(id);
  t.equal(
    (await call(host, `/services/s/${id}/M`)).status,
    502,
    'it is tried again when it is said to answer',
  );
});

t.test(
  'a call for any provider goes to another when the first refuses; a call for one does not',
  async (t) => {
    const gone = await refusing();
    const plugin = await http1Plugin(t, mirror);
    const host = await startHost(t);
    const first = host.provide('s', [gone]);
    const second = host.provide('s', [plugin.url]);
    t.equal((await call(host, `/services/s/${first}/M`, { body: 'hello' })).status, 502);
    probe(host.registry).alive(first);
    const answer = await call(host, '/services/s/-/M', { body: 'hello' });
    t.equal(answer.status, 200);
    t.match(JSON.parse(answer.text), { size: 5 }, 'with its whole body');
    t.equal(host.routed.at(-1)?.labels['provider'], second);
    t.equal(host.registry.plugin(first)?.routable, false);
  },
);

t.test('of several targets of one provider the next is taken', async (t) => {
  const gone = await refusing();
  const plugin = await http1Plugin(t, mirror);
  const host = await startHost(t);
  const id = host.provide('s', [gone, plugin.url]);
  for (let i = 0; i < 4; i += 1)
    t.equal((await call(host, `/services/s/${id}/M`, { body: 'x' })).status, 200);
});

t.test('nothing is sent twice: what broke off after it was sent is told as such', async (t) => {
  let seen = 0;
  const broken = await rawPlugin(t, (socket) => socket.on('data', () => (seen += 1) && socket.destroy()));
  const plugin = await http1Plugin(t, mirror);
  const host = await startHost(t);
  host.provide('s', [broken.url]);
  host.provide('s', [plugin.url]);
  const answer = await call(host, '/services/s/-/M', { body: 'x' });
  t.equal(answer.status, 502);
  t.match(errorOf(answer), { code: 'unavailable', message: /unknown/ });
  t.notOk('x-plugin-not-sent' in answer.headers);
  t.equal(seen, 1);
  t.equal(plugin.opened(), 0);
});

t.test('a kept connection that dies under a call: told, and not sent again', async (t) => {
  let calls = 0;
  const plugin = await rawPlugin(t, (socket) => {
    let first = true;
    socket.on('data', () => {
      calls += 1;
      if (first) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
      else socket.resetAndDestroy();
      first = false;
    });
  });
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  t.equal((await call(host, '/services/s/-/M')).status, 200);
  const second = await call(host, '/services/s/-/M');
  t.equal(second.status, 502);
  t.match(errorOf(second).message, /unknown/);
  t.equal(calls, 2);
});

t.test(
  'answers that two readers could read differently are refused, and nobody else sees them',
  async (t) => {
    const table: [string, string][] = [
      ['two framings', 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
      ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc'],
      ['a length that is none', 'HTTP/1.1 200 OK\r\ncontent-length: +3\r\n\r\nabc'],
      ['an unknown encoding', 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
      ['a folded header', 'HTTP/1.1 200 OK\r\na: b\r\n c: d\r\ncontent-length: 0\r\n\r\n'],
      ['a space before the colon', 'HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n'],
      ['a bare line feed', 'HTTP/1.1 200 OK\r\na: b\nx-injected: 1\r\ncontent-length: 0\r\n\r\n'],
      ['no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n\r\n'],
      ['HTTP/2', 'HTTP/2 200 OK\r\n\r\n'],
      ['an upgrade', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n'],
      ['an endless head', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(20_000)}`],
    ];
    let bytes = '';
    const plugin = await rawPlugin(t, (socket) => socket.on('data', () => socket.write(bytes)));
    const host = await startHost(t);
    host.provide('s', [plugin.url]);
    for (const [what, answer] of table) {
      bytes = answer;
      const got = await call(host, '/services/s/-/M');
      t.equal(got.status, 502, what);
      t.equal(errorOf(got).code, 'unavailable');
    }
    bytes =
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison';
    t.match(await call(host, '/services/s/-/M'), { status: 200, text: 'ok' });
    bytes = 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine';
    t.match(
      await call(host, '/services/s/-/M'),
      { status: 200, text: 'fine' },
      'the next caller gets its own answer',
    );
  },
);

t.test('an answer that breaks off never ends cleanly for the caller', async (t) => {
  const heads: Record<string, string> = {
    counted: 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf',
    chunked: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n',
    'in a chunk': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\nhalf',
    'a bad chunk': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalfXX0\r\n\r\n',
  };
  const plugin = await rawPlugin(t, (socket) =>
    socket.on('data', (request) => {
      const name = decodeURIComponent(/\/s\.v1\.S\/(\S+)/.exec(request.toString())?.[1] ?? '');
      socket.write(heads[name] ?? '');
      setImmediate(() => socket.destroy());
    }),
  );
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  for (const name of Object.keys(heads)) {
    const answer = await call(host, `/services/s/-/${encodeURIComponent(name)}`).catch(
      (error: Error) => error,
    );
    if (answer instanceof Error) t.match(answer, { code: 'ECONNRESET' }, name);
    else t.notOk(answer.complete && answer.status === 200, name);
  }
  // To a caller of HTTP/1.0 the connection's end is the answer's: it must be a reset.
  const old = `GET /services/s/-/chunked HTTP/1.0\r\n${identityLines(host)}\r\n`;
  await t.rejects(
    rawCall(host.port, old, () => false),
    { code: 'ECONNRESET' },
  );
  await until(() => host.router.inFlight() === 0);
  t.ok(host.routed.every(({ labels }) => labels['status'] === 502));
});

t.test('a caller that leaves takes its call to the plugin along', async (t) => {
  const open = new Set<Socket>();
  let whole = 0;
  const plugin = await http1Plugin(t, (request, response) => {
    open.add(request.socket);
    request.socket.on('close', () => open.delete(request.socket));
    request.on('end', () => (whole += 1)).resume();
    if (request.url === '/s.v1.S/Stream') response.write('first');
  });
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  const start = (method: string, name: string) => {
    const request = httpRequest({
      ...{
        host: '127.0.0.1',
        port: host.port,
        path: `/services/s/-/${name}`,
        method,
        headers: host.identity,
      },
    });
    request.on('error', () => undefined);
    return request;
  };
  const waiting = start('GET', 'Wait').end();
  await until(() => open.size === 1);
  waiting.destroy();
  await until(() => open.size === 0);

  const streaming = start('GET', 'Stream');
  const response = await new Promise<IncomingMessage>((resolve) => streaming.on('response', resolve).end());
  response.on('error', () => undefined);
  streaming.destroy();
  await until(() => open.size === 0);

  const before = whole;
  const sending = start('POST', 'Wait');
  sending.write('half of it');
  await until(() => open.size === 1);
  sending.destroy();
  await until(() => open.size === 0);
  t.equal(whole, before, 'half a request never looked like a whole one');
  await until(() => host.routed.length === 3);
  t.ok(host.routed.every(({ labels }) => labels['status'] === 499));
});

t.test(
  'deadlines: the caller’s own, and the host’s for a plugin that does not begin to answer',
  async (t) => {
    const open = new Set<Socket>();
    const plugin = await http1Plugin(t, (request, response) => {
      open.add(request.socket);
      request.socket.on('close', () => open.delete(request.socket));
      if (request.url === '/s.v1.S/Half') response.write('half');
    });
    const host = await startHost(t, { router: { headersMs: 300 } });
    host.provide('s', [plugin.url]);
    for (const headers of [{ 'connect-timeout-ms': '50' }, { 'grpc-timeout': '50m' }]) {
      const answer = await call(host, '/services/s/-/M', { headers });
      t.equal(answer.status, 504);
      t.match(errorOf(answer), { code: 'deadline_exceeded', message: /50 ms/ });
    }
    const half = await call(host, '/services/s/-/Half', { headers: { 'connect-timeout-ms': '200' } }).catch(
      () => undefined,
    );
    t.not(half?.complete, true, 'a stream that runs out of time is reset');
    const silent = await call(host, '/services/s/-/M');
    t.equal(silent.status, 504);
    t.match(errorOf(silent), { code: 'deadline_exceeded', message: /unknown/ });
    await until(() => open.size === 0);
  },
);

t.test('a plugin that takes longer than most: the deadline counts, and streams may be silent', async (t) => {
  const plugin = await http1Plugin(t, (_request, response) => setTimeout(() => response.end('late'), 3_000));
  const host = await startHost(t, { router: { headersMs: 300 } });
  host.provide('s', [plugin.url]);
  const answers = await Promise.all(
    [
      { 'connect-timeout-ms': '60000' },
      { 'content-type': 'application/connect+json' },
      { 'content-type': 'application/json' },
    ].map((headers) => call(host, '/services/s/-/M', { headers })),
  );
  t.same(
    answers.map(({ status }) => status),
    [200, 200, 504],
  );
});

t.test('a body that is longer or shorter than was said', async (t) => {
  let whole = 0;
  const plugin = await http1Plugin(t, (request, response) => {
    request.resume().on('end', () => {
      whole += 1;
      response.end();
    });
  });
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  const head = `POST /services/s/-/M HTTP/1.1\r\nhost: x\r\n${identityLines(host)}content-length: 5\r\n`;
  const text = await rawCall(
    host.port,
    `${head}\r\nhelloGET /services/s/-/Smuggled HTTP/1.1\r\nhost: x\r\n\r\n`,
    (got) => got.includes('401'),
  );
  t.match(text, /^HTTP\/1\.1 200 /);
  t.match(text, /HTTP\/1\.1 401 /, 'what follows is a request of its own, and has to say who it is');
  t.equal(whole, 1);
});

t.test('a plugin that answers before it has read everything', async (t) => {
  const plugin = await http1Plugin(t, (_, response) => response.writeHead(413).end('too much'));
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  const answer = await call(host, '/services/s/-/M', { body: Buffer.alloc(300_000) });
  t.match(answer, { status: 413, text: 'too much', complete: true });
  t.equal((await call(host, '/services/s/-/M')).status, 413);
});

t.test('a connection that breaks takes those with it that are idle: the plugin may be gone', async (t) => {
  const waiting: ServerResponse[] = [];
  const plugin = await http1Plugin(t, (request, response) => {
    if (request.url === '/s.v1.S/Dies') return request.socket.resetAndDestroy();
    if (request.url === '/s.v1.S/Ends') return response.end();
    // Two at once, each on a connection of its own.
    if (waiting.push(response) === 2) for (const each of waiting.splice(0)) each.end();
  });
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  const both = (): Promise<unknown> =>
    Promise.all(['A', 'B'].map((method) => call(host, `/services/s/-/${method}`)));
  await both();
  await both();
  t.equal(plugin.opened(), 2, 'both are kept');
  t.equal((await call(host, '/services/s/-/Dies')).status, 502);
  t.equal((await call(host, '/services/s/-/Ends')).status, 200);
  t.equal(plugin.opened(), 3, 'the next call has a connection of its own');
});
