/** What the router holds for callers that do not read, all together. */
import { once } from 'node:events';
import type { ClientHttp2Session } from 'node:http2';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { createReadBuffers, READ_BYTES } from '../../../server/plugin-host/router/read-buffers.js';
import { collect } from '../../helpers/collect.js';
import { until } from '../../helpers/eventually.js';
import { h2cPlugin, http1Plugin, identityLines, startHost } from './router-ground.js';
import type { Host } from './router-ground.js';

const MANY = 100;
const PART = Buffer.alloc(1 << 20);
const PARTS = 16;
const BODY = PARTS * PART.length;

function reader(t: Test, host: Host): Socket {
  const socket = connect({ host: '127.0.0.1', port: host.port });
  t.teardown(() => socket.destroy());
  socket.on('error', () => undefined).pause();
  socket.write(
    `GET /services/s/-/Big HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${identityLines(host)}\r\n`,
  );
  return socket;
}

/** All that comes until the connection is closed, counted. */
async function readAll(socket: Socket): Promise<number> {
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => (bytes += chunk.length)).resume();
  await once(socket, 'close');
  return bytes;
}

/** Bytes of buffers that somebody still needs. */
const held = (): number => collect().arrayBuffers;

t.test('callers that do not read hold little together; all of them get everything in the end', async (t) => {
  const plugin = await http1Plugin(t, (_, response) => {
    response.writeHead(200, { 'content-length': BODY });
    for (let i = 0; i < PARTS; i += 1) response.write(PART);
    response.end();
  });
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  const before = held();
  const slow = Array.from({ length: MANY }, () => reader(t, host));
  const sent = (): number => [...plugin.sockets].reduce((sum, { bytesWritten }) => sum + bytesWritten, 0);
  for (let last = -1; last !== sent() || plugin.sockets.size < MANY; await delay(500)) last = sent();
  t.equal(host.router.inFlight(), MANY);
  const grown = held() - before;
  t.ok(grown < 40 << 20, `${Math.round(grown / 2 ** 20)} MiB`);
  t.ok((await readAll(reader(t, host))) > BODY);
  const got = await Promise.all(slow.map(readAll));
  t.ok(got.every((bytes) => bytes > BODY));
});

t.test('the read buffers of a host are bounded; what is lost may be made again', (t) => {
  const buffers = createReadBuffers();
  const taken = [];
  for (let one = buffers.take(); one !== undefined; one = buffers.take()) taken.push(one);
  t.equal(taken.length * READ_BYTES, 16 << 20);
  t.equal(new Set(taken).size, taken.length);
  const [given, left, twice] = taken;
  buffers.give(given!);
  t.equal(buffers.take(), given);
  t.equal(buffers.take(), undefined);
  buffers.leave(left!);
  buffers.leave(left!);
  t.not(buffers.take(), left);
  t.equal(buffers.take(), undefined);
  buffers.leave(twice!);
  t.ok(buffers.take());
  t.end();
});

t.test('the more calls on one HTTP/2 connection to a plugin, the less each may send ahead', async (t) => {
  const sessions: ClientHttp2Session[] = [];
  let calls = 0;
  const plugin = await h2cPlugin(t, (request, response) => {
    calls += 1;
    sessions.push(request.stream.session as unknown as ClientHttp2Session);
    response.write('begun');
  });
  const host = await startHost(t);
  host.provide('s', [plugin.url], { protocol: 'h2c' });
  const windowAt = async (count: number, bytes: number): Promise<void> => {
    while (readers.length < count) readers.push(reader(t, host));
    await until(() => calls === count && sessions[0]?.remoteSettings.initialWindowSize === bytes);
  };
  const readers: Socket[] = [];
  await windowAt(1, 1 << 20);
  await windowAt(9, 1 << 18);
  await windowAt(33, 1 << 16);
  for (const socket of readers.slice(1)) socket.destroy();
  await until(() => sessions[0]?.remoteSettings.initialWindowSize === 1 << 20);
  t.equal(host.router.inFlight(), 1);
});
