/** What stays of a chain when its first part is dropped: the newest block of each state. The same on every peer. */
import { viewOf } from '../chain/block.js';
import type { Placed, Point } from '../chain/block.js';
import type { ChainFile } from './chain-file.js';
import type { Snapshot } from './store.js';

/** Places of NETWORK blocks that a compacted chain remembers: by them a peer that comes back finds where it left. */
const WAYPOINTS = 10_000;

export async function survivors(file: ChainFile, to: number): Promise<Snapshot> {
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
  const kept: Placed[] = [];
  for (const position of [...newest.values()].sort((a, b) => a - b))
    kept.push(...(await file.some(position, position + 1)));
  const base: Point = { height: to, digest: last!.digest };
  return {
    header: {
      lightpeer: 1,
      base,
      baseId: last!.block.id,
      network,
      waypoints: file
        .waypoints()
        .filter(({ height }) => height <= to)
        .slice(-WAYPOINTS),
    },
    kept,
  };
}
