/** Addresses that have other owners than before, as after a reboot that gives each pod another one. */
import t from 'tap';
import { agreed, chainOf } from './sim/checks.js';
import { createWorld } from './sim/world.js';
import type { Node } from './sim/world.js';

t.setTimeout(120_000);

/** Two peers' folders change places. */
function exchange(a: Node, b: Node): void {
  const [ofA, ofB] = [new Map(a.disk.files), new Map(b.disk.files)];
  for (const [node, files] of [
    [a, ofB],
    [b, ofA],
  ] as const) {
    node.disk.files.clear();
    for (const [name, entry] of files) node.disk.files.set(name, entry);
  }
}

const idsOf = async (node: Node): Promise<string[]> =>
  (await chainOf(node)).flatMap(({ block }) => (block.type === 1 ? [block.id] : []));

/** Two networks of two, each with a block of its own. */
async function twoNetworks(seed: number) {
  const world = createWorld(4, seed);
  const [a1, a2, b1, b2] = world.nodes as [Node, Node, Node, Node];
  for (const node of world.nodes) void world.start(node);
  await world.run(300);
  for (const [node, to, id] of [
    [a2, a1, 'of-a'],
    [b2, b1, 'of-b'],
  ] as const) {
    node.replica!.join(to.address).catch(() => undefined);
    await world.until(() => agreed(world, [node, to]), 10_000);
    let done = false;
    void to.replica!.persist(Buffer.from(id), { id }).then(() => (done = true));
    await world.until(() => done, 10_000);
  }
  return { world, a1, a2, b1, b2 };
}

t.test('networks whose members come back at addresses of the other one stay two', async (t) => {
  for (const order of ['a first', 'b first', 'at once'])
    for (const seed of [1, 2, 3]) {
      const { world, a1, a2, b1, b2 } = await twoNetworks(seed);
      for (const node of world.nodes) world.crash(node);
      exchange(a1, b1);
      const a = [b1, a2];
      const b = [a1, b2];
      for (const node of order === 'b first' ? b : a) void world.start(node);
      if (order !== 'at once') await world.run(3000);
      for (const node of world.nodes) void world.start(node);
      await world.run(20_000);
      for (const [nodes, id] of [
        [a, 'of-a'],
        [b, 'of-b'],
      ] as const)
        for (const node of nodes) {
          t.strictSame(await idsOf(node), [id], `${order}, seed ${seed}: ${node.address}`);
          const { members, mode } = node.replica!.status();
          const own = nodes.map(({ address }) => address);
          t.strictSame(
            members.filter(({ address }) => !own.includes(address)),
            [],
          );
          t.equal(mode === 'leading' || mode === 'following', true, mode);
        }
      // Nobody told them the new addresses: a controller does.
      b1.replica!.join(a2.address).catch(() => undefined);
      t.ok(await world.until(() => agreed(world, a), 20_000), 'a join makes one whole again');
      t.strictSame(await idsOf(a2), ['of-a']);
    }
});

t.test('a member that comes back alone does not call over who has the address of another', async (t) => {
  const { world, a1, a2, b1 } = await twoNetworks(5);
  for (const node of world.nodes) world.crash(node);
  exchange(a2, b1);
  void world.start(a2);
  await world.run(3000);
  void world.start(a1);
  await world.run(20_000);
  t.strictSame(await idsOf(a1), ['of-a']);
  t.strictSame(await idsOf(a2), ['of-b']);
  t.ok(agreed(world, [a1]) && agreed(world, [a2]));
});

t.test('a stranger refuses who asks for its own network, and not who names none', async (t) => {
  const { world, a1, b1 } = await twoNetworks(6);
  const { handlers, state } = a1.replica!;
  const { networks } = b1.replica!.status();
  const ballot = { epoch: 100, by: b1.address };
  const stranger = { code: 'refused', message: /belongs to another network/ };
  const { promised } = state;
  await t.rejects(handlers.prepare({ ballot, networks }), stranger);
  await t.rejects(handlers.merge({ target: b1.address, networks }), stranger);
  t.equal(state.promised, promised, 'it promised nothing');
  const own = a1.replica!.status().networks;
  for (const named of [[], ['x', ...own]]) {
    ballot.epoch++;
    let answer: { promised: boolean } | undefined;
    void handlers.prepare({ ballot: { ...ballot }, networks: named }).then((said) => (answer = said));
    t.ok(await world.until(() => answer?.promised === true, 1000));
  }
  t.ok(await world.until(() => agreed(world, world.nodes.slice(0, 2)), 20_000));
  void b1.replica!.handlers.merge({ target: a1.address, networks: [] });
  t.ok(await world.until(() => agreed(world), 20_000), 'one that is asked for is made');
});
