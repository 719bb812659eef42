/** Who called whom: what is counted, what is forgotten, and that neither long nor many methods make it large. */
import t from 'tap';
import { createMetrics } from '../../../server/ops/metrics.js';
import { createCallCounts } from '../../../server/plugin-host/counts.js';
import { createHostMetrics } from '../../../server/plugin-host/metrics.js';
import { HostStatus, hostStatus } from '../../../server/plugin-host/status.js';

const call = (method: string, { caller = 'api-1', status = 200 } = {}) => ({
  ...{ caller, provider: 'storage-1', type: 'storage', method, status },
});

t.test('calls are counted, and those of long ago forgotten', async (t) => {
  const counts = createCallCounts({ counts: 2, methods: 100 });
  counts.routed(call('Store'));
  counts.routed(call('Store', { status: 500 }));
  counts.routed(call('Get', { status: 404 }));
  counts.routed(call('Store'));
  t.match(counts.all(), [
    { method: 'Get', calls: 1, failures: 1 },
    { method: 'Store', calls: 3, failures: 1 },
  ]);
  counts.routed(call('List'));
  t.same(
    counts.all().map(({ method }) => method),
    ['Store', 'List'],
    'Get was called least lately',
  );
  const status = hostStatus([], counts, 2);
  t.same(HostStatus.parse(JSON.parse(JSON.stringify(status))), status);
});

t.test('a long method is cut, and calls of it are counted as one', async (t) => {
  const counts = createCallCounts();
  const long = (end: string): string => `files/${'x'.repeat(20_000)}${end}`;
  const shown = counts.routed(call(long('a')));
  t.equal(shown.length, 100);
  t.match(shown, /^files\/x+…$/);
  t.equal(counts.routed(call(long('b'), { status: 500 })), shown);
  const exact = 'y'.repeat(100);
  t.equal(counts.routed(call(exact)), exact);
  t.match(counts.all(), [
    { method: shown, calls: 2, failures: 1 },
    { method: exact, calls: 1 },
  ]);
});

t.test('beyond so many methods of one caller and service the others are one', async (t) => {
  const counts = createCallCounts({ counts: 8, methods: 3 });
  const shown = (): string[] =>
    counts.all().map(({ caller, method, calls }) => `${caller} ${method} ${calls}`);
  const names = ['a', 'b', 'c', 'd', 'e', 'b'].map((method) => counts.routed(call(method)));
  t.same(names, ['a', 'b', 'c', '(others)', '(others)', 'b']);
  t.equal(counts.routed(call('d', { caller: 'web-1' })), 'd', 'another caller has its own');
  t.same(shown(), ['api-1 a 1', 'api-1 b 2', 'api-1 c 1', 'api-1 (others) 2', 'web-1 d 1']);
  for (const method of ['1', '2']) counts.routed(call(method, { caller: 'web-1' }));
  for (const method of ['1', '2']) counts.routed(call(method, { caller: 'cron-1' }));
  t.equal(
    counts.routed(call('e')),
    '(others)',
    'one of four is forgotten, and three are all that it may have',
  );
  counts.routed(call('3', { caller: 'cron-1' }));
  t.equal(counts.routed(call('e')), 'e', 'those that were forgotten made room');
});

t.test('what a host keeps of the worst calls is small, and so are its metrics', async (t) => {
  const metrics = createMetrics();
  const counts = createCallCounts();
  const { routed } = createHostMetrics(metrics, counts, () => true);
  for (let at = 0; at < 5_000; at += 1) {
    routed(call(`${at}${'m'.repeat(12_000)}`), 0.001);
    routed(call(`files/${at}`, { caller: 'web-1' }), 0.001);
  }
  const all = counts.all();
  t.equal(all.length, 202, 'two callers, each with its hundred and the others');
  t.equal(
    all.reduce((sum, { calls }) => sum + calls, 0),
    10_000,
    'and every call is counted',
  );
  t.ok(JSON.stringify(hostStatus([], counts, 1)).length < 100_000);
  const text = metrics.render();
  t.ok(text.length < 100_000);
  t.match(text, /xi_plugin_calls_total\{caller="web-1",method="\(others\)",[^}]*\} 4900\n/);
  routed(call('Late', { caller: 'late-1' }), 0.001);
  t.match(metrics.render(), /caller="late-1",method="Late"/, 'calls of others are still told apart');
});
