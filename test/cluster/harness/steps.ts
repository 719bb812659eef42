/** Progress lines, the harness' own error, and running a program to its end. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';

/** What a person is told instead of a stack trace. */
export class Failure extends Error {
  override readonly name = 'Failure';
}

export const say = (line: string): void => {
  process.stderr.write(`cluster: ${line}\n`);
};

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/** Runs one step and prints one line with its seconds; a long step is announced first. */
export const step = async <T>(what: string, work: () => Promise<T>, announce = false): Promise<T> => {
  const start = performance.now();
  if (announce) say(`${what} …`);
  const result = await work();
  say(`${seconds(start).padStart(7)}  ${what}`);
  return result;
};

/** The last lines of a file, indented; empty when there is no such file. */
export const tail = async (file: string, lines = 30): Promise<string> => {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .trimEnd()
    .split('\n')
    .slice(-lines)
    .map((line) => `    ${line}`)
    .join('\n');
};

export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
}

/** Runs a program and answers its stdout. Throws Failure with what it wrote to stderr when its exit code is not 0. */
export const run = (argv: readonly string[], options: RunOptions = {}): Promise<string> =>
  new Promise((resolve, reject) => {
    const [program = '', ...args] = argv;
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', (error) => reject(new Failure(`cannot run ${program}: ${error.message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(Buffer.concat(out).toString());
      const said = `${Buffer.concat(out).toString()}\n${Buffer.concat(err).toString()}`.trim();
      const lines = said.split('\n').slice(-20).join('\n    ');
      reject(
        new Failure(`\`${argv.join(' ')}\` ended with ${signal ?? code}:\n    ${lines}${diskAdvice(said)}`),
      );
    });
  });

/** The sentence to add to an error's text when it comes from a full disk. */
export const diskAdvice = (text: string): string =>
  /no space left on device|ENOSPC/i.test(text)
    ? '\nThe disk is full. Free some room (a first build takes about 6 GB, an image three times its size), or set' +
      ' TEST_CLUSTER_CACHE to a folder on a larger disk.'
    : '';
