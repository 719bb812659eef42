/** The chain of a peer on disk: appended to in place, rewritten only as a whole beside the old one and put in its place. */
import { PeerError } from '../port.js';
import { EMPTY_HEADER } from './chain-file.js';
import type { ChainFile } from './chain-file.js';
import { copyKept, survivors } from './compaction.js';
import { copyRaw, INCOMING, NEXT, reopen } from './copying.js';
import { closedOnFailure } from './disk.js';
import type { Disk } from './disk.js';
import { goBlocks, goChain } from './go-folder.js';
import { createChainFile, openChainFile } from './open-chain.js';
import type { Staging, Store } from './port.js';
import { stageFrom } from './staging.js';
import type { StagingDeps } from './staging.js';

const NAME = 'chain.log';
const TRIAL = 'trial.tmp';
const TRIAL_BYTES = 64 << 10;

/** A new chain. It gets its name when all of it is on disk: of a Go peer's blocks there is never a part. */
async function beginWith(disk: Disk, ids: readonly string[]): Promise<ChainFile> {
  const chain = await createChainFile(disk, NEXT, EMPTY_HEADER);
  return closedOnFailure(chain, async () => {
    for await (const blocks of goBlocks(disk, ids)) await chain.append(blocks, 0).synced;
    await chain.rename(NAME);
    return chain;
  });
}

/** Writes a little. A disk that is full lets everything be opened, and whoever comes back by that disturbs the others for nothing. */
async function tryOut(disk: Disk): Promise<void> {
  try {
    const file = await disk.open(TRIAL);
    await file.write(Buffer.alloc(TRIAL_BYTES), 0).finally(file.close);
  } finally {
    await disk.remove(TRIAL);
  }
}

