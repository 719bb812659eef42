/** What ids stand for. Top-level names live as long as the server; all else is bounded in number, size and time. */
import { randomBytes } from 'node:crypto';
import { AppError } from '../../errors.js';
import { nearest } from '../../library/nearest.js';
import type { AType } from './terms.js';
import type { Value } from './values.js';

export interface IdStore {
  /** How many values to hold; the one that was not used for longest goes first. */
  readonly maxEntries: number;
  /** Seconds that a value lives after its last use. */
  readonly ttlSeconds: number;
  /** Bytes of text to hold, roughly. Default 64 MiB. */
  readonly maxBytes?: number;
}

export interface Entry {
  readonly type: AType;
  readonly value: Value;
  /** The top-level name that it comes from, for errors. */
  readonly origin: string;
}

export interface Registry {
  /** Registers a top-level value for good. */
  define(name: string, type: AType, value: Value): void;
  /** The id of a top-level name. @throws AppError `unknown_function`, with the nearest name. */
  idOf(name: string): number;
  /** Registers a value for its lifetime. @throws AppError `payload_too_large` for one that alone is over the bound. */
  register(entry: Entry): number;
  /** What an id stands for; its lifetime starts again. @throws AppError `not_found` for an unknown or expired id. */
  find(id: number | bigint): Entry;
  /** How many values are held beside the top-level ones. */
  readonly size: number;
}

/** What an entry costs beside its text. */
const OVERHEAD_BYTES = 500;

function bytesOf(value: Value): number {
  if (typeof value === 'string') return 2 * value.length;
  if (typeof value === 'bigint') return value.toString(16).length;
  return typeof value === 'object' && 'held' in value
    ? value.held.reduce((sum, v) => sum + bytesOf(v), 0)
    : 0;
}

/** @param now milliseconds of a clock that never goes back. */
export function createRegistry(
  { maxEntries, ttlSeconds, maxBytes = 64 * 1024 * 1024 }: IdStore,
  now: () => number = () => performance.now(),
): Registry {
  interface Held {
    entry: Entry;
    bytes: number;
    expires: number;
  }
  const names = new Map<string, number>();
  const lasting = new Map<number, Entry>();
  /** In order of last use, which, as all live equally long, is the order of expiry too. */
  const passing = new Map<number, Held>();
  let held = 0;

  const newId = (): number => {
    for (;;) {
      const id = Number(randomBytes(8).readBigUInt64BE() >> 11n);
      if (!lasting.has(id) && !passing.has(id)) return id;
    }
  };
  const drop = (id: number, { bytes }: Held): void => {
    passing.delete(id);
    held -= bytes;
  };
  /** Drops what has expired, and the oldest while the bounds are passed. */
  const sweep = (): void => {
    const time = now();
    for (const [id, oldest] of passing) {
      if (oldest.expires > time && passing.size <= maxEntries && held <= maxBytes) return;
      drop(id, oldest);
    }
  };

  return {
    define: (name, type, value) => {
      const id = newId();
      names.set(name, id);
      lasting.set(id, { type, value, origin: name });
    },
    idOf: (name) => {
      const id = names.get(name);
      if (id !== undefined) return id;
      const near = nearest(name, names.keys());
      throw new AppError(
        'unknown_function',
        `There is no remote value ${JSON.stringify(name.slice(0, 100))}${near === undefined ? '.' : `; did you mean ${near}?`} GET /v1/aplite prints all names and their types.`,
        near === undefined ? {} : { suggestion: near },
      );
    },
    register: (entry) => {
      const bytes = OVERHEAD_BYTES + bytesOf(entry.value);
      if (bytes > maxBytes)
        throw new AppError(
          'payload_too_large',
          `A value of ${entry.origin} is too large to be kept under an id; ask for less, or use POST /v1/functions.`,
        );
      const id = newId();
      passing.set(id, { entry, bytes, expires: now() + ttlSeconds * 1000 });
      held += bytes;
      sweep();
      return id;
    },
    find: (id) => {
      sweep();
      const known = Number(id);
      const top = typeof id === 'number' ? lasting.get(id) : undefined;
      if (top !== undefined) return top;
      const found = typeof id === 'number' ? passing.get(id) : undefined;
      if (found === undefined)
        throw new AppError(
          'not_found',
          `No value is registered under the id ${String(id).slice(0, 50)}: was it made by an earlier run of the server, or has it expired, after ${ttlSeconds} s without use or because newer values took its place? Ask reg_id again and start from there.`,
        );
      passing.delete(known);
      passing.set(known, { ...found, expires: now() + ttlSeconds * 1000 });
      return found.entry;
    },
    get size() {
      sweep();
      return passing.size;
    },
  };
}
