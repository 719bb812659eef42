/** Registering, discovering and choosing: the rules of the protocol, and the reference's faults mended. */
import t from 'tap';
import { HealthService, ServingStatus } from '../../../proto/gen/connectplugin/health/v1/health_pb.js';
import {
  HealthState,
  PluginLifecycle,
  ServiceRegistry,
} from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { Unroutable } from '../../../server/plugin-host/port.js';
import type { Registry } from '../../../server/plugin-host/registry/registry.js';
import { isCompatible } from '../../../server/plugin-host/registry/versions.js';
import { HOUR, failure, newRegistry, probe, startHost } from './registry-host.js';
import type { TestPlugin } from './registry-host.js';

const { registerService, unregisterService, discoverService } = ServiceRegistry.method;

/** What resolving is answered with: the provider, or the status. */
function resolved(registry: Registry, type: string, provider: string): string | number {
  try {
    return registry.resolve(type, provider).provider;
  } catch (error) {
    if (error instanceof Unroutable) return error.status;
    throw error;
  }
}

const idOf = ({ runtimeId }: TestPlugin): string => runtimeId;

await t.test('what is wrong with a registration is said', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const plugin = await host.join('logger');
  const right = {
    serviceType: 'logger',
    version: '1.0.0',
    endpointPath: '/logger.v1.Logger/',
    metadata: { base_url: 'http://localhost:8081' },
  };
  const meta = (more: Record<string, string>) => ({ metadata: { ...right.metadata, ...more } });
  const at = (base_url: string) => ({ metadata: { base_url } });
  const path = (endpointPath: string) => ({ endpointPath });
  for (const [what, wrong, says] of [
    ['no type', { serviceType: '' }, /service_type is missing/],
    ['type with a slash', { serviceType: 'a/b' }, /service_type "a\/b"/],
    ['type that climbs', { serviceType: 'a..b' }, /service_type/],
    ['type -', { serviceType: '-' }, /service_type/],
    ['type of a digit', { serviceType: '9' }, /service_type/],
    ['type with a line', { serviceType: 'a\nb' }, /service_type/],
    ['type with null', { serviceType: 'a\0' }, /service_type/],
    ['type too long', { serviceType: 'a'.repeat(129) }, /at most 128/],
    ['no version', { version: '' }, /no semantic version/],
    ['version 1', { version: '1' }, /no semantic version/],
    ['version 1.0', { version: '1.0' }, /no semantic version/],
    ['version v1.0.0', { version: 'v1.0.0' }, /no semantic version/],
    ['version 1.0.0.0', { version: '1.0.0.0' }, /no semantic version/],
    ['version 01.0.0', { version: '01.0.0' }, /no semantic version/],
    ['version latest', { version: 'latest' }, /no semantic version/],
    ['version too long', { version: `1.0.0-${'a'.repeat(64)}` }, /no semantic version/],
    ['no path', path(''), /endpoint_path/],
    ['relative path', path('logger'), /endpoint_path/],
    ['absolute URL', path('http://evil/'), /endpoint_path/],
    ['another authority', path('//evil/'), /endpoint_path/],
    ['climbing path', path('/a/../b/'), /endpoint_path/],
    ['dot path', path('/a/./b/'), /endpoint_path/],
    ['climbing at the end', path('/a/..'), /endpoint_path/],
    ['encoded climbing', path('/a/%2e%2e/b/'), /endpoint_path/],
    ['query', path('/a?b'), /endpoint_path/],
    ['fragment', path('/a#b'), /endpoint_path/],
    ['backslash', path('/a\\b'), /endpoint_path/],
    ['space', path('/a b'), /endpoint_path/],
    ['line', path('/a\r\nHost: b'), /endpoint_path/],
    ['path too long', path(`/${'a'.repeat(256)}`), /at most 256/],
    ['no base_url', { metadata: {} }, /no base_url/],
    ['base_url of nothing', at(''), /must be an http URL/],
    ['base_url without scheme', at('localhost:8081'), /must be an http URL/],
    ['base_url of a file', at('file:///etc/passwd'), /must be an http URL/],
    ['base_url with user', at('http://u:p@localhost:1'), /must be an http URL/],
    ['base_url with query', at('http://localhost:1/?a'), /must be an http URL/],
    ['base_url with an empty fragment', at('http://localhost:1/#'), /must be an http URL/],
    ['base_url elsewhere', at('http://169.254.169.254'), /not an address of this pod/],
    ['key with a space', meta({ 'a b': '' }), /the key "a b"/],
    ['empty key', meta({ '': 'x' }), /the key ""/],
    ['key too long', meta({ ['a'.repeat(257)]: '' }), /at most 256/],
    ['value too long', meta({ a: 'ä'.repeat(2049) }), /longer than 4096 bytes/],
    ['value with null', meta({ a: '\0' }), /null byte/],
    [
      'too many entries',
      meta(Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`k${i}`, '']))),
      /65 entries/,
    ],
  ] as [string, object, RegExp][]) {
    const { code, message } = await failure(plugin.client.unary(registerService, { ...right, ...wrong }));
    t.equal(code, 'invalid_argument', what);
    t.match(message, says, what);
  }
  t.same(host.registry.services(), []);
  const edge = {
    ...right,
    serviceType: 'a'.repeat(128),
    endpointPath: `/${'a'.repeat(254)}/`,
    ...meta({ a: 'ä'.repeat(2048) }),
  };
  t.ok((await plugin.client.unary(registerService, edge)).registrationId, 'up to each bound it is taken');
});

