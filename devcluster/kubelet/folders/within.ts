/** Paths below a folder of this machine that must not leave it. */
import { mkdir, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';

/**
 * The folder or file at a path below `base`, resolved; folders that are missing are made.
 * @param base a path with no link in it.
 * @returns undefined when the path leads out, by `..` or by a link.
 */
export const within = async (base: string, path: string): Promise<string | undefined> => {
  let at = base;
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') return undefined;
    const next = join(at, part);
    await mkdir(next).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    at = await realpath(next);
    if (at !== base && !at.startsWith(base.endsWith(sep) ? base : base + sep)) return undefined;
  }
  return at;
};
