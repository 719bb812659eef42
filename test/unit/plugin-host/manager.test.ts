/** Plugins that the host manages: identities, order of starting, taking out and putting others in under load. */
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { HealthState } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { followFile } from '../../../server/plugin-host/follow-file.js';
import { inTheWay } from '../../../server/plugin-host/managed/in-the-way.js';
import { startManager } from '../../../server/plugin-host/manager.js';
import type { ManagerOptions } from '../../../server/plugin-host/manager.js';
import { until } from '../../helpers/eventually.js';
import { manage, plugin, states } from './managed-ground.js';
import type { Given } from './managed-ground.js';
import { call, refusing } from './router-ground.js';

/** A host that follows what a file names. */
async function follow(t: Test, ...plugins: ManagerOptions['plugins']) {
  const { host, manager } = await manage(t, plugins);
  const file = { plugins, looks: 0 };
  const log = {
    info: (_: object, text: string) => void host.lines.push({ level: 'info', fields: {}, text }),
    warn: (_: object, text: string) => void host.lines.push({ level: 'warn', fields: {}, text }),
  };
  const read = async () => {
    file.looks += 1;
    return file.plugins;
  };
  const following = followFile({ manager, read, log, everyMs: 10 });
  t.teardown(() => following.close());
  const looks = async (count: number) => {
    const before = file.looks;
    await until(() => file.looks >= before + count);
  };
  return { host, manager, file, looks };
}

t.test('a plugin is asked, given an identity that the host knows, and routed to', async (t) => {
  const one = await plugin(t, { selfId: 'store', provides: ['storage'], refuses: 2 });
  const { host, manager } = await manage(t, [{ name: 'store', url: one.url }]);
  await until(() => states(manager)['store'] === 'running');
  const [{ runtimeId, token, hostUrl }] = one.given as [Given];
  t.match(runtimeId, /^store-[0-9a-f]{4}$/);
  t.equal(hostUrl, 'http://127.0.0.1:8080');
  t.equal((await call(host, `/services/storage/${runtimeId}/Get`)).text, 'store 1.0.0');
  const headers = { 'x-plugin-runtime-id': runtimeId, authorization: `Bearer ${token}` };
  t.equal((await call(host, '/services/storage/-/Get', { headers })).status, 200, 'its identity holds');
  t.match(host.lines.find(({ level }) => level === 'warn')?.text, /does not take the identity/);
});

t.test(
  'what is needed at start-up comes first, however they are listed, and when it comes later',
  async (t) => {
    const order: string[] = [];
    const api = await plugin(t, {
      selfId: 'api',
      provides: ['api'],
      requires: [{ type: 'storage', minVersion: '1.2.0' }],
    });
    const storage = await plugin(t, {
      selfId: 'storage',
      provides: ['storage'],
      version: '1.10.0',
      requires: [{ type: 'logger' }],
    });
    const { host, manager } = await manage(t, [
      { name: 'api', url: api.url },
      { name: 'storage', url: storage.url },
    ]);
    host.registry.watch(({ kind, plugin: { selfId } }) => kind === 'added' && order.push(selfId));
    await until(() => states(manager)['api'] === 'waiting' && states(manager)['storage'] === 'waiting');
    t.match(manager.plugins().find(({ name }) => name === 'storage')?.trouble, /waits for logger/);
    t.equal(storage.given.length, 0);
    const logger = await plugin(t, { selfId: 'logger', provides: ['logger'] });
    await manager.add({ name: 'logger', url: logger.url });
    await until(() => states(manager)['api'] === 'running');
    t.strictSame(order, ['logger', 'storage', 'api']);
    t.ok(manager.plugins().every(({ trouble }) => trouble === undefined));
  },
);

