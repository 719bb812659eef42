/** Builds the Go programs of test/interop, which play the peers of other implementations. Needs Go. */
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, readdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const CACHE = process.env['TEST_INTEROP_CACHE'] ?? '.cache/interop';
/** By the name that a buf.gen.yaml calls them. */
const GENERATORS: Readonly<Record<string, string>> = {
  'protoc-gen-go': 'google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.8',
  'protoc-gen-go-grpc': 'google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.5.1',
  'protoc-gen-connect-go': 'connectrpc.com/connect/cmd/protoc-gen-connect-go@v1.18.1',
};

/** Whether the programs can be built. */
export const hasGo = (): boolean => spawnSync('go', ['version']).status === 0;

async function digestOf(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(Object.values(GENERATORS).join());
  for (const file of files) hash.update(file).update(await readFile(file));
  return hash.digest('hex').slice(0, 16);
}

/** The generators that a folder's buf.gen.yaml names. */
async function generatorsOf(folder: string): Promise<string[]> {
  const named = await readFile(join(folder, 'buf.gen.yaml'), 'utf8');
  return [...named.matchAll(/^ *- local: *(\S+)$/gm)].map(([, name = '']) => {
    const generator = GENERATORS[name];
    if (generator === undefined)
      throw new Error(`${folder}/buf.gen.yaml names ${name}, which is not known here`);
    return generator;
  });
}

/**
 * Builds the program of a folder of test/interop from its sources, the .proto files beside them, and one of ours, once a
 * version of them. Answers the program's path. Rejects with what Go or buf said.
 */
export async function buildGo(name: string, proto: string): Promise<string> {
  const sources = join('test/interop', name);
  const files = (await readdir(sources)).filter((file) => /\.(go|mod|sum|yaml|proto)$/.test(file)).sort();
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
  for (const generator of await generatorsOf(sources)) await run('go', ['install', generator], options);
  const protoFolder = resolve('proto');
  const buf = resolve('node_modules/.bin/buf');
  await run(buf, ['generate', protoFolder, '--path', join(protoFolder, proto)], options);
  if (files.some((file) => file.endsWith('.proto'))) await run(buf, ['generate', '.'], options);
  await run('go', ['build', '-trimpath', '-o', program.replace(made, work), '.'], options);
  await rename(work, made).catch(async (error: unknown) => {
    // Another test has made it meanwhile, and runs it.
    if (!existsSync(program)) throw error;
    await rm(work, { recursive: true });
  });
  return program;
}
