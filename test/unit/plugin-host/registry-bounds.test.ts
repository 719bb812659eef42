/** What plugins have the host keep is bounded in all, whoever says how much. */
import t from 'tap';
import { HandshakeService, HealthState } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import type { Registry } from '../../../server/plugin-host/registry/registry.js';
import { GREETING, failure, newRegistry, startHost } from './registry-host.js';

const { handshake } = HandshakeService.method;
const BASE_URL = 'http://127.0.0.1:8000';

/** Metadata of so many KiB, 15 at most. */
const metadata = (kib: number): Record<string, string> => ({
  base_url: BASE_URL,
  ...Object.fromEntries(Array.from({ length: kib }, (_, at) => [`k${at}`, 'x'.repeat(1000)])),
});
const sizeOf = (registry: Registry): number => JSON.stringify(registry.snapshot()).length;

await t.test('of a handshake only base_url is kept', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  await host.client().unary(handshake, { ...GREETING, selfId: 'much', clientMetadata: metadata(15) });
  t.same(host.registry.snapshot().plugins[0]?.metadata, { base_url: BASE_URL });
  const { registry } = newRegistry();
  const [plugin] = host.registry.snapshot().plugins;
  registry.restore({ ...host.registry.snapshot(), plugins: [{ ...plugin, metadata: metadata(15) }] });
  t.same(
    registry.snapshot().plugins[0]?.metadata,
    { base_url: BASE_URL },
    'nor is it of an older state file',
  );
  await registry.close();
});

await t.test('registrations beyond what the host keeps in all are refused', async (t) => {
  const limits = { keptBytes: 29_500 };
  const host = await startHost({ limits });
  t.teardown(host.close);
  const [one, two] = [await host.join('one'), await host.join('two')];
  const first = await one.register('a', { metadata: metadata(14) });
  await two.register('b', { metadata: metadata(11) });
  for (const late of [
    two.register('c', { metadata: metadata(4) }),
    two.register('b', { metadata: metadata(15) }),
  ])
    t.match(await failure(late), { code: 'resource_exhausted' });
  t.ok(sizeOf(host.registry) < limits.keptBytes);
  t.match(
    host.registry.services().map(({ type, metadata: said }) => [type, Object.keys(said).length]),
    [
      ['a', 15],
      ['b', 12],
    ],
    'what was there stays as it was',
  );

  const again = newRegistry({ limits });
  again.registry.restore(host.registry.snapshot());
  t.throws(
    () =>
      again.registry.admit({
        ...{ selfId: 'late', selfVersion: '', origin: 'managed', baseUrls: [BASE_URL], requires: {} },
        provides: [{ type: 'late', version: '1.0.0', path: '/late/', metadata: metadata(4) }],
      }),
    { code: 'resource_exhausted' },
    'what was restored is counted, and one that the host itself takes in too',
  );
  t.equal(again.registry.size, 2);
  await again.registry.close();

  await one.register('a', { metadata: metadata(1) });
  await two.register('c', { metadata: metadata(4) });
  t.equal(
    await one.register('a', { metadata: metadata(1) }),
    first,
    'less than before makes room for others',
  );
  host.registry.remove(two.runtimeId);
  await one.register('d', { metadata: metadata(14) });
  await one.register('e', { metadata: metadata(11) });
});

await t.test(
  'identities and what they ask for are counted, and those that nobody uses make room',
  async (t) => {
    const host = await startHost({ limits: { keptBytes: 20_000 } });
    t.teardown(host.close);
    const real = await host.join('real');
    await real.register('real');
    const join = () => host.join('x'.repeat(128));
    let joined = 0;
    let code = '';
    while (code === '' && joined < 100)
      await join().then(
        () => (joined += 1),
        (error: { code: string }) => (code = error.code),
      );
    t.equal(code, 'resource_exhausted');
    t.ok(joined > 10 && joined < 50, `after ${joined}`);
    t.ok(sizeOf(host.registry) < 25_000, 'with the order of providers');
    t.equal(await real.discover('real'), real.runtimeId, 'those that are there are served on');
    for (let at = 0; at < 64; at += 1) await real.discover(`${'t'.repeat(120)}${at}`).catch(() => undefined);
    t.ok(Object.keys(host.registry.plugin(real.runtimeId)?.requires ?? {}).length < 20);
    await real.report(HealthState.UNHEALTHY, 'r'.repeat(1000));
    t.match(
      host.registry.plugin(real.runtimeId),
      { health: 'unhealthy', reason: '' },
      'how it is counts still',
    );
    host.clock.now += 60_000;
    await join();
    t.ok(host.registry.plugin(real.runtimeId), 'who provides something stays');
    await real.report(HealthState.DEGRADED, 'disk');
    t.match(host.registry.plugin(real.runtimeId), { health: 'degraded' });
  },
);
