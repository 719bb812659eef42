/** The numbers of routed calls: whose series are told apart, and whose go. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { createMetrics } from '../../../server/ops/metrics.js';
import { createCallCounts } from '../../../server/plugin-host/counts.js';
import { onlyLoopback, startHost } from '../../../server/plugin-host/host.js';
import { createHostMetrics } from '../../../server/plugin-host/metrics.js';
import { identityOf, memoryLog } from './registry-host.js';

/** Metrics of a host that knows those plugins. */
function start(known: ReadonlySet<string>) {
  const metrics = createMetrics();
  const { routed } = createHostMetrics(metrics, createCallCounts(), (runtimeId) => known.has(runtimeId));
  const lines = (name: string): string[] =>
    metrics
      .render()
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`));
  const call = (caller: string, provider: string, method = 'Get', status = 200): void =>
    routed({ caller, provider, type: 'storage', method, status }, 0.001);
  return {
    call,
    calls: () => lines('xi_plugin_calls_total'),
    times: () => lines('xi_plugin_call_seconds_count'),
  };
}

const CALLERS = ['a', 'b', 'c'];

t.test('plugins that come again and again are told apart for ever', async (t) => {
  const known = new Set(CALLERS);
  const { call, calls, times } = start(known);
  for (let restart = 0; restart < 1_000; restart += 1) {
    const provider = `storage-${restart}`;
    known.add(provider);
    for (const caller of CALLERS)
      for (const method of ['Get', 'Put'])
        for (const status of [200, 503]) call(caller, provider, method, status);
    call('a', 'logger');
    known.delete(provider);
    known.add('logger');
  }
  const lines = calls();
  t.ok(lines.length <= 2_000);
  t.same(
    lines.filter((line) => line.includes('(others)')),
    [],
  );
  t.equal(lines.filter((line) => line.includes('storage-999')).length, 12);
  t.ok(times().length <= lines.length, 'what is timed goes too');
  t.ok(times().some((line) => line.includes('storage-999')));
  t.match(
    lines.find((line) => line.includes('logger')),
    / 1000$/,
    'one that stays is counted on',
  );
});

t.test('beyond so many of plugins that are there the others are one, until there is room', async (t) => {
  const known = new Set(['api']);
  const { call, calls } = start(known);
  for (let at = 0; at < 2_100; at += 1) {
    known.add(`p-${at}`);
    call('api', `p-${at}`);
  }
  const others = (): string[] => calls().filter((line) => line.includes('(others)'));
  t.equal(calls().length, 2_001);
  t.match(others(), [/\} 100$/]);
  call('api', 'p-1');
  t.match(
    calls().find((line) => line.includes('"p-1"')),
    / 2$/,
    'those who are told apart stay so',
  );
  for (let at = 0; at < 10; at += 1) known.delete(`p-${at}`);
  for (let at = 0; at < 2_000; at += 1) call('api', 'p-2050');
  t.ok(calls().some((line) => line.includes('"p-2050"')));
  t.notOk(calls().some((line) => line.includes('"p-1"')));
  known.add('late');
  call('api', 'late');
  t.ok(
    calls().some((line) => line.includes('"late"')),
    'and the next at once',
  );
});

t.test('a host tells of a new plugin when it has forgotten the old one', async (t) => {
  const upstream = createServer((request, response) => void response.end());
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const metrics = createMetrics();
  const host = await startHost({
    ...{ address: { host: '127.0.0.1', port: 0 }, log: memoryLog(), metrics, showStatus: true },
    registry: { allowBaseUrl: onlyLoopback },
    admit: () => undefined,
  });
  t.teardown(async () => {
    await host.close();
    upstream.close();
  });
  const types = Array.from({ length: 20 }, (_, at) => `type-${at}`);
  const admit = () =>
    host.registry.admit({
      ...{ selfId: 'storage', selfVersion: '1.0.0', origin: 'managed', requires: {} },
      baseUrls: [`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`],
      provides: types.map((type) => ({ type, version: '1.0.0', path: '/' })),
    });
  const before = admit();
  const call = async (identity: typeof before, type: string, method: number): Promise<void> => {
    const url = `${host.url}/services/${type}/${identity.runtimeId}/m${method}`;
    const answer = await fetch(url, { method: 'POST', headers: identityOf(identity) });
    if (answer.status !== 200) t.fail(`${url}: ${answer.status}`);
    await answer.arrayBuffer();
  };
  for (let method = 0; method < 100; method += 1)
    await Promise.all(types.map((type) => call(before, type, method)));
  const shown = (runtimeId: string): boolean => metrics.render().includes(`provider="${runtimeId}"`);
  t.ok(shown(before.runtimeId));
  host.registry.remove(before.runtimeId);
  const after = admit();
  await call(after, 'type-0', 0);
  t.ok(shown(after.runtimeId));
  t.notOk(shown(before.runtimeId));
});
