/** The folders of provisioned volumes: all right below one root, named after their volumes, and nothing else is touched. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { PersistentVolume } from '../../../kube/objects.js';

const NAME = /^pvc-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The folder of a volume that this cluster provisioned; undefined for every other. A volume says where its folder is, and
 * anybody can write volumes: so what it says counts only where it is what we would have said.
 */
export const folderOf = (root: string | undefined, volume: PersistentVolume): string | undefined => {
  const { name = '' } = volume.metadata ?? {};
  if (root === undefined || !NAME.test(name)) return undefined;
  const folder = join(root, name);
  return volume.spec?.hostPath?.path === folder ? folder : undefined;
};

export const makeFolder = async (folder: string): Promise<void> => {
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
};

/** Removes it with all that is in it. Links are removed and not followed; one that is gone already is no error. */
export const removeFolder = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true });
