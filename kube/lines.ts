/** Splits bytes that come in any pieces into lines; a character that is cut in two is whole again in its line. */
export interface LineSplitter {
  /** The lines that this chunk completes, without their ends; empty lines are left out. */
  push(chunk: Buffer): Buffer[];
  /** Whether a line has begun and not ended. */
  readonly unfinished: boolean;
}

const NEWLINE = 0x0a;

export function createLineSplitter(): LineSplitter {
  let pieces: Buffer[] = [];
  return {
    push(chunk) {
      const lines: Buffer[] = [];
      let from = 0;
      for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
        pieces.push(chunk.subarray(from, end));
        const line = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
        if (line.length > 0) lines.push(line);
        pieces = [];
        from = end + 1;
      }
      if (from < chunk.length) pieces.push(chunk.subarray(from));
      return lines;
    },
    get unfinished() {
      return pieces.length > 0;
    },
  };
}
