/**
 * The guarantees, by stories that fast-check invents: peers that persist, die, are paused, run out of disk, are cut off from
 * each other and find each other again. The peers are the real ones; time, network and disks are simulated.
 */
import fc from 'fast-check';
import t from 'tap';
import type { Limits } from '../../../lightpeer/replica/ports.js';
import { agreed, chainOf, faults } from './sim/checks.js';
import { joined, leaderOf, others } from './sim/joined.js';
import { tell } from './sim/story.js';
import type { Command } from './sim/story.js';
import { createWorld } from './sim/world.js';
import type { Node, World } from './sim/world.js';

// All of it is computing; on a busy machine that takes its time.
t.setTimeout(120_000);

const who = fc.nat({ max: 5 });
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 7,
    arbitrary: fc.record({
      do: fc.constant('persist' as const),
      who,
      times: fc.integer({ min: 1, max: 6 }),
      path: fc.constantFrom('', 'a', 'b'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('retry' as const), who, id: fc.nat({ max: 2 }) }) },
  {
    weight: 7,
    arbitrary: fc.record({
      do: fc.constantFrom('crash' as const, 'start' as const, 'pause' as const, 'resume' as const),
      who,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('full' as const, 'free' as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('join' as const), who, whom: who }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('partition' as const),
      groups: fc.array(fc.nat({ max: 2 }), { minLength: 6, maxLength: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('heal' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 500 }), fc.nat({ max: 6000 })),
    }),
  },
);

const story = {
  seed: fc.nat(),
  count: fc.integer({ min: 1, max: 6 }),
  commands: fc.array(command, { maxLength: 30 }),
};

t.test('any story ends with one chain that has each acknowledged block once', async (t) => {
  let acknowledged = 0;
  const outcome = await fc.check(
    fc.asyncProperty(fc.record(story), async (given) => {
      const ending = await tell(given);
      acknowledged += ending.acknowledged.size;
      if (ending.faults.length > 0) throw new Error(ending.faults.join('\n'));
    }),
    { numRuns: 60, endOnFailure: true },
  );
  t.notOk(outcome.failed, outcome.failed ? (fc.defaultReportMessage(outcome) ?? '') : '');
  t.ok(acknowledged > 20, `${acknowledged} blocks, seed ${outcome.seed}`);
});

t.test('so it does when the chain is compacted all the time, by blocks or by bytes', async (t) => {
  const limits = fc.constantFrom<Partial<Limits>>(
    { compactBlocks: 10, keepBlocks: 4 },
    { compactBytes: 3000 },
    { compactBytes: 1 },
  );
  const outcome = await fc.check(
    fc.asyncProperty(fc.record({ ...story, limits }), async (given) => {
      const ending = await tell(given);
      if (ending.faults.length > 0) throw new Error(ending.faults.join('\n'));
    }),
    { numRuns: 60, endOnFailure: true },
  );
  t.notOk(outcome.failed, outcome.failed ? (fc.defaultReportMessage(outcome) ?? '') : '');
});

/** An id. */
const ofNode = ({ address }: { address: string }): string => `of-${address.replaceAll('.', '-')}`;

/** Persists, and says how long it took in simulated milliseconds. */
async function timed(world: World, node: Node, id: string): Promise<number> {
  const start = world.now();
  let done: number | undefined;
  node.replica!.persist(Buffer.from(id), { id }).then(
    () => (done = world.now()),
    () => undefined,
  );
  await world.until(() => done !== undefined, 30_000);
  return (done ?? Infinity) - start;
}

t.test(
  'a killed member is dropped in about a second, and what is persisted meanwhile waits no longer',
  async (t) => {
    for (const who of ['leader', 'member']) {
      const world = await joined(5);
      const leader = leaderOf(world);
      const victim = who === 'leader' ? leader : others(world, leader)[0]!;
      const writer = others(world, victim)[1]!;
      await world.run(1000);
      world.crash(victim);
      t.ok((await timed(world, writer, 'x')) < 1000, who);
      const left = others(world, victim);
      t.ok(await world.until(() => agreed(world, left), 1500));
      t.strictSame(await faults(left, new Set(['x'])), []);
    }
  },
);

