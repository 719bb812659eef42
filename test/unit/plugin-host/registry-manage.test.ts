/** Plugins that come by their host: admitted, moved, replaced, removed. And what outlives the host. */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { ServiceRegistry } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { Unroutable } from '../../../server/plugin-host/port.js';
import { breakage, dependencyGraph } from '../../../server/plugin-host/registry/graph.js';
import type { Admission, Registry } from '../../../server/plugin-host/registry/registry.js';
import { failure, identityOf, newRegistry, probe, startHost } from './registry-host.js';
import type { TestPlugin } from './registry-host.js';

const STORAGE: Admission = {
  selfId: 'storage',
  selfVersion: '1.0.0',
  origin: 'managed',
  baseUrls: ['http://127.0.0.1:1001'],
  provides: [{ type: 'storage', version: '1.0.0', path: '/storage.v1/' }],
  requires: { logger: '1.0.0' },
};
const named = (selfId: string, more: Partial<Admission> = {}): Admission => ({ ...STORAGE, selfId, ...more });

const urls = (registry: Registry, type: string, provider = '-'): string[] =>
  registry.resolve(type, provider).targets.map(({ baseUrl }) => baseUrl);

const status = (registry: Registry, type: string, provider = '-'): number => {
  try {
    registry.resolve(type, provider);
    return 200;
  } catch (error) {
    return error instanceof Unroutable ? error.status : 0;
  }
};

const withToken = (identity: { runtimeId: string; token: string }) => (name: string) =>
  identityOf(identity)[name];

await t.test('an admitted plugin is there with its services, needs and an identity', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const storage = host.registry.admit({ ...STORAGE, baseUrls: ['http://127.0.0.1:1001/'] });
  t.same(urls(host.registry, 'storage'), ['http://127.0.0.1:1001']);
  t.match(host.registry.plugin(storage.runtimeId), {
    ...{ origin: 'managed', baseUrl: 'http://127.0.0.1:1001', requires: { logger: '1.0.0' }, routable: true },
  });
  t.equal(host.registry.authenticate(withToken(storage)).runtimeId, storage.runtimeId);
  const own = host.client(identityOf(storage));
  const register = (serviceType: string) =>
    own.unary(ServiceRegistry.method.registerService, {
      ...{ serviceType, version: '1.1.0', endpointPath: '/v2/', metadata: { base_url: 'http://10.0.0.9:1' } },
    });
  await register('storage');
  t.match(host.registry.services(), [
    { version: '1.1.0', targets: [{ baseUrl: 'http://127.0.0.1:1001', path: '/v2/' }] },
  ]);
  t.equal((await failure(register('logger'))).code, 'permission_denied', 'it declared storage alone');
});

await t.test('what cannot be registered cannot be admitted, and nothing stays of it', async (t) => {
  const { registry } = newRegistry();
  t.teardown(registry.close);
  for (const wrong of [
    named('/'),
    named('a', { selfVersion: 'x' }),
    named('a', { provides: [{ type: 'a', version: '1.0', path: '/' }] }),
    named('a', { provides: [{ type: 'a', version: '1.0.0', path: 'a' }] }),
    named('a', { requires: { 'b/c': '' } }),
    named('a', { requires: { b: 'x' } }),
  ])
    t.throws(() => registry.admit(wrong), { code: 'invalid_argument' });
  t.same(registry.plugins(), []);
});

await t.test('targets come and go', async (t) => {
  const { registry } = newRegistry();
  t.teardown(registry.close);
  const { runtimeId } = registry.admit(named('storage', { origin: 'discovered', baseUrls: [] }));
  t.equal(status(registry, 'storage'), 503);
  t.match(registry.plugin(runtimeId)?.unroutableBecause, 'no ready address');
  const [a, b] = ['http://10.0.0.1:80', 'http://10.0.0.2:80'];
  t.ok(registry.setTargets(runtimeId, [a, b]));
  t.same(urls(registry, 'storage'), [a, b]);
  const registration = registry.resolve('storage', '-');
  const refuse = (baseUrl: string) =>
    registry.refused(registration, { baseUrl, path: '/storage.v1/' }, 'refused');
  refuse(a);
  t.same(urls(registry, 'storage'), [b], 'the other pod goes on');
  registry.alive(runtimeId, a);
  t.same(urls(registry, 'storage'), [a, b]);
  refuse(a);
  refuse(b);
  t.equal(status(registry, 'storage'), 503);
  registry.alive(runtimeId, b);
  t.same(urls(registry, 'storage'), [b], 'only where it was asked is it known to be');
  const asked = () => [...registry.toProbe()].map(({ baseUrl, routable }) => [baseUrl, routable]);
  t.same(asked(), [
    [a, false],
    [b, true],
  ]);
  registry.alive(runtimeId, a);
  registry.silent(runtimeId, a, 'no answer');
  t.same(urls(registry, 'storage'), [b], 'one pod that is silent is not the plugin');
  registry.silent(runtimeId, b, 'no answer');
  t.equal(status(registry, 'storage'), 503);
  registry.setTargets(runtimeId, ['http://10.0.0.3:80']);
  t.same(urls(registry, 'storage'), ['http://10.0.0.3:80'], 'back at another address');
  registry.setTargets(runtimeId, []);
  t.equal(status(registry, 'storage'), 503);
  t.ok(registry.remove(runtimeId));
  t.equal(status(registry, 'storage'), 404);
  t.notOk(registry.remove(runtimeId));
  t.notOk(registry.setTargets(runtimeId, [a]));
});

