/** Compaction, where there is no room to write what stays beside the chain. */
import t from 'tap';
import { agreed, faults } from './sim/checks.js';
import { createWorld } from './sim/world.js';

t.setTimeout(120_000);

t.test('without room to compact the chain grows on, and is compacted when there is some', async (t) => {
  const world = createWorld(3, 19, { compactBlocks: 30, keepBlocks: 10 });
  for (const node of world.nodes) void world.start(node);
  await world.run(300);
  for (const node of world.nodes.slice(1)) {
    node.replica!.join(world.nodes[0]!.address).catch(() => undefined);
    await world.run(3000);
  }
  t.ok(await world.until(() => agreed(world), 20_000));
  for (const { disk } of world.nodes) disk.noRoomFor = 'next.log';
  const acknowledged = new Set<string>();
  for (let i = 0; i < 60; i++) {
    const id = `b${i}`;
    const { replica } = world.nodes[i % 3]!;
    let failed = false;
    replica!.persist(Buffer.from(id), { id, path: id, timeoutMs: 1000 }).then(
      () => acknowledged.add(id),
      () => (failed = true),
    );
    t.ok(await world.until(() => acknowledged.has(id), 1500), id);
    t.notOk(failed);
    await world.run(500);
  }
  await world.run(30_000);
  const counters = () => world.nodes.map(({ replica }) => replica!.counters());
  t.strictSame(
    counters().map(({ diskFailures, compactions }) => [diskFailures, compactions]),
    [
      [0, 0],
      [0, 0],
      [0, 0],
    ],
  );
  for (const { address, disk, replica } of world.nodes) {
    t.equal(replica!.store().base().height, 0);
    t.notOk(disk.files.has('next.log'), 'the part of a copy is not left to take room');
    const said = world.log.filter((line) => line.includes(`${address} the chain cannot be compacted`));
    t.equal(said.length, 1, 'it is said once');
    disk.noRoomFor = undefined;
  }
  t.ok(
    await world.until(() => world.nodes.every(({ replica }) => replica!.store().base().height > 30), 900_000),
  );
  await world.run(5000);
  t.strictSame(
    counters().map(({ compactions }) => compactions),
    [1, 1, 1],
    'each counts it once',
  );
  t.ok(agreed(world));
  t.strictSame(await faults(world.nodes, acknowledged), []);
});

t.test('room that runs out while blocks come to the chain and to its copy costs none of them', async (t) => {
  for (let after = 0; after < 12; after++) {
    const world = createWorld(2, after, { compactBlocks: 30, keepBlocks: 10 });
    const [a, b] = world.nodes as [(typeof world.nodes)[0], (typeof world.nodes)[0]];
    for (const node of world.nodes) void world.start(node);
    await world.run(300);
    b.replica!.join(a.address).catch(() => undefined);
    t.ok(await world.until(() => agreed(world), 20_000));
    const acknowledged = new Set<string>();
    let refused = 0;
    for (let i = 0; acknowledged.size + refused < i || i < 800; i++) {
      if (i < 800) {
        const id = `b${i}`;
        world.nodes[i % 2]!.replica!.persist(Buffer.from(id), { id, path: id }).then(
          () => acknowledged.add(id),
          () => refused++,
        );
      }
      await world.run(10);
      for (const { disk } of world.nodes)
        if ((disk.files.get('next.log')?.data.length ?? 0) > after * 2000) disk.noRoomFor = 'next.log';
      if (i > 5000) break;
    }
    t.equal(refused, 0);
    t.equal(acknowledged.size, 800);
    t.strictSame(
      world.nodes.map(({ replica }) => replica!.counters().diskFailures),
      [0, 0],
    );
    t.ok(await world.until(() => agreed(world), 20_000));
    t.strictSame(await faults(world.nodes, acknowledged), []);
  }
});
