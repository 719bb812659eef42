/** What a process wrote, as lines with their times, bounded: the oldest go first. */
import type { LogLines } from './log-lines.js';

export type OutputName = 'stdout' | 'stderr';

export interface LogStore extends LogLines {
  write(stream: OutputName, bytes: Buffer): void;
  /** No more comes: what is not a whole line yet is kept as it is. */
  end(): void;
  /** The last lines as text, bounded in both. */
  tail(lines: number, bytes: number): string;
}

interface Line {
  time: number;
  stream: OutputName;
  bytes: Uint8Array;
}

/** Bytes that are kept of a log. */
const KEPT_BYTES = 10 << 20;
/** What keeping a line costs beside its bytes, about. */
const LINE_COST = 120;
/** A line that is longer is cut into parts, as container runtimes do it. */
const PART_BYTES = 16 << 10;
const NEWLINE = 10;

export const createLogStore = (clock: () => number): LogStore => {
  let lines: Line[] = [];
  /** Lines at the front of `lines` that are no longer kept. */
  let dropped = 0;
  /** Lines that are no longer in `lines` at all. */
  let gone = 0;
  let size = 0;
  let ended = false;
  const pending: Record<OutputName, Buffer | undefined> = { stdout: undefined, stderr: undefined };

  const push = (stream: OutputName, bytes: Buffer): void => {
    // A copy: a line of a few bytes must not keep the whole chunk that it came in.
    lines.push({ time: clock(), stream, bytes: Uint8Array.prototype.slice.call(bytes) });
    size += bytes.length + LINE_COST;
    for (; size > KEPT_BYTES; dropped++) size -= (lines[dropped]?.bytes.length ?? 0) + LINE_COST;
    if (dropped > 1_000 && dropped > lines.length / 2) {
      lines = lines.slice(dropped);
      gone += dropped;
      dropped = 0;
    }
  };
  const lineAt = (nth: number): Line | undefined => lines[nth - gone];
  const count = (): number => gone + lines.length;
  const first = (): number => gone + dropped;

  return {
    get first() {
      return first();
    },
    count,
    line: (nth) => lineAt(nth)?.bytes ?? '',
    timeOf: (nth) => lineAt(nth)?.time ?? 0,
    streamOf: (nth) => lineAt(nth)?.stream ?? 'stdout',
    nextAt: () => (ended ? undefined : Infinity),
    write: (stream, bytes) => {
      const before = pending[stream];
      let rest = before === undefined ? bytes : Buffer.concat([before, bytes]);
      for (;;) {
        const at = rest.indexOf(NEWLINE);
        const whole = at >= 0 && at < PART_BYTES ? at + 1 : rest.length >= PART_BYTES ? PART_BYTES : 0;
        if (whole === 0) break;
        push(stream, rest.subarray(0, whole));
        rest = rest.subarray(whole);
      }
      pending[stream] = rest.length === 0 ? undefined : rest;
    },
    end: () => {
      ended = true;
      for (const stream of ['stdout', 'stderr'] as const) {
        const rest = pending[stream];
        if (rest !== undefined) push(stream, rest);
        pending[stream] = undefined;
      }
    },
    tail: (most, bytes) => {
      const from = Math.max(first(), count() - most);
      const texts = Array.from(
        { length: count() - from },
        (_, at) => lineAt(from + at)?.bytes ?? new Uint8Array(),
      );
      return Buffer.concat(texts).subarray(-bytes).toString();
    },
  };
};