t.test(
  'a member that only stands still is removed after two seconds, and catches up when it goes on',
  async (t) => {
    for (const who of ['leader', 'member']) {
      const world = await joined(4);
      const leader = leaderOf(world);
      const victim = who === 'leader' ? leader : others(world, leader)[0]!;
      const writer = others(world, victim)[1]!;
      world.pause(victim);
      const took = await timed(world, writer, 'x');
      t.ok(took > 1000 && took < 4000, `${who}: ${took} ms`);
      t.ok((await timed(world, writer, 'y')) < 200, 'once it is removed nobody waits for it');
      world.resume(victim);
      t.ok(await world.until(() => agreed(world), 20_000), 'it is back');
      t.strictSame(await faults(world.nodes, new Set(['x', 'y'])), []);
    }
  },
);

t.test('a member that leaves is dropped at once, and is not looked for', async (t) => {
  const world = await joined(4);
  const leader = leaderOf(world);
  for (const leaving of [others(world, leader)[0]!, leader]) {
    const before = world.now();
    const rest = world.nodes.filter((node) => node !== leaving && node.replica !== undefined);
    let stopped = false;
    void leaving.replica!.stop().then(() => (stopped = true));
    t.ok(await world.until(() => stopped && agreed(world, rest), 2000));
    t.ok(world.now() - before < 300, `${world.now() - before} ms`);
    t.strictSame(
      rest.flatMap(({ replica }) => replica!.status().lost),
      [],
    );
    world.crash(leaving);
  }
});

t.test('who leaves for good is alone, with the chain as it was, and nobody comes after it', async (t) => {
  const world = await joined(3);
  await timed(world, world.nodes[1]!, 'x');
  const leaver = world.nodes[2]!;
  let left = false;
  void leaver.replica!.leave().then(() => (left = true));
  t.ok(await world.until(() => left && agreed(world, world.nodes.slice(0, 2)), 5000));
  await timed(world, leaver, 'alone');
  await world.run(20_000);
  t.ok(agreed(world, world.nodes.slice(0, 2)));
  t.strictSame(
    leaver.replica!.status().members.map(({ address }) => address),
    [leaver.address],
  );
  t.strictSame(await faults([leaver], new Set(['x', 'alone'])), []);
});

t.test('who leaves and forgets begins a new chain; the others keep theirs', async (t) => {
  for (const leads of [true, false]) {
    const world = await joined(3);
    await timed(world, world.nodes[1]!, 'x');
    const leaver = leads ? leaderOf(world) : others(world, leaderOf(world))[0]!;
    const rest = world.nodes.filter((node) => node !== leaver);
    const rewound: number[] = [];
    leaver.replica!.onRewound(({ height }) => rewound.push(height));
    let left = false;
    void leaver.replica!.leave({ forget: true }).then(() => (left = true));
    t.ok(await world.until(() => left && agreed(world, rest), 5000));
    t.strictSame(rewound, [0]);
    t.strictSame(
      (await chainOf(leaver)).map(({ block }) => block.type),
      [0],
    );
    await world.run(20_000);
    t.ok(agreed(world, rest) && agreed(world, [leaver]), 'nobody comes after it');
    t.strictSame(await faults(rest, new Set(['x'])), []);
    world.crash(leaver);
    void world.start(leaver);
    await world.run(5000);
    t.ok(agreed(world, rest) && agreed(world, [leaver]), 'nor it after them');
  }
});

