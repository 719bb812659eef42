/** Blocks, views, and the place where two chains part. */
import fc from 'fast-check';
import t from 'tap';
import {
  compareBallots,
  digestAfter,
  memberPayload,
  membersOf,
  ORIGIN,
  samePoint,
  viewOf,
} from '../../../lightpeer/chain/block.js';
import type { Block, Point } from '../../../lightpeer/chain/block.js';
import { locate } from '../../../lightpeer/chain/locate.js';
import { createIdIndex } from '../../../lightpeer/store/id-index.js';

const block = (id: string, more: Partial<Block> = {}): Block => ({
  id,
  prevId: '',
  type: 1,
  payload: Buffer.from('x'),
  path: '',
  deleted: false,
  at: 0,
  ...more,
});

t.test('the digest tells chains apart by all that counts, and by nothing else', async (t) => {
  const one = digestAfter('', block('a'));
  t.equal(digestAfter('', block('a', { at: 5, prevId: 'z' })), one, 'not by the clock');
  const differences: Partial<Block>[] = [
    { id: 'b' },
    { type: 0 },
    { payload: Buffer.from('y') },
    { path: 'p' },
    { deleted: true },
    { view: { epoch: 1, networks: [], legacy: [], committed: 0, left: [] } },
  ];
  for (const difference of differences)
    t.not(digestAfter('', block('a', difference)), one, JSON.stringify(difference));
  t.not(digestAfter('z', block('a')), one);
});

t.test('member lists as the reference writes them, and whatever else comes', async (t) => {
  const members = [
    { address: '10.0.0.1:9081', name: 'one', legacy: false },
    { address: '10.0.0.2:9081', name: '', legacy: false },
  ];
  t.equal(
    Buffer.from(memberPayload(members)).toString(),
    '[{"Address":"10.0.0.1:9081","Name":"one"},{"Address":"10.0.0.2:9081"}]',
  );
  const view = { epoch: 4, networks: ['n'], legacy: ['10.0.0.1:9081'], committed: 2, left: [] };
  const placed = {
    height: 7,
    digest: 'd',
    block: block('v', { type: 0, payload: memberPayload(members), view }),
  };
  t.match(viewOf(placed), {
    ballot: { epoch: 4, by: '10.0.0.2:9081' },
    members: [{ legacy: true }, { legacy: false }],
    at: { height: 7, digest: 'd' },
  });
  t.equal(viewOf({ ...placed, block: block('v') }), undefined, 'no NETWORK block');
  t.equal(viewOf({ ...placed, block: { ...placed.block, view: undefined } }), undefined, 'of a Go peer');
  const twice = '[{"Address":"a:1"},{"Address":"a:1"},{"Name":"x"},null,7,{"Address":""}]';
  t.strictSame(membersOf(block('v', { type: 0, payload: Buffer.from(twice) })), [
    { address: 'a:1', name: '', legacy: true },
  ]);
  for (const payload of ['', '{}', 'nonsense', '"x"'])
    t.equal(membersOf(block('v', { type: 0, payload: Buffer.from(payload) })), undefined);
});

t.test('ballots: the later epoch, then the address', async (t) => {
  const order = [
    { epoch: 1, by: 'b' },
    { epoch: 2, by: 'a' },
    { epoch: 2, by: 'b' },
    { epoch: 10, by: '' },
  ];
  t.strictSame([...order].reverse().sort(compareBallots), order);
});

/** A chain as heights and digests only. */
function chain(
  start: number,
  digests: readonly string[],
): { base: Point; head: Point; at: (h: number) => Promise<Point | undefined>; has(point: Point): boolean } {
  const all = digests.map((digest, i) => (i === 0 ? ORIGIN : { height: i, digest }));
  const known = all.slice(start);
  return {
    base: known[0]!,
    head: known.at(-1)!,
    at: async (height) => known[height - start],
    has: (point) => known.some((own) => samePoint(own, point)),
  };
}

t.test(
  'where two chains part is found in few questions, however long and however compacted they are',
  async (t) => {
    let most = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          shared: fc.nat({ max: 5000 }),
          mine: fc.nat({ max: 300 }),
          theirs: fc.nat({ max: 300 }),
          from: fc.nat(),
          start: fc.nat(),
        }),
        async ({ shared, mine, theirs, from, start }) => {
          const prefix = Array.from({ length: shared + 1 }, (_, i) => (i === 0 ? '' : `s${i}`));
          const own = chain(from % (shared + mine + 1), [
            ...prefix,
            ...Array.from({ length: mine }, (_, i) => `m${i}`),
          ]);
          const other = chain(start % (shared + theirs + 1), [
            ...prefix,
            ...Array.from({ length: theirs }, (_, i) => `t${i}`),
          ]);
          let questions = 0;
          const { common } = await locate(own, async (places) => {
            questions++;
            return {
              common: places.findLast((place) => other.has(place)),
              base: other.base,
              head: other.head,
              waypoint: undefined,
            };
          });
          most = Math.max(most, questions);
          const first = Math.max(own.base.height, other.base.height);
          const expected = first <= shared ? Math.min(shared, own.head.height, other.head.height) : undefined;
          return common?.height === expected;
        },
      ),
      { numRuns: 1000 },
    );
    t.ok(most <= 6, `${most} questions at most`);
  },
);

t.test('the index of ids finds each position, and little else, at 16 bytes a block', async (t) => {
  const index = createIdIndex();
  for (let i = 0; i < 50_000; i++) index.add(`block ${i}`, i);
  let strangers = 0;
  for (let i = 0; i < 50_000; i += 7) {
    const found = index.candidates(`block ${i}`);
    if (!found.includes(i)) t.fail(`block ${i}`);
    strangers += found.length - 1;
  }
  t.ok(strangers < 10);
  t.strictSame(index.candidates('nobody'), []);
});
