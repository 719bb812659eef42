/** What a chain holds in memory when it is opened: its newest blocks, and not all that it has. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { openDisk } from '../../../lightpeer/store/disk.js';
import type { Disk } from '../../../lightpeer/store/disk.js';
import { openStore } from '../../../lightpeer/store/store.js';
import { collect } from '../../helpers/collect.js';

const MIB = 1 << 20;
const BLOCKS = 48;

test('a chain of 48 MiB is opened within a fraction of that', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'store-memory-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const held = (): number => collect().arrayBuffers;
  let store = await openStore(await openDisk(folder, { durable: false }));
  for (let nth = 0; nth < BLOCKS; nth++)
    await store.append(
      [
        {
          id: `block-${nth}`,
          prevId: '',
          type: 1,
          // No text, so that it is not a string in V8's heap either.
          payload: Buffer.alloc(MIB, Buffer.from([255, nth])),
          path: '',
          deleted: false,
          at: 0,
        },
      ],
      0,
    ).synced;
  await store.close();
  const before = held();
  store = await openStore(await openDisk(folder, { durable: false }));
  const after = held() - before;
  t.equal(store.head().height, BLOCKS);
  t.ok(after < (BLOCKS / 4) * MIB, `${Math.round(after / MIB)} MiB are held`);
  await store.close();
});

test("a Go peer's folder of 48 MiB is taken over within a fraction of that", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'store-memory-go-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const idOf = (nth: number): string => `block-${nth}`;
  for (let nth = 0; nth < BLOCKS; nth++) {
    const payload = Buffer.alloc(MIB, Buffer.from([255, nth])).toString('base64');
    const block = { ID: idOf(nth), Payload: payload, Type: 1, ...(nth > 0 && { PrevID: idOf(nth - 1) }) };
    await writeFile(join(folder, idOf(nth)), JSON.stringify(block));
  }
  const held = (): number => {
    const { arrayBuffers, heapUsed } = collect();
    return arrayBuffers + heapUsed;
  };
  const before = held();
  let most = 0;
  const disk = await openDisk(folder, { durable: false });
  const looking: Disk = {
    ...disk,
    open: async (name) => {
      const file = await disk.open(name);
      return {
        ...file,
        write: (bytes, at) => {
          most = Math.max(most, held() - before);
          return file.write(bytes, at);
        },
      };
    },
  };
  const store = await openStore(looking);
  t.equal(store.imported, BLOCKS);
  t.equal(store.head().id, idOf(BLOCKS - 1));
  t.ok(most > 0 && most < (BLOCKS / 4) * MIB, `${Math.round(most / MIB)} MiB are held`);
  await store.close();
});
