/** The chain on disk: what is acknowledged is there again, whatever the crash; what is damaged is cut off. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { memberPayload, ORIGIN } from '../../../lightpeer/chain/block.js';
import type { Block, Placed } from '../../../lightpeer/chain/block.js';
import { openDisk } from '../../../lightpeer/store/disk.js';
import type { Disk } from '../../../lightpeer/store/disk.js';
import type { Store } from '../../../lightpeer/store/port.js';
import { openStore } from '../../../lightpeer/store/store.js';
import { memoryDisk } from './sim/memory-disk.js';

const folder = await mkdtemp(join(tmpdir(), 'xi-store-'));
t.teardown(() => rm(folder, { recursive: true, force: true }));
let folders = 0;
const fresh = (): string => join(folder, String(folders++));

const client = (id: string, payload = id, path = ''): Block => ({
  id,
  prevId: '',
  type: 1,
  payload: Buffer.from(payload),
  path,
  deleted: false,
  at: 1_700_000_000_000,
});

const network = (id: string, epoch: number): Block => ({
  ...client(id),
  type: 0,
  payload: memberPayload([{ address: '127.0.0.1:9081', name: '', legacy: false }]),
  view: { epoch, networks: ['n'], legacy: [], committed: 0, left: [] },
});

const append = (store: Store, ...blocks: Block[]): Promise<void> => store.append(blocks, 0).synced;
const idsOf = async (store: Store): Promise<string[]> => {
  const ids: string[] = [];
  for await (const { block } of store.newestFirst()) ids.push(block.id);
  return ids.reverse();
};
const numbered = (count: number, from = 0): Block[] =>
  Array.from({ length: count }, (_, i) => client(`b${from + i}`));

t.test('blocks are there again after a restart, linked, with all that they had', async (t) => {
  const path = fresh();
  let store = await openStore(await openDisk(path));
  const binary = { ...client('binary'), payload: Buffer.from([0, 255, 128, 10]) };
  const gone = { ...client('gone', '', 'a/b.txt'), deleted: true };
  await append(store, network('n1', 3), client('one', 'Grüße\n"x"', 'p'), binary, gone);
  const before = store.head();
  await store.close();
  store = await openStore(await openDisk(path));
  t.strictSame(store.head(), before);
  t.strictSame(store.synced().height, 4);
  const placed = (await store.after(0, 4)) as Placed[];
  t.strictSame(
    placed.map(({ block }) => [block.id, block.prevId, Buffer.from(block.payload).toString('latin1')]),
    [
      ['n1', '', '[{"Address":"127.0.0.1:9081"}]'],
      ['one', 'n1', Buffer.from('Grüße\n"x"').toString('latin1')],
      ['binary', 'one', '\x00\xff\x80\n'],
      ['gone', 'binary', ''],
    ],
  );
  t.strictSame(placed[3]!.block.deleted && placed[3]!.block.path, 'a/b.txt');
  t.equal(store.network()!.block.view!.epoch, 3);
  t.equal(await store.heightOf('binary'), 3);
  t.equal(await store.heightOf('nobody'), undefined);
  t.equal(store.clientBlocks(), 3);
  await store.close();
  const lines = (await readFile(join(path, 'chain.log'), 'utf8')).trimEnd().split('\n');
  t.equal(lines.length, 5);
  t.match(
    JSON.parse(lines[2]!),
    { height: 2, ID: 'one', Text: 'Grüße\n"x"', Path: 'p' },
    'people can read it',
  );
});

t.test('many appends at once are written and synced together', async (t) => {
  const disk = await openDisk(fresh());
  let writes = 0;
  const counting: Disk = {
    ...disk,
    open: async (name) => {
      const file = await disk.open(name);
      return {
        ...file,
        write: (buffer, position) => (writes++, file.write(buffer, position)),
      };
    },
  };
  const store = await openStore(counting);
  writes = 0;
  await Promise.all(numbered(200).map((block) => append(store, block)));
  t.ok(writes <= 3, `${writes} writes for 200 blocks`);
  t.strictSame(
    await idsOf(store),
    numbered(200).map(({ id }) => id),
  );
  await store.close();
});

t.test('whatever part of the last write a crash leaves, the blocks before it stay', async (t) => {
  const path = fresh();
  let store = await openStore(await openDisk(path));
  await append(store, ...numbered(3));
  await store.close();
  const whole = await readFile(join(path, 'chain.log'));
  const start = whole.lastIndexOf(10, whole.length - 2) + 1;
  for (let size = start; size < whole.length; size += 7) {
    await writeFile(join(path, 'chain.log'), whole.subarray(0, size));
    store = await openStore(await openDisk(path));
    t.strictSame([store.head().height, store.cut], [2, size - start]);
    await append(store, client('again'));
    t.strictSame(await idsOf(store), ['b0', 'b1', 'again']);
    await store.close();
  }
});

t.test(
  'a flipped byte anywhere is noticed: the chain ends before it, and what followed is put aside',
  async (t) => {
    const path = fresh();
    let store = await openStore(await openDisk(path));
    await append(store, ...numbered(20));
    await store.close();
    const whole = await readFile(join(path, 'chain.log'));
    const text = whole.toString();
    const header = text.indexOf('\n') + 1;
    for (let at = header; at < whole.length; at += 97) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 1;
      await writeFile(join(path, 'chain.log'), damaged);
      store = await openStore(await openDisk(path));
      const sound = text.slice(header, at).split('\n').length - 1;
      t.equal(store.head().height, sound, `byte ${at}`);
      await store.close();
    }
    t.ok((await readFile(join(path, 'damaged.log'))).length > 0);
    // Not even the first line: nothing is thrown away.
    const damaged = Buffer.from(whole);
    damaged[3]! ^= 1;
    await writeFile(join(path, 'chain.log'), damaged);
    store = await openStore(await openDisk(path));
    t.equal(store.head().height, 0);
    t.equal(store.cut, whole.length);
    t.strictSame(await readFile(join(path, 'damaged.log')), damaged);
    await store.close();
  },
);

t.test("damage that happens while it runs is an error of the read, not somebody else's block", async (t) => {
  const path = fresh();
  const store = await openStore(await openDisk(path));
  // More than memory keeps.
  await append(store, ...Array.from({ length: 6000 }, (_, i) => client(`b${i}`)));
  const whole = await readFile(join(path, 'chain.log'));
  const at = whole.indexOf('"b5"');
  whole[at + 1] = 120;
  await writeFile(join(path, 'chain.log'), whole);
  await t.rejects(store.after(0, 100), {
    code: 'disk',
    message: /chain\.log: the block at line 7 is damaged/,
  });
  await store.close();
});

t.test(
  'the folder of a Go peer is taken over: its longest chain, and nothing else of what lies there',
  async (t) => {
    const path = fresh();
    const disk = await openDisk(path);
    const file = (name: string, content: string): Promise<void> => writeFile(join(path, name), content);
    await file('aaa', '{"ID":"aaa","Payload":"W3siQWRkcmVzcyI6IjEuMi4zLjQ6OTA4MSJ9XQ=="}');
    await file(
      'bbb',
      `{"ID":"bbb","Payload":"${Buffer.from('hello').toString('base64')}","PrevID":"aaa","Type":1}`,
    );
    await file('ccc', '{"ID":"ccc","PrevID":"bbb","Type":1}');
    await file('ddd', '{"ID":"ddd","Payload":"eA==","PrevID":"aaa","Type":1}');
    await file('eee', 'no block at all');
    await file('fff', '{"ID":"somebody else"}');
    let store = await openStore(disk);
    t.strictSame([store.imported, await idsOf(store)], [3, ['aaa', 'bbb', 'ccc']]);
    t.equal(Buffer.from((await store.at(2))!.block.payload).toString(), 'hello');
    await append(store, client('ours'));
    await store.close();
    store = await openStore(disk);
    t.strictSame([store.imported, await idsOf(store)], [0, ['aaa', 'bbb', 'ccc', 'ours']], 'once');
    await store.close();
  },
);

t.test('a take-over of a Go peer that is cut short, wherever, is made again as a whole', async (t) => {
  for (const end of ['disk full', 'killed'])
    for (let failing = 0, over = false; !over; failing++) {
      const path = fresh();
      const real = await openDisk(path, { durable: false });
      for (let i = 0; i < 50; i++)
        await writeFile(
          join(path, `b${i}`),
          JSON.stringify({ ID: `b${i}`, Payload: 'eA==', Type: 1, ...(i > 0 && { PrevID: `b${i - 1}` }) }),
        );
      let steps = 0;
      let stopped = false;
      const step = async (whole: () => Promise<void>, part = whole): Promise<void> => {
        if (steps++ === failing) {
          stopped = true;
          if (end === 'killed') await part();
          throw new Error('no space left on device');
        }
        await whole();
      };
      const failingDisk: Disk = {
        ...real,
        rename: (from, to) => step(() => real.rename(from, to)),
        open: async (name) => {
          const file = await real.open(name);
          const { write } = file;
          // A process that is killed may have written a part.
          const half = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, bytes.byteLength / 2);
          return {
            ...file,
            write: (bytes, at) =>
              step(
                () => write(bytes, at),
                () => write(half(bytes), at),
              ),
          };
        },
      };
      const first = await openStore(failingDisk).catch(() => undefined);
      over = !stopped;
      await first?.close();
      const store = await openStore(real);
      const ids = await idsOf(store);
      t.strictSame(
        ids,
        numbered(50).map(({ id }) => id),
        `${end} at step ${failing}`,
      );
      await store.close();
      if (over) t.ok(failing > 1, 'each step was tried');
    }
});

t.test('a second chain beside the first takes its place as a whole, or not at all', async (t) => {
  for (const keep of [0, 2, 5]) {
    const path = fresh();
    let store = await openStore(await openDisk(path));
    await append(store, network('n1', 1), ...numbered(4));
    const from = keep === 0 ? ORIGIN : (await store.at(keep))!;
    const staging = await store.stage({ height: from.height, digest: from.digest });
    await staging.append([network('n2', 2), client('x'), client('y')]);
    t.equal(staging.view()!.epoch, 2);
    t.strictSame((await idsOf(store)).length, 5, 'the first is as it was');
    t.equal((await staging.commit()).height, keep);
    const expected = [...['n1', 'b0', 'b1', 'b2', 'b3'].slice(0, keep), 'n2', 'x', 'y'];
    t.strictSame(await idsOf(store), expected);
    await append(store, client('z'));
    await store.close();
    store = await openStore(await openDisk(path));
    t.strictSame(await idsOf(store), [...expected, 'z']);
    t.equal(store.network()!.block.id, 'n2');
    await t.rejects(
      Promise.all([store.stage(ORIGIN), store.stage(ORIGIN)]),
      { code: 'refused' },
      'one at a time',
    );
    await store.close();
  }
});

t.test(
  'no other second chain is begun before the one that is taken, or given up, is at its end',
  async (t) => {
    for (const how of ['commit', 'abort'] as const)
      for (const keep of [0, 2, 5]) {
        const path = fresh();
        let store = await openStore(await openDisk(path));
        await append(store, ...numbered(5));
        const place = async (height: number) => (height === 0 ? ORIGIN : (await store.at(height))!);
        const staging = await store.stage(await place(keep));
        await staging.append([client('x'), client('y')]);
        const { height, digest } = staging.head();
        const ended = staging[how]();
        const refused = await store.stage({ height, digest }).then(
          () => 'begun',
          ({ code }: { code: string }) => code,
        );
        t.equal(refused, 'refused', `${how} after ${keep}`);
        await ended;
        await t.rejects(staging.commit(), { code: 'refused' }, 'once');
        await staging.abort();
        const expected = [...numbered(how === 'commit' ? keep : 5).map(({ id }) => id)];
        if (how === 'commit') expected.push('x', 'y');
        t.strictSame(await idsOf(store), expected);
        await (await store.stage(ORIGIN)).abort();
        await store.close();
        store = await openStore(await openDisk(path));
        t.strictSame(await idsOf(store), expected);
        await store.close();
      }
  },
);

t.test('compaction keeps the newest block of each state, and the rest of the chain as it is', async (t) => {
  const path = fresh();
  let store = await openStore(await openDisk(path));
  await append(
    store,
    network('n1', 1),
    client('a1', '1', 'a'),
    client('b1', '1', 'b'),
    client('a2', '2', 'a'),
    { ...client('b2', '', 'b'), deleted: true },
    client('root', 'r'),
    network('n2', 2),
    client('a3', '3', 'a'),
    client('tail', 't', 'c'),
  );
  const head = store.head();
  const digest = (await store.at(8))!.digest;
  await store.compact(7);
  for (const again of [false, true]) {
    if (again) {
      await store.close();
      store = await openStore(await openDisk(path));
    }
    t.strictSame(await idsOf(store), ['a2', 'root', 'a3', 'tail']);
    t.strictSame(store.head(), head);
    t.equal(store.base().height, 7);
    t.equal((await store.at(8))!.digest, digest);
    t.equal(await store.at(7), undefined);
    t.equal(await store.heightOf('a2'), 4);
    t.equal(await store.heightOf('a1'), undefined);
    t.equal(store.network()!.block.id, 'n2');
    t.strictSame(
      store.waypoints().map(({ height }) => height),
      [1, 7],
    );
    await t.rejects(store.after(3, 9), { code: 'refused' });
  }
  // Another peer that begins with the snapshot has the same.
  const other = await openStore(await openDisk(fresh()));
  await append(other, client('old'));
  const snapshot = store.snapshot();
  t.strictSame([snapshot.base, snapshot.kept], [store.base(), 2]);
  const kept: Placed[] = [];
  for await (const some of store.keptParts(snapshot)) kept.push(...some);
  const rest = (await store.after(7, 9)).map(({ block }) => block);
  const cut = await other.stage(snapshot);
  await cut.keep(kept.slice(0, 1));
  t.notOk(cut.whole());
  t.throws(() => cut.append(rest), { code: 'invalid' }, 'not before all is there');
  await t.rejects(cut.commit(), { code: 'refused' }, 'nor does it become the chain');
  t.strictSame(await idsOf(other), ['old']);
  const staging = await other.stage(snapshot);
  for (const placed of kept) await staging.keep([placed]);
  t.ok(staging.whole());
  t.throws(() => staging.keep(kept.slice(0, 1)), { code: 'invalid' }, 'more than it says');
  await staging.append(rest);
  await staging.commit();
  await store.compact(8);
  await t.rejects(store.keptParts(snapshot)[Symbol.asyncIterator]().next(), { code: 'refused' });
  await other.compact(8);
  t.strictSame(await idsOf(other), await idsOf(store));
  t.strictSame(other.head(), store.head());
  await Promise.all([store.close(), other.close()]);
});

t.test('blocks that come during a compaction are there after it, once', async (t) => {
  const path = fresh();
  let store = await openStore(await openDisk(path));
  await append(store, ...numbered(3000));
  const compacting = store.compact(2000);
  const more: Promise<void>[] = [];
  for (let i = 0; i < 300; i++) {
    more.push(append(store, client(`more${i}`)));
    if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all([compacting, ...more]);
  await append(store, client('last'));
  const ids = await idsOf(store);
  await store.close();
  store = await openStore(await openDisk(path));
  t.strictSame(await idsOf(store), ids);
  t.equal(new Set(ids).size, ids.length);
  t.equal(ids.length, 1 + 1000 + 300 + 1);
  await store.close();
});

t.test('whichever write fails, no file stays open', async (t) => {
  for (let failing = 0; ; failing++) {
    let [writes, open] = [0, 0];
    const real = await openDisk(fresh(), { durable: false });
    const attempt = async (work: () => Promise<void>): Promise<void> => {
      if (writes++ === failing) throw new Error('no space left on device');
      await work();
    };
    const disk: Disk = {
      ...real,
      rename: (from, to) => attempt(() => real.rename(from, to)),
      open: async (name) => {
        const file = await real.open(name);
        open++;
        let closed = false;
        return {
          ...file,
          write: (bytes, position) => attempt(() => file.write(bytes, position)),
          close: async () => {
            if (!closed) open--;
            closed = true;
            await file.close();
          },
        };
      },
    };
    const tolerant = async (work: () => Promise<unknown>): Promise<void> =>
      void (await work().catch(() => undefined));
    const store = await openStore(disk).catch(() => undefined);
    if (store !== undefined) {
      await tolerant(() => append(store, ...numbered(12)));
      for (const keep of [12, 6, 0]) {
        const from = keep === 0 ? ORIGIN : await store.at(keep).catch(() => undefined);
        if (from === undefined) continue;
        await tolerant(async () => {
          const staging = await store.stage({ height: keep, digest: 'digest' in from ? from.digest : '' });
          await staging.append(numbered(12 - keep / 2, 100 + keep)).catch(() => undefined);
          await staging.commit();
        });
      }
      await tolerant(() => store.compact(store.head().height - 2));
      await store.close();
    }
    t.equal(open, 0, `when write ${failing} fails`);
    if (writes <= failing) return t.ok(failing > 8, `all ${failing} were tried`);
  }
});

t.test('any story of appends, crashes, rewrites and compactions is that of a plain list', async () => {
  const step = fc.oneof(
    fc.record({
      do: fc.constant('append' as const),
      count: fc.integer({ min: 1, max: 6 }),
      path: fc.integer({ min: 0, max: 2 }),
    }),
    fc.record({ do: fc.constant('crash' as const), unsynced: fc.integer({ min: 0, max: 4 }) }),
    fc.record({
      do: fc.constant('rewrite' as const),
      keep: fc.nat(),
      count: fc.integer({ min: 0, max: 4 }),
      commit: fc.boolean(),
    }),
    fc.record({ do: fc.constant('compact' as const), to: fc.nat() }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.nat(), async (steps, seed) => {
      let random = seed;
      const disk = memoryDisk(
        (_, run) => setImmediate(run),
        () => (random = (random * 16_807 + 11) % 2_147_483_647) / 2_147_483_647,
      );
      let store = await openStore(disk.mount());
      /** What must be there, oldest first: height and id. */
      let model: [number, string, string][] = [];
      let base = 0;
      let made = 0;
      const make = (path: number): Block => client(`m${made++}`, 'x', `p${path}`);
      for (const action of steps) {
        const height = model.at(-1)?.[0] ?? base;
        const top = Math.max(height, base);
        if (action.do === 'append') {
          const blocks = Array.from({ length: action.count }, () => make(action.path));
          await append(store, ...blocks);
          blocks.forEach(({ id, path }, i) => model.push([top + 1 + i, id, path]));
        } else if (action.do === 'crash') {
          const lost = Array.from({ length: action.unsynced }, () => make(0));
          store.append(lost, 0).synced.catch(() => undefined);
          disk.crash();
          store = await openStore(disk.mount());
          // Of what was not synced, a first part may be there.
          const extra = store.head().height - top;
          lost.slice(0, extra).forEach(({ id, path }, i) => model.push([top + 1 + i, id, path]));
        } else if (action.do === 'rewrite') {
          const keep = base + (action.keep % (top - base + 1));
          const place = keep === 0 ? ORIGIN : keep === base ? store.base() : (await store.at(keep))!;
          const staging = await store.stage({ height: place.height, digest: place.digest });
          const blocks = Array.from({ length: action.count }, () => make(1));
          await staging.append(blocks);
          if (action.commit) {
            await staging.commit();
            model = model.filter(([at]) => at <= keep);
            blocks.forEach(({ id, path }, i) => model.push([keep + 1 + i, id, path]));
          } else await staging.abort();
        } else {
          const to = base + (action.to % (top - base + 1));
          await store.compact(to);
          if (to > base) {
            const newest = new Map(model.filter(([at]) => at <= to).map((entry) => [entry[2], entry]));
            model = model.filter((entry) => entry[0] > to || newest.get(entry[2]) === entry);
            base = to;
          }
        }
        if (JSON.stringify(await idsOf(store)) !== JSON.stringify(model.map(([, id]) => id))) return false;
        for (const [at, id] of model) if ((await store.heightOf(id)) !== at) return false;
      }
      return true;
    }),
    { numRuns: 150 },
  );
});
