/** What managed plugins are told of who they are, and when: a connection tells that one was away, and nothing else does. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { createTether } from '../../../server/plugin-host/managed/tether.js';
import { until } from '../../helpers/eventually.js';
import { manage, plugin, states } from './managed-ground.js';
import type { Given } from './managed-ground.js';
import { call } from './router-ground.js';

t.test(
  'a server that cuts silent connections is told who it is once, and again when it was away',
  async (t) => {
    const one = await plugin(t, { selfId: 'one', provides: ['s'], headersTimeoutMs: 500 });
    const { host, manager } = await manage(t, [{ name: 'one', url: one.url }], { talkMs: 10 });
    await until(() => states(manager)['one'] === 'running');
    // As often as this only well after its time for a silent connection.
    await until(() => one.asked() > 100);
    t.equal(one.given.length, 1, 'nothing is told it while it is there');
    await one.stop();
    const again = await plugin(t, { selfId: 'one', provides: ['s'], port: one.port });
    await until(() => again.given.length > 0);
    t.strictSame(again.given[0], one.given[0] as Given);
    t.equal((await call(host, '/services/s/-/M')).status, 200);
  },
);

/** A server that answers anything with 204; `keeps` says what it does with the connection then. */
async function answering(t: Test, keeps: boolean) {
  const open = new Set<Socket>();
  let connections = 0;
  let questions = '';
  const server = createServer((socket) => {
    connections += 1;
    open.add(socket.on('error', () => undefined).on('close', () => open.delete(socket)));
    socket.on('data', (bytes: Buffer) => {
      questions += bytes.toString();
      const answer = 'HTTP/1.1 204 No Content\r\n\r\n';
      if (keeps) socket.write(answer);
      else socket.end(answer);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  const cut = (): void => open.forEach((socket) => void socket.destroy());
  t.teardown(() => {
    cut();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${port}/base/`,
    connections: () => connections,
    questions: () => questions.split('\r\n\r\n').slice(0, -1),
    isHeld: () => open.size > 0,
    cut,
  };
}

t.test('one connection is asked again and again, whatever the answer is', async (t) => {
  const server = await answering(t, true);
  const hold = createTether(server.url, 1);
  const held = hold(new AbortController().signal);
  await until(() => server.questions().length > 5);
  t.equal(server.connections(), 1);
  t.match(
    server.questions()[0],
    /^POST \/base\/connectplugin\.v1\.PluginIdentity\/GetPluginInfo HTTP\/1\.1\r\n/,
  );
  server.cut();
  await held;
});

t.test('a server that keeps no connection beyond its answer is held by a silent one', async (t) => {
  const server = await answering(t, false);
  const hold = createTether(server.url, 1);
  const { signal } = new AbortController();
  await hold(signal);
  t.equal(server.questions().length, 1);
  const held = hold(signal);
  await until(() => server.connections() === 2 && server.isHeld());
  server.cut();
  await held;
  t.equal(server.questions().length, 1, 'it was asked nothing');
  await hold(signal);
  t.equal(server.questions().length, 2, 'one that cuts silent ones may keep others by now');
});

t.test('nobody there, and one who wants it no more', async (t) => {
  const server = await answering(t, true);
  const leaving = new AbortController();
  const held = createTether(server.url, 1)(leaving.signal);
  await until(() => server.isHeld());
  leaving.abort();
  await held;
  await until(() => !server.isHeld());
  await createTether(server.url, 1)(leaving.signal);
  await createTether('http://127.0.0.1:1', 1)(new AbortController().signal);
});
