/** Whether a peer would share its own chain. */
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { StateError } from './folder.js';
import { isPassing } from './paths.js';

/** Where a path really is, as far as it is there. */
const realPlace = (path: string): Promise<string> =>
  realpath(path).catch(async () =>
    dirname(path) === path ? path : join(await realPlace(dirname(path)), basename(path)),
  );

/** Rejects with StateError when the shared folder holds the chain's: each block would be a change that becomes a block. */
export async function refuseOwnChain(statePath: string, repo: string): Promise<void> {
  const shared = await realPlace(resolve(statePath));
  const inside = relative(shared, await realPlace(resolve(repo))).split(sep);
  // Hidden folders are not shared.
  if (inside[0] === '..' || inside.some((part) => isPassing(part))) return;
  throw new StateError(
    `the folder of the chain, ${repo}, lies in the one that is shared, ${statePath}: the peer would share its own chain; give one outside as repo`,
  );
}
