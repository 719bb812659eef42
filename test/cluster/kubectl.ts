/** kubectl as people type it, for tests on a real cluster: run to its end, and port-forward. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { eventually } from '../helpers/eventually.js';

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Why tests that need a cluster and kubectl cannot run here; undefined when they can. */
export function whyNot(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (env['KUBECONFIG'] === undefined)
    return 'no KUBECONFIG: run it by `npm run cluster -- --image @xi-k8s …`';
  const found = (env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'kubectl')));
  return found ? undefined : 'no kubectl on the PATH';
}

const collect = (child: ChildProcess): { stdout: string; stderr: string } => {
  const said = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (said.stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said.stderr += text));
  return said;
};

/** Runs a program to its end. `input` goes to its standard input. */
export async function run(argv: readonly string[], input = ''): Promise<Ended> {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, { stdio: 'pipe' });
  const said = collect(child);
  child.stdin.on('error', () => undefined).end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code: code ?? 255, ...said };
}

/** Runs kubectl and answers what it printed. Throws with its words when it fails. */
export async function kubectl(args: readonly string[], input?: object | string): Promise<string> {
  const ended = await run(['kubectl', ...args], typeof input === 'object' ? JSON.stringify(input) : input);
  if (ended.code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${ended.stderr || ended.stdout}`);
  return ended.stdout;
}

/** What an object is right now. */
export const read = async <T = Record<string, unknown>>(...args: string[]): Promise<T> =>
  JSON.parse(await kubectl(['get', ...args, '-o', 'json'])) as T;

export interface Forward {
  /** Base URL of the pod's port. */
  readonly url: string;
  stop(): Promise<void>;
}

/** `kubectl port-forward` of a pod's port to a free local one; resolves when it listens. */
export async function portForward(namespace: string, target: string, port: number): Promise<Forward> {
  const args = ['port-forward', '--namespace', namespace, '--address', '127.0.0.1', target, `:${port}`];
  const child = spawn('kubectl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = collect(child);
  const ended = once(child, 'close');
  const local = await Promise.race([
    new Promise<string>((resolve) =>
      createInterface(child.stdout).on('line', (line) => {
        const found = /^Forwarding from (127\.0\.0\.1:\d+)/.exec(line)?.[1];
        if (found !== undefined) resolve(found);
      }),
    ),
    ended.then(() => Promise.reject(new Error(`kubectl ${args.join(' ')}: ${said.stderr}`))),
  ]);
  return {
    url: `http://${local}`,
    async stop() {
      child.kill();
      await ended;
    },
  };
}

/** How long a wait may last, in milliseconds: long past what a busy machine needs. */
const PATIENCE_MS = 90_000;

/** Asks again until the answer will do. Throws with the last answer when it never does. */
export const until = <T>(ask: () => T | Promise<T>, good: (answer: T) => boolean): Promise<T> =>
  eventually(ask, good, { what: 'what was waited for', patienceMs: PATIENCE_MS, everyMs: 100 });

/** Waits for what a new namespace gets a moment after it: its ServiceAccount. */
export const makeNamespace = async (name: string): Promise<void> => {
  await kubectl(['create', 'namespace', name]);
  await until(
    () => run(['kubectl', 'get', 'serviceaccount', 'default', '-n', name]),
    ({ code }) => code === 0,
  );
};
