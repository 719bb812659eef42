/** The built-in `tar`: packs and unpacks as `kubectl cp` asks for it. */
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { PathError, find, leadsOut, wordsOf } from '../folders/view.js';
import type { Found } from '../folders/view.js';
import { Failure, forEach } from './builtin.js';
import type { Builtin, ExecContext } from './builtin.js';
import { END_OF_ARCHIVE, encodeHeader, paddingOf } from './tar-format.js';
import { readTar } from './tar-reader.js';
import type { ReadEntry } from './tar-reader.js';

/** The code of an archive or file that could not be handled. */
const TROUBLE = 2;

interface Call {
  readonly creates: boolean;
  readonly folder: string;
  readonly operands: readonly string[];
}

const parse = (args: readonly string[]): Call => {
  const letters = new Set<string>();
  const operands: string[] = [];
  let folder = '.';
  let file: string | undefined;
  const rest = [...args];
  for (let isFirst = true; rest.length > 0; isFirst = false) {
    const arg = rest.shift() ?? '';
    if (arg === '-C') folder = rest.shift() ?? '.';
    else if (/^--no-same-(owner|permissions)$/.test(arg)) continue;
    else if (isFirst || /^-./.test(arg)) {
      for (const letter of arg.replace(/^-/, '')) {
        if (!'cxfmpo'.includes(letter)) throw new Failure(`tar: invalid option -- '${letter}'`, TROUBLE);
        letters.add(letter);
        if (letter === 'f') file = rest.shift();
      }
    } else operands.push(arg);
  }
  const creates = letters.has('c');
  if (creates === letters.has('x'))
    throw new Failure("tar: You must specify one of the '-cx' options", TROUBLE);
  if (file !== '-')
    throw new Failure('tar: only archives on standard input and output are there: give f -', TROUBLE);
  if (creates && operands.length === 0)
    throw new Failure('tar: Cowardly refusing to create an empty archive', TROUBLE);
  return { creates, folder, operands };
};

const pack = async (context: ExecContext, { folder, operands }: Call): Promise<number> => {
  const { out, view, signal } = context;
  const put = async (name: string, path: string): Promise<void> => {
    signal.throwIfAborted();
    const { stats, real, path: at } = await find(view, path, { follow: false });
    if (stats === undefined) throw new PathError('Cannot stat: No such file or directory');
    const mtime = Math.trunc(stats.mtimeMs / 1000);
    const entry = { path: name, mode: stats.mode, mtime, size: 0, target: '' };
    if (stats.isSymbolicLink())
      await out(encodeHeader({ ...entry, type: 'symlink', target: await readlink(real) }));
    else if (stats.isDirectory()) {
      await out(encodeHeader({ ...entry, type: 'directory', path: `${name.replace(/\/$/, '')}/` }));
      for (const child of (await readdir(real)).sort())
        await put(posix.join(name, child), posix.join(at, child));
    } else if (stats.isFile()) {
      await out(encodeHeader({ ...entry, type: 'file', size: stats.size }));
      let left = stats.size;
      if (left > 0)
        // What grows meanwhile is cut, what shrinks is filled up: the size stands in the header.
        for await (const chunk of createReadStream(real, { end: stats.size - 1 })) {
          left -= (chunk as Buffer).length;
          await out(chunk as Buffer);
        }
      await out(Buffer.alloc(left + paddingOf(stats.size)));
    }
  };
  let told = false;
  const code = await forEach('tar', operands, { context, code: TROUBLE }, async (operand) => {
    const name = operand.replace(/^\/+/, '') || './';
    if (name !== operand && operand !== '/' && !told) {
      told = true;
      await context.err("tar: Removing leading `/' from member names\n");
    }
    await put(name, operand.startsWith('/') ? operand : posix.join(folder, operand));
  });
  await out(END_OF_ARCHIVE);
  return code;
};

/** A folder, made where it is missing, with those above it. */
const folderAt = async ({ view }: ExecContext, path: string): Promise<Found> => {
  let found = await find(view, '/');
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    found = await find(view, posix.join(found.path, part));
    if (found.stats === undefined) {
      if (found.readOnly) throw new PathError('Cannot mkdir: Read-only file system');
      await mkdir(found.real);
    } else if (!found.stats.isDirectory()) throw new PathError('Cannot open: Not a directory');
  }
  return found;
};

const unpackEntry = async (context: ExecContext, base: string, entry: ReadEntry): Promise<void> => {
  const { view } = context;
  const name = posix.normalize(entry.path.replace(/^\/+/, '') || '.');
  if (entry.path.split('/').includes('..')) throw new PathError("Member name contains '..', skipping");
  if (entry.type === 'directory') {
    const made = await folderAt(context, posix.join(base, name));
    if (name !== '.' && !made.readOnly) await chmod(made.real, (entry.mode & 0o777) | 0o700);
    return;
  }
  const parent = await folderAt(context, posix.join(base, posix.dirname(name)));
  const found = await find(view, posix.join(parent.path, posix.basename(name)), { follow: false });
  if (found.readOnly) throw new PathError('Cannot open: Read-only file system');
  if (found.stats?.isDirectory()) throw new PathError('Cannot open: File exists');
  if (entry.type === 'symlink' && leadsOut(entry.target, found.depth))
    throw new PathError(`Cannot create symlink to '${entry.target}': it might lead out of the folder`);
  if (entry.type === 'other') throw new PathError('Cannot create: only files, folders and links are there');
  await rm(found.real, { force: true });
  if (entry.type === 'symlink') return symlink(entry.target, found.real);
  if (entry.type === 'link') {
    const source = await find(view, posix.join(base, posix.normalize(`/${entry.target}`)));
    return copyFile(source.real, found.real);
  }
  const target = createWriteStream(found.real, { flags: 'wx', mode: 0o600 });
  await pipeline(entry.content(), target, { signal: context.signal });
  await chmod(found.real, entry.mode & 0o777);
};

const unpack = async (context: ExecContext, { folder }: Call): Promise<number> => {
  const base = await find(context.view, folder);
  if (base.stats === undefined)
    throw new Failure(`tar: ${folder}: Cannot open: No such file or directory`, TROUBLE);
  let code = 0;
  try {
    for await (const entry of readTar(context.stdin)) {
      context.signal.throwIfAborted();
      try {
        await unpackEntry(context, base.path, entry);
      } catch (error) {
        context.signal.throwIfAborted();
        await context.err(`tar: ${entry.path}: ${wordsOf(error)}\n`);
        code = TROUBLE;
      }
    }
  } catch (error) {
    context.signal.throwIfAborted();
    throw new Failure(`tar: ${(error as Error).message}`, TROUBLE);
  }
  return code;
};

export const tar: Builtin = (args, context) => {
  const call = parse(args);
  return call.creates ? pack(context, call) : unpack(context, call);
};
