/** HTTP/2 on either side of the router: trailers, gRPC's shape of answers, streams, resets. */
import { connect, constants } from 'node:http2';
import type {
  ClientHttp2Session,
  ClientHttp2Stream,
  IncomingHttpHeaders,
  OutgoingHttpHeaders,
} from 'node:http2';
import t from 'tap';
import type { Test } from 'tap';
import { until } from '../../helpers/eventually.js';
import { call, h2cPlugin, http1Plugin, mirror, refusing, startHost } from './router-ground.js';
import type { Host } from './router-ground.js';

const H2C = { protocol: 'h2c' };

function session(t: Test, { port }: Host): ClientHttp2Session {
  const client = connect(`http://127.0.0.1:${port}`);
  client.on('error', () => undefined);
  t.teardown(() => client.destroy());
  return client;
}

interface Answer {
  headers: IncomingHttpHeaders;
  trailers: IncomingHttpHeaders | undefined;
  text: string;
  /** Whether the head was the end as well. */
  headOnly: boolean;
  code: number | undefined;
}

const ask = (host: Host, client: ClientHttp2Session, path: string, more: OutgoingHttpHeaders = {}) =>
  client.request({ ':method': 'POST', ':path': path, ...host.identity, ...more });

function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  return new Promise((resolve) => {
    const answer: Answer = { headers: {}, trailers: undefined, text: '', headOnly: false, code: undefined };
    stream.on('response', (headers, flags) => {
      answer.headers = headers;
      answer.headOnly = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    });
    stream.on('trailers', (trailers) => (answer.trailers = trailers));
    stream.on('data', (chunk: Buffer) => (answer.text += chunk.toString()));
    stream.on('error', () => undefined);
    stream.on('close', () => {
      answer.code = stream.rstCode;
      resolve(answer);
    });
  });
}

t.test('a caller of HTTP/2 reaches a plugin of HTTP/1.1, trailers and cookies included', async (t) => {
  const plugin = await http1Plugin(t, (request, response) => {
    if (request.url === '/s.v1.S/Mirror?q=1') return mirror(request, response);
    request.resume().on('end', () => {
      response.writeHead(200, { connection: 'close', 'set-cookie': ['a=1', 'b=2'] });
      response.write('body');
      response.addTrailers({ 'x-sum': String(request.trailers['x-count']) });
      response.end();
    });
  });
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  const client = session(t, host);
  const seen = ask(host, client, '/services/s/-/Mirror?q=1', { cookie: ['a=1', 'b=2'] });
  seen.end('hello');
  const mirrored = JSON.parse((await answerOf(seen)).text) as {
    size: number;
    headers: Record<string, string>;
  };
  t.match(mirrored, { method: 'POST', url: '/s.v1.S/Mirror?q=1', size: 5, headers: { cookie: 'a=1; b=2' } });
  t.notOk('authorization' in mirrored.headers);

  const stream = client.request(
    { ':method': 'POST', ':path': '/services/s/-/Trailers', ...host.identity },
    { waitForTrailers: true },
  );
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-count': '7' }));
  stream.end('some');
  const answer = await answerOf(stream);
  t.match(answer, {
    headers: { ':status': 200, 'set-cookie': ['a=1', 'b=2'] },
    text: 'body',
    trailers: { 'x-sum': '7' },
  });
  t.notOk('connection' in answer.headers);
});

t.test('answers without a body, and those with a length, over HTTP/2', async (t) => {
  const plugin = await http1Plugin(t, (request, response) => {
    const status = Number(request.url?.slice('/s.v1.S/'.length));
    response
      .writeHead(status, status === 200 ? { 'content-length': 5 } : {})
      .end(status === 200 ? 'hello' : '');
  });
  const h2c = await h2cPlugin(t, (_, response) =>
    response.writeHead(200, { 'content-length': 5 }).end('hello'),
  );
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  host.provide('two', [h2c.url], H2C);
  const client = session(t, host);
  const get = (path: string, method = 'GET') => {
    const stream = ask(host, client, path, { ':method': method });
    stream.end();
    return answerOf(stream);
  };
  t.match(await get('/services/s/-/200'), {
    headers: { ':status': 200, 'content-length': '5' },
    text: 'hello',
    code: 0,
  });
  t.match(await get('/services/s/-/200', 'HEAD'), { headers: { 'content-length': '5' }, text: '', code: 0 });
  t.match(await get('/services/two/-/x'), { headers: { 'content-length': '5' }, text: 'hello', code: 0 });
  t.match(await get('/services/two/-/x', 'HEAD'), { headers: { 'content-length': '5' }, text: '', code: 0 });
  for (const status of [204, 304])
    t.match(await get(`/services/s/-/${status}`), { headers: { ':status': status }, text: '', code: 0 });
});

