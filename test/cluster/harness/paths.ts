/** Where things are: the repository, the cache, and how to start another program of this folder. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

const findRepository = (from: string): string =>
  existsSync(join(from, 'package-lock.json')) || from === dirname(from)
    ? from
    : findRepository(dirname(from));

/** The repository's root, from the sources as well as from dist/. */
export const repository = findRepository(here);

/** The folder for what is built once: TEST_CLUSTER_CACHE, else .cache in the repository. */
export const cacheDir = (): string =>
  resolve(process.env['TEST_CLUSTER_CACHE'] ?? join(repository, '.cache'), 'cluster');

/** The command that starts the program NAME of this folder the way this one was started (compiled, or through tsx). */
export const programOf = (name: string): string[] => [
  process.execPath,
  ...process.execArgv,
  join(here, name + (import.meta.url.endsWith('.ts') ? '.ts' : '.js')),
];

/** A short name for contents. */
export const hashOf = (...parts: (string | Buffer)[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex').slice(0, 16);
};
