/** The shared folder: files read whole, written atomically, and never outside of it. */
import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, realpath, rename, rm, rmdir, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { writeDraft } from './draft.js';
import { lookOf, sameContent } from './look.js';
import type { Look } from './look.js';
import { FILE_MODE, makeFolders, openToAll } from './modes.js';
import { isPassing, pathProblem } from './paths.js';

/** A state that cannot be read or written; the message says which, why, and what to do. */
export class StateError extends Error {
  override readonly name = 'StateError';
}

/** What a scan found. */
export interface Found {
  readonly states: Map<string, Look>;
  /** Folders that states may lie in, the root as '', each with what tells it from another one of its name. */
  readonly folders: Map<string, string>;
}

export interface StateFolder {
  /** The folder that is watched, and whether folders in it count. */
  readonly root: string;
  readonly whole: boolean;
  /**
   * All states and folders that there are. Throws StateError when there are too many.
   * @param problem told of each file that is no state, and of each folder that cannot be read, with the reason.
   */
  scan(problem?: (state: string, message: string) => void): Promise<Found>;
  /** Undefined when there is no such file, as where a folder is in its place. Throws StateError for what else is no state. */
  look(state: string): Promise<Look | undefined>;
  /** What there is to say about a folder in a state's place; undefined when there is none. */
  replaced(state: string): Promise<string | undefined>;
  /** The whole content. Undefined when there is no such file. Throws StateError. */
  read(state: string): Promise<Buffer | undefined>;
  /** Of the content, which is never in memory as a whole. Undefined when there is no such file. Throws StateError. */
  digest(state: string): Promise<string | undefined>;
  /**
   * Readers see the old content or the new one, never a part, after a loss of power too. Resolves to the file as it was written;
   * undefined when it is no longer that. Throws StateError.
   */
  write(state: string, content: Uint8Array): Promise<Look | undefined>;
  remove(state: string): Promise<void>;
  /** The state that a path of the network stands for. Throws StateError when it is none of this folder. */
  stateOf(path: string): string;
  /** What the network calls a state. */
  pathOf(state: string): string;
}

export interface FolderOptions {
  /** A file, or a folder with any number of them. What is not there yet is a file, unless it ends with `/`. */
  readonly path: string;
  /** Larger files are refused. */
  readonly mostBytes: number;
  /** More files than that are an error. Default 10,000. */
  readonly mostFiles?: number | undefined;
  /** Written through to the disk before it counts. Default: true. */
  readonly durable?: boolean | undefined;
}

const OWN = '.xi-state-';
/** Read at once for a digest. */
const PART_BYTES = 64 << 10;

export const digestOf = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';
const isAbsent = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(codeOf(error));
const absent = (error: unknown): undefined => {
  if (!isAbsent(error)) throw error;
};
const failed =
  (what: string) =>
  (error: unknown): never => {
    if (error instanceof StateError) throw error;
    throw new StateError(`${what}: ${codeOf(error) || String(error)}`);
  };

