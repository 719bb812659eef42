/**
 * What the shared files held when they last agreed with the network, so that a restart can tell a program's change from
 * the network's. Lines of `DIGEST PATH`, the last one for a path counts; written after the fact, never synced: what is lost
 * costs a block that changes nothing.
 */
import { appendFile, readFile, rename, writeFile } from 'node:fs/promises';

export interface BaseLog {
  readonly bases: ReadonlyMap<string, string>;
  set(state: string, digest: string): void;
  /** Resolves when all is written. Never rejects: without a log a restart publishes what it finds. */
  written(): Promise<void>;
}

const ABSENT = '-';
/** Lines beyond those that count, before the file is written anew. */
const SLACK = 1_000;

/** @param file where it is kept. */
export async function openBaseLog(file: string): Promise<BaseLog> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const bases = new Map<string, string>();
  let lines = 0;
  for (const line of text.split('\n')) {
    const space = line.indexOf(' ');
    if (space <= 0) continue;
    lines += 1;
    const digest = line.slice(0, space);
    bases.set(line.slice(space + 1), digest === ABSENT ? '' : digest);
  }
  const lineOf = (state: string, digest: string): string => `${digest || ABSENT} ${state}\n`;
  let last = Promise.resolve();
  const write = async (state: string, digest: string): Promise<void> => {
    lines += 1;
    if (lines <= bases.size + SLACK) return appendFile(file, lineOf(state, digest));
    await writeFile(`${file}.new`, [...bases].map(([each, its]) => lineOf(each, its)).join(''));
    await rename(`${file}.new`, file);
    lines = bases.size;
  };
  return {
    bases,
    set(state, digest) {
      if ((bases.get(state) ?? '') === digest || state.includes('\n')) return;
      if (digest === '') bases.delete(state);
      else bases.set(state, digest);
      last = last.then(() => write(state, digest)).catch(() => undefined);
    },
    written: () => last,
  };
}
