/** A hundred thousand blocks: what a peer holds in memory does not grow with them, and one that comes gets them while the others go on. */
import t from 'tap';
import { createFleet } from './fleet.js';

t.setTimeout(600_000);
const BLOCKS = 100_000;
const FIRST = 20_000;
const AT_ONCE = 250;
/** Far below what the later blocks would take in memory: their payloads alone are 80 MB. */
const MOST_GROWTH_MIB = 30;

const fleet = await createFleet({ count: 3, net: '127.33.2', proxies: false });
t.teardown(() => fleet.close());
const payload = Buffer.alloc(1_000, 'x');
let made = 0;
const fill = (to: number): Promise<unknown> =>
  Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (made < to) {
        made++;
        await fleet.persist(0, payload, { timeoutMs: 60_000 });
      }
    }),
  );

await t.test('a hundred thousand blocks', async (t) => {
  await fleet.start(0);
  await fleet.start(1);
  await fleet.join(1, 0);
  await fill(FIRST);
  const before = [await fleet.held(0), await fleet.held(1)];
  await fill(BLOCKS);
  for (const [index, first] of before.entries()) {
    const [was, is] = [first, await fleet.held(index)].map((bytes) => Math.round(bytes / 2 ** 20)) as [
      number,
      number,
    ];
    t.ok(
      is - was < MOST_GROWTH_MIB,
      `peer ${index}: ${was} MiB with ${FIRST} blocks, ${is} MiB with ${BLOCKS}`,
    );
  }

  await fleet.start(2);
  let joined = false;
  // It gets all of them first.
  const joining = fleet.join(2, 0, 120_000).then(() => (joined = true));
  let meanwhile = 0;
  while (!joined) {
    await fleet.persist(1, Buffer.from('meanwhile'), { timeoutMs: 60_000 });
    meanwhile++;
  }
  await joining;
  t.ok(await fleet.agreed(60_000), 'all have one chain');
  const heights = await Promise.all([0, 1, 2].map(async (index) => (await fleet.status(index))?.head.height));
  t.ok(
    (heights[2] ?? 0) >= BLOCKS + meanwhile,
    `${heights[2]} blocks, ${meanwhile} of them persisted meanwhile`,
  );
  t.ok(meanwhile > 0);
});
