/** Who the prober takes for alive, by each way of asking, and how soon it sees one go and come back. */
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { RequestListener } from 'node:http';
import t from 'tap';
import type { Test } from 'tap';
import { createRegistry } from '../../../server/plugin-host/registry/registry.js';
import { startProber } from '../../../server/plugin-host/prober.js';
import type { ProberOptions } from '../../../server/plugin-host/prober.js';
import { until } from '../../helpers/eventually.js';
import { freePort } from '../../helpers/free-port.js';
import type { ConnectError } from '../../../connect/index.js';
import { probe, startHost } from './registry-host.js';
import { http1Plugin, rawPlugin, refusing } from './router-ground.js';

const SOON: Partial<ProberOptions> = { graceMs: 0, everyMs: 40, silentEveryMs: 20, timeoutMs: 300 };

/** A registry with plugins at these URLs, and its prober. */
function startProbing(t: Test, urls: readonly string[], options: Partial<ProberOptions> = SOON) {
  const quiet = { info: () => undefined, warn: () => undefined };
  const registry = createRegistry({ log: quiet, allowBaseUrl: () => undefined });
  const ids = urls.map(
    (url, i) =>
      registry.admit({
        ...{ selfId: `plugin-${i}`, selfVersion: '1.0.0', origin: 'managed', baseUrls: [url], requires: {} },
        provides: [{ type: `type-${i}`, version: '1.0.0', path: '/x.v1.X/' }],
      }).runtimeId,
  );
  const prober = startProber({ probed: registry, ...options });
  t.teardown(async () => {
    await prober.close();
    await registry.close();
  });
  return { registry, prober, ids, of: (i: number) => registry.plugin(ids[i]!)! };
}

/** Answers these paths with JSON, others with 404, and counts. */
function answering(paths: Record<string, () => unknown>, seen: string[] = []): RequestListener {
  return (request, response) => {
    request.resume();
    const answer = paths[request.url ?? ''];
    seen.push(request.url ?? '');
    response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer?.() ?? {}));
  };
}

const GET_HEALTH = '/connectplugin.v1.PluginControl/GetHealth';
const CHECK = '/connectplugin.health.v1.HealthService/Check';

t.test('a plugin with GetHealth says how it is', async (t) => {
  let state = 'HEALTH_STATE_HEALTHY';
  const seen: string[] = [];
  const health = () => ({ state, reason: 'low disk', unavailableDependencies: ['storage'], more: 1 });
  const plugin = await http1Plugin(t, answering({ [GET_HEALTH]: health }, seen));
  const { of } = startProbing(t, [plugin.url]);
  state = 'HEALTH_STATE_DEGRADED';
  await until(() => of(0).health === 'degraded');
  t.match(of(0), { reason: 'low disk', unavailableDependencies: ['storage'], routable: true });
  state = 'HEALTH_STATE_UNHEALTHY';
  await until(() => of(0).health === 'unhealthy');
  t.equal(of(0).routable, false);
  state = 'HEALTH_STATE_HEALTHY';
  await until(() => of(0).routable);
  t.strictSame([...new Set(seen)], [GET_HEALTH], 'nothing else is asked of it');
});

t.test('one with the health service alone, and one with GET /health alone', async (t) => {
  let status = 'SERVING_STATUS_SERVING';
  let code = 200;
  const seen: string[] = [];
  const service = await http1Plugin(t, answering({ [CHECK]: () => ({ status }) }, seen));
  const plain = await http1Plugin(t, (request, response) => {
    request.resume();
    response.writeHead(request.url === '/health' ? code : 404).end('ok');
  });
  const { of } = startProbing(t, [service.url, plain.url]);
  await until(() => seen.filter((path) => path === CHECK).length > 3);
  t.equal(seen.filter((path) => path === GET_HEALTH).length, 1, 'what it does not serve is asked once');
  t.match([of(0), of(1)], [{ routable: true }, { routable: true }]);
  status = 'SERVING_STATUS_NOT_SERVING';
  code = 503;
  await until(() => of(0).health === 'unhealthy' && of(1).health === 'unhealthy');
  t.match(of(0).reason, /NOT_SERVING/);
  t.match(of(1).reason, /503/);
  status = 'SERVING_STATUS_SERVING';
  code = 200;
  await until(() => of(0).health === 'healthy' && of(1).health === 'healthy');
});

