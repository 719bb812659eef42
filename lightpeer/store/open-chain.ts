/** Makes the chain's file, or reads it and checks every line. */
import { digestAfter, viewOf } from '../chain/block.js';
import type { View } from '../chain/block.js';
import { chainFile, CHUNK_BYTES } from './chain-file.js';
import type { ChainFile } from './chain-file.js';
import { closedOnFailure } from './disk.js';
import type { Disk, DiskFile } from './disk.js';
import { decodeBlock, decodeHeader, encodeHeader } from './lines.js';
import type { Header } from './lines.js';

/** What was cut off is kept here for a person to look at. */
const ASIDE = 'damaged.log';
/** A largest payload, each letter of it escaped, and more. */
const LONGEST_LINE = 64 << 20;

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
  /** Undefined when not even its beginning is sound: what there is is then in `damaged.log`. */
  readonly chain: ChainFile | undefined;
  /** Bytes at the end that were no sound blocks, and were cut off. Whole lines among them are in `damaged.log`. */
  readonly cut: number;
  /** The newest view that they tell of. */
  readonly forgotten: View | undefined;
}

/** Reads a file, checks every line, and cuts off what follows the last sound one. */
export async function openChainFile(disk: Disk, name: string): Promise<Opened> {
  const file = await disk.open(name);
  return closedOnFailure(file, async () => {
    const opened = await scan(disk, name, file);
    if (opened.chain === undefined) {
      await file.close();
      if (opened.cut > 0) await disk.rename(name, ASIDE);
    }
    return opened;
  });
}

type Making = ReturnType<typeof chainFile>;

async function scan(disk: Disk, name: string, file: DiskFile): Promise<Opened> {
  const size = await file.size();
  let made: Making | undefined;
  let sound = true;
  let forgotten: View | undefined;
  for await (const lines of linesOf(file, size))
    for (const line of lines) {
      if (sound && made === undefined) {
        const header = decodeHeader(line);
        if (header !== undefined) made = chainFile({ disk, name, file, header }, Math.ceil(size / 1024));
        made?.begin(line.length + 1);
        sound = made !== undefined;
      } else if (sound) sound = take(made!, line);
      if (!sound) forgotten = viewIn(line) ?? forgotten;
    }
  if (made === undefined || made.self.length() < made.self.header.kept) {
    const network = made?.self.network();
    return { chain: undefined, cut: size, forgotten: forgotten ?? (network && viewOf(network)) };
  }
  const cut = size - made.end();
  if (cut > 0) {
    await setAside(disk, file, made.end());
    await file.truncate(made.end());
  }
  // What was read may only be in the machine's memory: the process before this one ended before it was synced.
  await file.sync();
  made.settle();
  return { chain: made.self, cut, forgotten };
}

/** The lines that are finished, some at a time. */
async function* linesOf(file: DiskFile, size: number): AsyncGenerator<Buffer[]> {
  let rest = Buffer.alloc(0);
  for (let read = 0; read < size;) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, size - read));
    const length = await file.read(chunk, read);
    if (length === 0) return;
    read += length;
    rest = Buffer.concat([rest, chunk.subarray(0, length)]);
    const lines: Buffer[] = [];
    let start = 0;
    for (let stop = rest.indexOf(10); stop !== -1; stop = rest.indexOf(10, start)) {
      lines.push(rest.subarray(start, stop));
      start = stop + 1;
    }
    yield lines;
    // What is longer is no block: the next line is then not sound either.
    rest = rest.length - start > LONGEST_LINE ? Buffer.alloc(0) : rest.subarray(start);
  }
}

/** Of a line that may be damaged, or sound but after one that is. */
function viewIn(line: Buffer): View | undefined {
  const block = line.includes('"View":') ? decodeBlock(line) : undefined;
  return block === undefined ? undefined : viewOf(block);
}

function take(made: Making, line: Buffer): boolean {
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
