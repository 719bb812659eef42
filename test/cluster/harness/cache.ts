/** Things that are made once: a folder or file of the cache, made by one process while others wait for it. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cacheDir } from './paths.js';
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

const SCRATCH = 'scratch-';

/** Runs `work` with a new folder on the cache's disk, which goes again; so do those of processes that were killed. */
export const scratch = async <T>(work: (folder: string) => Promise<T>): Promise<T> => {
  await mkdir(cacheDir(), { recursive: true });
  for (const name of await readdir(cacheDir())) {
    const [, owner] = name.split('-');
    if (name.startsWith(SCRATCH) && !alive(Number(owner)))
      await rm(join(cacheDir(), name), { recursive: true, force: true });
  }
  const folder = await mkdtemp(join(cacheDir(), `${SCRATCH}${process.pid}-`));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/**
 * Answers `path` after `make` has made it, unless it is there already. `make` writes to a path of its own, which
 * becomes `path` in one move, so that what is in the cache is whole.
 */
export const cached = async (path: string, make: (into: string) => Promise<unknown>): Promise<string> => {
  if (existsSync(path)) return path;
  await mkdir(dirname(path), { recursive: true });
  await locked(`${path}.lock`, async () => {
    if (existsSync(path)) return;
    await scratch(async (folder) => {
      const into = join(folder, 'made');
      await make(into);
      await rename(into, path);
    });
  });
  return path;
};
