/** Builds the Go programs of test/interop, which play the peers of other implementations. Needs Go. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, readdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const CACHE = process.env['TEST_INTEROP_CACHE'] ?? '.cache/interop';
const GENERATORS = [
  'google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.8',
  'google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.5.1',
];

async function digestOf(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(GENERATORS.join());
  for (const file of files) hash.update(file).update(await readFile(file));
  return hash.digest('hex').slice(0, 16);
}

/**
 * Builds the program of a folder of test/interop from its sources and one of our .proto files, once a version of them.
 * Answers the program's path. Rejects with what Go or buf said.
 */
export async function buildGo(name: string, proto: string): Promise<string> {
  const sources = join('test/interop', name);
  const files = (await readdir(sources)).filter((file) => /\.(go|mod|sum|yaml)$/.test(file)).sort();
  const digest = await digestOf([...files.map((file) => join(sources, file)), join('proto', proto)]);
  const made = resolve(CACHE, `${name}-${digest}`);
  const program = join(made, 'program');
  if (existsSync(program)) return program;

  const work = `${made}.${process.pid}`;
  await rm(work, { recursive: true, force: true });
  await mkdir(join(work, 'bin'), { recursive: true });
  for (const file of files) await cp(join(sources, file), join(work, file));
  const options = {
    cwd: work,
    env: { ...process.env, GOBIN: join(work, 'bin'), PATH: `${join(work, 'bin')}:${process.env['PATH']}` },
    maxBuffer: 16 << 20,
  };
  for (const generator of GENERATORS) await run('go', ['install', generator], options);
  const protoFolder = resolve('proto');
  const buf = resolve('node_modules/.bin/buf');
  await run(buf, ['generate', protoFolder, '--path', join(protoFolder, proto)], options);
  await run('go', ['build', '-trimpath', '-o', program.replace(made, work), '.'], options);
  await rm(made, { recursive: true, force: true });
  await rename(work, made);
  return program;
}