t.test('a provider that is too old does not count', async (t) => {
  const api = await plugin(t, { selfId: 'api', requires: [{ type: 'storage', minVersion: '1.2.0' }] });
  const old = await plugin(t, { selfId: 'storage', provides: ['storage'], version: '1.1.9' });
  const { manager } = await manage(t, [
    { name: 'api', url: api.url },
    { name: 'storage', url: old.url },
  ]);
  await until(() => states(manager)['storage'] === 'running' && states(manager)['api'] === 'waiting');
  const fit = await plugin(t, { selfId: 'storage', provides: ['storage'], version: '1.10.0' });
  await manager.replace('storage', fit.url);
  await until(() => states(manager)['api'] === 'running');
});

t.test('plugins that need one another are named, and start when one of them needs less', async (t) => {
  const a = await plugin(t, { selfId: 'a', provides: ['a'], requires: [{ type: 'b' }] });
  const b = await plugin(t, { selfId: 'b', provides: ['b'], requires: [{ type: 'c' }] });
  const c = await plugin(t, { selfId: 'c', provides: ['c'], requires: [{ type: 'a' }] });
  const { manager } = await manage(t, [
    { name: 'a', url: a.url },
    { name: 'b', url: b.url },
  ]);
  await t.rejects(manager.add({ name: 'c', url: c.url }), /need one another at start-up/);
  t.match(manager.plugins().find(({ name }) => name === 'a')?.trouble, /^(a, b, c|b, c, a|c, a, b) need/);
  c.said.requires = [];
  await until(() => manager.plugins().every(({ state }) => state === 'running'));
  t.ok(
    manager.plugins().every(({ trouble }) => trouble === undefined),
    'what kept them is over',
  );
});

t.test('who needs what only seems to go in a circle waits for what is missing', async (t) => {
  const a = await plugin(t, { selfId: 'a', provides: ['a', 'log'], requires: [{ type: 'none' }] });
  const b = await plugin(t, { selfId: 'b', provides: ['b'], requires: [{ type: 'a' }] });
  const log = await plugin(t, { selfId: 'log', provides: ['log'] });
  const old = await plugin(t, { selfId: 'old', provides: ['none'], requires: [{ type: 'b' }] });
  const { manager } = await manage(t, [{ name: 'log', url: log.url }]);
  await until(() => states(manager)['log'] === 'running');
  for (const [name, { url }] of Object.entries({ a, b })) manager.add({ name, url }).catch(() => undefined);
  const troubleOf = (wanted: string) => manager.plugins().find(({ name }) => name === wanted)?.trouble;
  await until(() => states(manager)['a'] === 'waiting' && states(manager)['b'] === 'waiting');
  t.match([troubleOf('a'), troubleOf('b')], [/^waits for none,/, /^waits for a,/]);
  await t.rejects(manager.add({ name: 'old', url: old.url }), /(a|b|old), .* need one another/);
});

t.test('a plugin that says of itself what cannot be is asked until it says better', async (t) => {
  const one = await plugin(t, { selfId: 'one', provides: ['s'], version: 'latest' });
  const { manager } = await manage(t, [{ name: 'one', url: one.url }]);
  const troubled = () => manager.plugins()[0]?.trouble?.includes('no semantic version') === true;
  await until(troubled);
  one.said.version = '1.0.0';
  await until(() => states(manager)['one'] === 'running');
});

t.test('names: taken, unknown, and a plugin that is not there', async (t) => {
  const one = await plugin(t, { selfId: 'one', provides: ['s'] });
  const url = await refusing();
  const { manager } = await manage(t, [{ name: 'one', url: one.url }], { graceMs: 150 });
  await until(() => states(manager)['one'] === 'running');
  await t.rejects(manager.add({ name: 'one', url: one.url }), /already/);
  await t.rejects(manager.remove('two'), /no managed plugin "two".*one/);
  await t.rejects(manager.replace('two', one.url), /no managed plugin "two"/);
  await t.rejects(manager.replace('one', url), /not ready after 150 ms/);
  t.equal(states(manager)['one'], 'running', 'the old one stays');
  const waiting = manager.add({ name: 'away', url });
  waiting.catch(() => undefined);
  await until(() => manager.plugins().some(({ trouble }) => trouble?.includes(url) === true));
  await t.rejects(manager.replace('away', one.url), /does not run yet/);
  await manager.remove('away');
  await t.rejects(waiting, /removed/);
});

