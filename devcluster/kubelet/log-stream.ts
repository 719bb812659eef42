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
  /** Resolves when the run may have ended, at the time given, or when the signal fires. */
  changed(until: number | undefined): Promise<void>;
  clock(): number;
}

/** The first line at or after a time. */
const firstSince = (lines: LogLines, count: number, time: number): number => {
  let [low, high] = [0, count];
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
  return Math.max(0, tailLines === undefined ? 0 : count - tailLines, ...starts);
};

export async function* streamLog(options: LogStreamOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const { query, signal, changed, clock } = options;
  const text = (lines: LogLines, nth: number): string => {
    const stamp = query.timestamps === true ? `${new Date(lines.timeOf(nth)).toISOString()} ` : '';
    return `${stamp}${lines.line(nth)}\n`;
  };
  let left = query.limitBytes ?? Infinity;
  let next = startOf(options.lines(), query, clock());
  while (!signal.aborted) {
    const now = clock();
    const lines = options.lines();
    const count = lines.count(now);
    while (next < count && left > 0 && !signal.aborted) {
      let chunk = '';
      for (; next < count && chunk.length < CHUNK; next++) chunk += text(lines, next);
      const bytes = Buffer.from(chunk);
      yield bytes.length > left ? bytes.subarray(0, left) : bytes;
      left -= bytes.length;
    }
    const until = lines.nextAt(now);
    if (query.follow !== true || until === undefined || left <= 0) return;
    await changed(until);
  }
}
