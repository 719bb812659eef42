/**
 * A folder whose files change all at once, laid out as a kubelet does it: a folder with a time in its name holds the
 * files, the link `..data` points to it, and each name at the top is a link into `..data`. Read-only for programs.
 */
import { chmod, mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { removeTree } from './tree.js';

export interface VolumeFile {
  readonly data: Uint8Array;
  readonly mode: number;
}

/** Relative path → file. */
export type VolumeFiles = ReadonlyMap<string, VolumeFile>;

const DATA = '..data';
const CLOSED = 0o555;
const OPEN = 0o755;

/** Puts these files in place of those that the folder holds. Paths are relative and hold no `..`. */
export const writeAtomically = async (folder: string, files: VolumeFiles): Promise<void> => {
  await mkdir(folder, { recursive: true });
  await chmod(folder, OPEN);
  const stamp = new Date().toISOString().replace(/[-:]/g, '_').replace('T', '_').slice(0, 19);
  const next = await mkdtemp(join(folder, `..${stamp}.`));
  const made = new Set([next]);
  for (const [path, { data, mode }] of files) {
    const target = join(next, path);
    const first = await mkdir(dirname(target), { recursive: true, mode: OPEN });
    for (let at = dirname(target); first !== undefined && at !== next; at = dirname(at)) made.add(at);
    await writeFile(target, data, { flag: 'wx' });
    await chmod(target, mode);
  }
  for (const each of made) await chmod(each, CLOSED);
  const link = join(folder, '..data_tmp');
  await rm(link, { force: true });
  await symlink(basename(next), link);
  await rename(link, join(folder, DATA));

  const wanted = new Set([...files.keys()].map((path) => path.split('/')[0] ?? ''));
  for (const name of await readdir(folder)) {
    if (name === DATA || name === basename(next)) continue;
    if (name.startsWith('..')) await removeTree(join(folder, name));
    else if (!wanted.delete(name)) await rm(join(folder, name), { force: true });
  }
  for (const name of wanted) await symlink(join(DATA, name), join(folder, name));
  await chmod(folder, CLOSED);
};
