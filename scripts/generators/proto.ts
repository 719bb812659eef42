/** The code of proto/gen, by buf and protoc-gen-es as proto/buf.gen.yaml says. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Each generated file: its path below proto/ and its text. */
export async function protoCode(): Promise<{ path: string; text: string }[]> {
  const out = await mkdtemp(join(tmpdir(), 'proto-'));
  try {
    await run(resolve('node_modules/.bin/buf'), ['generate', '--output', out], { cwd: 'proto' });
    const entries = await readdir(out, { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name));
    return await Promise.all(
      files.sort().map(async (file) => ({ path: relative(out, file), text: await readFile(file, 'utf8') })),
    );
  } finally {
    await rm(out, { recursive: true });
  }
}
