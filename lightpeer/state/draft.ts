/** Files that are written under a name of their own first. */
import { open } from 'node:fs/promises';
import { lookOf } from './look.js';
import type { Look } from './look.js';

/**
 * Writes a file that is not there yet, and tells what it looks like.
 * @param options mode: of its rights, whatever the umask says; durable: written through to the disk
 */
export async function writeDraft(
  path: string,
  content: Uint8Array,
  { mode, durable }: { readonly mode: number; readonly durable: boolean },
): Promise<Look> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(content);
    await file.chmod(mode);
    // A file system's clock stands still for milliseconds: whoever writes within them is told by this time, which it never shows.
    const now = (Date.now() + Math.random()) / 1000;
    await file.utimes(now, now);
    if (durable) await file.sync();
    return lookOf(await file.stat({ bigint: true }));
  } finally {
    await file.close();
  }
}
