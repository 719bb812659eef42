/** Reads an archive from a stream, entry by entry. */
import type { Readable } from 'node:stream';
import { BLOCK, decodeHeader, decodeRecords, paddingOf } from './tar-format.js';
import type { TarEntry } from './tar-format.js';

export interface ReadEntry extends TarEntry {
  /** Its bytes; what is not read is skipped. */
  content(): AsyncGenerator<Uint8Array, void, undefined>;
}

/** What a header before a header may hold. */
const MOST_META = 1 << 20;

/** @throws Error whose message says what is wrong with the archive. */
export async function* readTar(stream: Readable | undefined): AsyncGenerator<ReadEntry, void, undefined> {
  const chunks: AsyncIterator<Uint8Array> = (stream ?? (async function* () {})())[
    Symbol.asyncIterator
  ]() as never;
  let rest: Buffer = Buffer.alloc(0);
  const more = async (): Promise<boolean> => {
    const next = await chunks.next();
    if (next.done === true) return false;
    rest = rest.length === 0 ? Buffer.from(next.value) : Buffer.concat([rest, next.value]);
    return true;
  };
  /** Up to so many bytes, at least one; undefined at the end. */
  const some = async (most: number): Promise<Buffer | undefined> => {
    while (rest.length === 0) if (!(await more())) return undefined;
    const taken = rest.subarray(0, most);
    rest = rest.subarray(taken.length);
    return taken;
  };
  /** Hands on what is left of a part of the archive. */
  async function* pieces(part: { left: number }): AsyncGenerator<Buffer, void, undefined> {
    while (part.left > 0) {
      const taken = await some(part.left);
      if (taken === undefined) throw new Error('Unexpected EOF in archive');
      part.left -= taken.length;
      yield taken;
    }
  }
  const whole = async (length: number): Promise<Buffer> => {
    const parts: Buffer[] = [];
    for await (const piece of pieces({ left: length })) parts.push(piece);
    return Buffer.concat(parts);
  };
  const skip = async (part: { left: number }): Promise<void> => {
    for await (const piece of pieces(part)) void piece;
  };

  let records = new Map<string, string>();
  for (;;) {
    while (rest.length === 0) if (!(await more())) return;
    const header = decodeHeader(await whole(BLOCK));
    // The rest of the archive is empty: it is read, so that its sender can end.
    if (header === undefined) {
      while ((await some(BLOCK)) !== undefined);
      return;
    }
    const { entry, letter } = header;
    if ('xgLK'.includes(letter)) {
      if (entry.size > MOST_META) throw new Error('Archive has a header that is too long');
      const body = await whole(entry.size);
      await skip({ left: paddingOf(entry.size) });
      const text = body.toString().replace(/\0.*$/s, '');
      if (letter === 'x') records = new Map([...records, ...decodeRecords(body)]);
      else if (letter !== 'g') records.set(letter === 'L' ? 'path' : 'linkpath', text);
      continue;
    }
    const size = Number(records.get('size') ?? entry.size);
    if (!Number.isSafeInteger(size) || size < 0) throw new Error('Archive contains an invalid size');
    const body = { left: size };
    yield {
      ...entry,
      size,
      path: records.get('path') ?? entry.path,
      target: records.get('linkpath') ?? entry.target,
      content: () => pieces(body),
    };
    records = new Map();
    await skip(body);
    await skip({ left: paddingOf(size) });
  }
}
