/** Pages and watches of peers that have nothing but Query, and what failures of calls are told as. */
import t from 'tap';
import { fromPeer, PeerError } from '../../../server/peer-error.js';
import { peerError } from '../../../server/peers/calls.js';
import { listByQuery, watchByQuery } from '../../../server/peers/by-query.js';

/** A chain, oldest first, that counts its readers and may grow before a read. */
function chainOf(count: number, bytes = 1, grow: (read: number) => number = () => 0) {
  const chain: Uint8Array[] = [];
  const add = (more: number): void => {
    for (let i = 0; i < more; i++) chain.push(Buffer.from(`${chain.length + 1}`.padEnd(Math.max(bytes, 1))));
  };
  add(count);
  let reads = 0;
  async function* read(): AsyncGenerator<Uint8Array> {
    add(grow(++reads));
    yield* [...chain].reverse();
  }
  return { read, add, cut: (to: number) => void chain.splice(to), reads: () => reads };
}
const numbers = (payloads: readonly Uint8Array[]): number[] =>
  payloads.map((payload) => Number(Buffer.from(payload).toString()));
const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.abs(to - from) + 1 }, (_, i) => (from > to ? from - i : from + i));

async function pages(chain: ReturnType<typeof chainOf>, limit: number, between = () => {}) {
  const found: number[][] = [];
  let next: string | undefined;
  do {
    const page = await listByQuery('the peer', chain.read, { limit, continue: next });
    found.push(numbers(page.blocks.map(({ payload }) => payload)));
    next = page.next;
    between();
  } while (next !== undefined);
  return found;
}

t.test('pages, newest first', async (t) => {
  t.same(await pages(chainOf(0), 3), [[]]);
  t.same(await pages(chainOf(3), 3), [[3, 2, 1]]);
  const still = chainOf(7);
  t.same(await pages(still, 3), [[7, 6, 5], [4, 3, 2], [1]]);
  t.equal(still.reads(), 3, 'a read each');
  const grows = chainOf(7);
  t.same(await pages(grows, 3, () => grows.add(2)), [[7, 6, 5], [4, 3, 2], [1]], 'new blocks shift no page');
  t.same(
    (await pages(chainOf(8, 1 << 20), 100)).map((page) => page.length),
    [3, 3, 2],
    'a page ends also by its weight',
  );
});

t.test('pages that there are not', async (t) => {
  const list = (chain: ReturnType<typeof chainOf>, token: string) =>
    listByQuery('the peer', chain.read, { limit: 3, continue: token });
  for (const odd of ['x', 'query:x', 'query:1', 'query:-1:2'])
    await t.rejects(list(chainOf(9), odd), { fault: 'invalid', message: /is no page of the peer/ });
  await t.rejects(
    list(chainOf(9), '12'),
    { fault: 'refused', message: /start again/ },
    'one of a peer of ours',
  );
  await t.rejects(list(chainOf(3), 'query:4:7'), { fault: 'refused', message: /start again/ });
  await t.rejects(
    list(
      chainOf(9, 1, () => 1),
      'query:4:7',
    ),
    { fault: 'overloaded', message: /new blocks all the time/ },
  );
});

/** What a watch sends until it was live so often. */
async function watched(
  chain: ReturnType<typeof chainOf>,
  until: (said: readonly (number | string)[]) => boolean,
) {
  const said: (number | string)[] = [];
  const stop = new AbortController();
  for await (const event of watchByQuery('the peer', chain.read, undefined, { signal: stop.signal })) {
    if (event.type === 'block') said.push(...numbers([event.block.payload]));
    else said.push(event.type);
    if (until(said)) break;
  }
  return said;
}

t.test('a watch sends each block once, oldest first', async (t) => {
  const live = (said: readonly unknown[]): boolean => said.includes('live');
  t.same(await watched(chainOf(0), live), ['live']);
  t.same(await watched(chainOf(300), live), [...range(1, 300), 'live']);
  const heavy = chainOf(40, 1 << 20);
  t.same(await watched(heavy, live), [...range(1, 40), 'live'], 'also more than is held');
  t.ok(heavy.reads() > 5);
  const grows = chainOf(100, 1, (read) => (read === 1 ? 0 : 300));
  t.same(
    await watched(grows, (said) => said.includes(500)).then((said) => said.filter((one) => one !== 'live')),
    range(1, 500),
  );
  const forks = chainOf(3);
  t.same(
    await watched(forks, (said) => {
      if (said.length === 4) forks.cut(2);
      return said.length === 7;
    }),
    [1, 2, 3, 'live', 'rewound', 1, 2],
  );
  await t.rejects(watchByQuery('the peer', chainOf(3).read, '3-ab').next(), {
    fault: 'refused',
    message: /cannot go on from a cursor/,
  });
});

t.test('failures of a call are told as what they are', async (t) => {
  const told = (code: number, details: string): unknown => {
    const error = peerError('The peer', { code, details });
    const { code: as, message } = fromPeer(error, true) as { code: string; message: string };
    return [error.fault, as, message];
  };
  const disk = 'the disk of this peer refuses to write: free space, then try again';
  const unknown = 'The change may or may not have happened: look before you send it again.';
  t.same(told(13, disk), ['broken', 'bad_gateway', `The peer fails: ${disk}. ${unknown}`]);
  for (const foreign of [
    'Response message parsing error: cant skip wire type 7',
    'Received RST_STREAM with code 2 (Internal server error)',
    'Protocol error',
  ])
    t.match(told(13, foreign), ['foreign', 'bad_gateway', /Does another program listen there/]);
  t.match(told(8, 'more than 67108864 bytes wait'), ['overloaded', 'overloaded', /cannot take it now/]);
  t.match(told(3, "'abc' is no cursor"), ['invalid', 'invalid_params', /'abc' is no cursor/]);
  t.match(told(9, 'this peer stands aside'), ['refused', 'conflict', /refuses/]);
  t.ok(fromPeer(new PeerError('refused', 'x')) instanceof Error);
});