await t.test('a registration is as it was given, its path ends with a slash', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const plugin = await host.join('logger-plugin');
  const metadata = { base_url: 'http://localhost:8081/', team: 'a' };
  const id = await plugin.register('logger', { path: '/logger.v1.Logger', metadata });
  t.same(host.registry.resolve('logger', plugin.runtimeId), {
    ...{ id, type: 'logger', version: '1.0.0', metadata, provider: plugin.runtimeId },
    targets: [{ baseUrl: 'http://localhost:8081', path: '/logger.v1.Logger/' }],
  });
  const found = await plugin.client.unary(discoverService, { serviceType: 'logger' });
  t.match(found, {
    endpoint: {
      providerId: plugin.runtimeId,
      version: '1.0.0',
      endpointUrl: `/services/logger/${plugin.runtimeId}`,
      metadata,
    },
    singleProvider: true,
  });
  t.ok(host.lines.some((line) => line.startsWith(`Registered service: logger by ${plugin.runtimeId} `)));
});

await t.test('a type named as something of every object is one like any other', async (t) => {
  const host = await startHost({ selection: {}, allow: {} });
  t.teardown(host.close);
  const plugin = await host.join('constructor');
  for (const type of ['constructor', 'toString', 'hasOwnProperty']) {
    t.equal((await failure(plugin.discover(type))).code, 'not_found');
    await plugin.register(type);
    t.equal(await plugin.discover(type), plugin.runtimeId);
  }
  t.doesNotThrow(() => JSON.stringify(host.registry.snapshot()));
});

await t.test('what a plugin may register', async (t) => {
  const host = await startHost({
    allow: { storage: ['storage', 'cache'], nothing: [] },
  });
  t.teardown(host.close);
  for (const [selfId, type, may] of [
    ['storage', 'storage', true],
    ['storage', 'cache', true],
    ['storage', 'logger', false],
    ['nothing', 'logger', false],
    ['other', 'anything', true],
  ] as const) {
    const plugin = await host.join(selfId);
    const answer = plugin.register(type, {
      metadata: { base_url: `http://127.0.0.1:${selfId.length + 1000}` },
    });
    if (may) t.ok(await answer, `${selfId} may register ${type}`);
    else t.equal((await failure(answer)).code, 'permission_denied', `${selfId} may not register ${type}`);
  }
});

await t.test('a plugin takes away its own registrations only', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const [owner, other] = [await host.join('owner'), await host.join('other')];
  const registrationId = await owner.register('logger');
  const denied = await failure(other.client.unary(unregisterService, { registrationId }));
  t.equal(denied.code, 'permission_denied');
  t.equal(
    (await failure(owner.client.unary(unregisterService, { registrationId: 'reg-none' }))).code,
    'not_found',
  );
  t.equal(await other.discover('logger'), owner.runtimeId);
  await owner.client.unary(unregisterService, { registrationId });
  t.equal((await failure(other.discover('logger'))).code, 'not_found');
  t.equal(resolved(host.registry, 'logger', owner.runtimeId), 404);
  t.equal(
    (await failure(owner.client.unary(unregisterService, { registrationId }))).code,
    'not_found',
    'it is gone',
  );
  t.equal(host.registry.services().length, 0);
});

