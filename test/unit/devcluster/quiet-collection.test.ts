/** Memory that is given back without anybody asking for more. */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { collectGarbage, startQuietCollection } from '../../../devcluster/quiet-collection.js';

/** Objects that only the answer holds: some 40 MiB. */
const burst = (): object[] => Array.from({ length: 400_000 }, (_, at) => ({ at, text: `object ${at}` }));

t.test('what nobody holds is gone', async (t) => {
  const left = new WeakRef(burst());
  // A reference that was made in this turn holds its object until the next one.
  await sleep(0);
  await collectGarbage();
  t.equal(left.deref(), undefined);
});

t.test('it is collected once for each burst, when it is quiet', async (t) => {
  let collections = 0;
  const collect = async (): Promise<void> => void (collections += 1);
  t.teardown(startQuietCollection({ everyMs: 50, grownBytes: 8 * 1024 * 1024, collect }));
  const held: object[][] = [];
  for (const nth of [1, 2, 3]) {
    held.push(burst());
    while (collections < nth) await sleep(10);
    await sleep(200);
    t.equal(collections, nth);
  }
});
