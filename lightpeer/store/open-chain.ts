/** Makes the chain's file, or reads it and checks every line. */
import { digestAfter } from '../chain/block.js';
import { chainFile, CHUNK_BYTES } from './chain-file.js';
import type { ChainFile } from './chain-file.js';
import { closedOnFailure } from './disk.js';
import type { Disk, DiskFile } from './disk.js';
import { decodeBlock, decodeHeader, encodeHeader } from './lines.js';
import type { Header } from './lines.js';

/** What was cut off is kept here for a person to look at. */
const ASIDE = 'damaged.log';

/** A new file with its header, for the blocks that are kept and those that follow. Replaces what has the name. */
export async function createChainFile(disk: Disk, name: string, header: Header): Promise<ChainFile> {
  const file = await disk.open(name);
  const made = chainFile({ disk, name, file, header });
  const line = encodeHeader(header);
  made.begin(line.length);
  await closedOnFailure(file, async () => {
    await file.truncate(0);
    await file.write(line, 0);
  });
  made.settle();
  return made.self;
}

export interface Opened {
  readonly chain: ChainFile;
  /** Bytes at the end that were no sound blocks, and were cut off. Whole lines among them are in `damaged.log`. */
  readonly cut: number;
}

/**
 * Reads a file, checks every line, and cuts off what follows the last sound one. Undefined when not even the header is sound:
 * what there is is then in `damaged.log`.
 */
export async function openChainFile(disk: Disk, name: string): Promise<Opened | undefined> {
  const file = await disk.open(name);
  return closedOnFailure(file, async () => {
    const opened = await scan(disk, name, file);
    if (opened === undefined) {
      const size = await file.size();
      await file.close();
      if (size > 0) await disk.rename(name, ASIDE);
    }
    return opened;
  });
}

async function scan(disk: Disk, name: string, file: DiskFile): Promise<Opened | undefined> {
  const size = await file.size();
  let made: ReturnType<typeof chainFile> | undefined;
  let sound = true;
  let rest = Buffer.alloc(0);
  for (let read = 0; read < size && sound;) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, size - read));
    const length = await file.read(chunk, read);
    if (length === 0) break;
    read += length;
    rest = Buffer.concat([rest, chunk.subarray(0, length)]);
    let start = 0;
    for (let stop = rest.indexOf(10); stop !== -1 && sound; stop = rest.indexOf(10, start)) {
      const line = rest.subarray(start, stop);
      if (made === undefined) {
        const header = decodeHeader(line);
        if (header === undefined) break;
        made = chainFile({ disk, name, file, header }, Math.ceil(size / 1024));
        made.begin(line.length + 1);
      } else sound = take(made, line);
      if (sound) start = stop + 1;
    }
    if (made === undefined && rest.indexOf(10) !== -1) break;
    rest = rest.subarray(start);
  }
  if (made === undefined || made.self.length() < made.self.header.kept) return undefined;
  const cut = size - made.end();
  if (cut > 0) {
    await setAside(disk, file, made.end());
    await file.truncate(made.end());
  }
  // What was read may only be in the machine's memory: the process before this one ended before it was synced.
  await file.sync();
  made.settle();
  return { chain: made.self, cut };
}

function take(made: ReturnType<typeof chainFile>, line: Buffer): boolean {
  const block = decodeBlock(line);
  if (block === undefined) return false;
  const { height, digest } = made.head();
  const chained = made.self.length() >= made.self.header.kept;
  if (chained && (block.height !== height + 1 || block.digest !== digestAfter(digest, block.block)))
    return false;
  made.index(block, line.length + 1, block.committed);
  // It need not stay in memory, as what is not on the disk has to.
  made.settle();
  return true;
}

/** Keeps for a person what is cut off, unless it is a line that was never finished. */
async function setAside(disk: Disk, file: DiskFile, from: number): Promise<void> {
  const buffer = Buffer.alloc(Math.min((await file.size()) - from, 16 << 20));
  await file.read(buffer, from);
  if (!buffer.includes(10)) return;
  const aside = await disk.open(ASIDE);
  await aside.truncate(0);
  await aside.write(buffer, 0);
  await aside.close();
}
