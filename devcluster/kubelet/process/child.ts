/** A program of ours as a child process, in a group of its own. It ends when this process does, however that ends. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { MAX_TIMER_MS } from '../../../kube/timers.js';
import type { PodProgram } from '../../devcluster.js';
import type { OutputName } from '../log-store.js';

export interface ChildOptions {
  readonly program: PodProgram;
  /** The subcommand and its arguments. */
  readonly args: readonly string[];
  /** All of the environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  onOutput(stream: OutputName, bytes: Buffer): void;
}

export interface Child {
  /** The exit code, 128 and the signal's number where one ended it. Resolves when all output has been handed on. */
  readonly ended: Promise<number>;
  /** SIGTERM now, SIGKILL at a time that later calls can only bring forward. Milliseconds from now. */
  stop(graceMs: number): void;
}

/** The descriptor whose end tells the child that this process is no more. */
const PARENT_FD = 3;
/** How long output is waited for after the exit, which something else may hold open. */
const DRAIN_MS = 1_000;

/** Starts it. Rejects when the system cannot. */
export const startChild = async (options: ChildOptions): Promise<Child> => {
  const { program, args, environment, cwd, onOutput } = options;
  const [file = '', ...before] = program.argv;
  const child: ChildProcess = spawn(file, [...before, ...args], {
    cwd,
    env: { ...environment, XI_POD_PARENT_FD: String(PARENT_FD) },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
    shell: false,
    windowsHide: true,
  });
  await once(child, 'spawn');
  const { pid } = child;
  // A signal that cannot be sent is an error of the object; what matters is whether it exits.
  child.on('error', () => undefined);
  // The pipe is only held; that the child is gone is told by its exit.
  child.stdio[PARENT_FD]?.on('error', () => undefined);
  for (const name of ['stdout', 'stderr'] as const)
    (child[name] as Readable)
      .on('data', (bytes: Buffer) => onOutput(name, bytes))
      .on('error', () => undefined);

  const closed = once(child, 'close');
  const ended = once(child, 'exit').then(async ([code, signal]) => {
    const late = setTimeout(() => child.emit('close'), DRAIN_MS);
    await closed;
    clearTimeout(late);
    for (const stream of child.stdio) stream?.destroy();
    if (typeof code === 'number') return code;
    return 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
  });

  const send = (signal: NodeJS.Signals): void => {
    try {
      if (program.kill === undefined || pid === undefined) child.kill(signal);
      else program.kill(pid, signal);
    } catch {
      // It has ended meanwhile.
    }
  };
  let killAt = Infinity;
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  void ended.then(() => {
    over = true;
    clearTimeout(timer);
  });
  return {
    ended,
    stop: (graceMs) => {
      if (over) return;
      const at = performance.now() + graceMs;
      if (killAt === Infinity) send('SIGTERM');
      if (at >= killAt) return;
      killAt = at;
      clearTimeout(timer);
      timer = setTimeout(() => send('SIGKILL'), Math.min(graceMs, MAX_TIMER_MS));
    },
  };
};
