/** The registry's memory across restarts: one JSON file, written some time after a change and always as a whole. */
import { open, readFile, rename, rm } from 'node:fs/promises';
import type { HostLog } from '../port.js';

export interface StateFile {
  /** What was written last; undefined when there is nothing, or nothing that can be read. */
  read(): Promise<unknown>;
  /** Has the state written soon; what could not be written is tried again. */
  schedule(): void;
  /** Writes what is not written yet, or could not be. */
  close(): Promise<void>;
}

export interface StateFileOptions {
  readonly path: string;
  readonly log: HostLog;
  /** The state as it is now, as JSON takes it. */
  snapshot(): unknown;
  /** Milliseconds from a change to its writing, 200 by default. */
  readonly delayMs?: number;
  /** Milliseconds from a writing that failed to the next try, 5,000 by default. */
  readonly retryMs?: number;
}

async function writeWhole(path: string, text: string): Promise<void> {
  const draft = `${path}.new`;
  // Away first: the mode counts only for a file that is made.
  await rm(draft, { force: true });
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}

export function createStateFile(options: StateFileOptions): StateFile {
  const { path, log, snapshot, delayMs = 200, retryMs = 5_000 } = options;
  let due: NodeJS.Timeout | undefined;
  let writing = Promise.resolve();
  /** Something changed since the last writing that succeeded began. */
  let unwritten = false;
  let failing = false;
  let closed = false;

  async function write(): Promise<void> {
    unwritten = false;
    try {
      await writeWhole(path, JSON.stringify(snapshot()));
      if (failing) log.info({ path }, `The plugins are kept in ${path} again`);
      failing = false;
    } catch (error) {
      unwritten = true;
      if (!failing)
        log.warn({ path, err: error }, `The plugins cannot be kept in ${path}: ${(error as Error).message}`);
      failing = true;
      writeIn(retryMs);
    }
  }

  function writeIn(ms: number): void {
    if (!closed) due ??= setTimeout(writeNow, ms);
  }

  function writeNow(): void {
    due = undefined;
    writing = writing.then(write);
  }

  return {
    async read() {
      try {
        return JSON.parse(await readFile(path, 'utf8')) as unknown;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
          log.warn({ path, err: error }, `${path} cannot be read, so every plugin has to shake hands again.`);
        return undefined;
      }
    },
    schedule() {
      if (closed) return;
      unwritten = true;
      writeIn(delayMs);
    },
    async close() {
      closed = true;
      clearTimeout(due);
      await writing;
      if (unwritten) await write();
    },
  };
}