t.test('who dies while it forgets has its old chain and network, or a new one', async (t) => {
  const ended = new Set<string>();
  for (let ms = 0; ms < 60; ms += 2) {
    const world = await joined(3, ms);
    await timed(world, world.nodes[1]!, 'x');
    const leaver = others(world, leaderOf(world))[0]!;
    const rest = world.nodes.filter((node) => node !== leaver);
    void leaver.replica!.leave({ forget: true }).catch(() => undefined);
    await world.run(ms);
    world.crash(leaver);
    void world.start(leaver);
    await world.run(20_000);
    const blocks = leaver.replica!.status().clientBlocks;
    ended.add(blocks === 0 ? 'forgot' : 'stayed');
    t.ok(blocks === 0 ? agreed(world, [leaver]) && agreed(world, rest) : agreed(world), `after ${ms} ms`);
    t.strictSame(await faults(blocks === 0 ? rest : world.nodes, new Set(['x'])), []);
  }
  t.strictSame([...ended].sort(), ['forgot', 'stayed']);
});

t.test('both sides of a partition go on; when it heals, each block of both is there once', async (t) => {
  const world = await joined(5);
  world.partition([0, 0, 1, 1, 1]);
  await world.run(5000);
  const acknowledged = new Set<string>();
  for (let i = 0; i < 10; i++) {
    await timed(world, world.nodes[i % 2]!, `left${i}`);
    await timed(world, world.nodes[2 + (i % 3)]!, `right${i}`);
    acknowledged.add(`left${i}`).add(`right${i}`);
  }
  world.heal();
  t.ok(await world.until(() => agreed(world), 15_000), 'they found each other without help');
  t.strictSame(await faults(world.nodes, acknowledged), []);
});

t.test('however long the partition lasts, both sides find each other when it is over', async (t) => {
  const world = createWorld(4, 17, { lookFor: 10_000 });
  for (const node of world.nodes) void world.start(node);
  await world.run(300);
  for (const node of world.nodes.slice(1)) {
    node.replica!.join(world.nodes[0]!.address).catch(() => undefined);
    await world.until(() => node.replica!.status().members.length > 1, 5000);
  }
  t.ok(await world.until(() => agreed(world), 20_000));
  world.partition([0, 0, 1, 1]);
  await world.run(5000);
  for (const [i, id] of ['left', 'right'].entries()) await timed(world, world.nodes[i * 3]!, id);
  await world.run(240_000);
  for (const { replica } of world.nodes) t.equal(replica!.status().lost.length, 2, 'they are remembered');
  world.heal();
  t.ok(await world.until(() => agreed(world), 80_000), 'within about a minute');
  t.strictSame(await faults(world.nodes, new Set(['left', 'right'])), []);
});

t.test(
  'networks that know nothing of each other do not become one by themselves; a join merges them whole',
  async (t) => {
    const world = createWorld(6, 5);
    for (const node of world.nodes) void world.start(node);
    await world.run(300);
    for (const [a, b] of [
      [1, 0],
      [2, 0],
      [4, 3],
      [5, 3],
    ] as const) {
      world.nodes[a]!.replica!.join(world.nodes[b]!.address).catch(() => undefined);
      await world.run(3000);
    }
    const halves = [world.nodes.slice(0, 3), world.nodes.slice(3)];
    const acknowledged = new Set<string>();
    for (const [i, half] of halves.entries()) {
      t.ok(agreed(world, half), `half ${i}`);
      for (const node of half) {
        await timed(world, node, ofNode(node));
        acknowledged.add(ofNode(node));
      }
    }
    await world.run(10_000);
    t.ok(agreed(world, halves[0]) && agreed(world, halves[1]), 'still two');
    let done = false;
    world.nodes[5]!.replica!.join(world.nodes[1]!.address).then(
      () => (done = true),
      () => undefined,
    );
    t.ok(await world.until(() => done && agreed(world), 20_000));
    t.strictSame(await faults(world.nodes, acknowledged), []);
  },
);

