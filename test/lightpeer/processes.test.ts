/** Real processes, killed for real. Longer and harder: `npm run soak`. */
import t from 'tap';
import { randomOf } from '../unit/lightpeer/sim/world.js';
import { until } from '../helpers/eventually.js';
import { createFleet } from './fleet.js';
import { runTrial } from './trial.js';

t.setTimeout(300_000);
const COUNT = 4;
const seed = Math.floor(Math.random() * 1e9);
const fleet = await createFleet({ count: COUNT, net: '127.33.1' });
t.teardown(() => fleet.close());
await Promise.all(Array.from({ length: COUNT }, (_, i) => fleet.start(i)));
for (let i = 1; i < COUNT; i++) await fleet.join(i, 0);

t.test('peers that are joined agree on one chain', async (t) => {
  t.ok(await fleet.agreed(60_000));
  await Promise.all(
    Array.from({ length: 40 }, (_, i) => fleet.persist(i % COUNT, Buffer.from(String(i)), {})),
  );
  t.ok(await fleet.agreed(60_000));
  const chains = await Promise.all(fleet.addresses.map((_, i) => fleet.chain(i)));
  for (const chain of chains) t.strictSame(chain, chains[0]);
});

t.test('kill -9 of all of them at once loses nothing that was acknowledged', async (t) => {
  const acknowledged: string[] = [];
  let going = true;
  const writing = Promise.all(
    Array.from({ length: 6 }, async (_, writer) => {
      while (going)
        await fleet.persist(writer % COUNT, Buffer.from('x'), { timeoutMs: 3000 }).then(
          (id) => acknowledged.push(id),
          () => (going = false),
        );
    }),
  );
  await until(() => acknowledged.length >= 50 || !going);
  await Promise.all(Array.from({ length: COUNT }, (_, i) => fleet.signal(i, 'SIGKILL')));
  going = false;
  await writing;
  await Promise.all(Array.from({ length: COUNT }, (_, i) => fleet.start(i)));
  t.ok(await fleet.agreed(60_000), 'they are together again by themselves');
  for (let i = 0; i < COUNT; i++) {
    const chain = new Set(await fleet.chain(i));
    t.strictSame(
      acknowledged.filter((id) => !chain.has(id)),
      [],
    );
  }
  t.ok(acknowledged.length > 0, `${acknowledged.length} blocks`);
});

t.test(`ten seconds of faults (seed ${seed})`, async (t) => {
  const verdict = await runTrial(fleet, {
    seconds: 10,
    random: randomOf(seed),
    writers: 4,
    faults: ['kill', 'stop', 'restart', 'partition', 'cut', 'slow', 'full', 'clock'],
    count: COUNT,
    say: (line) => t.comment(line),
  });
  t.strictSame(verdict.wrong, []);
  t.ok(verdict.acknowledged > 0, `${verdict.acknowledged} blocks`);
});
