/**
 * Lines of a log as JSON, made from their bytes without a string or an object for each: a long log is the one place where
 * these would cost more than all else.
 */
import { isUtf8 } from 'node:buffer';

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
/** Bytes up to which a loop is faster than a call that copies. */
const SHORT = 48;

/** What JSON writes for a byte inside of a string; undefined for what stands for itself. */
const ESCAPES: readonly (Buffer | undefined)[] = Array.from({ length: 256 }, (_, byte) =>
  byte < SPACE || byte === QUOTE || byte === BACKSLASH
    ? Buffer.from(JSON.stringify(String.fromCharCode(byte)).slice(1, -1))
    : undefined,
);

/** Grows with the largest block; what it holds is read before the next block is looked at. */
let places = new Int32Array(0);

/** Writes into `places` where bytes stand that are replaced, and answers how many. */
function findReplaced(bytes: Uint8Array): number {
  if (places.length < bytes.length) places = new Int32Array(bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const whole = bytes.length & ~3;
  let found = 0;
  for (let at = 0; at < bytes.length; at += 4) {
    // Four bytes are looked at in one go: most hold none of these.
    if (at < whole) {
      const four = view.getInt32(at, true);
      const quotes = four ^ 0x22222222;
      const backslashes = four ^ 0x5c5c5c5c;
      // The high bit of each byte that is below a space, or zero by the exclusive or; rarely also that of its neighbour.
      const hit =
        ((four - 0x20202020) & ~four) |
        ((quotes - 0x01010101) & ~quotes) |
        ((backslashes - 0x01010101) & ~backslashes);
      if ((hit & 0x80808080) === 0) continue;
    }
    const end = Math.min(at + 4, bytes.length);
    for (let one = at; one < end; one++) if (ESCAPES[bytes[one]!] !== undefined) places[found++] = one;
  }
  return found;
}

/** Copies a part of `source` to `target` at `at`, and answers where it ends there. */
function copy(target: Uint8Array, at: number, source: Uint8Array, from: number, to: number): number {
  const length = to - from;
  if (length < SHORT) for (let i = 0; i < length; i++) target[at + i] = source[from + i]!;
  else target.set(new Uint8Array(source.buffer, source.byteOffset + from, length), at);
  return at + length;
}

/**
 * Each line as a JSON string between `before` and `after`, one after the other.
 * @param block whole lines, each with its end. Bytes that are no UTF-8 become U+FFFD.
 */
export function encodeLines(block: Buffer, before: string, after: string): Buffer {
  const bytes = isUtf8(block) ? block : Buffer.from(block.toString('utf8'));
  const open = Buffer.from(`${before}"`);
  const between = Buffer.from(`"${after}${before}"`);
  const close = Buffer.from(`"${after}`);
  // The end of the last line is `close`.
  const length = bytes.length - 1;
  const found = findReplaced(bytes.subarray(0, length));
  let size = open.length + length + close.length;
  for (let i = 0; i < found; i++) {
    const byte = bytes[places[i]!]!;
    size += (byte === NEWLINE ? between : ESCAPES[byte]!).length - 1;
  }

  const out = Buffer.allocUnsafeSlow(size);
  out.set(open);
  let end = open.length;
  let from = 0;
  for (let i = 0; i < found; i++) {
    const at = places[i]!;
    const byte = bytes[at]!;
    end = copy(out, end, bytes, from, at);
    if (byte === NEWLINE) {
      out.set(between, end);
      end += between.length;
    } else end = copy(out, end, ESCAPES[byte]!, 0, ESCAPES[byte]!.length);
    from = at + 1;
  }
  out.set(close, copy(out, end, bytes, from, length));
  return out;
}
