/** The text that Prometheus reads. */
import t from 'tap';
import { createMetrics } from '../../../server/ops/metrics.js';

t.test('the exposition', (t) => {
  const metrics = createMetrics();
  const calls = metrics.counter('calls_total', 'Calls,\nall of them.');
  calls.add({ result: 'ok', name: 'a' });
  calls.add({ name: 'a', result: 'ok' }, 2);
  calls.add({ result: 'quote " backslash \\ line\n', name: 'b' });
  metrics.gauge('heat', 'How hot.').set(-1.5);
  metrics.observed('size', 'How many.', () => [[3, { kind: 'x' }], [0]]);
  const seconds = metrics.histogram('seconds', 'How long.', [0.1, 1]);
  for (const value of [0.05, 0.1, 0.5, 5]) seconds.observe(value, { how: 'fast' });
  t.equal(
    metrics.render(),
    `# HELP calls_total Calls,\\nall of them.
# TYPE calls_total counter
calls_total{name="a",result="ok"} 3
calls_total{name="b",result="quote \\" backslash \\\\ line\\n"} 1
# HELP heat How hot.
# TYPE heat gauge
heat -1.5
# HELP size How many.
# TYPE size gauge
size{kind="x"} 3
size 0
# HELP seconds How long.
# TYPE seconds histogram
seconds_bucket{how="fast",le="0.1"} 2
seconds_bucket{how="fast",le="1"} 3
seconds_bucket{how="fast",le="+Inf"} 4
seconds_sum{how="fast"} 5.65
seconds_count{how="fast"} 4
`,
  );
  t.end();
});

t.test('a series that goes is shown no more, and begins anew', (t) => {
  const metrics = createMetrics();
  const calls = metrics.counter('calls_total', 'Calls.');
  const seconds = metrics.histogram('seconds', 'How long.', [1]);
  for (const name of ['a', 'b']) {
    calls.add({ name, how: 'fast' }, 2);
    seconds.observe(0.5, { name });
  }
  calls.remove({ how: 'fast', name: 'a' });
  seconds.remove({ name: 'a' });
  seconds.remove({ name: 'never' });
  t.notMatch(metrics.render(), /name="a"/);
  t.match(metrics.render(), /calls_total\{how="fast",name="b"\} 2\n/);
  t.match(metrics.render(), /seconds_count\{name="b"\} 1\n/);
  calls.add({ name: 'a', how: 'fast' });
  t.match(metrics.render(), /calls_total\{how="fast",name="a"\} 1\n/);
  t.end();
});

t.test('mistakes of the program', (t) => {
  const metrics = createMetrics();
  metrics.counter('a_total', 'A.');
  t.throws(() => metrics.gauge('a_total', 'A.'), /two metrics/);
  t.throws(() => metrics.counter('a b', 'A.'), /no name/);
  t.throws(() => metrics.counter('b_total', 'B.').add({}, -1), RangeError);
  t.throws(() => metrics.counter('c_total', 'C.').add({ 'no-label': 'x' }), /no name of a label/);
  t.end();
});