t.test('removing: no new calls, those in flight end first, then it is told to stop', async (t) => {
  const one = await plugin(t, { selfId: 'one', provides: ['s'] });
  const { host, manager } = await manage(t, [{ name: 'one', url: one.url }], { graceMs: 10_000 });
  await until(() => states(manager)['one'] === 'running');
  const { runtimeId } = one.given[0]!;
  const slow = call(host, '/services/s/-/M?ms=300');
  await until(() => one.served() === 1);
  const removed = manager.remove('one', 'not needed');
  t.ok([404, 503].includes((await call(host, '/services/s/-/M')).status));
  t.equal(one.shutdowns.length, 0);
  t.match(await slow, { status: 200, text: 'one 1.0.0' });
  await removed;
  t.strictSame(one.shutdowns, [{ grace: 10, reason: 'not needed', open: 0 }]);
  t.equal(host.registry.plugin(runtimeId), undefined);
  t.strictSame(manager.plugins(), []);
});

t.test(
  'replacing under load: no call fails, and none comes to the old one after it was told to stop',
  async (t) => {
    const first = await plugin(t, { selfId: 'one', provides: ['s'], version: '1.0.0' });
    const { host, manager } = await manage(t, [{ name: 'one', url: first.url }]);
    await until(() => states(manager)['one'] === 'running');
    const id = first.given[0]!.runtimeId;
    const statuses = new Map<number, number>();
    const versions = new Set<string>();
    let stop = false;
    const load = Array.from({ length: 12 }, async (_, i) => {
      // Half of them by the runtime id that the first one had.
      const path = `/services/s/${i % 2 === 0 ? '-' : id}/M?ms=${i % 5}`;
      while (!stop) {
        const { status, text } = await call(host, path, { body: 'x' });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        versions.add(text);
      }
    });
    const all = [first];
    for (const version of ['1.1.0', '1.2.0', '2.0.0']) {
      const next = await plugin(t, { selfId: 'one', provides: ['s'], version, refuses: 1 });
      await delay(50);
      await manager.replace('one', next.url);
      t.equal(all.at(-1)!.shutdowns.length, 1);
      t.equal(all.at(-1)!.shutdowns[0]!.open, 0, 'nothing was in flight when it was told');
      await all.at(-1)!.stop();
      all.push(next);
    }
    await until(() => versions.has('one 2.0.0'));
    stop = true;
    await Promise.all(load);
    t.strictSame([...statuses.keys()], [200], `of ${[...statuses.values()].join(' and ')} calls`);
    t.equal(versions.size, 4);
    for (const old of all) t.equal(old.late(), 0);
    t.match(manager.plugins(), [{ name: 'one', url: all.at(-1)!.url, state: 'running' }]);
    t.equal(host.registry.plugins().filter(({ selfId }) => selfId === 'one').length, 1);
  },
);

t.test("what cannot serve takes nobody's place", async (t) => {
  const one = await plugin(t, { selfId: 'one', provides: ['s'] });
  const { host, manager } = await manage(t, [{ name: 'one', url: one.url }], { graceMs: 300 });
  await until(() => states(manager)['one'] === 'running');
  const needy = await plugin(t, { selfId: 'one', provides: ['s'], requires: [{ type: 'none' }] });
  const ill = await plugin(t, { selfId: 'one', provides: ['s'], health: HealthState.UNHEALTHY });
  const other = await plugin(t, { selfId: 'other', provides: ['s'] });
  await t.rejects(manager.replace('one', needy.url), /not ready after 300 ms: waits for none,/);
  await t.rejects(manager.replace('one', ill.url), /not ready after 300 ms: it reports .*unhealthy: no disk/);
  await t.rejects(manager.replace('one', other.url), /is other and not one; .* take one out and add/);
  t.same([needy.given, other.given], [[], []], 'one that is not taken gets no identity');
  t.same(one.shutdowns, []);
  t.match(manager.plugins(), [{ name: 'one', url: one.url, state: 'running' }]);
  t.equal((await call(host, '/services/s/-/M')).text, 'one 1.0.0');
  t.equal(
    host.registry.plugins().filter(({ baseUrl }) => baseUrl !== '').length,
    1,
    'nothing of them is left',
  );
});

