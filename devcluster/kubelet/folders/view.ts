/**
 * A container's file system as its programs would see it: paths begin at its root, volumes lie where they are mounted,
 * and a link is resolved within, whatever it points to. Nothing leads out.
 */
import type { Stats } from 'node:fs';
import { lstat, readlink } from 'node:fs/promises';
import { join } from 'node:path';

export interface Mount {
  /** Where the container sees it; absolute, normalised. */
  readonly at: string;
  /** Where it is on this machine, with no link in it. */
  readonly folder: string;
  readonly readOnly: boolean;
}

export interface View {
  /** Where the container's own root is on this machine, with no link in it. */
  readonly root: string;
  readonly mounts: readonly Mount[];
  /** What relative paths begin at. */
  readonly cwd: string;
}

/** As a program would word it: `No such file or directory`. */
export class PathError extends Error {}

export interface Found {
  /** Where it is on this machine. No part of it but the last is a link. */
  readonly real: string;
  /** As the container sees it, without links. */
  readonly path: string;
  /** Undefined when there is nothing, though its folder is there. */
  readonly stats: Stats | undefined;
  readonly readOnly: boolean;
  /** How many folders its own is below the one that its volume, or the root, is. */
  readonly depth: number;
}

const MOST_LINKS = 40;
const WORDS: Record<string, string> = {
  ENOENT: 'No such file or directory',
  ENOTDIR: 'Not a directory',
  EISDIR: 'Is a directory',
  EACCES: 'Permission denied',
  EPERM: 'Operation not permitted',
  EEXIST: 'File exists',
  ELOOP: 'Too many levels of symbolic links',
  ENAMETOOLONG: 'File name too long',
  ENOSPC: 'No space left on device',
  EROFS: 'Read-only file system',
  ENOTEMPTY: 'Directory not empty',
};

/** What a program says of a failed call. */
export const wordsOf = (error: unknown): string => {
  const { code = '', message = String(error) } = error as { code?: string; message?: string };
  return error instanceof PathError ? message : (WORDS[code] ?? message);
};

const statsOf = (path: string): Promise<Stats | undefined> =>
  lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });

/**
 * Finds a path. Its last part is followed where it is a link, unless told not to.
 * @throws PathError and the file system's own errors.
 */
export const find = async (
  { root, mounts, cwd }: View,
  given: string,
  { follow = true }: { follow?: boolean } = {},
): Promise<Found> => {
  if (given === '') throw new PathError(WORDS['ENOENT']);
  if (given.includes('\0')) throw new PathError('Invalid argument');
  let links = 0;
  let at: string[] = [];
  const parts = [...(given.startsWith('/') ? [] : cwd.split('/')), ...given.split('/')].reverse();
  const placed = (): { real: string; path: string; mount: Mount | undefined } => {
    const path = `/${at.join('/')}`;
    const mount = mounts.find((each) => path === each.at || path.startsWith(`${each.at}/`));
    return {
      path,
      mount,
      real: mount === undefined ? join(root, path) : join(mount.folder, path.slice(mount.at.length)),
    };
  };
  let found = placed();
  let stats = await statsOf(found.real);
  while (parts.length > 0) {
    const part = parts.pop() ?? '';
    if (part === '' || part === '.') continue;
    if (stats === undefined) throw new PathError(WORDS['ENOENT']);
    if (!stats.isDirectory()) throw new PathError(WORDS['ENOTDIR']);
    if (part === '..') at.pop();
    else at.push(part);
    found = placed();
    stats = await statsOf(found.real);
    if (stats?.isSymbolicLink() !== true || (!follow && parts.every((rest) => rest === ''))) continue;
    if (++links > MOST_LINKS) throw new PathError(WORDS['ELOOP']);
    const target = await readlink(found.real);
    at = target.startsWith('/') ? [] : at.slice(0, -1);
    found = placed();
    stats = await statsOf(found.real);
    parts.push(...target.split('/').reverse());
  }
  const above = found.mount?.at.split('/').length ?? 1;
  return {
    real: found.real,
    path: found.path,
    stats,
    readOnly: found.mount?.readOnly ?? false,
    depth: found.path.split('/').length - 1 - above,
  };
};

/**
 * Whether a link might be followed out of its folder by a program that knows nothing of the view. Only leading `..` can
 * be told from the text: behind other parts they may start from where another link leads.
 * @param depth how many folders the link's own is below the one that it must not leave.
 */
export const leadsOut = (target: string, depth: number): boolean => {
  const parts = target.split('/').filter((part) => part !== '' && part !== '.');
  const inward = parts.findIndex((part) => part !== '..');
  const ups = inward < 0 ? parts.length : inward;
  return target.startsWith('/') || ups > depth || parts.slice(ups).includes('..');
};
