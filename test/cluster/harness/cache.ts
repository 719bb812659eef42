/** Things that are made once: a folder or file of the cache, made by one process while others wait for it. */
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { say } from './steps.js';

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** Runs `work` while no other process holds `file`; a lock whose process is gone is taken over. */
const locked = async <T>(file: string, work: () => Promise<T>): Promise<T> => {
  for (let told = false; ; await sleep(500)) {
    const lock = await open(file, 'wx').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return undefined;
      throw error;
    });
    if (lock !== undefined) {
      await lock.writeFile(String(process.pid)).finally(() => lock.close());
      break;
    }
    const holder = Number(await readFile(file, 'utf8').catch(() => ''));
    if (holder > 0 && !alive(holder)) await rm(file, { force: true });
    else if (!told && holder > 0) {
      say(`waits for process ${holder}, which makes the same thing (lock ${file})`);
      told = true;
    }
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
};

/**
 * Answers `path` after `make` has made it, unless it is there already. `make` writes to a path of its own, which
 * becomes `path` in one move, so that what is in the cache is whole.
 */
export const cached = async (path: string, make: (into: string) => Promise<void>): Promise<string> => {
  if (existsSync(path)) return path;
  await mkdir(dirname(path), { recursive: true });
  await locked(`${path}.lock`, async () => {
    if (existsSync(path)) return;
    const into = `${path}.${process.pid}.new`;
    try {
      await make(into);
      await rename(into, path);
    } finally {
      await rm(into, { recursive: true, force: true });
    }
  });
  return path;
};
