/** The other half of the lightchain example: it reads what a writer in another pod wrote. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExampleProgram } from './programs.js';

const EVERY_MS = 2_000;

/** Prints STATE_FILE (default /state/index.html) every two seconds. */
export const reader: ExampleProgram = async ({ environment, place, print }) => {
  const file = place.path(environment['STATE_FILE'] ?? '/state/index.html');
  for (;;) {
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      return 'nothing yet';
    });
    print(text.trimEnd());
    await delay(EVERY_MS);
  }
};
