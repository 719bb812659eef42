/** Peers of lightchains as processes of their own: ours, and those that behave like the reference. */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { residentMiB } from '../test/helpers/resident.js';

const run = promisify(execFile);

const OURS = [process.execPath, fileURLToPath(new URL('../cli/xi-k8s.js', import.meta.url)), 'lightpeer'];

export interface Sidecar {
  /** `ip:port` */
  readonly address: string;
  /** The folder that it was given as state, when it was. */
  readonly shared: string;
  /** Memory that it holds now. */
  residentMiB(): number;
  stop(): Promise<void>;
}

export interface Sidecars {
  /** Starts one of ours. @param flags of the sidecar, beside its address and folder. */
  ours(flags?: readonly string[]): Promise<Sidecar>;
  /** Starts one that behaves like the reference. */
  golike(flags?: readonly string[]): Promise<Sidecar>;
  /** Starts so many, and joins each to the first. */
  network(count: number, start: () => Promise<Sidecar>): Promise<Sidecar[]>;
  /** A call by the Go client; answers what it printed. */
  call(command: string, address: string, ...args: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** Each has an address of its own, as pods have. */
let taken = 0;
const nextHost = (): string => {
  taken += 1;
  return `127.14.${taken >> 8}.${taken & 255}`;
};

/** @param go the program of test/interop/lightpeer. */
export async function openSidecars(go: string): Promise<Sidecars> {
  const home = await mkdtemp(join(tmpdir(), 'xi-k8s-lightpeers-'));
  const running = new Set<Sidecar>();

  const start = async (argv: readonly string[], flags: readonly string[]): Promise<Sidecar> => {
    const host = nextHost();
    const folder = await mkdtemp(join(home, 'peer-'));
    const shared = join(folder, 'index.html');
    const [program = '', ...args] = argv;
    const state = flags.includes('-statePath') ? [shared] : [];
    const repo = await mkdtemp(join(home, 'repo-'));
    const child: ChildProcess = spawn(
      program,
      [...args, '-repo', repo, '-host', host, '-port', '9081', ...flags, ...state],
      { stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env['PATH'] } },
    );
    const ended = once(child, 'exit');
    const lines = createInterface(child.stdout!);
    await Promise.race([once(lines, 'line'), ended]);
    if (child.exitCode !== null) throw new Error(`a peer ended with ${child.exitCode}`);
    const sidecar: Sidecar = {
      address: `${host}:9081`,
      shared,
      residentMiB: () => residentMiB(child.pid!),
      async stop() {
        running.delete(sidecar);
        child.kill('SIGKILL');
        await ended;
      },
    };
    running.add(sidecar);
    return sidecar;
  };

  const sidecars: Sidecars = {
    ours: (flags = []) => start(OURS, flags),
    golike: (flags = []) => start([go, 'peer'], flags),
    async network(count, startOne) {
      const all: Sidecar[] = [];
      for (let i = 0; i < count; i++) all.push(await startOne());
      for (const each of all.slice(1)) await sidecars.call('join', each.address, all[0]!.address);
      return all;
    },
    async call(command, address, ...args) {
      return (await run(go, [command, address, ...args], { maxBuffer: 64 << 20 })).stdout;
    },
    async stop() {
      await Promise.all([...running].map((each) => each.stop()));
      await rm(home, { recursive: true, force: true });
    },
  };
  return sidecars;
}
