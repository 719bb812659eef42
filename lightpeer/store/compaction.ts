/** What stays of a chain when its first part is dropped: the newest block of each state. The same on every peer. */
import { viewOf } from '../chain/block.js';
import type { Placed, Point } from '../chain/block.js';
import { CHUNK_BYTES } from './chain-file.js';
import type { ChainFile } from './chain-file.js';
import type { Header } from './lines.js';

/** Places of NETWORK blocks that a compacted chain remembers: by them a peer that comes back finds where it left. */
const WAYPOINTS = 10_000;

export interface Survivors {
  readonly header: Header;
  /** Where the blocks lie that stay, oldest first. */
  readonly positions: readonly number[];
}

export async function survivors(file: ChainFile, to: number): Promise<Survivors> {
  /** Path → position of its newest block; undefined when that deletes it. */
  const newest = new Map<string, number>();
  let network = file.header.network;
  let last: Placed | undefined;
  const end = file.position(to) + 1;
  for (let at = 0; at < end;) {
    for (const placed of await file.some(at, end)) {
      const { block } = placed;
      if (block.type === 1) {
        if (block.deleted) newest.delete(block.path);
        else newest.set(block.path, at);
      } else if (viewOf(placed) !== undefined) network = placed;
      last = placed;
      at++;
    }
  }
  const positions = [...newest.values()].sort((a, b) => a - b);
  const base: Point = { height: to, digest: last!.digest };
  return {
    header: {
      lightpeer: 1,
      base,
      baseId: last!.block.id,
      kept: positions.length,
      network,
      waypoints: file
        .waypoints()
        .filter(({ height }) => height <= to)
        .slice(-WAYPOINTS),
    },
    positions,
  };
}

/** Writes those blocks of one file into another. */
export async function copyKept(
  from: ChainFile,
  positions: readonly number[],
  into: ChainFile,
): Promise<void> {
  let some: Placed[] = [];
  let bytes = 0;
  const write = async (): Promise<void> => {
    if (some.length > 0) await into.keep(some);
    some = [];
    bytes = 0;
  };
  for (const position of positions) {
    const [placed] = await from.some(position, position + 1);
    some.push(placed!);
    bytes += placed!.block.payload.byteLength;
    if (bytes >= CHUNK_BYTES) await write();
  }
  await write();
}