t.test('a join that is repeated changes nothing', async (t) => {
  const world = await joined(4);
  const before = world.nodes[0]!.replica!.status();
  let done = 0;
  for (let i = 0; i < 25; i++)
    for (const node of world.nodes.slice(1))
      node.replica!.join(world.nodes[i % 4]!.address).then(
        () => done++,
        // Itself: refused with a reason.
        ({ code }: { code: string }) => (done += code === 'invalid' ? 1 : 0),
      );
  t.ok(await world.until(() => done === 75, 20_000));
  await world.run(3000);
  const after = world.nodes[0]!.replica!.status();
  t.strictSame([after.view, after.head, after.members], [before.view, before.head, before.members]);
});

t.test('three hundred blocks by all at once are in one order everywhere', async (t) => {
  const world = await joined(10);
  const acknowledged = new Set<string>();
  for (let i = 0; i < 300; i++)
    void world.nodes[i % 10]!.replica!.persist(Buffer.from('x'), { id: `b${i}` }).then(({ id }) =>
      acknowledged.add(id),
    );
  t.ok(await world.until(() => acknowledged.size === 300 && agreed(world), 60_000));
  t.strictSame(await faults(world.nodes, acknowledged), []);
});

t.test(
  'all die at once: what was acknowledged is there when they are back, also if some stay away',
  async (t) => {
    const world = await joined(4);
    const acknowledged = new Set<string>();
    for (let i = 0; i < 20; i++)
      void world.nodes[i % 4]!.replica!.persist(Buffer.from('x')).then(({ id }) => acknowledged.add(id));
    await world.until(() => acknowledged.size > 10, 5000);
    for (const node of world.nodes) world.crash(node);
    const back = world.nodes.slice(2);
    for (const node of back) void world.start(node);
    t.ok(await world.until(() => agreed(world, back), 20_000));
    t.strictSame(await faults(back, acknowledged), []);
    for (const node of world.nodes) void world.start(node);
    t.ok(await world.until(() => agreed(world), 20_000));
    t.strictSame(await faults(world.nodes, acknowledged), []);
  },
);

t.test('a peer whose disk is damaged fetches what was cut off from the others', async (t) => {
  const world = await joined(3);
  const acknowledged = new Set<string>();
  for (let i = 0; i < 20; i++) {
    await timed(world, world.nodes[i % 3]!, `b${i}`);
    acknowledged.add(`b${i}`);
  }
  const victim = world.nodes[1]!;
  world.crash(victim);
  const file = victim.disk.files.get('chain.log')!;
  file.data[Math.floor(file.data.length / 3)]! ^= 1;
  file.durable = file.data;
  await world.run(2000);
  void world.start(victim);
  t.ok(await world.until(() => agreed(world), 20_000));
  t.ok(victim.replica!.store().cut > 0);
  t.strictSame(await faults(world.nodes, acknowledged), []);
});

t.test(
  'so does one that lost the beginning of its chain, by what the rest tells of its network',
  async (t) => {
    for (const compacted of [false, true])
      for (const line of [0, 1]) {
        const world = createWorld(3, line, compacted ? { compactBlocks: 10, keepBlocks: 4 } : {});
        for (const node of world.nodes) void world.start(node);
        await world.run(300);
        for (const node of world.nodes.slice(1)) {
          node.replica!.join(world.nodes[0]!.address).catch(() => undefined);
          await world.until(() => agreed(world, world.nodes.slice(0, world.nodes.indexOf(node) + 1)), 5000);
        }
        for (let i = 0; i < 20; i++) await timed(world, world.nodes[i % 3]!, `b${i}`);
        await world.run(12_000);
        t.equal(world.nodes[0]!.replica!.store().base().height > 0, compacted);
        const victim = world.nodes[2]!;
        world.crash(victim);
        await world.run(5000);
        const file = victim.disk.files.get('chain.log')!;
        let at = 0;
        for (let i = 0; i < line; i++) at = file.data.indexOf(10, at) + 1;
        file.data[at + 5]! ^= 1;
        file.durable = file.data;
        void world.start(victim);
        const says = (what: string): boolean =>
          world.log.some((entry) => entry.includes(`${victim.address} ${what}`));
        if (compacted && line === 0) {
          // Only the first line told of a network: the peer says so, and waits to be joined again.
          t.ok(await world.until(() => agreed(world, [victim]), 20_000));
          t.ok(says('all of the chain was damaged'));
          continue;
        }
        t.ok(await world.until(() => agreed(world), 20_000), `line ${line + 1}, compacted: ${compacted}`);
        t.ok(victim.replica!.store().cut > 0);
        t.ok(says('the damaged part'));
        t.strictSame(await faults(world.nodes, new Set(compacted ? [] : ['b0', 'b19'])), []);
      }
  },
);