t.test(
  'each pod of a plugin is asked, in its own way, and what one says is not taken back by another',
  async (t) => {
    let code = 503;
    const seen: string[] = [];
    const well = await http1Plugin(t, answering({ [GET_HEALTH]: () => ({ state: 'HEALTH_STATE_HEALTHY' }) }));
    const quiet = await http1Plugin(t, answering({}, seen));
    const ill = await http1Plugin(t, (request, response) => {
      request.resume();
      seen.push('ill');
      response.writeHead(request.url === '/health' ? code : 404).end();
    });
    // No pod is taken for silent because the machine is slow.
    const { registry, ids, of } = startProbing(t, [well.url], { ...SOON, timeoutMs: 20_000 });
    const called = () => of(0).services.flatMap(({ targets }) => targets.map(({ baseUrl }) => baseUrl));
    registry.setTargets(ids[0]!, [well.url, quiet.url, ill.url]);
    await until(() => of(0).reason !== '');
    const shown = { health: 'healthy', reason: `${ill.url} is unhealthy: its GET /health answers 503` };
    t.match(of(0), shown);
    t.same(called(), [well.url, quiet.url]);
    let changes = 0;
    t.teardown(registry.watch(() => (changes += 1)));
    const times = (what: (path: string) => boolean) => seen.filter(what).length;
    await until(() => times((path) => path === 'ill') > 10 && times((path) => path === '/') > 5);
    t.equal(changes, 0);
    t.match(of(0), shown);
    await quiet.stop();
    await until(() => called().length === 1);
    code = 200;
    await until(() => called().includes(ill.url));
    t.match(of(0), { health: 'healthy', reason: '' });
  },
);

t.test('what it reported itself stays, where the probe only shows that it is alive', async (t) => {
  const seen: string[] = [];
  const plugin = await http1Plugin(
    t,
    answering({ [CHECK]: () => ({ status: 'SERVING_STATUS_SERVING' }) }, seen),
  );
  const { registry, ids, of } = startProbing(t, [plugin.url]);
  probe(registry).alive(ids[0]!, { state: 'degraded', reason: 'its own word', unavailableDependencies: [] });
  await until(() => seen.length > 5);
  t.match(of(0), { health: 'degraded', reason: 'its own word' });
});

t.test('whoever takes the connection and answers anything is alive; who says nothing is not', async (t) => {
  const odd = await http1Plugin(t, (_, response) => response.writeHead(500).end());
  const babbling = await rawPlugin(t, (socket) => socket.end('SSH-2.0-x\r\n'));
  const http2 = createHttp2Server();
  await new Promise<void>((resolve) => http2.listen(0, '127.0.0.1', resolve));
  t.teardown(() => http2.close());
  const silent = await rawPlugin(t, () => undefined);
  const flood = await http1Plugin(t, (_, response) => response.end(Buffer.alloc(1024 * 1024)));
  const urls = [
    odd.url,
    babbling.url,
    `http://127.0.0.1:${(http2.address() as AddressInfo).port}`,
    flood.url,
  ];
  const { of } = startProbing(t, [...urls, silent.url, await refusing()], { ...SOON, timeoutMs: 1_000 });
  await until(() => !of(4).routable && !of(5).routable);
  t.match(of(4).unroutableBecause, /1000 ms/);
  t.match(of(5).unroutableBecause, /ECONNREFUSED/);
  for (const i of [0, 1, 2, 3]) t.equal(of(i).routable, true, urls[i] ?? '');
});

t.test('one that goes is unroutable at the first probe, and back as soon as it answers', async (t) => {
  const port = await freePort();
  const first = await http1Plugin(t, answering({ [GET_HEALTH]: () => ({}) }), { port });
  const { of } = startProbing(t, [first.url], { ...SOON, everyMs: 100 });
  await first.stop();
  await until(() => !of(0).routable);
  await http1Plugin(t, answering({ [GET_HEALTH]: () => ({}) }), { port });
  await until(() => of(0).routable);
  t.equal(of(0).health, 'healthy');
});

const GET_INFO = '/connectplugin.v1.PluginIdentity/GetPluginInfo';

