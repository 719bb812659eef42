/** What managed plugins are told of who they are, and when: a connection tells that one was away, and nothing else does. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { createTether } from '../../../server/plugin-host/managed/tether.js';
import { startManager } from '../../../server/plugin-host/manager.js';
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

/** A plugin of which another version is at its url, and does not take its identity yet. */
async function renewing(t: Test) {
  const one = await plugin(t, { selfId: 'one', provides: ['s'] });
  const { host, manager } = await manage(t, [{ name: 'one', url: one.url }]);
  await until(() => states(manager)['one'] === 'running');
  await one.stop();
  const next = await plugin(t, {
    ...{ selfId: 'one', provides: ['s'], version: '1.1.0' },
    ...{ port: one.port, refuses: Infinity },
  });
  const entries = () => host.registry.plugins().filter(({ selfId }) => selfId === 'one');
  const refused = () => manager.plugins()[0]?.trouble?.includes('does not take') === true;
  await until(() => entries().length === 2 && refused());
  return { host, manager, before: one.given[0]!.runtimeId, next, entries };
}

t.test('until a new version has taken its identity, calls come by the one before', async (t) => {
  const { host, manager, before, next, entries } = await renewing(t);
  t.match(manager.plugins(), [{ state: 'running', runtimeId: before, trouble: /does not take/ }]);
  t.equal((await call(host, `/services/s/${before}/M`)).text, 'one 1.1.0');
  next.said.version = '1.2.0';
  await until(() => entries().some(({ selfVersion }) => selfVersion === '1.2.0'));
  t.same(
    entries().map(({ selfVersion }) => selfVersion),
    ['1.0.0', '1.2.0'],
  );
  next.said.refuses = 0;
  await until(() => entries().length === 1);
  t.match(manager.plugins(), [{ state: 'running', runtimeId: next.given[0]!.runtimeId }]);
  t.match(host.registry.services(), [{ provider: next.given[0]!.runtimeId, version: '1.2.0' }]);
  t.equal((await call(host, `/services/s/${before}/M`)).status, 200, 'the old address leads there still');
});

t.test('one that is taken out before it has taken its identity leaves nothing behind', async (t) => {
  const { host, manager, before, next, entries } = await renewing(t);
  const held = call(host, `/services/s/${before}/M?held`);
  await until(() => next.served() === 1);
  const removed = manager.remove('one');
  t.equal((await call(host, '/services/s/-/M')).status, 503);
  t.same(next.shutdowns, [], 'its last call is under way');
  next.release();
  t.equal((await held).status, 200);
  await removed;
  t.match(next.shutdowns, [{ open: 0 }]);
  t.same(entries(), []);
  t.notOk(host.registry.isProvided('s', ''));
});

t.test('one that is replaced before it has taken its identity hands over its calls', async (t) => {
  const { host, manager, before, entries } = await renewing(t);
  const other = await plugin(t, { selfId: 'one', provides: ['s'], version: '2.0.0' });
  await manager.replace('one', other.url);
  t.same(
    entries().map(({ runtimeId }) => runtimeId),
    other.given.map(({ runtimeId }) => runtimeId),
  );
  for (const provider of ['-', before])
    t.equal((await call(host, `/services/s/${provider}/M`)).text, 'one 2.0.0');
});

t.test('one that a host before knew is taken out before it has taken its identity of this one', async (t) => {
  const { host, manager, before, next, entries } = await renewing(t);
  await manager.close();
  const { registry, router } = host;
  const log = { info: () => undefined, warn: () => undefined };
  host.registry.remove(entries().find(({ runtimeId }) => runtimeId !== before)!.runtimeId);
  const second = startManager({
    ...{ registry, log, hostUrl: 'http://127.0.0.1:8080', drained: router.drained, retryMs: 20 },
    plugins: [{ name: 'one', url: next.url }],
  });
  t.teardown(() => second.close());
  await until(() => entries().length === 2);
  await second.remove('one');
  t.same(entries(), []);
});

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