await t.test('a host ends its own plugins: neither an hour nor a namesake does', async (t) => {
  const { registry, clock } = newRegistry();
  t.teardown(registry.close);
  const first = registry.admit(named('storage', { origin: 'discovered' }));
  probe(registry).silent(first.runtimeId, 'killed');
  const second = registry.admit(named('storage', { origin: 'discovered', baseUrls: ['http://10.0.0.2:80'] }));
  clock.now += 48 * 3_600_000;
  registry.sweep();
  t.same(
    registry.plugins().map(({ runtimeId }) => runtimeId),
    [first.runtimeId, second.runtimeId],
  );
});

await t.test('one that came by itself does not replace a managed one', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const managed = host.registry.admit(STORAGE);
  const liar = await host.join('storage', { port: 1001 });
  await liar.register('storage');
  t.equal(host.registry.resolve('storage', '-').provider, managed.runtimeId);
  t.ok(host.registry.authenticate(withToken(managed)));
});

await t.test(
  'replacing is one step: nobody sees a gap, old ids go on, the old identity ends last',
  async (t) => {
    const { registry } = newRegistry();
    t.teardown(registry.close);
    const before = registry.admit(STORAGE);
    const other = registry.admit(named('other', { baseUrls: ['http://127.0.0.1:1003'] }));
    const after = registry.admit(named('storage', { baseUrls: ['http://127.0.0.1:1002'], standby: true }));
    t.same(urls(registry, 'storage'), ['http://127.0.0.1:1001']);
    t.equal(status(registry, 'storage', after.runtimeId), 503, 'not in use yet');
    const seen: number[] = [];
    registry.watch(() => seen.push(status(registry, 'storage')));
    registry.replace(before.runtimeId, after.runtimeId);
    t.same(new Set(seen), new Set([200]));
    t.same(urls(registry, 'storage'), ['http://127.0.0.1:1002'], 'it stands where the old one stood');
    t.same(urls(registry, 'storage', before.runtimeId), ['http://127.0.0.1:1002']);
    t.equal(registry.authenticate(withToken(before)).runtimeId, before.runtimeId, 'it may end what it is at');
    registry.remove(before.runtimeId);
    t.throws(() => registry.authenticate(withToken(before)), Unroutable);
    t.same(urls(registry, 'storage', before.runtimeId), ['http://127.0.0.1:1002']);
    const third = registry.admit(named('storage', { baseUrls: ['http://127.0.0.1:1004'], standby: true }));
    registry.replace(after.runtimeId, third.runtimeId);
    registry.remove(after.runtimeId);
    t.same(
      urls(registry, 'storage', before.runtimeId),
      ['http://127.0.0.1:1004'],
      'through any number of them',
    );
    t.throws(() => registry.replace('nobody-0000', other.runtimeId), { code: 'not_found' });
    t.throws(() => registry.replace(other.runtimeId, other.runtimeId), { code: 'invalid_argument' });
  },
);

