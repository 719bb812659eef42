/** What the router carries from caller to plugin and back over HTTP/1.1, and what it says of it. */
import { request as httpRequest } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { formatDuration } from '../../../server/plugin-host/router/duration.js';
import { until } from '../../helpers/eventually.js';
import { call, http1Plugin, mirror, rawCall, rawPlugin, routerLines, startHost } from './router-ground.js';

t.test('a call arrives with its method, path, query and body, and its answer comes back', async (t) => {
  const plugin = await http1Plugin(t, mirror);
  const host = await startHost(t);
  const id = host.provide('storage', [plugin.url]);
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
    const answer = await call(host, `/services/storage/${id}/Store?code=a%26b&url=x?y`, {
      method,
      body: 'hello',
    });
    t.equal(answer.status, 200, method);
    t.match(JSON.parse(answer.text), { method, url: '/storage.v1.S/Store?code=a%26b&url=x?y', size: 5 });
  }
  const picked = await call(host, '/services/storage/-/deep/er/Method', { method: 'GET' });
  t.match(JSON.parse(picked.text), { method: 'GET', url: '/storage.v1.S/deep/er/Method', size: 0 });
  const bare = await call(host, `/services/storage/${id}`, { method: 'GET' });
  t.match(JSON.parse(bare.text), { url: '/storage.v1.S/' }, 'a provider without a method is its root');
  const head = await call(host, `/services/storage/${id}/Get`, { method: 'HEAD' });
  t.match(head, { status: 200, text: '', complete: true });
  const elsewhere = await call(host, '/service/storage');
  t.equal(elsewhere.status, 418, 'what is not below /services/ is left to others');
  t.equal(plugin.opened(), 1, 'one connection carried all calls');
});

t.test('identity and hop-by-hop headers stay here, the caller is told by the router alone', async (t) => {
  const plugin = await http1Plugin(t, mirror);
  const host = await startHost(t);
  host.provide('storage', [plugin.url]);
  const { text } = await call(host, '/services/storage/-/Store', {
    headers: {
      connection: 'close, X-Secret-Hop',
      'x-secret-hop': '1',
      'keep-alive': 'timeout=9',
      'proxy-authorization': 'Basic x',
      'proxy-connection': 'keep-alive',
      te: 'trailers, deflate',
      'x-plugin-caller': 'somebody-else',
      x_plugin_caller: 'somebody-else',
      x_plugin_runtime_id: 'somebody-else',
      forwarded: 'for=1.2.3.4',
      'x-forwarded-for': '1.2.3.4',
      x_forwarded_host: 'a',
      'x-real-ip': '1.2.3.4',
      'x-own': 'kept',
      cookie: 'a=1',
    },
  });
  const { headers } = JSON.parse(text) as { headers: Record<string, string> };
  t.strictSame(Object.keys(headers).sort(), [
    'content-length',
    'cookie',
    'host',
    'te',
    'x-own',
    'x-plugin-caller',
  ]);
  t.match(headers, {
    'x-plugin-caller': host.caller.runtimeId,
    te: 'trailers',
    'x-own': 'kept',
    cookie: 'a=1',
  });
  t.equal(`http://${headers['host']}`, plugin.url, 'the host is the plugin’s');
});

t.test(
  'of an answer the connection’s headers stay here, several of a name and redirects go on',
  async (t) => {
    const plugin = await http1Plugin(t, (_, response) => {
      response.writeHead(302, [
        ...['location', 'http://169.254.169.254/'],
        ...['set-cookie', 'a=1', 'set-cookie', 'b=2'],
        ...['x-hop', '1', 'connection', 'X-Hop', 'keep-alive', 'timeout=77'],
      ]);
      response.end('elsewhere');
    });
    const host = await startHost(t);
    host.provide('storage', [plugin.url]);
    const answer = await call(host, '/services/storage/-/Get');
    t.match(answer, {
      status: 302,
      headers: { location: 'http://169.254.169.254/', 'set-cookie': ['a=1', 'b=2'] },
      text: 'elsewhere',
    });
    t.notOk('x-hop' in answer.headers);
    t.not(answer.headers['keep-alive'], 'timeout=77');
  },
);

t.test('statuses without a body, and a body without a length', async (t) => {
  const plugin = await rawPlugin(t, (socket) => {
    socket.on('data', (request) => {
      const path = /^GET (\S+)/.exec(request.toString())?.[1];
      if (path === '/s.v1.S/none') socket.write('HTTP/1.1 204 No Content\r\n\r\n');
      if (path === '/s.v1.S/same') socket.write('HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n');
      if (path === '/s.v1.S/early')
        socket.write(
          'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
        );
      if (path === '/s.v1.S/open') socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end');
    });
  });
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  const get = (name: string) => call(host, `/services/s/-/${name}`, { method: 'GET' });
  t.match(await get('none'), { status: 204, text: '', complete: true });
  t.match(await get('same'), { status: 304, text: '', complete: true });
  t.match(await get('early'), { status: 200, text: 'ok' });
  t.match(await get('open'), { status: 200, text: 'until the end', complete: true });
  t.equal(plugin.opened(), 1, 'only the last answer used its connection up');
});

