/** A log's bytes as blocks of whole lines. */

const NEWLINE = 0x0a;
const LINE_END = Buffer.of(NEWLINE);

/** A line longer than this, in bytes, is cut into several, so that memory stays bounded. */
const MAX_LINE = 1 << 20;

/** The last place at or before `at` that is not inside of a character of UTF-8. */
function boundary(bytes: Buffer, at: number): number {
  let place = at;
  while (place > 0 && (bytes[place]! & 0xc0) === 0x80) place--;
  return place === 0 ? at : place;
}

/** Blocks of whole lines, each line with its end: what one read brought. A last line without an end gets one. */
export async function* lineBlocks(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const { buffer, byteOffset, byteLength } of bytes) {
    const chunk = Buffer.from(buffer, byteOffset, byteLength);
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > 0)
      yield rest.length === 0 ? chunk.subarray(0, end) : Buffer.concat([rest, chunk.subarray(0, end)]);
    rest = end > 0 ? chunk.subarray(end) : Buffer.concat([rest, chunk]);
    while (rest.length > MAX_LINE) {
      const cut = boundary(rest, MAX_LINE);
      yield Buffer.concat([rest.subarray(0, cut), LINE_END]);
      rest = rest.subarray(cut);
    }
  }
  if (rest.length > 0) yield Buffer.concat([rest, LINE_END]);
}

/** The lines of a block, without their ends. */
export const linesOf = (block: Buffer): string[] => block.toString('utf8', 0, block.length - 1).split('\n');
