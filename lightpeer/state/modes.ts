/** Who may write what the sidecar makes: everybody, as whoever shares the folder may have another user id. */
import { chmod, mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** Of files that nobody gave another mode. */
export const FILE_MODE = 0o666;
const FOLDER_MODE = 0o777;

/** Lets everybody make and replace files in a folder. Apart from making it, as the umask has no say here. */
export async function openToAll(folder: string): Promise<void> {
  // What it inherited, as its group, it keeps.
  const { mode } = await stat(folder);
  await chmod(folder, (mode & 0o7777) | FOLDER_MODE);
}

/** Makes a folder and those that it lies in, where they are not there, open to all. */
export async function makeFolders(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  const above = dirname(resolve(first));
  for (let made = resolve(folder); made !== above; made = dirname(made)) await openToAll(made);
}