t.test("what cannot serve yet takes the other's place once it can", async (t) => {
  const one = await plugin(t, { selfId: 'one', provides: ['s'] });
  const { host, manager } = await manage(t, [{ name: 'one', url: one.url }]);
  await until(() => states(manager)['one'] === 'running');
  const requires = [{ type: 'log' }];
  const health = HealthState.UNHEALTHY;
  const next = await plugin(t, { selfId: 'one', provides: ['s'], version: '2.0.0', requires, health });
  const replaced = manager.replace('one', next.url);
  const logged = (what: RegExp) => until(() => host.lines.some(({ text }) => what.test(text)));
  await logged(/waits for log,/);
  await manager.add({ name: 'log', url: (await plugin(t, { selfId: 'log', provides: ['log'] })).url });
  await logged(/unhealthy: no disk/);
  t.same(one.shutdowns, []);
  next.said.health = HealthState.HEALTHY;
  await replaced;
  t.equal((await call(host, '/services/s/-/M')).text, 'one 2.0.0');
});

t.test('a replacement that the file takes back does not take place', async (t) => {
  const one = await plugin(t, { selfId: 'one', provides: ['s'] });
  const { host, manager, file, looks } = await follow(t, { name: 'one', url: one.url });
  await until(() => states(manager)['one'] === 'running');
  const down = await refusing();
  file.plugins = [{ name: 'one', url: down }];
  await until(() => host.lines.some(({ text }) => text.startsWith(`Plugin one at ${down}:`)));
  file.plugins = [{ name: 'one', url: one.url }];
  await looks(2);
  const next = await plugin(t, { selfId: 'one', provides: ['s'], port: Number(new URL(down).port) });
  // As often as this one is asked again, the other would have been.
  const slow = await plugin(t, { selfId: 'slow', provides: ['slow'], refuses: 10 });
  file.plugins = [...file.plugins, { name: 'slow', url: slow.url }];
  await until(() => states(manager)['slow'] === 'running');
  t.same([next.given, one.shutdowns], [[], []]);
  t.notOk(host.lines.some(({ text }) => /is (not )?moved/.test(text)));
  file.plugins = [{ name: 'one', url: next.url }];
  await until(() => one.shutdowns.length === 1);
  t.match(manager.plugins(), [{ name: 'one', url: next.url, state: 'running' }]);
});

t.test('a replacement that is taken back while the old one still has calls is undone', async (t) => {
  const one = await plugin(t, { selfId: 'one', provides: ['s'] });
  const next = await plugin(t, { selfId: 'one', provides: ['s'], version: '2.0.0' });
  const { host, manager, file } = await follow(t, { name: 'one', url: one.url });
  const runsAt = (url: string) => until(() => manager.plugins()[0]?.url === url);
  await until(() => states(manager)['one'] === 'running');
  const held = call(host, '/services/s/-/M?held');
  await until(() => one.served() === 1);
  file.plugins = [{ name: 'one', url: next.url }];
  await runsAt(next.url);
  file.plugins = [{ name: 'one', url: one.url }];
  await runsAt(one.url);
  one.release();
  t.equal((await held).status, 200);
  await until(() => next.shutdowns.length === 1);
  await until(() => host.registry.plugins().filter(({ selfId }) => selfId === 'one').length === 1);
  t.same(one.shutdowns, []);
  t.equal((await call(host, '/services/s/-/M')).text, 'one 1.0.0');
});

