/** Folders that go, whatever programs made of them. */
import { chmod, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Removes a folder and all below it, read-only ones too; links are removed, never followed. What is not there is fine. */
export const removeTree = async (path: string): Promise<void> => {
  const open = async (folder: string): Promise<void> => {
    await chmod(folder, 0o700);
    const entries = await readdir(folder, { withFileTypes: true });
    for (const entry of entries) if (entry.isDirectory()) await open(join(folder, entry.name));
  };
  await open(path).catch(() => undefined);
  await rm(path, { recursive: true, force: true });
};