t.test('damage that a running peer comes upon is cut off and fetched again, whatever its part', async (t) => {
  const stories = ['leader', 'member'].flatMap((who) => [
    { who, quiet: true },
    { who, quiet: false },
  ]);
  for (const { who, quiet } of stories) {
    const world = await joined(3);
    const acknowledged = new Set<string>();
    const persist = async (node: Node, id: string): Promise<void> => {
      let done = false;
      // Large enough that memory does not keep the first ones.
      node.replica!.persist(Buffer.alloc(700_000, id), { id }).then(
        () => (done = true),
        () => undefined,
      );
      t.ok(await world.until(() => done, 30_000), id);
      acknowledged.add(id);
    };
    for (let i = 0; i < 5; i++) await persist(world.nodes[i % 3]!, `b${i}`);
    const leader = leaderOf(world);
    const victim = who === 'leader' ? leader : others(world, leader)[0]!;
    const replica = victim.replica!;
    const rewound: number[] = [];
    replica.onRewound(({ height }) => rewound.push(height));
    const height = (await replica.store().heightOf('b1'))!;
    const file = victim.disk.files.get('chain.log')!;
    file.data[file.data.indexOf('"ID":"b1"') + 20]! ^= 1;
    file.durable = file.data;
    await t.rejects(replica.store().at(height), { code: 'disk' }, 'a read comes upon it');
    if (!quiet) {
      let said: string | undefined;
      replica.persist(Buffer.from('x'), { id: 'x' }).then(
        () => acknowledged.add((said = 'x')),
        ({ code }: { code: string }) => (said = code),
      );
      await persist(others(world, victim)[0]!, 'after');
      t.ok(await world.until(() => said === 'x' || said === 'disk', 10_000), 'who persists there is told');
    }
    t.ok(
      await world.until(() => replica.counters().diskFailures === 1 && agreed(world), 30_000),
      `the ${who} is back`,
    );
    t.strictSame(rewound, [height - 1], 'its readers were told');
    t.strictSame(await faults(world.nodes, acknowledged), []);
  }
});

t.test('a peer whose disk is full says so, the others go on, and it comes back', async (t) => {
  const world = await joined(3);
  for (const victim of [leaderOf(world), others(world, leaderOf(world))[0]!]) {
    victim.disk.full = true;
    const writer = others(world, victim)[0]!;
    t.ok((await timed(world, writer, `without-${ofNode(victim)}`)) < 4000);
    let said: { code?: string } = {};
    await world.until(() => victim.replica!.status().mode === 'failed', 5000);
    victim.replica!.persist(Buffer.from('x')).catch((error: { code: string }) => (said = error));
    await world.run(100);
    t.equal(said.code, 'disk');
    victim.disk.full = false;
    t.ok(await world.until(() => agreed(world), 20_000), 'back');
  }
});

