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

/** Where bytes stand that are replaced. Four bytes are looked at in one go: most hold none of these. */
function replacedIn(bytes: Buffer): number[] {
  const found: number[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const whole = bytes.length & ~3;
  const lookAt = (from: number, to: number): void => {
    for (let at = from; at < to; at++) if (ESCAPES[bytes[at]!] !== undefined) found.push(at);
  };
  for (let at = 0; at < whole; at += 4) {
    const four = view.getInt32(at, true);
    const quotes = four ^ 0x22222222;
    const backslashes = four ^ 0x5c5c5c5c;
    // The high bit of each byte that is below a space, or zero by the exclusive or; rarely also that of its neighbour.
    const hit =
      ((four - 0x20202020) & ~four) |
      ((quotes - 0x01010101) & ~quotes) |
      ((backslashes - 0x01010101) & ~backslashes);
    if ((hit & 0x80808080) !== 0) lookAt(at, at + 4);
  }
  lookAt(whole, bytes.length);
  return found;
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
  const places = replacedIn(bytes.subarray(0, length));
  const replacement = (at: number): Buffer => (bytes[at] === NEWLINE ? between : ESCAPES[bytes[at]!]!);
  let size = open.length + length + close.length;
  for (const at of places) size += replacement(at).length - 1;

  const out = Buffer.allocUnsafeSlow(size);
  out.set(open);
  let end = open.length;
  const copy = (source: Buffer, from: number, to: number): void => {
    if (to - from < SHORT) for (let at = from; at < to; at++) out[end++] = source[at]!;
    else {
      out.set(source.subarray(from, to), end);
      end += to - from;
    }
  };
  let from = 0;
  for (const at of places) {
    copy(bytes, from, at);
    const replaced = replacement(at);
    copy(replaced, 0, replaced.length);
    from = at + 1;
  }
  copy(bytes, from, length);
  out.set(close, end);
  return out;
}
