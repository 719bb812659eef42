/** Watches: the present state first, then every change in order; a slow watcher gets the newest state. */
import t from 'tap';
import { HealthService, ServingStatus } from '../../../proto/gen/connectplugin/health/v1/health_pb.js';
import { HealthState, ServiceRegistry, ServiceState } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { createFeed } from '../../../server/plugin-host/registry/feed.js';
import type { RegistryChange } from '../../../server/plugin-host/registry/registry.js';
import { until } from '../../helpers/eventually.js';
import { failure, probe, startHost } from './registry-host.js';
import type { TestPlugin } from './registry-host.js';

const { watchService, unregisterService } = ServiceRegistry.method;

/** What a plugin is told of a type: state and provider, from now on. */
function watching(plugin: TestPlugin, serviceType: string) {
  const seen: string[] = [];
  const leaving = new AbortController();
  const ended = (async () => {
    const events = plugin.client.stream(watchService, { serviceType }, { signal: leaving.signal });
    for await (const { state, endpoint } of events)
      seen.push(`${ServiceState[state]} ${endpoint?.providerId ?? '-'}`);
  })().catch((error: { code: string }) => error.code);
  return { seen, ended, leave: () => leaving.abort() };
}

await t.test('a watcher is told the present state, then each change', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const watcher = await host.join('api');
  const { seen, leave } = watching(watcher, 'storage');
  const told = (count: number) => until(() => seen.length >= count);
  await told(1);
  const [a, b] = [await host.join('a', { port: 1001 }), await host.join('b', { port: 1002 })];
  const id = await a.register('storage');
  await told(2);
  await b.register('storage');
  await a.report(HealthState.DEGRADED);
  await told(3);
  await b.report(HealthState.DEGRADED);
  await told(4);
  await a.report(HealthState.HEALTHY);
  await told(5);
  probe(host.registry).silent(a.runtimeId, 'killed');
  await told(6);
  await b.report(HealthState.UNHEALTHY);
  await told(7);
  probe(host.registry).alive(a.runtimeId);
  await told(8);
  await a.client.unary(unregisterService, { registrationId: id });
  await told(9);
  t.same(seen, [
    'UNAVAILABLE -',
    `AVAILABLE ${a.runtimeId}`,
    `AVAILABLE ${b.runtimeId}`,
    `DEGRADED ${b.runtimeId}`,
    `AVAILABLE ${a.runtimeId}`,
    `DEGRADED ${b.runtimeId}`,
    'UNAVAILABLE -',
    `AVAILABLE ${a.runtimeId}`,
    'UNAVAILABLE -',
  ]);
  leave();
  await until(() => host.registry.plugin(watcher.runtimeId) !== undefined);
  t.same(host.registry.plugin(watcher.runtimeId)?.requires, { storage: '' });
});

await t.test('each watcher is told the same, and stays with a provider that is good', async (t) => {
  const host = await startHost({ selection: { storage: 'round_robin' } });
  t.teardown(host.close);
  const plugins = [await host.join('a', { port: 1001 }), await host.join('b', { port: 1002 })];
  for (const plugin of plugins) await plugin.register('storage');
  const [one, two] = [watching(await host.join('x'), 'storage'), watching(await host.join('y'), 'storage')];
  await until(() => one.seen.length === 1 && two.seen.length === 1);
  t.not(one.seen[0], two.seen[0], 'round robin spreads watchers');
  const c = await host.join('c', { port: 1003 });
  await c.register('storage');
  await plugins[0]?.report(HealthState.UNHEALTHY);
  await until(() => one.seen.length + two.seen.length === 3);
  t.same([one.seen.length, two.seen.length].sort(), [1, 2], 'only who used it has to change');
  one.leave();
  two.leave();
});

await t.test('a watch ends with the identity of its plugin', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const watcher = await host.join('api');
  const { seen, ended } = watching(watcher, 'storage');
  await until(() => seen.length === 1);
  host.registry.remove(watcher.runtimeId);
  t.equal(await ended, 'unauthenticated');
});

await t.test('watches are bounded, and those that ended do not count', async (t) => {
  const host = await startHost({ limits: { watchesPerPlugin: 2, healthWatches: 1 } });
  t.teardown(host.close);
  const plugin = await host.join('api');
  const [one, two] = [watching(plugin, 'a'), watching(plugin, 'b')];
  await until(() => one.seen.length === 1 && two.seen.length === 1);
  const watches = (type: string) => async () => {
    for await (const event of plugin.client.stream(watchService, { serviceType: type }))
      return event.serviceType;
    return '';
  };
  t.equal((await failure(watches('c')())).code, 'resource_exhausted');
  one.leave();
  await until(async () => (await watches('c')().catch(() => '')) === 'c');
  two.leave();
  const health = async () => {
    for await (const { status } of host.client().stream(HealthService.method.watch, { service: '' }))
      return status;
    return undefined;
  };
  t.equal(await health(), ServingStatus.SERVING);
  await until(async () => (await health().catch(() => undefined)) === ServingStatus.SERVING);
});