t.test('what is taken out and comes back while it still has calls is not told to stop', async (t) => {
  const one = await plugin(t, { selfId: 'one', provides: ['s'] });
  const { host, manager, file } = await follow(t, { name: 'one', url: one.url });
  await until(() => states(manager)['one'] === 'running');
  const held = call(host, '/services/s/-/M?held');
  await until(() => one.served() === 1);
  file.plugins = [];
  await until(() => manager.plugins().length === 0);
  file.plugins = [{ name: 'again', url: one.url }];
  await until(() => states(manager)['again'] === 'running');
  one.release();
  t.equal((await held).status, 200);
  await until(() => host.registry.plugin(one.given[0]!.runtimeId) === undefined);
  t.same(one.shutdowns, []);
  t.equal((await call(host, '/services/s/-/M')).status, 200);
  file.plugins = [];
  await until(() => one.shutdowns.length === 1);
});

t.test(
  'a url that a plugin leaves is another one’s once what was there is away, and no call fails',
  async (t) => {
    const one = await plugin(t, { selfId: 'one', provides: ['s'] });
    const health = HealthState.UNHEALTHY;
    const next = await plugin(t, { selfId: 'one', provides: ['s'], version: '2.0.0', health });
    const { host, manager, file, looks } = await follow(t, { name: 'a', url: one.url });
    await until(() => states(manager)['a'] === 'running');
    const logged = (what: RegExp) => host.lines.filter(({ text }) => what.test(text)).length;
    const answers = new Set<string>();
    let over = false;
    t.teardown(() => (over = true));
    const load = Array.from({ length: 4 }, async () => {
      while (!over) {
        const { status, text } = await call(host, '/services/s/-/M?ms=1');
        answers.add(`${status} ${text}`);
      }
    });
    const held = call(host, '/services/s/-/M?held');
    await until(() => one.served() > 1);

    file.plugins = [
      { name: 'b', url: one.url },
      { name: 'a', url: next.url },
    ];
    await until(() => logged(/unhealthy: no disk/) > 0);
    await looks(5);
    t.same(states(manager), { a: 'running' }, 'it has not left yet');
    next.said.health = HealthState.HEALTHY;
    await until(() => answers.has('200 one 2.0.0'));
    await looks(5);
    t.same(states(manager), { a: 'running' }, 'its last call is under way');
    one.release();
    t.equal((await held).status, 200);
    await until(() => states(manager)['b'] === 'asking');
    t.equal(one.shutdowns.length, 1);
    await until(
      () => logged(/Plugin b at .*: waits until the plugin that was told to stop there is away/) > 0,
    );
    await looks(5);
    t.equal(one.given.length, 1, 'what is told to stop gets no identity');

    await one.stop();
    const b = await plugin(t, { selfId: 'b', provides: ['b'], port: one.port });
    await until(() => states(manager)['b'] === 'running');
    t.match(b.given, [{ runtimeId: /^b-/ }]);
    over = true;
    await Promise.all(load);
    t.same([...answers].sort(), ['200 one 1.0.0', '200 one 2.0.0']);
    t.equal(logged(/Plugin b waits until a has left/), 1);
    t.match(manager.plugins(), [
      { name: 'a', url: next.url, state: 'running' },
      { name: 'b', url: one.url, state: 'running' },
    ]);
  },
);

t.test('who is in the way of whom', async (t) => {
  const wanted = new Map(Object.entries({ a: 'u2', b: 'u1', c: 'u3', d: 'u4', e: 'u5', f: 'u2' }));
  const at = (places: Record<string, string>) => Object.entries(places).map(([name, url]) => ({ name, url }));
  const way = (name: string, places: Record<string, string>) => inTheWay(name, wanted, at(places));
  t.equal(way('b', {}), undefined);
  t.equal(way('b', { a: 'u1' }), 'a');
  t.equal(way('a', { a: 'u1' }), undefined);
  t.equal(way('a', { a: 'u2' }), undefined, 'nobody is in its own way');
  t.equal(way('b', { gone: 'u1' }), 'gone', 'one that is wanted nowhere, too');
  t.equal(way('c', { d: 'u3', e: 'u4' }), 'd', 'a row');
  t.equal(way('d', { d: 'u3', e: 'u4' }), 'e');
  t.equal(way('a', { a: 'u1', b: 'u2' }), undefined, 'two that change places');
  t.equal(way('b', { a: 'u1', b: 'u2' }), undefined);
  t.equal(way('f', { a: 'u1', b: 'u2' }), 'b', 'but a third one waits for them');
});

