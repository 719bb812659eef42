/**
 * Small programs that the example pods run, in the image of the operator: `xi-k8s example NAME`. Each reads what it needs from
 * the environment, prints what it does, and ends at a signal.
 */
import { placeOf } from '../../place/place.js';
import type { Place } from '../../place/place.js';

/** What a program sees of its process. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly place: Place;
  print(line: string): void;
}

export type ExampleProgram = (surroundings: Surroundings) => Promise<void>;

/** The programs by name, with what they are in a line. */
export const EXAMPLES: Readonly<Record<string, { summary: string; load(): Promise<ExampleProgram> }>> = {
  writer: {
    summary: 'writes the date into STATE_FILE every second',
    load: async () => (await import('./writer.js')).writer,
  },
  reader: {
    summary: 'prints STATE_FILE every two seconds',
    load: async () => (await import('./reader.js')).reader,
  },
  plugin: {
    summary: 'a plugin that tells the time, on localhost, port PORT (8080)',
    load: async () => (await import('./plugin.js')).plugin,
  },
};

/** Runs one of them. Rejects when it cannot start. */
export async function runExample(
  name: string,
  environment: Surroundings['environment'],
  print: (line: string) => void,
): Promise<void> {
  const program = await EXAMPLES[name]?.load();
  if (program === undefined) throw new Error(`there is no example ${name}`);
  await program({ environment, place: placeOf(environment), print });
}