/** Opens the folder, and makes it when it is not there. Rejects with StateError when it cannot be used. */
export async function openFolder(options: FolderOptions): Promise<StateFolder> {
  const { path, mostBytes, mostFiles = 10_000, durable = true } = options;
  // What cannot be looked at now may be later, and is told of until then.
  const found = await stat(path).catch(() => undefined);
  const whole = found?.isDirectory() ?? path.endsWith('/');
  if (found !== undefined && !whole && !found.isFile())
    throw new StateError(`${path} is neither a file nor a folder; give one of these as statePath`);
  const wanted = whole ? path : dirname(path);
  await makeFolders(wanted).catch(failed(`the folder ${wanted} cannot be made`));
  const root = await realpath(wanted).catch(failed(`the folder ${wanted} cannot be used`));
  const only = whole ? undefined : basename(path);
  const placeOf = (state: string): string => join(root, state);

  /** The real place of a state that is a link; a link that leads out of the folder is no state. */
  const resolve = async (state: string): Promise<string | undefined> => {
    const real = await realpath(placeOf(state)).catch(absent);
    if (real !== undefined && !real.startsWith(root + sep))
      throw new StateError(`${state} is a link out of the folder and is not shared; copy the file instead`);
    return real;
  };

  const inspect = async (state: string): Promise<Look | undefined> => {
    let found = await lstat(placeOf(state), { bigint: true }).catch(absent);
    if (found?.isDirectory()) return undefined;
    if (found?.isSymbolicLink()) {
      const real = await resolve(state);
      found = real === undefined ? undefined : await stat(real, { bigint: true }).catch(absent);
    }
    if (found === undefined) return undefined;
    if (!found.isFile()) throw new StateError(`${state} is no regular file and is not shared`);
    return lookOf(found);
  };
  const lookAt = (state: string): Promise<Look | undefined> =>
    inspect(state).catch(failed(`${state} cannot be looked at`));

  /** The folder that a state lies in, made where it is not there; no part of it may be a link out. */
  const makeFolder = async (state: string): Promise<string> => {
    let folder = root;
    // Looked at part by part, so that nothing is made behind a link.
    for (const part of state.split('/').slice(0, -1)) {
      const made = await mkdir(join(folder, part)).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.code !== 'EEXIST') throw error;
          return false;
        },
      );
      folder = await realpath(join(folder, part));
      if (folder !== root && !folder.startsWith(root + sep))
        throw new StateError(`${state} leads out of the folder by a link and was refused`);
      if (made) await openToAll(folder);
    }
    return folder;
  };

  const isFolder = (state: string): string => `${state} is a folder here: as a file it counts as removed`;
  const replaced = async (state: string): Promise<string | undefined> =>
    (await lstat(placeOf(state)).catch(() => undefined))?.isDirectory() ? isFolder(state) : undefined;
  /** Removes a folder that holds nothing but folders, as deletions leave them. False when there is more in it. */
  const removeEmpty = async (folder: string): Promise<boolean> => {
    for (const item of await readdir(folder, { withFileTypes: true }))
      if (!item.isDirectory() || !(await removeEmpty(join(folder, item.name)))) return false;
    await rmdir(folder);
    return true;
  };

  type Problem = (state: string, message: string) => void;
  const collect = async (state: string, states: Map<string, Look>, problem: Problem): Promise<void> => {
    try {
      const look = await lookAt(state);
      if (look !== undefined) states.set(state, look);
    } catch (error) {
      problem(state, (error as StateError).message);
    }
    if (states.size > mostFiles)
      throw new StateError(`${path} holds more than ${mostFiles} files; share fewer, or a file of them`);
  };
  /** The inode's number alone may be that of a folder that was removed a moment ago. */
  const note = async (inner: string, folders: Map<string, string>): Promise<void> => {
    const found = await lstat(placeOf(inner), { bigint: true }).catch(() => undefined);
    if (found?.isDirectory()) folders.set(inner, `${found.ino}-${found.birthtimeNs}`);
  };
  const walk = async (inner: string, { states, folders }: Found, problem: Problem): Promise<void> => {
    await note(inner, folders);
    const found = await readdir(placeOf(inner), { withFileTypes: true }).catch((error: unknown) => {
      if (!isAbsent(error))
        problem(
          inner || path,
          `${inner || path} cannot be read: ${codeOf(error)}; what is in it is not shared`,
        );
      return [];
    });
    for (const item of found) {
      if (isPassing(item.name)) continue;
      const state = inner === '' ? item.name : `${inner}/${item.name}`;
      const wrong = pathProblem(state);
      if (wrong !== undefined) problem(state, `'${state}' ${wrong} and is not shared; give it another name`);
      else if (item.isDirectory()) await walk(state, { states, folders }, problem);
      else await collect(state, states, problem);
    }
  };

  const tooLarge = (state: string, bytes: number | bigint): StateError =>
    new StateError(`${state} has ${bytes} bytes and is not shared; ${mostBytes} are the most`);

  /** Undefined when there is no such file. */
  const opened = async <T>(
    state: string,
    use: (file: FileHandle, size: number) => Promise<T>,
  ): Promise<T | undefined> => {
    const real = await resolve(state).catch(failed(`${state} cannot be read`));
    if (real === undefined) return undefined;
    const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
      (error: unknown) => (isAbsent(error) ? undefined : failed(`${state} cannot be read`)(error)),
    );
    if (file === undefined) return undefined;
    try {
      const { size } = await file.stat();
      if (size > mostBytes) throw tooLarge(state, size);
      return await use(file, size);
    } catch (error) {
      return failed(`${state} cannot be read`)(error);
    } finally {
      await file.close();
    }
  };

  return {
    root,
    whole,
    async scan(problem = () => undefined) {
      const found: Found = { states: new Map(), folders: new Map() };
      if (only === undefined) await walk('', found, problem);
      else {
        await note('', found.folders);
        await collect(only, found.states, problem);
        const message = await replaced(only);
        if (message !== undefined) problem(only, message);
      }
      return found;
    },
    look: lookAt,
    replaced,
    read: (state) =>
      opened(state, async (file) => {
        const content = await file.readFile();
        if (content.length > mostBytes) throw tooLarge(state, content.length);
        return content;
      }),
    digest: (state) =>
      opened(state, async (file, size) => {
        const hash = createHash('sha256');
        const part = Buffer.allocUnsafeSlow(Math.min(PART_BYTES, size + 1));
        for (let bytes = 0; ;) {
          const { bytesRead } = await file.read(part, 0, part.length);
          if (bytesRead === 0) return hash.digest('hex');
          bytes += bytesRead;
          if (bytes > mostBytes) throw tooLarge(state, bytes);
          hash.update(part.subarray(0, bytesRead));
        }
      }),
    async write(state, content) {
      try {
        const folder = await makeFolder(state);
        const target = join(folder, basename(state));
        const before = await lstat(target).catch(absent);
        if (before?.isDirectory() && !(await removeEmpty(target))) throw new StateError(isFolder(state));
        const path = join(folder, `${OWN}${randomBytes(6).toString('hex')}`);
        try {
          const mode = before?.isFile() ? before.mode & 0o777 : FILE_MODE;
          const written = await writeDraft(path, content, { mode, durable });
          await rename(path, target);
          const look = await inspect(state);
          return sameContent(look, written) ? look : undefined;
        } catch (error) {
          await rm(path, { force: true });
          throw error;
        }
      } catch (error) {
        return failed(`${state} cannot be written`)(error);
      }
    },
    async remove(state) {
      try {
        const folder = await realpath(dirname(placeOf(state))).catch(absent);
        if (folder === undefined || (folder !== root && !folder.startsWith(root + sep))) return;
        await rm(join(folder, basename(state)), { force: true });
      } catch (error) {
        failed(`${state} cannot be removed`)(error);
      }
    },
    stateOf(received) {
      if (only !== undefined) {
        if (received === '' || received === only) return only;
        throw new StateError(`'${received}' is another state than the one file that is shared here`);
      }
      const problem = pathProblem(received);
      if (problem !== undefined) throw new StateError(`the path '${received}' ${problem} and was refused`);
      return received;
    },
    pathOf: (state) => (only === undefined ? state : ''),
  };
}
