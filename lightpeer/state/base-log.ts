/**
 * What the shared files held when they last agreed with the network, so that a restart can tell a program's change from
 * the network's. A line of `DIGEST: PATH` or `DIGEST:ID PATH` comes before the two are made the same, one of `DIGEST PATH`
 * after it; the last ones for a path count. The first kind is on the disk before the file is: of a file that the network wrote
 * a loss of power would make a program's change.
 */
import { open, readFile, rename } from 'node:fs/promises';

/** What a file is about to hold or may hold already: with an id, only when the chain has that block. */
export interface Expected {
  readonly digest: string;
  readonly id: string;
}

export interface Base {
  /** Empty for a file that is not there. */
  readonly digest: string;
  readonly next?: Expected | undefined;
}

export interface BaseLog {
  readonly bases: ReadonlyMap<string, Base>;
  /** The file and the network hold the same. */
  set(state: string, digest: string): void;
  /** They are about to. Resolves when it is written, and never rejects. */
  expect(state: string, next: Expected): Promise<void>;
  /** Resolves when all is written. Never rejects: without a log a restart publishes what it finds. */
  written(): Promise<void>;
}

const ABSENT = '-';
/** Lines beyond those that count, before the file is written anew. */
const SLACK = 1_000;

/**
 * @param file where it is kept.
 * @param options durable: written through to the disk. Default: true.
 */
export async function openBaseLog(
  file: string,
  { durable = true }: { readonly durable?: boolean | undefined } = {},
): Promise<BaseLog> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const bases = new Map<string, Base>();
  const note = (state: string, base: Base): void => {
    if (base.digest === '' && base.next === undefined) bases.delete(state);
    else bases.set(state, base);
  };
  const digestIn = (state: string): string => bases.get(state)?.digest ?? '';
  let lines = 0;
  for (const line of text.split('\n')) {
    const space = line.indexOf(' ');
    if (space <= 0) continue;
    lines += 1;
    const [written = '', id] = line.slice(0, space).split(':');
    const [digest, state] = [written === ABSENT ? '' : written, line.slice(space + 1)];
    note(state, id === undefined ? { digest } : { digest: digestIn(state), next: { digest, id } });
  }
  const lineOf = (state: string, digest: string, id = ''): string => `${digest || ABSENT}${id} ${state}\n`;
  const linesOf = ([state, { digest, next }]: [string, Base]): string =>
    lineOf(state, digest) + (next === undefined ? '' : lineOf(state, next.digest, `:${next.id}`));
  const writeTo = async (path: string, flags: 'a' | 'w', lines: string, through: boolean): Promise<void> => {
    const log = await open(path, flags);
    try {
      await log.appendFile(lines);
      if (through && durable) await log.datasync();
    } finally {
      await log.close();
    }
  };
  let waiting: string[] = [];
  let through = false;
  const write = async (): Promise<void> => {
    const [some, synced] = [waiting, through];
    waiting = [];
    through = false;
    lines += some.length;
    if (lines <= 2 * bases.size + SLACK) return writeTo(file, 'a', some.join(''), synced);
    await writeTo(`${file}.new`, 'w', [...bases].map(linesOf).join(''), true);
    await rename(`${file}.new`, file);
    lines = 2 * bases.size;
  };
  let last = Promise.resolve();
  /** With what else waits, in one write. */
  const put = (state: string, base: Base, { line, sync }: { line: string; sync: boolean }): Promise<void> => {
    note(state, base);
    through ||= sync;
    if (waiting.push(line) === 1) last = last.then(write).catch(() => undefined);
    return last;
  };
  return {
    bases,
    set(state, digest) {
      const known = bases.get(state);
      if ((digestIn(state) === digest && known?.next === undefined) || state.includes('\n')) return;
      void put(state, { digest }, { line: lineOf(state, digest), sync: false });
    },
    async expect(state, next) {
      if (state.includes('\n')) return;
      const line = lineOf(state, next.digest, `:${next.id}`);
      await put(state, { digest: digestIn(state), next }, { line, sync: true });
    },
    written: () => last,
  };
}
