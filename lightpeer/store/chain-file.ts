/**
 * One file of the chain with its index in memory: 8 bytes a block for its place in the file, 16 for its id, and the newest
 * blocks themselves. Appending is synchronous in memory; the disk follows, many blocks by one write and one sync.
 */
import { digestAfter, viewOf } from '../chain/block.js';
import type { Placed, Point } from '../chain/block.js';
import { PeerError } from '../port.js';
import type { Disk, DiskFile } from './disk.js';
import { createIdIndex } from './id-index.js';
import { decodeBlock, encodeBlock } from './lines.js';
import type { Header } from './lines.js';
import { growable } from './growable.js';
import type { Growing } from './port.js';

export const EMPTY_HEADER: Header = {
  lightpeer: 1,
  base: { height: 0, digest: '' },
  baseId: '',
  kept: 0,
  waypoints: [],
};

/** The newest blocks stay in memory up to this many bytes of payload, those not yet on disk in any case. */
const RECENT_BYTES = 2 << 20;
const RECENT_BLOCKS = 4096;
/** What a block weighs beside its payload, roughly. */
const BLOCK_BYTES = 300;
/** Read from a file, or copied to another, in one go. */
export const CHUNK_BYTES = 512 << 10;

export interface Appended {
  readonly placed: readonly Placed[];
  /** Rejects when the disk refuses; the file is then of no more use and must be opened anew. */
  readonly synced: Promise<void>;
}

export interface ChainFile extends Growing {
  readonly header: Header;
  /** Gives its file another name, in place of what has it. */
  rename(to: string): Promise<void>;
  /** Takes blocks from before the base, with their own heights, until there are as many as the header says. */
  keep(kept: readonly Placed[]): Promise<void>;
  /** Blocks of positions `from` to below `to`: kept ones first, then the chain. At least one, and about half a MiB. */
  some(from: number, to: number): Promise<Placed[]>;
  /** As `some`, but the last ones before `to`; oldest first. */
  someBefore(to: number): Promise<Placed[]>;
  /** Position of a height above the base. */
  position(height: number): number;
  /** Offset in the file where a position begins. */
  offset(position: number): number;
  candidates(id: string): number[];
  /** Bytes of the file as they are. */
  raw(buffer: Uint8Array, offset: number): Promise<number>;
}

const joined = (parts: readonly Buffer[]): Buffer => (parts.length === 1 ? parts[0]! : Buffer.concat(parts));

interface Write {
  readonly lines: readonly Buffer[];
  readonly to: Point;
  done(): void;
  failed(error: unknown): void;
}

/** A file as `scan` or `create` left it. */
interface Start {
  readonly disk: Disk;
  readonly name: string;
  readonly file: DiskFile;
  readonly header: Header;
}