t.test('errors of the router over HTTP/2', async (t) => {
  const host = await startHost(t);
  host.provide('s', [await refusing()]);
  const client = session(t, host);
  const table: [string, OutgoingHttpHeaders, number][] = [
    ['/services/s/-/M', { authorization: 'Bearer x' }, 401],
    ['/services/none/-/M', {}, 404],
    ['/services/s/-/M', {}, 502],
    ['/services/s/-/../M', {}, 400],
  ];
  for (const [path, headers, status] of table) {
    const stream = ask(host, client, path, headers);
    stream.end('x');
    const answer = await answerOf(stream);
    t.match(answer, { headers: { ':status': status, 'content-type': 'application/json' }, code: 0 }, path);
    t.ok((JSON.parse(answer.text) as { code: string }).code);
  }
});

t.test(
  'to a plugin of h2c: trailers, answers that are a head alone, and callers of both kinds',
  async (t) => {
    const plugin = await h2cPlugin(t, (request, response) => {
      const { stream } = response;
      request.resume();
      if (request.url === '/s.v1.S/HeadOnly')
        return stream.respond(
          { 'content-type': 'application/grpc', 'grpc-status': '5' },
          { endStream: true },
        );
      let size = 0;
      request.on('data', (chunk: Buffer) => (size += chunk.length));
      request.on('end', () => {
        stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true });
        response.addTrailers({
          'grpc-status': '0',
          'x-count': String(request.trailers['x-count']),
          'x-te': String(request.headers['te']),
        });
        stream.end(
          `${request.method} ${request.url} ${size} for ${String(request.headers['x-plugin-caller'])}`,
        );
      });
    });
    const host = await startHost(t);
    host.provide('s', [plugin.url], H2C);
    const client = session(t, host);
    const whole = `POST /s.v1.S/M 4 for ${host.caller.runtimeId}`;

    const stream = client.request(
      { ':method': 'POST', ':path': '/services/s/-/M', te: 'trailers', ...host.identity },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-count': '7' }));
    stream.end('some');
    t.match(await answerOf(stream), {
      text: whole,
      trailers: { 'grpc-status': '0', 'x-count': '7', 'x-te': 'trailers' },
    });

    const bare = ask(host, client, '/services/s/-/HeadOnly', { 'content-type': 'application/grpc' });
    bare.end();
    t.match(await answerOf(bare), { headers: { 'grpc-status': '5' }, headOnly: true, code: 0 });

    const old = await call(host, '/services/s/-/M', { body: 'some' });
    t.match(old, { status: 200, text: whole, trailers: { 'grpc-status': '0' } }, 'a caller of HTTP/1.1');
    await Promise.all(Array.from({ length: 50 }, () => call(host, '/services/s/-/M', { body: 'some' })));
    t.equal(plugin.opened(), 1, 'one connection for all');
  },
);

t.test('gRPC goes by HTTP/2 to a plugin that did not say so', async (t) => {
  const plugin = await h2cPlugin(t, (request, response) => response.end(request.httpVersion));
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  const stream = ask(host, session(t, host), '/services/s/-/M', { 'content-type': 'application/grpc+proto' });
  stream.end();
  t.match(await answerOf(stream), { text: '2.0' });
});

