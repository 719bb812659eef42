/** The chain of a peer on disk: appended to in place, rewritten only as a whole beside the old one and put in its place. */
import { ORIGIN, samePoint, viewOf } from '../chain/block.js';
import type { Block, Point } from '../chain/block.js';
import { PeerError } from '../port.js';
import { EMPTY_HEADER } from './chain-file.js';
import type { ChainFile } from './chain-file.js';
import { copyKept, survivors } from './compaction.js';
import { closedOnFailure } from './disk.js';
import type { Disk } from './disk.js';
import { readGoFolder } from './go-folder.js';
import type { Header } from './lines.js';
import { createChainFile, openChainFile } from './open-chain.js';
import type { Snapshot, Staging, Store } from './port.js';

const NAME = 'chain.log';
const NEXT = 'next.log';
const INCOMING = 'incoming.log';

const isPoint = (from: Point | Snapshot): from is Point => 'height' in from;

/** A new chain. It gets its name when all of it is on disk: of a Go peer's blocks there is never a part. */
async function beginWith(disk: Disk, blocks: readonly Block[]): Promise<ChainFile> {
  const chain = await createChainFile(disk, NEXT, EMPTY_HEADER);
  return closedOnFailure(chain, async () => {
    await chain.append(blocks, 0).synced;
    await chain.rename(NAME);
    return chain;
  });
}

export async function openStore(disk: Disk): Promise<Store> {
  await disk.remove(NEXT);
  await disk.remove(INCOMING);
  const opened = await openChainFile(disk, NAME);
  const imported = opened === undefined ? await readGoFolder(disk) : [];
  let current = opened?.chain ?? (await beginWith(disk, imported));
  /** Takes what is appended too, while it is about to replace the current one. */
  let mirror: ChainFile | undefined;
  let staging: Staging | undefined;
  /** A second chain is there, or about to be. */
  let busy = false;
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

  /** Appends bytes of one file, from an offset to below another, to a second file. */
  const copyRaw = async (
    from: ChainFile,
    range: { first: number; end: number },
    into: string,
  ): Promise<void> => {
    const target = await disk.open(into);
    try {
      let at = await target.size();
      for (let offset = range.first; offset < range.end;) {
        const chunk = Buffer.allocUnsafe(Math.min(1 << 20, range.end - offset));
        const length = await from.raw(chunk, offset);
        if (length === 0) break;
        await target.write(chunk.subarray(0, length), at);
        at += length;
        offset += length;
      }
    } finally {
      await target.close();
    }
  };

  async function reopen(name: string, head: Point): Promise<ChainFile> {
    const chain = (await openChainFile(disk, name))?.chain;
    if (chain !== undefined && samePoint(chain.head(), head)) return chain;
    await chain?.close();
    throw new PeerError('disk', `${disk.folder}/${name}: what was written is not what is read`);
  }

  /** Of a chain that leaves the current one at a place. */
  async function headerAt(place: Point): Promise<Header> {
    const last = current.waypoints().findLast(({ height }) => height <= place.height);
    const above = last !== undefined && last.height > current.header.base.height;
    return {
      ...EMPTY_HEADER,
      base: { height: place.height, digest: place.digest },
      baseId: (await self.at(place.height))?.block.id ?? current.header.baseId,
      network: above ? await self.at(last.height) : current.header.network,
    };
  }

  async function stageFrom(from: Point | Snapshot): Promise<Staging> {
    const keep = isPoint(from) ? from : undefined;
    const chain = await createChainFile(disk, INCOMING, isPoint(from) ? await headerAt(from) : from);
    const missing = (): number => chain.header.kept - chain.length();
    const finish = (): void => {
      staging = undefined;
      busy = false;
    };
    const incoming: Staging = {
      head: chain.head,
      view: () => {
        const network = chain.network();
        return network === undefined ? undefined : viewOf(network)?.ballot;
      },
      keep: (kept) => {
        if (kept.length > missing())
          throw new PeerError('invalid', 'the snapshot has more blocks than it says');
        return chain.keep(kept);
      },
      whole: () => missing() <= 0,
      append: (blocks) => {
        if (blocks.length > 0 && missing() > 0)
          throw new PeerError('invalid', 'the snapshot has fewer blocks than it says');
        return chain.append(blocks, 0).synced;
      },
      commit: async () => {
        finish();
        return closedOnFailure(chain, take);
      },
      abort: async () => {
        finish();
        await chain.close();
        await disk.remove(INCOMING);
      },
    };
    return incoming;

    async function take(): Promise<Point> {
      await chain.flushed();
      await compacting;
      if (missing() > 0) throw new PeerError('refused', 'not all of the snapshot is there yet');
      const left = keep ?? ORIGIN;
      if (left.height > 0 && left.height < current.header.base.height)
        throw new PeerError('refused', 'the place where the chains part was compacted meanwhile');
      if (keep === undefined || keep.height === 0) {
        await replace(chain);
      } else if (samePoint(current.head(), keep)) {
        for (let at = 0; at < chain.length();) {
          const some = await chain.some(at, chain.length());
          await current.append(
            some.map(({ block }) => block),
            0,
          ).synced;
          at += some.length;
        }
        await chain.close();
        await disk.remove(INCOMING);
      } else {
        await current.flushed();
        await disk.remove(NEXT);
        await copyRaw(current, { first: 0, end: current.offset(current.position(keep.height) + 1) }, NEXT);
        await copyRaw(chain, { first: chain.offset(0), end: chain.bytes() }, NEXT);
        const head = chain.head();
        await chain.close();
        await replace(await reopen(NEXT, head));
        await disk.remove(INCOMING);
      }
      return left;
    }
  }

  const self: Store = {
    cut: opened?.cut ?? 0,
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
      const mirrored = mirror?.append(blocks, committed);
      if (mirrored === undefined) return appended;
      return {
        placed: appended.placed,
        synced: Promise.all([appended.synced, mirrored.synced]).then(() => undefined),
      };
    },
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
        return (staging = await stageFrom(from));
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
      await current.close();
    },
  };

  async function compact(to: number): Promise<void> {
    const file = current;
    if (to <= file.header.base.height || to > file.synced().height) return;
    await disk.remove(NEXT);
    const { header, positions } = await survivors(file, to);
    const next = await createChainFile(disk, NEXT, header);
    await copyKept(file, positions, next).finally(next.close);
    const end = file.offset(file.position(file.synced().height) + 1);
    const head = file.synced();
    await copyRaw(file, { first: file.offset(file.position(to) + 1), end }, NEXT);
    const made = await reopen(NEXT, head);
    await closedOnFailure(made, () => finishCompacting(made));
  }

  async function finishCompacting(made: ChainFile): Promise<void> {
    while (made.head().height < current.head().height) {
      const some = await self.after(made.head().height, current.head().height);
      await made.append(
        some.map(({ block }) => block),
        current.committed(),
      ).synced;
    }
    // Nothing was awaited since the last comparison: from here on both get all.
    mirror = made;
    try {
      await current.flushed();
      await made.flushed();
      await replace(made);
    } finally {
      mirror = undefined;
    }
  }
  return self;
}
