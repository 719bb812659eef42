/** A chain that is being fetched, beside the one in use, and how it takes that one's place. */
import { ORIGIN, samePoint, viewOf } from '../chain/block.js';
import type { Placed, Point } from '../chain/block.js';
import { PeerError } from '../port.js';
import { EMPTY_HEADER } from './chain-file.js';
import type { ChainFile } from './chain-file.js';
import { copyRaw, INCOMING, NEXT, reopen } from './copying.js';
import { closedOnFailure } from './disk.js';
import type { Disk } from './disk.js';
import type { Header } from './lines.js';
import { createChainFile } from './open-chain.js';
import type { Snapshot, Staging } from './port.js';

export interface StagingDeps {
  readonly disk: Disk;
  current(): ChainFile;
  /** Of the current chain. */
  at(height: number): Promise<Placed | undefined>;
  replace(next: ChainFile): Promise<void>;
  /** Resolves when no compaction runs. */
  rewritten(): Promise<void>;
}

const isPoint = (from: Point | Snapshot): from is Point => 'height' in from;

/** Of a chain that leaves the current one at a place. */
async function headerAt({ current, at }: StagingDeps, place: Point): Promise<Header> {
  const { header, waypoints } = current();
  const last = waypoints().findLast(({ height }) => height <= place.height);
  const above = last !== undefined && last.height > header.base.height;
  return {
    ...EMPTY_HEADER,
    base: { height: place.height, digest: place.digest },
    baseId: (await at(place.height))?.block.id ?? header.baseId,
    network: above ? await at(last.height) : header.network,
  };
}

export async function stageFrom(deps: StagingDeps, from: Point | Snapshot): Promise<Staging> {
  const { disk } = deps;
  const keep = isPoint(from) ? from : undefined;
  const chain = await createChainFile(disk, INCOMING, isPoint(from) ? await headerAt(deps, from) : from);
  const missing = (): number => chain.header.kept - chain.length();

  async function take(): Promise<Point> {
    await chain.flushed();
    await deps.rewritten();
    if (missing() > 0) throw new PeerError('refused', 'not all of the snapshot is there yet');
    const left = keep ?? ORIGIN;
    const current = deps.current();
    if (left.height > 0 && left.height < current.header.base.height)
      throw new PeerError('refused', 'the place where the chains part was compacted meanwhile');
    if (keep === undefined || keep.height === 0) await deps.replace(chain);
    else if (samePoint(current.head(), keep)) await continueWith(current);
    else await partAt(current, keep.height);
    return left;
  }

  async function continueWith(current: ChainFile): Promise<void> {
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
  }

  async function partAt(current: ChainFile, height: number): Promise<void> {
    await current.flushed();
    await disk.remove(NEXT);
    await copyRaw(disk, current, { first: 0, end: current.offset(current.position(height) + 1) });
    await copyRaw(disk, chain, { first: chain.offset(0), end: chain.bytes() });
    const head = chain.head();
    await chain.close();
    await deps.replace(await reopen(disk, head));
    await disk.remove(INCOMING);
  }

  return {
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
    commit: () => closedOnFailure(chain, take),
    abort: async () => {
      await chain.close();
      await disk.remove(INCOMING);
    },
  };
}