await t.test('one that unregistered all is out of service, and goes when nobody hears of it', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const { registry, clock } = host;
  const [stopped, back, alive] = [await host.join('one'), await host.join('one'), await host.join('one')];
  const client = await host.join('client');
  const unregister = (plugin: TestPlugin, registrationId: string) =>
    plugin.client.unary(unregisterService, { registrationId });
  for (const [at, plugin] of [stopped, back, alive].entries()) {
    const metadata = { base_url: `http://127.0.0.1:${1001 + at}` };
    const ids = [
      await plugin.register('storage', { metadata }),
      await plugin.register('cache', { metadata }),
    ];
    await unregister(plugin, ids[0]!);
    t.equal(registry.plugin(plugin.runtimeId)?.routable, true, 'it has another');
    await unregister(plugin, ids[1]!);
    t.match(registry.plugin(plugin.runtimeId), {
      ...{ routable: false, unroutableBecause: 'it unregistered its services', services: [] },
    });
  }
  await back.register('storage');
  t.equal(registry.plugin(back.runtimeId)?.routable, true, 'it registered again');

  const kept = newRegistry();
  t.teardown(kept.registry.close);
  kept.registry.restore(JSON.parse(JSON.stringify(registry.snapshot())));
  for (const [known, time] of [
    [registry, clock],
    [kept.registry, kept.clock],
  ] as const) {
    time.now += 59_999;
    known.sweep();
    t.equal(known.size, 4, 'it may only be slow');
  }
  await alive.report(HealthState.HEALTHY);
  clock.now += 1;
  registry.sweep();
  t.same(
    registry.plugins().map(({ runtimeId }) => runtimeId),
    [back, alive, client].map(idOf),
  );
  t.equal((await failure(stopped.report(HealthState.HEALTHY))).code, 'unauthenticated');
  kept.clock.now += 1;
  kept.registry.sweep();
  t.same(
    kept.registry.plugins().map(({ runtimeId }) => runtimeId),
    [back, client].map(idOf),
    'a restart of the host forgets none',
  );
});

await t.test('one plugin may not register without end', async (t) => {
  const host = await startHost({ limits: { servicesPerPlugin: 3 } });
  t.teardown(host.close);
  const plugin = await host.join('many');
  for (const type of ['a', 'b', 'c']) await plugin.register(type);
  t.equal((await failure(plugin.register('d'))).code, 'resource_exhausted');
  await plugin.register('c', { version: '1.1.0' });
});

await t.test('versions are compared as semver says', (t) => {
  for (const [version, minimum, fits] of [
    ['1.10.0', '1.9.0', true],
    ['1.9.0', '1.10.0', false],
    ['1.0.0', '1.0.0', true],
    ['2.0.0', '1.0.0', false],
    ['1.0.0', '2.0.0', false],
    ['10.0.0', '9.0.0', false],
    ['0.2.5', '0.2.1', true],
    ['0.3.0', '0.2.1', false],
    ['0.2.0', '0.2.1', false],
    ['1.0.0-rc.1', '1.0.0', false],
    ['1.0.0', '1.0.0-rc.1', true],
    ['1.0.0-rc.10', '1.0.0-rc.9', true],
    ['1.2.0-beta', '1.1.0', true],
    ['1.0.0+build.5', '1.0.0', true],
    ['1.0.0', '', true],
    ['1.0.0', '1', false],
  ] as const)
    t.equal(isCompatible(version, minimum), fits, `${version} for ${minimum}`);
  t.end();
});

await t.test('discovery by version', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const [old, young] = [await host.join('old', { port: 1001 }), await host.join('young', { port: 1002 })];
  await old.register('storage', { version: '1.9.0' });
  await young.register('storage', { version: '1.10.0' });
  t.equal(await old.discover('storage', '1.10.0'), young.runtimeId);
  t.equal(await old.discover('storage', '1.0.0'), old.runtimeId);
  t.equal((await failure(old.discover('storage', '2.0.0'))).code, 'not_found');
  t.equal((await failure(old.discover('storage', '1.x'))).code, 'invalid_argument');
  t.equal((await failure(old.discover('no/type'))).code, 'invalid_argument');
  t.equal((await failure(old.discover('none'))).code, 'not_found');
  const one = await old.client.unary(discoverService, { serviceType: 'storage', minVersion: '1.10.0' });
  const two = await old.client.unary(discoverService, { serviceType: 'storage' });
  t.same([one.singleProvider, two.singleProvider], [true, false]);
  t.same(
    host.registry.plugin(old.runtimeId)?.requires,
    { storage: '2.0.0', none: '' },
    'the most that it asked for is noted',
  );
});

