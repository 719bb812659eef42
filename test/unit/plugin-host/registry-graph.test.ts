/** Who needs whom. */
import t from 'tap';
import { breakage, dependencyGraph } from '../../../server/plugin-host/registry/graph.js';
import type { DependencyGraph, GraphItem } from '../../../server/plugin-host/registry/graph.js';

/** `storage: logger>=1.2.0 | storage` : it needs logger and provides storage, in 1.5.0. */
function item(text: string): GraphItem {
  const [id = '', needs = '', gives = ''] = text.split(/[:|]/).map((part) => part.trim());
  const words = (part: string): string[] => part.split(' ').filter((word) => word !== '');
  return {
    id,
    provides: words(gives).map((type) => ({ type, version: '1.5.0' })),
    requires: Object.fromEntries(words(needs).map((need) => [...need.split('>='), ''].slice(0, 2))) as Record<
      string,
      string
    >,
  };
}
const brokenWithout = (graph: DependencyGraph, gone: string): string[] => breakage(graph)(gone);
const graphOf = (...texts: string[]) => dependencyGraph(texts.map(item));

await t.test('the order to start in', (t) => {
  const order = (...texts: string[]) => graphOf(...texts).startOrder.join(' ');
  t.equal(order(), '');
  t.equal(order('api: storage', 'storage: logger | storage', 'logger: | logger'), 'logger storage api');
  t.equal(order('a: b c', 'b: d | b', 'c: d | c', 'd: | d'), 'd b c a');
  t.equal(order('b: | b', 'a: | a'), 'b a', 'who needs nobody comes in the order given');
  t.equal(order('a: none', 'b: a'), 'a b', 'what is missing holds nothing up');
  t.equal(order('a: x', 'p: | x', 'q: | x'), 'p q a', 'after each of several providers');
  t.end();
});

await t.test('cycles are named', (t) => {
  const cycles = (...texts: string[]) => graphOf(...texts).cycles.map((cycle) => [...cycle].sort().join(' '));
  t.same(cycles('a: b | a', 'b: | b'), []);
  t.same(cycles('a: b | a', 'b: a | b'), ['a b']);
  t.same(cycles('a: a | a'), ['a']);
  t.same(cycles('a: b | a', 'b: c | b', 'c: a | c', 'd: a | d', 'e: f | e', 'f: e | f'), ['a b c', 'e f']);
  const { startOrder } = graphOf('d: a | d', 'a: b | a', 'b: a l | b', 'l: | l');
  t.equal(startOrder[0], 'l');
  t.equal(startOrder.at(-1), 'd');
  const order = graphOf('c: a', 'a: b | a', 'b: a | b', 'e:').startOrder.join(' ');
  t.match(order, /^(a b|b a) c e$/, 'members of a cycle stand together, before who needs them');
  t.end();
});

await t.test('what is missing, by version too', (t) => {
  const { missing, edges } = graphOf('a: s>=1.9.0 t>=1.2.0 u', 'b: | s t');
  t.same(missing, [
    { id: 'a', type: 's', minVersion: '1.9.0' },
    { id: 'a', type: 'u', minVersion: '' },
  ]);
  t.same(edges.find(({ type }) => type === 't')?.to, ['b']);
  t.end();
});

await t.test('who breaks when one goes', (t) => {
  const chain = graphOf('api: storage', 'storage: logger | storage', 'logger: | logger', 'other:');
  t.same(brokenWithout(chain, 'logger'), ['storage', 'api']);
  t.same(brokenWithout(chain, 'api'), []);
  t.same(brokenWithout(chain, 'nobody'), []);
  const spare = graphOf('api: storage', 's1: logger | storage', 's2: | storage', 'logger: | logger');
  t.same(brokenWithout(spare, 's1'), [], 'another one provides it');
  t.same(brokenWithout(spare, 'logger'), ['s1'], 's2 goes on without');
  const cycle = graphOf('a: b | a', 'b: a | b');
  t.same(brokenWithout(cycle, 'a'), ['b']);
  t.end();
});

/** What breaking means: in each round those go who had a provider for a need, and have none left. */
function rounds({ edges }: DependencyGraph, gone: string): string[][] {
  const broken = new Set([gone]);
  const found: string[][] = [];
  for (;;) {
    const next = edges
      .filter(({ from, to }) => !broken.has(from) && to.length > 0 && to.every((id) => broken.has(id)))
      .map(({ from }) => from);
    if (next.length === 0) return found;
    found.push([...new Set(next)].sort());
    for (const id of next) broken.add(id);
  }
}

await t.test('whatever the needs are, those break that the definition names, nearest first', (t) => {
  // The same graphs each time.
  let seed = 1;
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  let most = 0;
  for (let nth = 0; nth < 300; nth += 1) {
    const size = 2 + random(12);
    const types = 1 + random(size);
    const some = (): string[] => Array.from({ length: random(4) }, () => `t${random(types)}`);
    const items = Array.from({ length: size }, (_, at) =>
      item(`n${at}: ${some().join(' ')} | ${some().join(' ')}`),
    );
    const graph = dependencyGraph(items);
    const brokenWithout = breakage(graph);
    for (const { id } of items) {
      const found = brokenWithout(id);
      const expected = rounds(graph, id);
      most = Math.max(most, expected.length);
      const inRounds = expected.map(({ length }) => found.splice(0, length).sort());
      if (JSON.stringify([inRounds, found]) !== JSON.stringify([expected, []]))
        t.same([inRounds, found], [expected, []], `without ${id} of ${JSON.stringify(items)}`);
    }
  }
  t.ok(most > 2, `chains of ${most}`);
  t.end();
});

await t.test('a chain of 20,000 is no trouble', (t) => {
  const items = Array.from({ length: 20_000 }, (_, at) => item(`n${at}: n${at + 1} | n${at}`));
  const { startOrder } = dependencyGraph(items);
  t.equal(startOrder[0], 'n19999');
  t.equal(startOrder.at(-1), 'n0');
  t.end();
});
