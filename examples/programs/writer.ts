/** Half of the lightchain example: an application that knows nothing of networks, only its file. */
import { rename, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExampleProgram } from './programs.js';

const EVERY_MS = 1_000;

/** Writes the date into STATE_FILE (default /state/index.html) every second. A reader never sees half of it. */
export const writer: ExampleProgram = async ({ environment, place, print }) => {
  const file = place.path(environment['STATE_FILE'] ?? '/state/index.html');
  // Hidden files are not shared.
  const draft = join(dirname(file), `.${basename(file)}`);
  for (;;) {
    const date = new Date().toISOString();
    await writeFile(draft, `${date}\n`);
    await rename(draft, file);
    print(`wrote ${date}`);
    await delay(EVERY_MS);
  }
};