t.test('trailers go both ways', async (t) => {
  const plugin = await http1Plugin(t, (request, response) => {
    request.resume().on('end', () => {
      response.writeHead(200, { trailer: 'x-sum' });
      response.write('body');
      response.addTrailers({ 'x-sum': `was ${request.trailers['x-count']}`, 'x-more': '2' });
      response.end();
    });
  });
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  const answer = await new Promise<IncomingMessage>((resolve) => {
    const request = httpRequest(
      { host: '127.0.0.1', port: host.port, path: '/services/s/-/M', method: 'POST' },
      (response) => response.resume().on('end', () => resolve(response)),
    );
    for (const [name, value] of Object.entries(host.identity)) request.setHeader(name, value);
    request.setHeader('trailer', 'x-count');
    request.write('some');
    request.addTrailers({ 'x-count': '7', 'x-plugin-caller': 'somebody-else' });
    request.end();
  });
  t.match(answer.trailers, { 'x-sum': 'was 7', 'x-more': '2' });
});

t.test('a stream flows both ways at once, each part as it comes', async (t) => {
  const plugin = await http1Plugin(t, (request, response) => {
    response.writeHead(200).flushHeaders();
    request.on('data', (chunk: Buffer) => response.write(`<${chunk.toString()}>`));
    request.on('end', () => response.end('bye'));
  });
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  let text = '';
  let head = false;
  let ended = false;
  const request = httpRequest(
    {
      ...{ host: '127.0.0.1', port: host.port, path: '/services/s/-/M', method: 'POST' },
      headers: host.identity,
    },
    (response) => {
      head = true;
      response.on('data', (chunk: Buffer) => (text += chunk.toString())).on('end', () => (ended = true));
    },
  );
  request.flushHeaders();
  await until(() => head);
  for (const part of ['one', 'two', 'three']) {
    request.write(part);
    await until(() => text.endsWith(`<${part}>`));
  }
  t.equal(host.router.inFlight(), 1);
  request.end();
  await until(() => ended);
  t.equal(text, '<one><two><three>bye');
  await until(() => host.router.inFlight() === 0);
});

t.test('a caller that reads slowly slows the plugin down, and the other way round', async (t) => {
  const total = 100 * 1024 * 1024;
  const chunk = Buffer.alloc(64 * 1024);
  let produced = 0;
  let received = 0;
  let release = false;
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.url === '/s.v1.S/Down') {
      for (; produced < total; produced += chunk.length)
        if (!response.write(chunk)) await new Promise((resolve) => response.once('drain', resolve));
      response.end();
      return;
    }
    while (!release) await delay(5);
    for await (const part of request) received += (part as Buffer).length;
    response.end(String(received));
  };
  const plugin = await http1Plugin(t, (request, response) => void serve(request, response));
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  const open = (name: string, method: string) =>
    httpRequest({
      host: '127.0.0.1',
      port: host.port,
      path: `/services/s/-/${name}`,
      method,
      headers: host.identity,
    });

  const down = open('Down', 'GET');
  const response = await new Promise<IncomingMessage>((resolve) => down.on('response', resolve).end());
  let last = -1;
  // Nobody reads: what the plugin makes comes to a stop.
  for (; last !== produced; await delay(200)) last = produced;
  t.ok(produced < total / 2, `the plugin stopped after ${produced} bytes`);
  let read = 0;
  for await (const part of response) read += (part as Buffer).length;
  t.equal(read, total);

  const up = open('Up', 'POST');
  let sent = 0;
  let answered: string | undefined;
  up.on('response', (answer) => {
    answer.on('data', (text: Buffer) => (answered = (answered ?? '') + text.toString()));
  });
  const sending = (async () => {
    for (; sent < total; sent += chunk.length)
      if (!up.write(chunk)) await new Promise((resolve) => up.once('drain', resolve));
    up.end();
  })();
  for (last = -1; last !== sent; await delay(200)) last = sent;
  t.ok(sent < total / 2, `the caller stopped after ${sent} bytes`);
  release = true;
  await sending;
  await until(() => answered === String(total));
});

t.test('what streams through arrives byte for byte, whatever the readers’ pace', async (t) => {
  const size = 24 * 1024 * 1024;
  const content = Buffer.alloc(size);
  for (let i = 0; i < size; i += 4) content.writeUInt32LE((i * 2_654_435_761) >>> 0, i);
  const plugin = await http1Plugin(t, (request, response) => {
    if (request.url === '/s.v1.S/Counted') response.setHeader('content-length', size);
    // Pieces of odd sizes, so that chunks and reads never fall together.
    const pieces = (function* () {
      for (let at = 0, step = 1; at < size; at += step, step = ((step * 7) % 300_007) + 1)
        yield content.subarray(at, at + step);
    })();
    Readable.from(pieces).pipe(response);
  });
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  const fetchAll = async (name: string, pauseEvery: number): Promise<Buffer> => {
    const response = await new Promise<IncomingMessage>((resolve) => {
      const path = `/services/s/-/${name}`;
      httpRequest({ host: '127.0.0.1', port: host.port, path, headers: host.identity }, resolve).end();
    });
    const parts: Buffer[] = [];
    for await (const part of response) {
      parts.push(part as Buffer);
      if (pauseEvery > 0 && parts.length % pauseEvery === 0) await delay(1);
    }
    return Buffer.concat(parts);
  };
  const asked: [string, number][] = [
    ['Counted', 0],
    ['Chunked', 0],
    ['Counted', 20],
    ['Chunked', 20],
    // Again, over connections whose buffers have been used.
    ['Chunked', 50],
    ['Counted', 50],
  ];
  for (const round of [asked.slice(0, 4), asked.slice(4)]) {
    const bodies = await Promise.all(round.map(([name, pause]) => fetchAll(name, pause)));
    for (const [i, body] of bodies.entries()) t.ok(body.equals(content), round[i]!.join(' '));
  }
});