await t.test('selection: first, round robin, random', async (t) => {
  const host = await startHost({ selection: { robin: 'round_robin', dice: 'random' } });
  t.teardown(host.close);
  const plugins = [
    await host.join('a', { port: 1 }),
    await host.join('b', { port: 2 }),
    await host.join('c', { port: 3 }),
  ];
  for (const plugin of plugins) for (const type of ['first', 'robin', 'dice']) await plugin.register(type);
  const [a, b, c] = plugins.map(idOf);
  const picks = (type: string, times: number) =>
    Array.from({ length: times }, () => resolved(host.registry, type, '-'));
  t.same(picks('first', 3), [a, a, a]);
  t.same(picks('robin', 4), [a, b, c, a]);
  t.same(new Set(picks('dice', 200)), new Set([a, b, c]));
  await plugins[1]?.report(HealthState.UNHEALTHY);
  t.notOk(picks('robin', 6).includes(b ?? ''));
  await plugins[0]?.report(HealthState.DEGRADED);
  t.same(picks('robin', 2), [c, c], 'a healthy one is chosen rather than a degraded one');
  t.equal(resolved(host.registry, 'robin', a ?? ''), a, 'who names the degraded one gets it');
  await plugins[2]?.report(HealthState.UNHEALTHY);
  t.same(picks('first', 2), [a, a], 'a degraded one rather than none');
});

await t.test('health decides what is routed, and only a plugin itself reports its own', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const [plugin, caller] = [await host.join('storage'), await host.join('api')];
  await plugin.register('storage');
  const check = async (service: string) =>
    (await host.client().unary(HealthService.method.check, { service })).status;
  t.equal(await check(''), ServingStatus.SERVING);
  t.equal(await check('storage'), ServingStatus.SERVING, 'never reported counts as healthy');
  for (const [state, routed] of [
    [HealthState.DEGRADED, true],
    [HealthState.UNHEALTHY, false],
    [HealthState.HEALTHY, true],
  ] as const) {
    await plugin.report(state, 'because');
    t.equal(resolved(host.registry, 'storage', plugin.runtimeId), routed ? plugin.runtimeId : 503);
    t.equal(resolved(host.registry, 'storage', '-'), routed ? plugin.runtimeId : 503);
    t.equal(await check('storage'), routed ? ServingStatus.SERVING : ServingStatus.NOT_SERVING);
    if (routed) t.equal(await caller.discover('storage'), plugin.runtimeId);
    else t.equal((await failure(caller.discover('storage'))).code, 'not_found');
  }
  await caller.report(HealthState.UNHEALTHY);
  t.equal(
    resolved(host.registry, 'storage', plugin.runtimeId),
    plugin.runtimeId,
    "another's health changes nothing",
  );
  t.equal((await failure(check('none'))).code, 'not_found');
  t.equal((await failure(check('no/type'))).code, 'invalid_argument');
  for (const wrong of [
    { state: HealthState.UNSPECIFIED },
    { state: 7 as HealthState },
    { state: HealthState.HEALTHY, reason: 'x'.repeat(1025) },
    { state: HealthState.HEALTHY, unavailableDependencies: Array.from({ length: 65 }, () => 'a') },
    { state: HealthState.HEALTHY, unavailableDependencies: ['x'.repeat(129)] },
  ])
    t.equal(
      (await failure(plugin.client.unary(PluginLifecycle.method.reportHealth, wrong))).code,
      'invalid_argument',
    );
  await plugin.report(HealthState.DEGRADED, 'waiting', ['logger']);
  t.match(host.registry.plugin(plugin.runtimeId), { unavailableDependencies: ['logger'], reason: 'waiting' });
  t.ok(host.lines.some((line) => /is degraded: waiting \(missing: logger\)/.test(line)));
});

await t.test(
  'the type in the path counts: a plugin of two services is asked for the right one',
  async (t) => {
    const host = await startHost();
    t.teardown(host.close);
    const plugin = await host.join('both');
    await plugin.register('one', { path: '/one/' });
    await plugin.register('two', { path: '/two/' });
    t.equal(host.registry.resolve('two', plugin.runtimeId).targets[0]?.path, '/two/');
    t.equal(host.registry.resolve('one', plugin.runtimeId).targets[0]?.path, '/one/');
    t.equal(resolved(host.registry, 'three', plugin.runtimeId), 404);
    t.equal(resolved(host.registry, 'one', 'nobody-0000'), 404);
    t.equal(resolved(host.registry, 'one', '__proto__'), 404);
  },
);

