/** The chain that a Go peer has in its folder. */
import type { Block } from '../../lightpeer/chain/block.js';
import { openDisk } from '../../lightpeer/store/disk.js';
import { goBlocks, goChain } from '../../lightpeer/store/go-folder.js';

/** Its blocks, oldest first. */
export async function readGoFolder(repo: string): Promise<Block[]> {
  const disk = await openDisk(repo);
  const blocks: Block[] = [];
  for await (const some of goBlocks(disk, await goChain(disk))) blocks.push(...some);
  return blocks;
}
