/** The processes that are compared: started, asked, measured from outside, ended. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { residentMiB } from '../test/helpers/resident.js';

export interface Program {
  readonly pid: number;
  /** MiB of memory that the process holds now. */
  residentMiB(): number;
  /** Ends it and waits. */
  stop(): Promise<void>;
}

/** A program of bench/peers: told what to do by messages, each answered by one. */
export interface Peer<Ready> extends Program {
  /** What it said when it was ready. */
  readonly ready: Ready;
  ask<Answer>(message: object): Promise<Answer>;
}

export interface Operator extends Program {
  readonly url: string;
  readonly opsUrl: string;
}

/** A file of what was built, by its path from here. */
export const built = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** @param child just started. */
export const asProgram = (child: ChildProcess): Program => ({
  pid: child.pid!,
  residentMiB: () => residentMiB(child.pid!),
  async stop() {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill();
    await ended;
  },
});

type Reply = { readonly answer: unknown } | { readonly error: string };

/** The next message of a peer. Rejects with what it threw, or when it ends without an answer. */
const reply = (child: ChildProcess, name: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const done = (): void => {
      child.off('message', heard).off('exit', ended);
    };
    const heard = (message: Reply): void => {
      done();
      if ('error' in message) reject(new Error(`${name}: ${message.error}`));
      else resolve(message.answer);
    };
    const ended = (code: number | null): void => {
      done();
      reject(new Error(`${name} ended with ${code}`));
    };
    child.on('message', heard).on('exit', ended);
  });

/** Starts a program of bench/peers. @param setup its first message. */
export async function startPeer<Ready>(name: string, setup: object): Promise<Peer<Ready>> {
  const child = spawn(process.execPath, [built(`./peers/${name}.js`)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const ask = <Answer>(message: object): Promise<Answer> => {
    const answer = reply(child, name);
    child.send(message);
    return answer as Promise<Answer>;
  };
  return { ...asProgram(child), ask, ready: await ask<Ready>(setup) };
}

/** Starts the operator as production does, on free ports; resolves when `/readyz` says so. */
export async function startOperator(settings: Readonly<Record<string, string>>): Promise<Operator> {
  const child = spawn(process.execPath, [built('../cli/xi-k8s.js'), 'serve'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { PATH: process.env['PATH'], XI_PORT: '0', XI_OPS_PORT: '0', ...settings },
  });
  let said = '';
  const urls = await new Promise<readonly [string, string]>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const [, url, opsUrl] = /listens on (\S+) .*health on (\S+)\/healthz/.exec(said) ?? [];
      if (url !== undefined && opsUrl !== undefined) resolve([url, opsUrl]);
    });
    child.once('exit', (code) => reject(new Error(`the operator ended with ${code}; it said: ${said}`)));
  });
  const [url, opsUrl] = urls;
  while ((await fetch(`${opsUrl}/readyz`)).status !== 200);
  return { ...asProgram(child), url, opsUrl };
}