await t.test('the worse of what a plugin reports and what it answers counts', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const plugin = await host.join('storage');
  await plugin.register('storage');
  const health = () => host.registry.plugin(plugin.runtimeId)?.health;
  const found = (state: 'healthy' | 'degraded' | 'unhealthy') =>
    probe(host.registry).alive(plugin.runtimeId, { state, reason: state, unavailableDependencies: [] });
  await plugin.report(HealthState.DEGRADED, 'waiting');
  found('healthy');
  const view = host.registry.plugin(plugin.runtimeId);
  t.match(view, { health: 'degraded', reason: 'waiting' }, 'many always answer well');
  found('unhealthy');
  t.equal(health(), 'unhealthy');
  probe(host.registry).alive(plugin.runtimeId);
  t.equal(health(), 'unhealthy', 'a probe that tells nothing changes nothing');
  await plugin.report(HealthState.HEALTHY);
  t.equal(health(), 'unhealthy');
  found('healthy');
  t.equal(health(), 'healthy');
});

await t.test('registering again renews, with the same id', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const plugin = await host.join('storage', { port: 1001 });
  const id = await plugin.register('storage');
  t.equal(
    await plugin.register('storage', { version: '1.1.0', metadata: { base_url: 'http://127.0.0.1:1002' } }),
    id,
  );
  t.match(host.registry.services(), [{ version: '1.1.0', targets: [{ baseUrl: 'http://127.0.0.1:1002' }] }]);
});

await t.test(
  'a dead plugin is unroutable at once, back when it answers, and gone after an hour',
  async (t) => {
    const host = await startHost();
    t.teardown(host.close);
    const plugin = await host.join('storage');
    await plugin.register('storage');
    const registration = host.registry.resolve('storage', '-');
    const [target] = registration.targets;
    if (target === undefined) throw new Error('no target');
    for (const [what, die] of [
      ['a refused call', () => host.registry.refused(registration, target, 'connection refused')],
      ['a failed probe', () => probe(host.registry).silent(plugin.runtimeId, 'connection refused')],
    ] as const) {
      for (let flap = 0; flap < 5; flap += 1) {
        die();
        t.equal(resolved(host.registry, 'storage', plugin.runtimeId), 503, what);
        t.match(host.registry.plugin(plugin.runtimeId), {
          routable: false,
          unroutableBecause: /connection refused/,
        });
        t.equal(host.registry.services().length, 1, 'it stays registered');
        probe(host.registry).alive(plugin.runtimeId);
        t.equal(resolved(host.registry, 'storage', plugin.runtimeId), plugin.runtimeId, 'back');
      }
    }
    const since = new Date(host.clock.now).toISOString();
    probe(host.registry).silent(plugin.runtimeId, 'timeout');
    host.clock.now += 1000;
    const why = {
      status: 503,
      message: new RegExp(`storage-\\w+.* has not answered since ${since} \\(timeout\\)`),
    };
    t.throws(() => host.registry.resolve('storage', '-'), why);
    t.throws(() => host.registry.resolve('storage', plugin.runtimeId), why, 'which, since when, and why');
    await plugin.register('storage');
    t.equal(resolved(host.registry, 'storage', '-'), plugin.runtimeId, 'back by registering');
    probe(host.registry).silent(plugin.runtimeId, 'timeout');
    host.clock.now += HOUR - 1;
    host.registry.sweep();
    t.equal(resolved(host.registry, 'storage', plugin.runtimeId), 503);
    host.clock.now += 1;
    host.registry.sweep();
    t.equal(resolved(host.registry, 'storage', plugin.runtimeId), 404);
    t.same(host.registry.plugins(), []);
  },
);

await t.test('news of an address that a plugin has left is no news', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const plugin = await host.join('storage', { port: 1001 });
  await plugin.register('storage');
  const before = host.registry.resolve('storage', '-');
  await plugin.register('storage', { metadata: { base_url: 'http://127.0.0.1:1002' } });
  host.registry.refused(before, { baseUrl: 'http://127.0.0.1:1001', path: '/storage.v1/' }, 'refused');
  host.registry.silent(plugin.runtimeId, 'http://127.0.0.1:1001', 'gone');
  host.registry.alive(plugin.runtimeId, 'http://127.0.0.1:1001', {
    ...{ state: 'unhealthy', reason: 'it stops', unavailableDependencies: [] },
  });
  t.equal(resolved(host.registry, 'storage', '-'), plugin.runtimeId);
  t.match(host.registry.plugin(plugin.runtimeId), { health: 'healthy', reason: '' });
  host.registry.alive('nobody-0000', 'http://127.0.0.1:1001');
  host.registry.silent('nobody-0000', 'http://127.0.0.1:1001', 'gone');
});