t.test('connections are kept and shared; fifty calls at once need no more than fifty', async (t) => {
  const plugin = await http1Plugin(t, mirror);
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  for (let round = 0; round < 5; round += 1)
    await Promise.all(Array.from({ length: 50 }, () => call(host, '/services/s/-/M', { body: 'x' })));
  t.ok(plugin.opened() <= 50, `${plugin.opened()} connections for 250 calls`);
});

t.test(
  'a kept connection is left before the plugin closes it, and one that was closed is not used',
  async (t) => {
    let keep = 'timeout=1';
    const plugin = await rawPlugin(t, (socket) => {
      socket.on('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\nkeep-alive: ${keep}\r\ncontent-length: 0\r\n\r\n`);
        if (keep === 'timeout=60') socket.end();
      });
    });
    const host = await startHost(t);
    host.provide('s', [plugin.url]);
    await call(host, '/services/s/-/M');
    await call(host, '/services/s/-/M');
    t.equal(plugin.opened(), 2, 'a second is too short to rely on');
    keep = 'timeout=60';
    for (let i = 0; i < 5; i += 1) {
      t.equal((await call(host, '/services/s/-/M')).status, 200);
      await until(() => host.router.connections() === 0);
    }
  },
);

t.test('plugins of several targets are called one after another', async (t) => {
  const seen: string[] = [];
  const one = await http1Plugin(t, (_, response) => response.end(String(seen.push('one'))), {
    host: '127.0.0.2',
  });
  const two = await http1Plugin(t, (_, response) => response.end(String(seen.push('two'))), {
    host: '127.0.0.3',
  });
  const host = await startHost(t);
  host.provide('s', [one.url, two.url]);
  for (let i = 0; i < 6; i += 1) await call(host, '/services/s/-/M');
  t.equal(seen.filter((name) => name === 'one').length, 3);
});

t.test('a base URL with a path, and a slow first byte of a body', async (t) => {
  const plugin = await http1Plugin(t, mirror);
  const host = await startHost(t);
  host.provide('s', [`${plugin.url}/behind/this`]);
  const head = `POST /services/s/-/M HTTP/1.1\r\nhost: x\r\nx-plugin-runtime-id: ${host.caller.runtimeId}\r\nauthorization: Bearer ${host.caller.token}\r\n`;
  t.match(JSON.parse((await call(host, '/services/s/-/M')).text), { url: '/behind/this/s.v1.S/M' });
  const chunked = `${head}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n`;
  const all = await rawCall(host.port, chunked, (text) => text.includes('"size"'));
  t.match(all, /"size":11/);
  t.match(all, /"transfer-encoding":"chunked"/);
});

t.test(
  'a call is logged as it starts and as it ends, in the form that greps know, and counted',
  async (t) => {
    const plugin = await http1Plugin(t, mirror);
    const host = await startHost(t);
    const id = host.provide('storage', [plugin.url]);
    await call(host, '/services/storage/-/Store?secret=1', { method: 'GET' });
    await until(() => host.routed.length === 1);
    const [start, end] = routerLines(host);
    const { runtimeId } = host.caller;
    t.equal(start?.text, `[ROUTER] ${runtimeId} → ${id} /Store (service: storage)`);
    t.match(
      end?.text,
      new RegExp(`^\\[ROUTER\\] ${runtimeId} → ${id} /Store 200 \\(duration: [0-9.]+(µs|ms|s)\\)$`),
    );
    t.strictSame(host.routed[0]?.labels, {
      caller: runtimeId,
      provider: id,
      type: 'storage',
      method: 'Store',
      status: 200,
    });
    t.ok(host.routed[0]!.seconds > 0);
  },
);

t.test('durations as Go writes them', async (t) => {
  const texts: [number, string][] = [
    [0.0004, '0µs'],
    [0.429, '429µs'],
    [0.99996, '1ms'],
    [1.84, '1.8ms'],
    [2, '2ms'],
    [999.96, '1s'],
    [2_140, '2.1s'],
    [59_960, '1m0s'],
    [62_500, '1m2.5s'],
    [3_723_400, '1h2m3.4s'],
  ];
  for (const [milliseconds, text] of texts) t.equal(formatDuration(milliseconds), text, String(milliseconds));
});
