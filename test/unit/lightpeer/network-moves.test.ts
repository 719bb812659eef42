/** Peers that move from one network to another while other things happen, and addresses that have other owners than before. */
import t from 'tap';
import { changeView } from '../../../lightpeer/replica/place.js';
import { agreed, chainOf, faults } from './sim/checks.js';
import { joined, leaderOf, others } from './sim/joined.js';
import type { Node, World } from './sim/world.js';

t.setTimeout(120_000);

async function persist(world: World, node: Node, id: string): Promise<void> {
  let done = false;
  void node.replica!.persist(Buffer.from(id), { id }).then(() => (done = true));
  await world.until(() => done, 30_000);
}

/** Whether each peer that is started anew has on its disk what it had. */
async function kept(world: World): Promise<boolean[]> {
  const idsOf = async (node: Node): Promise<string> =>
    (await chainOf(node)).map(({ block }) => block.id).join(' ');
  const before = await Promise.all(world.nodes.map(idsOf));
  for (const node of world.nodes) world.crash(node);
  world.partition(world.nodes.map((_, i) => i));
  for (const node of world.nodes) void world.start(node);
  await world.run(300);
  const after = await Promise.all(world.nodes.map(idsOf));
  return after.map((ids, i) => ids.startsWith(before[i]!));
}

t.test(
  'whom the new leader takes in while it still fetches has the whole chain, on its disk too',
  async (t) => {
    let overlaps = 0;
    for (let ms = 0; ms < 280; ms += 20) {
      const world = await joined(3, ms);
      const leader = leaderOf(world);
      const [mover] = others(world, leader) as [Node];
      world.partition(world.nodes.map((node) => (node === mover ? 1 : 0)));
      await world.run(5000);
      const acknowledged = new Set<string>();
      for (const node of [leader, mover])
        for (let i = 0; i < 20; i++) {
          const id = `${node === mover ? 'mover' : 'leader'}${i}`;
          await persist(world, node, id);
          acknowledged.add(id);
        }
      world.fetchMs = 100;
      mover.disk.slowMs = 150;
      world.heal();
      const { state } = mover.replica!;
      t.ok(await world.until(() => state.move?.detached === true, 20_000));
      await world.run(ms);
      // As it asked before, and was not answered in time.
      if (state.move?.staging !== undefined) overlaps++;
      const ordering = leaderOf(world).replica!.state;
      ordering
        .transition(() => changeView(ordering, { admit: [{ ...state.self, legacy: false }] }))
        .catch(() => undefined);
      t.ok(await world.until(() => agreed(world), 30_000), `after ${ms} ms`);
      t.strictSame(await faults(world.nodes, acknowledged), []);
      t.strictSame(
        world.log.filter((line) => line.includes('disk')),
        [],
      );
      const [before, after] = await kept(world);
      t.strictSame(after, before);
    }
    t.ok(overlaps > 5, `${overlaps} were taken in early`);
  },
);