await t.test('the registry outlives its host', async (t) => {
  const file = join(t.testdir(), 'state.json');
  const first = await startHost({ stateFile: file });
  const plugins = [await first.join('b', { port: 1001 }), await first.join('a', { port: 1002 })];
  for (const plugin of plugins) await plugin.register('storage', { version: '1.2.3' });
  const gone = await first.join('b', { port: 1001 });
  await gone.register('storage');
  await plugins[1]?.discover('storage', '1.0.0');
  probe(first.registry).silent(plugins[1]?.runtimeId ?? '', 'killed');
  first.registry.admit(named('managed', { provides: [] }));
  first.registry.admit(named('discovered', { origin: 'discovered', provides: [] }));
  await first.close();
  t.equal((await stat(file)).mode & 0o777, 0o600);
  const text = await readFile(file, 'utf8');
  t.notOk(
    plugins.some(({ token }) => text.includes(token)),
    'no token is kept',
  );

  const second = newRegistry({ stateFile: file });
  await second.registry.load();
  t.same(second.lines, ['3 plugins are known from before']);
  const without = (registry: Registry) => registry.plugins().filter(({ origin }) => origin !== 'discovered');
  t.same(without(second.registry), without(first.registry));
  t.same(second.registry.services(), first.registry.services(), 'in their order');
  t.equal(second.registry.authenticate(withToken(gone)).runtimeId, gone.runtimeId);
  t.equal(second.registry.resolve('storage', plugins[0]?.runtimeId ?? '').provider, gone.runtimeId);
  t.equal(second.registry.plugins().length, 3, 'discovered ones are found anew');
  second.clock.now += 30_000;
  second.registry.sweep();
  t.equal(second.registry.plugins().length, 2, 'managed ones are admitted anew');
  t.throws(() => second.registry.restore(second.registry.snapshot()), /has plugins already/);
  await second.registry.close();
});

await t.test('a managed plugin that is admitted anew takes over from what was kept', async (t) => {
  const first = newRegistry();
  const before = first.registry.admit(STORAGE);
  const second = newRegistry();
  second.registry.restore(JSON.parse(JSON.stringify(first.registry.snapshot())));
  t.equal(second.registry.resolve('storage', '-').provider, before.runtimeId, 'it is routed to meanwhile');
  const after = second.registry.admit(STORAGE);
  t.equal(second.registry.resolve('storage', before.runtimeId).provider, after.runtimeId);
  t.equal(second.registry.plugins().length, 1);
  await Promise.all([first.registry.close(), second.registry.close()]);
});

await t.test('a state that cannot be read or written is said, and nothing else happens', async (t) => {
  const folder = t.testdir({ broken: '{"version":1', old: '{"version":0}', folder: {} });
  for (const [name, says] of [
    ['broken', /cannot be read/],
    ['old', /holds no plugins that this version knows/],
  ] as const) {
    const { registry, lines } = newRegistry({ stateFile: join(folder, name) });
    await registry.load();
    t.match(lines, [says]);
    registry.admit(STORAGE);
    await registry.close();
    t.match(JSON.parse(await readFile(join(folder, name), 'utf8')), { plugins: [{ selfId: 'storage' }] });
  }
  const { registry, lines } = newRegistry({ stateFile: join(folder, 'none', 'state.json') });
  await registry.load();
  t.same(lines, []);
  registry.admit(STORAGE);
  await registry.close();
  t.ok(lines.some((line) => line.includes('cannot be kept')));
});

await t.test('a state file that others may read becomes private', async (t) => {
  const file = join(t.testdir(), 'state.json');
  await writeFile(file, '{}', { mode: 0o644 });
  const { registry } = newRegistry({ stateFile: file });
  registry.admit(STORAGE);
  await registry.close();
  t.equal((await stat(file)).mode & 0o777, 0o600);
});

await t.test('1,000 plugins with a service each, and a picture of them', async (t) => {
  const { registry } = newRegistry();
  t.teardown(registry.close);
  for (let at = 0; at < 1000; at += 1)
    registry.admit(
      named(`plugin-${at}`, {
        baseUrls: [`http://127.0.0.1:${at + 1}`],
        provides: [{ type: `type-${at}`, version: '1.0.0', path: '/' }],
        requires: at === 0 ? {} : { [`type-${at - 1}`]: '1.0.0' },
      }),
    );
  t.equal(registry.plugins().length, 1000);
  t.equal(new Set(registry.plugins().map(({ runtimeId }) => runtimeId)).size, 1000);
  const graph = dependencyGraph(
    registry
      .plugins()
      .map(({ runtimeId, services, requires }) => ({ id: runtimeId, provides: services, requires })),
  );
  t.same(
    graph.startOrder.map((id) => registry.plugin(id)?.selfId),
    Array.from({ length: 1000 }, (_, at) => `plugin-${at}`),
  );
  t.equal(breakage(graph)(registry.resolve('type-0', '-').provider).length, 999);
});

await t.test('1,000 plugins come by themselves', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const plugins: TestPlugin[] = [];
  const come = async (first: number): Promise<void> => {
    for (let at = first; at < 1000; at += 20) {
      const plugin = await host.join(`plugin-${at % 100}`, { port: at + 1 });
      await plugin.register(`type-${at % 10}`);
      plugins.push(plugin);
    }
  };
  await Promise.all(Array.from({ length: 20 }, (_, first) => come(first)));
  t.equal(host.registry.services().length, 1000);
  t.equal(new Set(plugins.map(({ runtimeId }) => runtimeId)).size, 1000);
  t.match(await plugins[0]?.discover('type-9'), /^plugin-/);
});