await t.test('a type that is no type cannot be watched', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const { ended } = watching(await host.join('api'), 'no/type');
  t.equal(await ended, 'invalid_argument');
});

await t.test('health by service, without an identity', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const seen: ServingStatus[] = [];
  const leaving = new AbortController();
  const ended = (async () => {
    const events = host
      .client()
      .stream(HealthService.method.watch, { service: 'storage' }, { signal: leaving.signal });
    for await (const { status } of events) seen.push(status);
  })().catch(() => undefined);
  await until(() => seen.length === 1);
  const plugin = await host.join('storage');
  await plugin.register('storage');
  await until(() => seen.length === 2);
  probe(host.registry).silent(plugin.runtimeId, 'killed');
  await until(() => seen.length === 3);
  host.registry.remove(plugin.runtimeId);
  await until(() => seen.length === 4);
  const { SERVICE_UNKNOWN, SERVING, NOT_SERVING } = ServingStatus;
  t.same(seen, [SERVICE_UNKNOWN, SERVING, NOT_SERVING, SERVICE_UNKNOWN]);
  leaving.abort();
  await ended;
});

await t.test('a slow watcher gets the newest state, and no queue grows', async (t) => {
  const feed = createFeed<number>(4);
  const signal = new AbortController().signal;
  for (let state = 1; state <= 1000; state += 1) feed.push(state);
  feed.end();
  const seen: number[] = [];
  for await (const state of feed.read(signal)) seen.push(state);
  t.equal(seen.at(-1), 1000);
  t.ok(seen.length <= 4);
  t.same(
    seen,
    [...seen].sort((a, b) => a - b),
    'in order',
  );
});

await t.test('a feed ends with its reader, and with an error', async (t) => {
  const leaving = new AbortController();
  const feed = createFeed<number>();
  const reading = feed.read(leaving.signal).next();
  leaving.abort();
  t.same(await reading, { value: undefined, done: true });
  const failing = createFeed<number>();
  failing.push(1);
  failing.end(new Error('over'));
  failing.push(2);
  const read = failing.read(new AbortController().signal);
  t.same(await read.next(), { value: 1, done: false });
  await t.rejects(read.next(), { message: 'over' });
});

await t.test('a slow stream loses nothing that is true at its end', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const [watcher, plugin] = [await host.join('api'), await host.join('storage')];
  await plugin.register('storage');
  const events = watcher.client.stream(watchService, { serviceType: 'storage' })[Symbol.asyncIterator]();
  t.equal((await events.next()).value?.state, ServiceState.AVAILABLE);
  for (let flap = 0; flap < 20_000; flap += 1) {
    probe(host.registry).silent(plugin.runtimeId, 'flapping');
    probe(host.registry).alive(plugin.runtimeId);
  }
  await plugin.register('storage', { version: '9.9.9' });
  let count = 0;
  for (let version = ''; version !== '9.9.9'; count += 1) {
    const { value } = await events.next();
    version = value?.endpoint?.version ?? '';
  }
  t.ok(count < 1000, `it is not sent every flap, but ${count} states`);
  await events.return?.();
});

await t.test('functions and the console are told of every plugin, in order', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const changes: RegistryChange[] = [];
  host.registry.watch(() => {
    throw new Error('a watcher that fails');
  });
  const stop = host.registry.watch((change) => changes.push(change));
  const plugin = await host.join('storage');
  await plugin.register('storage');
  await plugin.report(HealthState.DEGRADED, 'slow');
  probe(host.registry).silent(plugin.runtimeId, 'killed');
  probe(host.registry).alive(plugin.runtimeId);
  host.registry.remove(plugin.runtimeId);
  t.match(
    changes.map(({ kind, plugin: { services, health, routable } }) => [
      kind,
      services.length,
      health,
      routable,
    ]),
    [
      ['added', 0, 'healthy', true],
      ['changed', 1, 'healthy', true],
      ['changed', 1, 'degraded', true],
      ['changed', 1, 'degraded', false],
      ['changed', 1, 'degraded', true],
      ['removed', 1, 'degraded', true],
    ],
  );
  t.match(changes[1]?.plugin.baseUrl, /^http:\/\/127\.0\.0\.1:/);
  stop();
  await host.join('later');
  t.equal(changes.length, 6);
  t.ok(host.lines.some((line) => line.includes('watcher of the plugins failed')));
});