/** @param options trial: first find out whether the disk writes. Rejects when it does not. */
export async function openStore(disk: Disk, { trial = false } = {}): Promise<Store> {
  if (trial) await tryOut(disk);
  await disk.remove(NEXT);
  await disk.remove(INCOMING);
  const opened = await openChainFile(disk, NAME);
  const imported = opened.chain === undefined ? await goChain(disk) : [];
  let current = opened.chain ?? (await beginWith(disk, imported));
  /** Takes what is appended too, while it is about to replace the current one. */
  let mirror: ChainFile | undefined;
  let staging: Staging | undefined;
  /** A second chain is there, or about to be, until it has taken the place of the first or is gone. */
  let busy = false;
  let ending: Promise<void> | undefined;
  let compacting: Promise<void> | undefined;

  async function replace(next: ChainFile): Promise<void> {
    await closedOnFailure(next, () => next.rename(NAME));
    const old = current;
    current = next;
    mirror = undefined;
    await old.close().catch(() => undefined);
  }

  /** Reads by position; again when the file was replaced meanwhile. */
  async function reading<T>(read: (file: ChainFile) => Promise<T>): Promise<T> {
    for (;;) {
      const file = current;
      try {
        return await read(file);
      } catch (error) {
        if (file === current) throw error;
      }
    }
  }

  const self: Store = {
    cut: opened.cut,
    forgotten: opened.forgotten,
    imported: imported.length,
    head: () => current.head(),
    synced: () => current.synced(),
    base: () => current.header.base,
    network: () => current.network(),
    waypoints: () => current.waypoints(),
    committed: () => current.committed(),
    clientBlocks: () => current.clientBlocks(),
    bytes: () => current.bytes(),
    length: () => current.length(),
    bytesAfter: (height) => current.bytes() - current.offset(current.position(height) + 1),
    append: (blocks, committed) => {
      const appended = current.append(blocks, committed);
      if (mirror === undefined) return appended;
      const mirrored = copied(mirror, mirror.append(blocks, committed).synced);
      return {
        placed: appended.placed,
        synced: Promise.all([appended.synced, mirrored]).then(() => undefined),
      };
    },
    broken: () => current.broken(),
    flushed: () => current.flushed(),
    at: (height) =>
      reading(async (file) => {
        if (height === 0 || height <= file.header.base.height || height > file.head().height)
          return undefined;
        return (await file.some(file.position(height), file.position(height) + 1))[0];
      }),
    after: (height, to) =>
      reading(async (file) => {
        if (height < file.header.base.height)
          throw new PeerError('refused', `the blocks up to ${file.header.base.height} were compacted`);
        if (height >= Math.min(to, file.head().height)) return [];
        return file.some(file.position(height + 1), Math.min(file.position(to) + 1, file.length()));
      }),
    newestFirst: async function* (below) {
      for await (const some of self.newestParts(below)) yield* some;
    },
    newestParts: async function* (below = Infinity) {
      const file = current;
      let to = Math.max(file.header.kept, Math.min(file.length(), file.position(below)));
      while (to > 0) {
        if (file !== current) throw new PeerError('refused', 'the chain was rewritten meanwhile: ask again');
        const some = await file.someBefore(to);
        to -= some.length;
        yield some.reverse().filter(({ height }) => height < below);
      }
    },
    heightOf: async (id) => (await self.find(id))?.height,
    find: (id) =>
      reading(async (file) => {
        for (const position of file.candidates(id)) {
          const [found] = await file.some(position, position + 1);
          if (found?.block.id === id) return found;
        }
        return undefined;
      }),
    snapshot: () => current.header,
    keptParts: async function* (snapshot) {
      const file = current;
      for (let at = 0; at < snapshot.kept;) {
        if (file !== current || file.header !== snapshot)
          throw new PeerError('refused', 'the chain was rewritten meanwhile: ask again');
        const some = await file.some(at, snapshot.kept);
        at += some.length;
        yield some;
      }
    },
    stage: async (from) => {
      if (busy) throw new PeerError('refused', 'a chain is already being fetched');
      busy = true;
      try {
        return (staging = stagingUntilOver(await stageFrom(second, from)));
      } catch (error) {
        busy = false;
        throw error;
      }
    },
    compact: async (to) => {
      if (busy || compacting !== undefined) return;
      compacting = compact(to).finally(() => (compacting = undefined));
      await compacting;
    },
    close: async () => {
      await compacting?.catch(() => undefined);
      await staging?.abort();
      await ending;
      await current.close();
    },
  };

  const second: StagingDeps = {
    disk,
    current: () => current,
    at: self.at,
    replace,
    rewritten: async () => compacting?.catch(() => undefined),
  };

  /** Its file is not free for another before it is at its end. */
  function stagingUntilOver(of: Staging): Staging {
    const end = <T>(how: () => Promise<T>): Promise<T> => {
      if (staging !== kept) throw new PeerError('refused', 'the fetched chain was taken or given up before');
      staging = undefined;
      const ended = how().finally(() => (busy = false));
      ending = ended.then(
        () => undefined,
        () => undefined,
      );
      return ended;
    };
    const kept: Staging = {
      ...of,
      commit: async () => end(of.commit),
      abort: async () => (staging === kept ? end(of.abort) : undefined),
    };
    return kept;
  }

  async function compact(to: number): Promise<void> {
    const file = current;
    if (to <= file.header.base.height || to > file.synced().height) return;
    const made = await orNotNow(() => rewrite(file, to));
    await orNotNow(() => closedOnFailure(made, () => catchUp(made)));
    await replace(made).finally(() => (mirror = undefined));
  }

  /** Until its copy takes its place the chain needs none: without room for one it stays as it is, and goes on. */
  async function orNotNow<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      mirror = undefined;
      await disk.remove(NEXT).catch(() => undefined);
      throw (
        current.broken() ??
        new PeerError('refused', `${disk.folder}/${NEXT}: ${(cause as Error).message}`, { cause })
      );
    }
  }

  async function rewrite(file: ChainFile, to: number): Promise<ChainFile> {
    await disk.remove(NEXT);
    const { header, positions } = await survivors(file, to);
    const next = await createChainFile(disk, NEXT, header);
    await copyKept(file, positions, next).finally(next.close);
    const end = file.offset(file.position(file.synced().height) + 1);
    const head = file.synced();
    await copyRaw(disk, file, { first: file.offset(file.position(to) + 1), end });
    return reopen(disk, head);
  }

  async function catchUp(made: ChainFile): Promise<void> {
    while (made.head().height < current.head().height) {
      const some = await self.after(made.head().height, current.head().height);
      await made.append(
        some.map(({ block }) => block),
        current.committed(),
      ).synced;
    }
    // Nothing was awaited since the last comparison: from here on both get all.
    mirror = made;
    await current.flushed();
    await made.flushed();
  }

  /** What the copy did not take is lost only if the copy became the chain. */
  async function copied(copy: ChainFile, synced: Promise<void>): Promise<void> {
    await synced.catch(async (error: unknown) => {
      await compacting?.catch(() => undefined);
      if (current === copy) throw error;
    });
  }
  return self;
}
