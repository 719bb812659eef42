/** The small pure parts: quantities, ages, patches of values. */
import t from 'tap';
import { mergePatch } from '../../../devcluster/api/patch-json.js';
import { parseQuantity } from '../../../devcluster/api/quantity.js';
import { duration } from '../../../devcluster/api/table-cells.js';
import type { Json } from '../../../devcluster/api/json.js';

t.test('quantities take their canonical form', async (t) => {
  const cases: [string, string | undefined][] = [
    ['1', '1'],
    ['0', '0'],
    ['-0', '0'],
    ['0.5', '500m'],
    ['1.5', '1500m'],
    ['.1', '100m'],
    ['1000m', '1'],
    ['100m', '100m'],
    ['1000', '1k'],
    ['1024', '1024'],
    ['1Ki', '1Ki'],
    ['1024Ki', '1Mi'],
    ['1024Mi', '1Gi'],
    ['1.5Gi', '1536Mi'],
    ['0.5Mi', '512Ki'],
    ['128974848', '128974848'],
    ['129e6', '129e6'],
    ['129M', '129M'],
    ['1e3', '1e3'],
    ['-1', '-1'],
    ['+1', '1'],
    ['1n', '1n'],
    ['0.1n', '1n'],
    ['1E', '1E'],
    ['', undefined],
    ['1x', undefined],
    ['1 Gi', undefined],
    ['Gi', undefined],
    ['1.2.3', undefined],
    ['1e', undefined],
  ];
  for (const [text, canonical] of cases) t.equal(parseQuantity(text)?.canonical, canonical, text);
  const order = ['-1', '0', '1m', '0.5', '1', '1k', '1Ki', '1M', '1Mi'].map(
    (text) => parseQuantity(text)?.nanos ?? 0n,
  );
  t.strictSame(
    [...order].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)),
    order,
  );
});

t.test('ages', async (t) => {
  const cases: [number, string][] = [
    [-5, '<invalid>'],
    [0.9, '0s'],
    [119, '119s'],
    [120, '2m'],
    [303, '5m3s'],
    [600, '10m'],
    [10_800, '3h'],
    [11_100, '3h5m'],
    [36_000, '10h'],
    [172_800, '2d'],
    [176_400, '2d1h'],
    [864_000, '10d'],
    [86_400 * 800, '2y70d'],
    [86_400 * 3_650, '10y'],
  ];
  for (const [seconds, text] of cases) t.equal(duration(seconds), text, String(seconds));
});

t.test('merge patches', async (t) => {
  const cases: [Json, Json, Json][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [['a'], { a: 'b' }, { a: 'b' }],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, expected] of cases)
    t.strictSame(mergePatch(target, patch), expected, JSON.stringify(patch));
  const odd = JSON.parse('{"__proto__": {"polluted": true}}') as Json;
  t.notOk(
    ({} as { polluted?: boolean }).polluted ??
      (mergePatch({}, odd) && ({} as { polluted?: boolean }).polluted),
  );
});
