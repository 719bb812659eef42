/** The few things that the store asks of a file system, so that tests can put one that fails or forgets in its place. */
import { constants, write } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

export interface DiskFile {
  size(): Promise<number>;
  /** Bytes read; fewer than asked for at the end of the file. */
  read(buffer: Uint8Array, position: number): Promise<number>;
  /** Resolves when the bytes survive the machine. */
  write(buffer: Uint8Array, position: number): Promise<void>;
  /** All that the file holds survives the machine, whoever wrote it. */
  sync(): Promise<void>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
}

export interface Disk {
  /** For messages. */
  readonly folder: string;
  /** Makes the file when there is none. */
  open(name: string): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  list(): Promise<string[]>;
  text(name: string): Promise<string>;
}

/** Does work with what is open, and closes it when that fails. */
export async function closedOnFailure<T>(
  open: { close(): Promise<void> },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await open.close().catch(() => undefined);
    throw error;
  }
}

/** A write that is on the disk when it returns: one call to the system for each batch of blocks. Not every system has it. */
const WRITE_THROUGH = constants.O_DSYNC ?? 0;

/** As a file handle's own `write`, which costs more than the rest of a block's way to the system. */
const writeSome = (fd: number, bytes: Uint8Array, position: number): Promise<number> =>
  new Promise((resolve, reject) => {
    write(fd, bytes, 0, bytes.byteLength, position, (error, written) =>
      error === null ? resolve(written) : reject(error),
    );
  });

/** A folder, made when it is missing. `durable: false` leaves out all syncing: for measuring what it costs. */
export async function openDisk(folder: string, { durable = true } = {}): Promise<Disk> {
  await mkdir(folder, { recursive: true });
  const syncFolder = async (): Promise<void> => {
    if (!durable) return;
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  };
  return {
    folder,
    open: async (name) => {
      const path = join(folder, name);
      const flags = constants.O_RDWR | (durable ? WRITE_THROUGH : 0);
      const handle = await open(path, flags).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
        const made = await open(path, flags | constants.O_CREAT | constants.O_EXCL, 0o600);
        await syncFolder();
        return made;
      });
      return {
        size: async () => (await handle.stat()).size,
        read: async (buffer, position) =>
          (await handle.read(buffer, 0, buffer.byteLength, position)).bytesRead,
        write: async (buffer, position) => {
          for (let done = 0; done < buffer.byteLength;) {
            const rest = done === 0 ? buffer : buffer.subarray(done);
            done += await writeSome(handle.fd, rest, position + done);
          }
          if (durable && WRITE_THROUGH === 0) await handle.datasync();
        },
        sync: async () => (durable ? handle.datasync() : undefined),
        truncate: (size) => handle.truncate(size),
        close: () => handle.close(),
      };
    },
    rename: async (from, to) => {
      await rename(join(folder, from), join(folder, to));
      await syncFolder();
    },
    remove: (name) => rm(join(folder, name), { force: true }),
    list: () => readdir(folder),
    text: (name) => readFile(join(folder, name), 'utf8'),
  };
}
