/** Callers that are still sending when they are answered, and those that leave while an answer of theirs waits behind another. */
import { connect as openSession, constants } from 'node:http2';
import type { IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { until } from '../../helpers/eventually.js';
import { http1Plugin, identityLines, rawPlugin, startHost } from './router-ground.js';

const UPLOAD = 64 << 20;
const PART = Buffer.alloc(1 << 20);
const TOO_MUCH = 'HTTP/1.1 413 Too Much\r\ncontent-length: 3\r\n\r\nbig';
const TRAILERS =
  'HTTP/1.1 413 Too Much\r\ntransfer-encoding: chunked\r\n\r\n3\r\nbig\r\n0\r\nx-sum: 7\r\n\r\n';

/** A plugin that reads nothing beyond its first bytes, and answers an upload when it is told to. */
async function unreading(t: Test, text = TOO_MUCH) {
  let answer = (): unknown => undefined;
  const plugin = await rawPlugin(t, (socket: Socket) => {
    socket.once('data', (head: Buffer) => {
      if (head.includes('/Next')) return socket.end('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext');
      socket.pause();
      return (answer = () => socket.write(text));
    });
  });
  return { ...plugin, answer: () => answer() };
}

/** Resolves when everything between the caller and the plugin is full: nothing more has gone for a while. */
async function stuck(sent: () => number): Promise<void> {
  for (let before = -1; before !== sent() || before === 0; await delay(300)) before = sent();
}

t.test('an answer before the upload is read: HTTP/1.1 may send the rest, and call again', async (t) => {
  const plugin = await unreading(t);
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  const socket = connect({ host: '127.0.0.1', port: host.port });
  t.teardown(() => socket.destroy());
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString()));
  const head = (path: string, length: number): string =>
    `POST ${path} HTTP/1.1\r\nhost: x\r\n${identityLines(host)}content-length: ${length}\r\n\r\n`;
  socket.write(head('/services/s/-/Up', UPLOAD));
  for (let sent = 0; sent < UPLOAD; sent += PART.length) socket.write(PART);
  await stuck(() => socket.bytesWritten - socket.writableLength);
  t.ok(socket.writableLength > 0);
  plugin.answer();
  await until(() => text.includes('big'));
  t.match(text, /^HTTP\/1\.1 413 /);
  await until(() => socket.writableLength === 0);
  socket.write(head('/services/s/-/Next', 0));
  await until(() => text.endsWith('next'));
});

for (const [what, plain] of Object.entries({ 'a length': TOO_MUCH, trailers: TRAILERS }))
  t.test(`an answer with ${what} before the upload is read: HTTP/2 is told to stop`, async (t) => {
    const plugin = await unreading(t, plain);
    const host = await startHost(t);
    host.provide('s', [plugin.url]);
    const session = openSession(`http://127.0.0.1:${host.port}`, { maxSessionMemory: 1_000 });
    session.on('error', () => undefined);
    t.teardown(() => session.destroy());
    const stream = session.request({ ':method': 'POST', ':path': '/services/s/-/Up', ...host.identity });
    let answer: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    let text = '';
    stream.on('error', () => undefined);
    stream.on('response', (headers) => (answer = headers));
    stream.on('trailers', (headers) => (trailers = headers));
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    for (let sent = 0; sent < UPLOAD; sent += PART.length) stream.write(PART);
    await stuck(() => session.socket.bytesWritten);
    plugin.answer();
    await until(() => stream.closed);
    t.equal(stream.rstCode, constants.NGHTTP2_NO_ERROR);
    t.equal(answer[':status'], 413);
    t.equal(text, 'big');
    if (plain === TRAILERS) t.match(trailers, { 'x-sum': '7' });
    t.equal(host.router.inFlight(), 0);
  });

t.test('pipelined calls end when their caller leaves, those that wait behind another one too', async (t) => {
  let open = 0;
  const plugin = await http1Plugin(t, (request, response) => {
    open += 1;
    response.on('close', () => (open -= 1));
    if (request.url === '/s.v1.S/Fast') response.end('fast');
    if (request.url === '/s.v1.S/Big') response.write(Buffer.alloc(1 << 20));
  });
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  const get = (method: string): string =>
    `GET /services/s/-/${method} HTTP/1.1\r\nhost: x\r\n${identityLines(host)}\r\n`;
  const fast = connect({ host: '127.0.0.1', port: host.port });
  let text = '';
  fast.on('data', (chunk) => (text += chunk.toString()));
  fast.write(get('Fast').repeat(50));
  await until(() => text.split('fast').length === 51);
  const slow = connect({ host: '127.0.0.1', port: host.port });
  slow.write(get('Slow') + get('Big') + get('Slow').repeat(20));
  await until(() => open === 22);
  slow.destroy();
  await until(() => open === 0 && host.router.inFlight() === 0);
  t.equal(host.routed.filter(({ labels }) => labels['status'] === 499).length, 22);
  t.equal(host.routed.length, 72);
  fast.destroy();
});