t.test('a peer that was away for long gets the snapshot, and its own blocks are not lost', async (t) => {
  const world = createWorld(3, 7, { compactBlocks: 30, keepBlocks: 10 });
  for (const node of world.nodes) void world.start(node);
  await world.run(300);
  for (const node of world.nodes.slice(1)) {
    node.replica!.join(world.nodes[0]!.address).catch(() => undefined);
    await world.run(3000);
  }
  const persist = async (node: Node, id: string, path: string): Promise<void> => {
    let done = false;
    void node.replica!.persist(Buffer.from(id), { id, path }).then(() => (done = true));
    await world.until(() => done, 10_000);
  };
  await persist(world.nodes[2]!, 'common', 'common');
  // Cut off, it goes on alone; the others compact past where they parted.
  world.partition([0, 0, 1]);
  await world.run(5000);
  await persist(world.nodes[2]!, 'mine', 'mine');
  for (let i = 0; i < 60; i++) await persist(world.nodes[i % 2]!, `b${i}`, 'theirs');
  await world.run(12_000);
  t.ok(world.nodes[0]!.replica!.store().base().height > 20, 'compacted');
  world.heal();
  t.ok(await world.until(() => agreed(world), 30_000));
  const chain = await chainOf(world.nodes[2]!);
  const ids = chain.map(({ block }) => block.id);
  t.strictSame(ids.filter((id) => id === 'mine' || id === 'common').sort(), ['common', 'mine']);
  t.strictSame(await faults(world.nodes, new Set(['mine'])), []);
});

t.test('blocks that are old go too, but for the newest ones', async (t) => {
  const world = createWorld(2, 11, { compactAge: 60_000, keepBlocks: 5 });
  for (const node of world.nodes) void world.start(node);
  await world.run(300);
  const [a, b] = world.nodes as [Node, Node];
  void b.replica!.join(a.address);
  await world.run(3000);
  const persist = async (id: string): Promise<void> => {
    let done = false;
    void a.replica!.persist(Buffer.from(id), { id, path: id }).then(() => (done = true));
    await world.until(() => done, 10_000);
  };
  for (let i = 0; i < 20; i++) await persist(`b${i}`);
  await world.run(30_000);
  t.equal(a.replica!.store().base().height, 0, 'not yet');
  await world.run(60_000);
  const { height } = a.replica!.store().head();
  for (const { replica } of world.nodes)
    t.equal(replica!.store().base().height, height - 5, 'the last five stay');
  t.ok(await world.until(() => agreed(world), 10_000));
  const chain = await chainOf(b);
  t.strictSame(
    chain.flatMap(({ block }) => (block.type === 1 ? [block.id] : [])).sort(),
    Array.from({ length: 20 }, (_, i) => `b${i}`).sort(),
    'and the newest block of each state',
  );
});

t.test('a chain stays within its size and is not rewritten for every few blocks', async (t) => {
  const stories = [
    { keepBlocks: 10_000, compactBytes: 1 << 20, compactAge: 1e9 },
    // Those that stay are themselves above the limit, or too old.
    { keepBlocks: 60, compactBytes: 1 << 20, compactAge: 1e9 },
    { keepBlocks: 60, compactBytes: 1 << 30, compactAge: 1000 },
  ];
  for (const limits of stories) {
    const world = createWorld(2, 13, limits);
    for (const node of world.nodes) void world.start(node);
    await world.run(300);
    const [a, b] = world.nodes as [Node, Node];
    void b.replica!.join(a.address);
    await world.run(3000);
    const persist = async (id: string, bytes: number): Promise<void> => {
      let done = false;
      void a.replica!.persist(Buffer.alloc(bytes, 'x'), { id }).then(() => (done = true));
      t.ok(await world.until(() => done, 10_000));
    };
    for (let i = 0; i < 100; i++) await persist(`large${i}`, 20_000);
    await world.run(10_000);
    const compactions = (): number[] => world.nodes.map(({ replica }) => replica!.counters().compactions);
    const before = compactions();
    t.ok(before.every((count) => count > 0));
    for (let i = 0; i < 10; i++) {
      await persist(`small${i}`, 10);
      await world.run(6000);
    }
    t.ok(await world.until(() => agreed(world), 10_000));
    t.strictSame(compactions(), before, 'ten blocks are no reason');
    for (const { replica } of world.nodes)
      t.ok(replica!.store().bytes() < limits.compactBytes, `${replica!.store().bytes()} bytes`);
  }
});