await t.test('a plugin that starts anew takes the place of its stale entry', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const other = await host.join('other', { port: 2000 });
  const before = await host.join('storage', { port: 1001 });
  await before.register('storage');
  await before.register('cache');
  await other.register('storage');
  const after = await host.join('storage', { port: 1001 });
  await after.register('storage');
  t.equal(resolved(host.registry, 'storage', '-'), after.runtimeId, 'it is the first as before');
  t.equal(
    resolved(host.registry, 'storage', before.runtimeId),
    after.runtimeId,
    'who knows its old id finds it',
  );
  t.equal(resolved(host.registry, 'cache', '-'), before.runtimeId, 'until it registers this too');
  await after.register('cache');
  t.equal(resolved(host.registry, 'cache', before.runtimeId), after.runtimeId);
  t.notOk(host.registry.plugin(before.runtimeId), 'the stale entry is gone');
  t.equal((await failure(before.discover('cache'))).code, 'unauthenticated');
  t.equal(host.registry.services().length, 3);
});

await t.test('what a plugin no longer registers when it starts anew goes by itself', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const before = await host.join('storage', { port: 1001 });
  await before.register('storage');
  await before.register('cache');
  const after = await host.join('storage', { port: 1001 });
  await after.register('storage');
  host.clock.now += 30_000;
  host.registry.sweep();
  t.equal(resolved(host.registry, 'cache', '-'), 404);
  t.same(
    host.registry.plugins().map(({ runtimeId }) => runtimeId),
    [after.runtimeId],
  );
});

await t.test('one that was started anew before its death was noticed', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const killed = await host.join('storage', { port: 8591 });
  await killed.register('storage');
  host.clock.now += 400;
  const anew = await host.join('storage', { port: 8593 });
  await anew.register('storage');
  const { registry } = host;
  probe(registry).silent(killed.runtimeId, 'refused');
  t.equal(resolved(registry, 'storage', killed.runtimeId), anew.runtimeId);
  t.same(
    registry.plugins().map(({ runtimeId }) => runtimeId),
    [anew.runtimeId],
    'nothing stays of the dead one',
  );
});

await t.test('an address that is dead stays so while another one of its plugin answers', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const plugin = await host.join('both');
  await plugin.register('good', { metadata: { base_url: 'http://127.0.0.1:8592' } });
  await plugin.register('dead', { metadata: { base_url: 'http://127.0.0.1:8599' } });
  const { registry } = host;
  const dead = registry.resolve('dead', '-');
  registry.refused(dead, dead.targets[0]!, 'refused');
  for (let round = 0; round < 2; round++) {
    registry.alive(plugin.runtimeId, 'http://127.0.0.1:8592');
    registry.silent(plugin.runtimeId, 'http://127.0.0.1:8599', 'refused');
    t.throws(() => registry.resolve('dead', '-'), { name: 'Unroutable' });
    t.equal(registry.resolve('good', '-').targets.length, 1);
  }
});

await t.test('at another address: a live one is a second provider, a dead one goes', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const first = await host.join('storage', { port: 1001 });
  await first.register('storage');
  const second = await host.join('storage', { port: 1002 });
  await second.register('storage');
  t.same(
    host.registry.services().map(({ provider }) => provider),
    [first.runtimeId, second.runtimeId],
  );
  probe(host.registry).silent(first.runtimeId, 'killed');
  await second.register('storage');
  t.equal(host.registry.services().length, 2, 'a heartbeat of another one takes nothing away');
  const third = await host.join('storage', { port: 1003 });
  await third.register('storage');
  t.same(
    host.registry.services().map(({ provider }) => provider),
    [third.runtimeId, second.runtimeId],
  );
  t.equal(resolved(host.registry, 'storage', first.runtimeId), third.runtimeId);
});

await t.test('another plugin at the same address is another plugin', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const [storage, cache] = [
    await host.join('storage', { port: 1001 }),
    await host.join('cache', { port: 1001 }),
  ];
  await storage.register('kv');
  await cache.register('kv');
  t.equal(host.registry.services().length, 2);
});