/** The file without its blocks yet: whoever makes or reads it puts them into the index. */
export function chainFile({ disk, name, file, header }: Start, expected = 0) {
  const offsets = growable(expected);
  const keptHeights: number[] = [];
  const ids = createIdIndex(expected);
  const waypoints: Point[] = [...header.waypoints];
  let head = { ...header.base, id: header.baseId };
  let synced: Point = header.base;
  let network = header.network;
  let committed = header.base.height;
  let clients = 0;
  let end = 0;
  let recent: { placed: Placed; bytes: number }[] = [];
  let recentBytes = 0;
  let queue: Write[] = [];
  let flushing: Promise<void> | undefined;
  let broken: PeerError | undefined;
  let flushedTo = 0;
  let called = name;

  const position = (height: number): number => header.kept + height - header.base.height - 1;

  function remember(placed: Placed): void {
    const bytes = placed.block.payload.byteLength + BLOCK_BYTES;
    recent.push({ placed, bytes });
    recentBytes += bytes;
    trim();
  }

  function trim(): void {
    if (recentBytes <= RECENT_BYTES && recent.length <= RECENT_BLOCKS) return;
    // A quarter at once: moving the rest for every block would cost more than the memory is worth.
    let drop = 0;
    while (
      drop < recent.length - 1 &&
      (recentBytes > RECENT_BYTES * 0.75 || recent.length - drop > RECENT_BLOCKS * 0.75) &&
      recent[drop]!.placed.height <= synced.height
    )
      recentBytes -= recent[drop++]!.bytes;
    if (drop > 0) recent = recent.slice(drop);
  }

  /** Takes a block into the index; its line lies, or will lie, at the end. */
  function index(placed: Placed, length: number, known: number): void {
    const { block } = placed;
    const at = offsets.length();
    offsets.push(end);
    end += length;
    ids.add(block.id, at);
    if (at < header.kept) keptHeights.push(placed.height);
    else {
      head = { height: placed.height, digest: placed.digest, id: block.id };
      if (viewOf(placed) !== undefined) {
        network = placed;
        waypoints.push({ height: placed.height, digest: placed.digest });
      }
      remember(placed);
    }
    if (block.type === 1) clients++;
    committed = Math.max(committed, known);
  }

  async function flush(): Promise<void> {
    while (queue.length > 0) {
      const batch = queue;
      queue = [];
      try {
        if (broken !== undefined) throw broken;
        const bytes = joined(batch.flatMap((write) => write.lines));
        await file.write(bytes, flushedTo);
        flushedTo += bytes.length;
        synced = batch.at(-1)!.to;
        trim();
        for (const write of batch) write.done();
      } catch (error) {
        broken ??= new PeerError(
          'disk',
          `${disk.folder}: writing the chain failed: ${(error as Error).message}`,
          { cause: error },
        );
        for (const write of batch) write.failed(broken);
      }
    }
    flushing = undefined;
  }

  /** Resolves when the lines are on disk, and with them the chain up to a place. */
  function queued(lines: readonly Buffer[], to: Point): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      queue.push({ lines, to, done: resolve, failed: reject });
    });
    flushing ??= Promise.resolve().then(flush);
    return done;
  }

  const unreadable = (why: string, cause?: unknown): PeerError =>
    (broken ??= new PeerError('disk', `${disk.folder}/${called}: ${why}`, { cause }));

  async function read(from: number, to: number): Promise<Placed[]> {
    const start = offsets.at(from);
    const buffer = Buffer.allocUnsafe((to < offsets.length() ? offsets.at(to) : end) - start);
    const length = await file.read(buffer, start).catch((cause: unknown) => {
      throw unreadable(`reading the chain failed: ${(cause as Error).message}`, cause);
    });
    const blocks: Placed[] = [];
    for (let at = from; at < to; at++) {
      const lineStart = offsets.at(at) - start;
      const lineEnd = (at + 1 < offsets.length() ? offsets.at(at + 1) : end) - start - 1;
      const line = lineEnd < length ? decodeBlock(buffer.subarray(lineStart, lineEnd)) : undefined;
      if (line === undefined) throw unreadable(`the block at line ${at + 2} is damaged`);
      blocks.push(line);
    }
    return blocks;
  }

  const inMemory = (from: number): number => {
    const first = recent[0]?.placed.height;
    return first === undefined ? -1 : from - position(first);
  };

  const self: ChainFile = {
    header,
    rename: async (to) => {
      await disk.rename(called, to);
      called = to;
    },
    head: () => head,
    synced: () => synced,
    network: () => network,
    waypoints: () => waypoints,
    committed: () => Math.min(committed, head.height),
    clientBlocks: () => clients,
    bytes: () => end,
    append: (blocks, known) => {
      if (broken !== undefined) return { placed: [], synced: Promise.reject(broken) };
      const lines: Buffer[] = [];
      const placed = blocks.map((given) => {
        const block = given.prevId === head.id ? given : { ...given, prevId: head.id };
        const place = { height: head.height + 1, digest: digestAfter(head.digest, block), block };
        const line = encodeBlock(place, known);
        lines.push(line);
        index(place, line.length, known);
        return place;
      });
      if (placed.length === 0) return { placed, synced: self.flushed() };
      return { placed, synced: queued(lines, placed.at(-1)!) };
    },
    keep: (kept) => {
      const lines = kept.map((placed) => {
        const line = encodeBlock(placed, 0);
        index(placed, line.length, 0);
        return line;
      });
      return queued(lines, head);
    },
    some: async (from, to) => {
      const memory = inMemory(from);
      let last = from + 1;
      if (memory >= 0) {
        const blocks: Placed[] = [];
        for (let i = memory, bytes = 0; i < recent.length && i - memory < to - from; i++) {
          bytes += recent[i]!.bytes;
          if (blocks.length > 0 && bytes > CHUNK_BYTES) break;
          blocks.push(recent[i]!.placed);
        }
        return blocks;
      }
      const firstRecent = recent[0] === undefined ? offsets.length() : position(recent[0].placed.height);
      const limit = Math.min(to, firstRecent);
      const lineEnd = (at: number): number => (at + 1 < offsets.length() ? offsets.at(at + 1) : end);
      while (last < limit && lineEnd(last) - offsets.at(from) <= CHUNK_BYTES) last++;
      return read(from, last);
    },
    someBefore: async (to) => {
      let from = to - 1;
      while (from > 0 && offsets.at(to - 1) - offsets.at(from - 1) <= CHUNK_BYTES) from--;
      const memory = inMemory(from);
      if (memory >= 0) return recent.slice(memory, memory + to - from).map(({ placed }) => placed);
      const blocks: Placed[] = [];
      while (from < to) {
        const more = await self.some(from, to);
        blocks.push(...more);
        from += more.length;
      }
      return blocks;
    },
    position,
    length: () => offsets.length(),
    offset: (at) => (at < offsets.length() ? offsets.at(at) : end),
    candidates: ids.candidates,
    raw: (buffer, offset) => file.read(buffer, offset),
    broken: () => broken,
    flushed: async () => {
      while (flushing !== undefined) await flushing;
      if (broken !== undefined) throw broken;
    },
    close: async () => {
      while (flushing !== undefined) await flushing;
      await file.close();
    },
  };
  return {
    self,
    index,
    begin: (headerLength: number): void => void (end = headerLength),
    /** All that was indexed lies on the disk. */
    settle: (): void => {
      flushedTo = end;
      synced = head;
    },
    end: () => end,
    head: () => head,
  };
}