t.test('what the log says of a file: a fault once, and none of what is taken out', async (t) => {
  const one = await plugin(t, { selfId: 'one', provides: ['s'] });
  const other = await plugin(t, { selfId: 'other', provides: ['s'] });
  const { host, manager, file, looks } = await follow(t, { name: 'one', url: one.url });
  await until(() => states(manager)['one'] === 'running');
  const saying = (what: string) => host.lines.filter(({ text }) => text.startsWith(what)).length;
  file.plugins = [
    { name: 'one', url: other.url },
    { name: 'away', url: await refusing() },
  ];
  await until(() => saying('Plugin one is not moved') > 0 && saying('Plugin away at') > 0);
  file.plugins = file.plugins.slice(0, 1);
  await until(() => saying('Plugin away is removed') > 0);
  await looks(10);
  t.equal(saying('Plugin one is not moved'), 1);
  t.equal(saying('Plugin away is not'), 0);
  t.equal(states(manager)['one'], 'running');
});

t.test(
  'a plugin that comes back as a new process gets its identity again; another version a new one',
  async (t) => {
    const metadata = { region: 'eu', shard: 'one' };
    const one = await plugin(t, { selfId: 'one', provides: ['s'], metadata });
    const { host, manager } = await manage(t, [{ name: 'one', url: one.url }]);
    await until(() => states(manager)['one'] === 'running');
    t.same(host.registry.resolve('s', '-').metadata, metadata);
    await one.stop();
    // A map comes in any order.
    const shuffled = { shard: 'one', region: 'eu' };
    const again = await plugin(t, { selfId: 'one', provides: ['s'], metadata: shuffled, port: one.port });
    await until(() => again.given.length > 0);
    t.strictSame(again.given[0], one.given[0], 'the same one');
    t.equal((await call(host, '/services/s/-/M')).status, 200);
    await again.stop();
    const newer = await plugin(t, {
      selfId: 'one',
      provides: ['s', 'more'],
      version: '1.1.0',
      port: one.port,
    });
    await until(
      () =>
        newer.given.length > 0 &&
        host.registry.services().some(({ type, targets }) => type === 'more' && targets.length > 0),
    );
    const old = one.given[0]!.runtimeId;
    t.not(newer.given[0]!.runtimeId, old);
    for (const path of ['/services/s/-/M', '/services/more/-/M', `/services/s/${old}/M`])
      t.equal((await call(host, path)).text, 'one 1.1.0', path);
    t.equal(host.registry.plugins().filter(({ selfId }) => selfId === 'one').length, 1);
  },
);

t.test('a host that starts anew takes its plugins over from the one before', async (t) => {
  const one = await plugin(t, { selfId: 'one', provides: ['s'] });
  const { host, manager } = await manage(t, [{ name: 'one', url: one.url }]);
  await until(() => states(manager)['one'] === 'running');
  await manager.close();
  const { registry, router } = host;
  const log = { info: () => undefined, warn: () => undefined };
  const second = startManager({
    ...{ registry, log, hostUrl: 'http://127.0.0.1:8080', drained: router.drained, retryMs: 20 },
    plugins: [{ name: 'one', url: one.url }],
  });
  t.teardown(() => second.close());
  await until(() => states(second)['one'] === 'running');
  t.equal(registry.plugins().filter(({ selfId }) => selfId === 'one').length, 1);
  t.equal(
    (await call(host, `/services/s/${one.given[0]!.runtimeId}/M`)).status,
    200,
    'the old address leads there still',
  );
});
