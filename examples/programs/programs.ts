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

/** A program that goes on by itself, and can be asked to end. */
export interface Running {
  /** Resolves when it has ended, for whatever reason. */
  readonly closed: Promise<void>;
  /** Finishes what it is at. */
  close(): Promise<void>;
}

/** Resolves when it has ended, or when it runs. Rejects when it cannot start, with a message for people. */
export type ExampleProgram = (surroundings: Surroundings) => Promise<Running | void>;

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
  clock: {
    summary: 'a plugin that tells the time, port PORT (8080)',
    load: async () => (await import('./clock.js')).clock,
  },
  logger: {
    summary: 'URL shortener: a plugin that prints what others log, port PORT (8081)',
    load: async () => (await import('./url-shortener/logger.js')).logger,
  },
  storage: {
    summary: 'URL shortener: a plugin that keeps URLs by code, port PORT (8082)',
    load: async () => (await import('./url-shortener/storage.js')).storage,
  },
  api: {
    summary: 'URL shortener: a plugin that shortens and resolves URLs, port PORT (8083)',
    load: async () => (await import('./url-shortener/api.js')).api,
  },
};

/** Runs one of them. Resolves when it runs, or has ended. Rejects when it cannot start. */
export async function runExample(
  name: string,
  environment: Surroundings['environment'],
  print: (line: string) => void,
): Promise<Running | void> {
  const program = await EXAMPLES[name]?.load();
  if (program === undefined) throw new Error(`there is no example ${name}`);
  return program({ environment, place: placeOf(environment), print });
}
