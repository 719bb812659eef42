/** Files that rotate under us. */
import { readFile } from 'node:fs/promises';
import { cannotConnect } from './errors.js';

export interface RereadFile {
  /** The text when it was read less than the maximum age ago. */
  fresh(): string | undefined;
  /**
   * The text, read again when it is too old. A file that was there before and cannot be read now answers its last text:
   * rotation may replace it at this very moment.
   */
  read(meaning: string): Promise<string>;
  expire(): void;
}

export function rereadFile(path: string, maxAgeMs: number): RereadFile {
  let text: string | undefined;
  let goodUntil = 0;
  let reading: Promise<string> | undefined;

  const fresh = () => (performance.now() < goodUntil ? text : undefined);
  const load = async (meaning: string): Promise<string> => {
    try {
      text = await readFile(path, 'utf8');
      goodUntil = performance.now() + maxAgeMs;
    } catch (cause) {
      if (text === undefined) {
        const why =
          (cause as NodeJS.ErrnoException).code === 'ENOENT'
            ? 'does not exist'
            : `cannot be read (${String(cause)})`;
        throw cannotConnect(`The file ${path} with the ${meaning} ${why}.`, cause);
      }
    } finally {
      reading = undefined;
    }
    return text;
  };

  return {
    fresh,
    read: (meaning) => {
      const known = fresh();
      return known === undefined ? (reading ??= load(meaning)) : Promise.resolve(known);
    },
    expire: () => {
      goodUntil = 0;
    },
  };
}
