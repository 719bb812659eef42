/** A chain is rewritten beside the old one, in a file that gets the name of the chain when all of it is on disk. */
import { samePoint } from '../chain/block.js';
import type { Point } from '../chain/block.js';
import { PeerError } from '../port.js';
import type { ChainFile } from './chain-file.js';
import type { Disk } from './disk.js';
import { openChainFile } from './open-chain.js';

export const NEXT = 'next.log';
export const INCOMING = 'incoming.log';

/** Appends bytes of a chain, from an offset to below another, to the next file. */
export async function copyRaw(
  disk: Disk,
  from: ChainFile,
  range: { first: number; end: number },
): Promise<void> {
  const target = await disk.open(NEXT);
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
}

/** The next file, read again: it must end where what was written to it did. */
export async function reopen(disk: Disk, head: Point): Promise<ChainFile> {
  const chain = (await openChainFile(disk, NEXT)).chain;
  if (chain !== undefined && samePoint(chain.head(), head)) return chain;
  await chain?.close();
  throw new PeerError('disk', `${disk.folder}/${NEXT}: what was written is not what is read`);
}
