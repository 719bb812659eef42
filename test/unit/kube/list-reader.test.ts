/** Lists that are parsed while they come in: the same list, however it is cut and written. */
import t from 'tap';
import { createListReader } from '../../../kube/list-reader.js';
import type { KubeList } from '../../../kube/index.js';

interface Item {
  metadata: { name: string };
  [key: string]: unknown;
}

const item = (name: string, rest: object = {}): Item => ({ metadata: { name }, ...rest });
const listOf = (items: readonly unknown[] | null) => ({
  kind: 'PodList',
  apiVersion: 'v1',
  metadata: { resourceVersion: '7', continue: 'next' },
  items,
});

/** Reads a text that comes in chunks of `size` bytes. Answers the list and how many bytes were left for the end. */
function read(text: string, size: number): { list: KubeList<unknown>; left: number } {
  const reader = createListReader<Item, unknown>((one) => one);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
  let left = 0;
  const list = reader.end((rest) => {
    left = rest.length;
    return JSON.parse(rest.toString()) as KubeList<Item>;
  });
  return { list, left };
}

/** An item whose text holds what stands between two items. */
const nested = item('nested', { list: [{ metadata: { name: 'a' } }, { metadata: { name: 'b' } }] });
const quoted = item('quoted', { text: 'x},{"metadata":{"items":[ äöü €' });

const LISTS: Record<string, readonly unknown[] | null> = {
  'no items': [],
  'null for no items': null,
  'one item': [item('one')],
  many: Array.from({ length: 200 }, (_, i) => item(`pod-${i}`, { spec: { nth: i, text: 'é'.repeat(i) } })),
  'strings that look like the end of an item': [item('a'), quoted, item('b'), quoted],
  'items with lists of objects like items': [item('a'), nested, item('b'), nested, item('c')],
  'nothing but these': Array.from({ length: 20 }, () => nested),
  'items whose metadata is not first': [
    { apiVersion: 'v1', metadata: {} },
    { kind: 'X', metadata: {} },
  ],
};

for (const [name, items] of Object.entries(LISTS))
  await t.test(name, async (t) => {
    const wanted = { ...listOf(items), items: items ?? [] };
    const text = JSON.stringify(listOf(items));
    for (const size of [1, 7, 64, 200, 1000, 65_536])
      t.strictSame(read(text, size).list, wanted, `by ${size}`);
    t.strictSame(read(JSON.stringify(listOf(items), null, 2), 64).list, wanted, 'indented');
    const { items: all, ...head } = listOf(items);
    t.strictSame(read(JSON.stringify({ items: all, ...head }), 100).list, wanted, 'the items first');
  });

await t.test('what has come is parsed at once', async (t) => {
  const items = Array.from({ length: 1000 }, (_, i) => item(`pod-${i}`));
  const text = JSON.stringify(listOf(items));
  t.ok(read(text, 2000).left < 3000, 'the end and the head are left');
});

await t.test('only the projection is kept', async (t) => {
  const reader = createListReader<Item, string>(({ metadata }) => metadata.name);
  reader.push(Buffer.from(JSON.stringify(listOf([item('a'), item('b'), item('c')]))));
  t.strictSame(reader.end((rest) => JSON.parse(rest.toString()) as KubeList<Item>).items, ['a', 'b', 'c']);
});

await t.test('failures come at the end, to who asked', async (t) => {
  const failing = createListReader<Item, never>(() => {
    throw new Error('the projection failed');
  });
  failing.push(Buffer.from(JSON.stringify(listOf([item('a'), item('b'), item('c')]))));
  t.throws(() => failing.end((rest) => JSON.parse(rest.toString()) as KubeList<Item>), {
    message: 'the projection failed',
  });
  const cut = JSON.stringify(listOf([item('a'), item('b'), item('c')])).slice(0, -20);
  t.throws(() => read(cut, 50), { name: 'SyntaxError' });
  t.throws(() => read('<html>', 50), { name: 'SyntaxError' });
});
