/** The log of the host's program: lines on a file descriptor, many in one write, since a write for each would cost more than its call. */
import { writeSync } from 'node:fs';
import { oneLine } from './one-line.js';
import type { HostSettings } from './options.js';
import type { HostLog } from './port.js';

/** So much is written at once, in characters, and nothing waits for longer, in milliseconds. */
const CHUNK = 16_000;
const WAIT_MS = 100;
/** How long a pipe that is full is waited for, in milliseconds. */
const FULL_MS = 5;

export interface ProgramLog extends HostLog {
  /** Writes what waits. */
  flush(): void;
}

const pause = new Int32Array(new SharedArrayBuffer(4));

/** Writes all of it, however often it takes. A reader that has gone is not written to. */
function writeAll(fd: number, text: string): void {
  for (let rest = Buffer.from(text); rest.length > 0;)
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
      Atomics.wait(pause, 0, 0, FULL_MS);
    }
}

const plain = (fields: object): object =>
  Object.fromEntries(
    Object.entries(fields).map(([key, value]: [string, unknown]) => [
      key,
      value instanceof Error ? { message: value.message, stack: value.stack } : value,
    ]),
  );

/** Lines for people (`text`), or an object a line for collectors (`json`); the text is the same. */
export function createProgramLog(format: HostSettings['logFormat'], fd: number): ProgramLog {
  let waiting = '';
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const text = waiting;
    waiting = '';
    writeAll(fd, text);
  };
  const add = (line: string): void => {
    waiting += `${oneLine(line)}\n`;
    if (waiting.length >= CHUNK) flush();
    else timer ??= setTimeout(flush, WAIT_MS).unref();
  };
  const write = (level: 'info' | 'warn', fields: object, text: string): void => {
    if (format === 'json')
      return add(JSON.stringify({ time: new Date().toISOString(), level, ...plain(fields), msg: text }));
    const { err } = fields as { err?: unknown };
    add(err instanceof Error ? `${text} (${err.message})` : text);
  };
  return {
    info: (fields, text) => write('info', fields, text),
    warn: (fields, text) => write('warn', fields, text),
    flush,
  };
}
