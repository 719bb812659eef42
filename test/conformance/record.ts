/** The committed answers of the real API server: a file an area, a line an answer. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Outcome } from './play.js';

/** Case name → its answers. */
export type Recorded = Record<string, Outcome[]>;

const here = dirname(fileURLToPath(import.meta.url));
/** The records stand beside the source, wherever this file was compiled to. */
const FOLDER = join(here.replace(/\/dist\/test\/conformance$/, '/test/conformance'), 'recorded');
const fileOf = (area: string): string => join(FOLDER, `${area.replaceAll(' ', '-')}.gen.json`);

/** The record of an area; empty when there is none. */
export async function readRecord(area: string): Promise<Recorded> {
  const text = await readFile(fileOf(area), 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '{}';
    throw error;
  });
  return JSON.parse(text) as Recorded;
}

export async function writeRecord(area: string, record: Recorded): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  const cases = Object.entries(record).map(
    ([name, outcomes]) =>
      `${JSON.stringify(name)}: [\n${outcomes.map((outcome) => `  ${JSON.stringify(outcome)}`).join(',\n')}\n]`,
  );
  await writeFile(fileOf(area), `{\n${cases.join(',\n')}\n}\n`);
}