t.test('a plugin that came by itself provides what its GetPluginInfo declares, and no more', async (t) => {
  const types = (...names: string[]) => names.map((type) => ({ type, version: '1.0.0', path: '/x.v1.X/' }));
  for (const [what, info, kept, alone] of [
    ['what it declares', { selfId: 'store', provides: types('storage') }, ['storage'], 'storage'],
    ['it declares nothing', { selfId: 'store', provides: [] }, ['storage', 'cache'], undefined],
    ['another answers there', { selfId: 'other', provides: types('b') }, ['storage', 'cache'], undefined],
    ['it does not serve that', undefined, ['storage', 'cache'], undefined],
    [
      'the host has a list of its own',
      { selfId: 'listed', provides: types('a') },
      ['storage', 'cache'],
      undefined,
    ],
  ] as const) {
    await t.test(what, async (t) => {
      const seen: string[] = [];
      const served = await http1Plugin(
        t,
        answering(info === undefined ? {} : { [GET_INFO]: () => info }, seen),
      );
      const host = await startHost({ allow: { listed: ['storage', 'cache', 'extra'] } });
      t.teardown(host.close);
      const selfId = info?.selfId === 'listed' ? 'listed' : 'store';
      const plugin = await host.join(selfId, { port: Number(new URL(served.url).port) });
      for (const type of ['storage', 'cache']) await plugin.register(type);
      const prober = startProber({ probed: host.registry, ...SOON });
      t.teardown(() => prober.close());
      // The second time round it is not asked again.
      await until(() => seen.filter((path) => path === GET_INFO).length === 1 && seen.length > 8);
      t.same(
        host.registry.services().map(({ type }) => type),
        kept,
      );
      const more = await plugin.register('extra').then(
        () => undefined,
        (error: unknown) => (error as ConnectError).message,
      );
      if (alone === undefined) t.equal(more, undefined, 'and it may register more');
      else {
        t.equal(more, `store may not register extra; it may register ${alone}.`);
        t.match(
          host.lines.join('\n'),
          /Unregistered service: cache by store-\w+, whose GetPluginInfo declares storage alone/,
        );
        await t.rejects(plugin.discover('cache'), { code: 'not_found' });
        await plugin.register('storage');
      }
    });
  }
});

t.test('a managed plugin is not asked what it declares by the prober', async (t) => {
  const seen: string[] = [];
  const plugin = await http1Plugin(t, answering({}, seen));
  startProbing(t, [plugin.url]);
  await until(() => seen.length > 6);
  t.notOk(seen.includes(GET_INFO));
});

t.test('a new plugin is left alone, unless a call to it was refused', async (t) => {
  let asked = 0;
  const counting: RequestListener = (request, response) => {
    asked += 1;
    request.resume();
    response.end('{}');
  };
  const one = await http1Plugin(t, counting);
  const two = await http1Plugin(t, counting);
  const { registry, of } = startProbing(t, [one.url, two.url], { silentEveryMs: 20, everyMs: 40 });
  const registration = of(1).services[0]!;
  registry.refused(registration, registration.targets[0]!, 'ECONNREFUSED');
  t.equal(of(1).routable, false);
  await until(() => of(1).routable);
  t.equal(one.opened(), 0);
  t.ok(asked > 0);
});

t.test('a thousand plugins: all are asked, so many at a time and no more', async (t) => {
  let open = 0;
  let most = 0;
  const seen = new Set<string>();
  const plugin = await http1Plugin(t, (request, response) => {
    open += 1;
    most = Math.max(most, open);
    seen.add(request.url ?? '');
    request.resume();
    setImmediate(() => {
      open -= 1;
      response.end('{}');
    });
  });
  const urls = Array.from({ length: 1_000 }, (_, i) => `${plugin.url}/${i}`);
  const { registry } = startProbing(t, urls, { ...SOON, timeoutMs: 5_000, everyMs: 1_000, concurrency: 20 });
  await until(() => seen.size === 1_000);
  t.ok(most <= 20, `${most} at a time`);
  t.ok(registry.plugins().every(({ routable }) => routable));
});

t.test('closing ends it, questions under way included', async (t) => {
  const silent = await rawPlugin(t, () => undefined);
  const { prober } = startProbing(t, [silent.url]);
  await until(() => silent.opened() > 0);
  await prober.close();
  const before = silent.opened();
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.equal(silent.opened(), before);
});
