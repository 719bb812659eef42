/** What sharing holds in memory: it is not the size of the folder, nor of the chain. */
import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { startPeer } from '../../../lightpeer/peer.js';
import type { Peer } from '../../../lightpeer/peer.js';
import type { PeerPort } from '../../../lightpeer/port.js';
import { createBudget } from '../../../lightpeer/state/budget.js';
import { startStateSync } from '../../../lightpeer/state/sync.js';
import type { StateSync } from '../../../lightpeer/state/sync.js';
import { collect } from '../../helpers/collect.js';
import { until } from '../../helpers/eventually.js';

const MIB = 1 << 20;
const FILES = 48;
/** Half of what all files hold, and well above what a peer keeps of its chain and the sync of contents. */
const MOST = 24 * MIB;

const home = await mkdtemp(join(tmpdir(), 'state-memory-'));
t.teardown(() => rm(home, { recursive: true, force: true }));
let made = 0;

const contentOf = (nth: number): Buffer => Buffer.alloc(MIB, `content ${nth} `);

async function peerOf(t: Test): Promise<Peer> {
  const repo = join(home, `repo-${made++}`);
  const peer = await startPeer({ repo, host: '127.0.13.2', port: 0, sync: false });
  t.teardown(() => peer.close({ leave: false }));
  await until(peer.ready);
  return peer;
}

async function folderOf(): Promise<string> {
  const folder = join(home, `shared-${made++}`);
  await mkdir(folder);
  return folder;
}

/** Bytes outside of the heap that something still refers to. */
const heldBytes = (): number => collect().arrayBuffers;

/** The peer, and what is held whenever the sync has been given a block or a content, beyond what was before. */
function measured(peer: Peer): { port: PeerPort; most(): number } {
  const before = heldBytes();
  let most = 0;
  const note = (): void => void (most = Math.max(most, heldBytes() - before));
  return {
    most: () => most,
    port: {
      persist: peer.persist,
      async *query() {
        for await (const block of peer.query()) {
          yield block;
          note();
        }
      },
      async *watch(options) {
        for await (const event of peer.watch(options)) {
          if (event.type === 'live') note();
          yield event;
        }
      },
    },
  };
}

async function share(t: Test, peer: PeerPort, path: string, memory: string): Promise<StateSync> {
  const sync = await startStateSync({ peer, path, memory, checkMs: 200 });
  t.teardown(() => sync.close());
  return sync;
}

await t.test(
  'a budget is kept, in the order of the calls, and what is larger than it goes alone',
  async (t) => {
    const budget = createBudget({ bytes: 10, items: 3 });
    const first = await budget.take(6);
    const second = await budget.take(4);
    t.equal(budget.tryTake(1), undefined);
    const went: string[] = [];
    const large = budget.take(11).then((release) => (went.push('large'), release));
    const small = budget.take(0).then((release) => (went.push('small'), release));
    first();
    first();
    t.equal(budget.tryTake(0), undefined, 'those that wait come first');
    await Promise.resolve();
    t.same(went, []);
    second();
    (await large)();
    t.same(went, ['large']);
    (await small)();
    const three = [budget.tryTake(0), budget.tryTake(0), budget.tryTake(0)];
    t.equal(budget.tryTake(0), undefined, 'nor more than so many');
    three[0]!();
    t.ok(budget.tryTake(10));
  },
);

await t.test(
  'a large chain comes into a folder, and is there after a restart, a few files at a time',
  async (t) => {
    const peer = await peerOf(t);
    for (let nth = 0; nth < FILES; nth++) await peer.persist(contentOf(nth), { path: `f${nth}` });
    const [folder, memory] = [await folderOf(), join(home, `memory-${made++}`)];
    const first = measured(peer);
    const sync = await share(t, first.port, `${folder}/`, memory);
    await until(() => sync.counters.received === FILES);
    for (let nth = 0; nth < FILES; nth++)
      t.ok((await readFile(join(folder, `f${nth}`))).equals(contentOf(nth)), `f${nth}`);
    t.ok(first.most() > 0 && first.most() < MOST, `${first.most()} bytes were held`);
    await sync.close();

    writeFileSync(join(folder, 'f0'), 'changed');
    const second = measured(peer);
    const again = await share(t, second.port, `${folder}/`, memory);
    await until(() => again.counters.published === 1);
    t.ok(second.most() < MOST, `${second.most()} bytes were held after the restart`);
    t.match(again.counters, { received: 0, failed: 0 });
  },
);

await t.test('a large folder is published a few files at a time, all of them', async (t) => {
  const peer = await peerOf(t);
  const folder = await folderOf();
  for (let nth = 0; nth < FILES; nth++) writeFileSync(join(folder, `f${nth}`), contentOf(nth));
  let [now, most] = [0, 0];
  // Long enough for all to be on their way, if nothing keeps them.
  const slow = delay(1_000);
  const port: PeerPort = {
    query: peer.query,
    watch: peer.watch,
    async persist(payload, options) {
      now += payload.byteLength;
      most = Math.max(most, now);
      await slow;
      return peer.persist(payload, options).finally(() => (now -= payload.byteLength));
    },
  };
  const sync = await share(t, port, `${folder}/`, join(home, `memory-${made++}`));
  await until(() => sync.counters.published === FILES);
  t.ok(most < MOST, `${most} bytes were on their way at once`);
  const paths = new Set<string>();
  for await (const { path } of peer.query()) paths.add(path);
  t.equal(paths.size, FILES);
});

await t.test(
  'when blocks are many and large, the last one of each state is what its file holds',
  async (t) => {
    const peer = await peerOf(t);
    const folder = await folderOf();
    const sync = await share(t, peer, `${folder}/`, join(home, `memory-${made++}`));
    await Promise.all(
      Array.from({ length: FILES }, (_, nth) => peer.persist(contentOf(nth), { path: `f${nth % 12}` })),
    );
    const last = new Map<string, Buffer>();
    for await (const { path, payload } of peer.query())
      if (!last.has(path)) last.set(path, Buffer.from(payload));
    for (const [path, content] of last)
      await until(
        async () => (await readFile(join(folder, path)).catch(() => undefined))?.equals(content) === true,
      );
    t.equal(sync.counters.published, 0);
  },
);

await t.test('names that were used once are forgotten', async (t) => {
  const peer = await peerOf(t);
  const folder = await folderOf();
  const memory = join(home, `memory-${made++}`);
  const sync = await share(t, peer, `${folder}/`, memory);
  writeFileSync(join(folder, 'stays'), 'stays');
  for (let nth = 0; nth < 20; nth++) writeFileSync(join(folder, `job-${nth}`), String(nth));
  await until(() => sync.counters.published === 21);
  for (let nth = 0; nth < 20; nth++) await rm(join(folder, `job-${nth}`));
  for (let nth = 0; nth < 20; nth++) {
    await peer.persist(Buffer.from('x'), { path: `theirs-${nth}` });
    await peer.persist(new Uint8Array(), { path: `theirs-${nth}`, deleted: true });
  }
  await until(() => sync.states() === 1);
  t.same(await readdir(folder), ['stays']);
  await sync.close();
  const again = await share(t, peer, `${folder}/`, memory);
  await until(() => again.states() === 1);
  writeFileSync(join(folder, 'job-1'), 'once more');
  await until(() => again.counters.published === 1);
  t.equal(again.states(), 2);
});