t.test(
  'a stream of HTTP/2 flows both ways as it comes, and 30 MiB with a slow reader are bounded',
  async (t) => {
    const chunk = Buffer.alloc(64 * 1024);
    const total = 30 * 1024 * 1024;
    let produced = 0;
    const plugin = await h2cPlugin(t, (request, response) => {
      response.stream.respond({ ':status': 200 });
      if (request.url === '/s.v1.S/Down') {
        const more = (): void => {
          for (; produced < total;) {
            produced += chunk.length;
            if (!response.stream.write(chunk)) return void response.stream.once('drain', more);
          }
          response.stream.end();
        };
        return more();
      }
      request.on('data', (part: Buffer) => response.stream.write(`<${part.toString()}>`));
      request.on('end', () => response.stream.end('bye'));
    });
    const host = await startHost(t);
    host.provide('s', [plugin.url], H2C);
    const client = session(t, host);
    const both = ask(host, client, '/services/s/-/Both');
    let text = '';
    both.on('data', (part: Buffer) => (text += part.toString()));
    for (const part of ['one', 'two']) {
      both.write(part);
      await until(() => text.endsWith(`<${part}>`));
    }
    both.end();
    await until(() => text.endsWith('bye'));

    const down = ask(host, client, '/services/s/-/Down');
    down.end();
    await new Promise((resolve) => down.once('response', resolve));
    down.pause();
    let last = -1;
    while (last !== produced) {
      last = produced;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    t.ok(produced < total, `the plugin stopped after ${produced} bytes`);
    let read = 0;
    down.on('data', (part: Buffer) => (read += part.length)).resume();
    await until(() => read === total);
  },
);

t.test('what breaks off is a reset on the other side, never an end', async (t) => {
  let resets = 0;
  let ends = 0;
  const plugin = await h2cPlugin(t, (request, response) => {
    const { stream } = response;
    stream.on('error', () => undefined);
    stream.on('close', () => (resets += stream.rstCode === 0 ? 0 : 1));
    request.on('end', () => (ends += stream.rstCode === 0 && !stream.aborted ? 1 : 0)).resume();
    if (request.url === '/s.v1.S/Wait') return;
    stream.respond({ ':status': 200 });
    stream.write('half');
    if (request.url === '/s.v1.S/Reset') setImmediate(() => stream.destroy(new Error('reset')));
    if (request.url === '/s.v1.S/Die') setImmediate(() => stream.session?.destroy());
  });
  const http1 = await http1Plugin(t, (request, response) => {
    response.write('half');
    setImmediate(() => request.socket.destroy());
  });
  const host = await startHost(t);
  host.provide('s', [plugin.url], H2C);
  host.provide('one', [http1.url]);
  const client = session(t, host);
  for (const path of ['/services/s/-/Reset', '/services/s/-/Die', '/services/one/-/M']) {
    const stream = ask(host, client, path);
    stream.end();
    const answer = await answerOf(stream);
    t.not(answer.code, 0, path);
    const old = await call(host, path).catch(() => undefined);
    t.not(old?.complete, true, `${path} for a caller of HTTP/1.1`);
  }
  const before = { resets, ends };
  const leaving = ask(host, client, '/services/s/-/Wait');
  leaving.on('error', () => undefined);
  leaving.write('half');
  await until(() => host.router.inFlight('-') === 0 && host.router.inFlight() === 1);
  leaving.destroy(new Error('left'));
  await until(() => resets > before.resets);
  t.equal(ends, before.ends, 'half a request never looked like a whole one');
  await until(() => host.router.inFlight() === 0);
});

t.test('a plugin of h2c that is away, and one that comes back', async (t) => {
  const url = await refusing();
  const host = await startHost(t);
  const id = host.provide('s', [url], H2C);
  t.equal((await call(host, '/services/s/-/M')).status, 502);
  t.equal(host.registry.plugin(id)?.routable, false);
  const plugin = await h2cPlugin(t, (_, response) => response.end('here'));
  host.registry.setTargets(id, [plugin.url]);
  t.equal((await call(host, '/services/s/-/M')).text, 'here');
  for (const socket of plugin.sockets) socket.destroy();
  await until(() => host.router.connections() === 0);
  t.equal((await call(host, '/services/s/-/M')).text, 'here', 'by a new connection');
});
