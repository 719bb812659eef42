/** A container's log as it is asked for: from where, how much, with times, followed. */
import type { LogQuery } from '../../kube/index.js';
import type { LogLines } from './log-lines.js';

/** Bytes that are handed on at once, about. */
const CHUNK = 64 * 1024;

export interface LogStreamOptions {
  query: LogQuery;
  signal: AbortSignal;
  /** The lines as they are now: of a run that ends, they change. */
  lines(): LogLines;
  /** Resolves when lines may have come or the run may have ended, at the time given, or when the signal fires. */
  changed(until: number): Promise<void>;
  clock(): number;
}

/** The first line at or after a time. */
const firstSince = (lines: LogLines, count: number, time: number): number => {
  let [low, high] = [lines.first, count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (lines.timeOf(middle) < time) low = middle + 1;
    else high = middle;
  }
  return low;
};

const startOf = (lines: LogLines, query: LogQuery, now: number): number => {
  const count = lines.count(now);
  const { tailLines, sinceSeconds, sinceTime } = query;
  const times = [
    ...(sinceSeconds === undefined ? [] : [now - sinceSeconds * 1000]),
    ...(sinceTime === undefined ? [] : [Date.parse(sinceTime)]),
  ];
  const starts = times.map((time) => firstSince(lines, count, time));
  return Math.max(lines.first, tailLines === undefined ? 0 : count - tailLines, ...starts);
};

const NEWLINE = 10;
const isWhole = (line: string | Uint8Array): boolean =>
  typeof line === 'string' ? line.endsWith('\n') : line.at(-1) === NEWLINE;

/** Lines from one on, about a chunk of them. */
const chunkOf = (
  lines: LogLines,
  { from, count, timestamps }: { from: number; count: number; timestamps: boolean },
): { bytes: Buffer; next: number } => {
  const parts: Buffer[] = [];
  let size = 0;
  let text = '';
  const flush = (): void => {
    if (text !== '') parts.push(Buffer.from(text));
    text = '';
  };
  let next = from;
  for (; next < count && size < CHUNK; next++) {
    const line = lines.line(next);
    const continues = timestamps && next > lines.first && !isWhole(lines.line(next - 1));
    if (timestamps && !continues) text += `${new Date(lines.timeOf(next)).toISOString()} `;
    if (typeof line === 'string') text += line;
    else {
      flush();
      parts.push(Buffer.from(line.buffer, line.byteOffset, line.length));
    }
    size += line.length;
  }
  flush();
  return { bytes: parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts), next };
};

/** A reader that is slower than the log misses what is no longer kept. */
export async function* streamLog(options: LogStreamOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const { query, signal, changed, clock } = options;
  const { follow = false, timestamps = false } = query;
  let left = query.limitBytes ?? Infinity;
  let next = startOf(options.lines(), query, clock());
  while (!signal.aborted && left > 0) {
    const now = clock();
    const lines = options.lines();
    const count = lines.count(now);
    if (next < count) {
      const chunk = chunkOf(lines, { from: Math.max(next, lines.first), count, timestamps });
      next = chunk.next;
      const { bytes } = chunk;
      yield bytes.length > left ? bytes.subarray(0, left) : bytes;
      left -= bytes.length;
      continue;
    }
    const until = lines.nextAt(now);
    if (!follow || until === undefined) return;
    await changed(until);
  }
}
