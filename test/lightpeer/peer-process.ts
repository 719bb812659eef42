/**
 * A peer as a process of its own, with faults at hand: the message `clock` makes its clock jump, `full` makes its disk refuse
 * to write, `free` makes it write again. To `memory` it answers how many bytes it holds. Arguments: a JSON object; see PeerProcessOptions.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { startPeer } from '../../lightpeer/peer.js';
import { openDisk } from '../../lightpeer/store/disk.js';
import type { Disk } from '../../lightpeer/store/disk.js';
import type { Limits } from '../../lightpeer/replica/ports.js';

export interface PeerProcessOptions {
  readonly repo: string;
  readonly host: string;
  readonly port: number;
  /** Member address → where to connect instead. */
  readonly routes: Readonly<Record<string, string>>;
  readonly limits: Partial<Limits>;
  readonly verbose: boolean;
}

const options = JSON.parse(process.argv[2] ?? '{}') as PeerProcessOptions;

let full = false;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
/**
 * What is in use: what the process has of the machine depends on when V8 collects. Memory of buffers is given back some time after
 * their collection, so the least of several looks counts.
 */
async function held(): Promise<number> {
  let least = Infinity;
  for (let look = 0; look < 10; look++) {
    collect();
    await delay(50);
    const { heapUsed, external } = process.memoryUsage();
    least = Math.min(least, heapUsed + external);
  }
  return least;
}

const now = Date.now.bind(Date);
let jumped = 0;
process.on('message', (message) => {
  if (message === 'clock') jumped = jumped === 0 ? 86_400_000 * (Math.random() - 0.5) : 0;
  else if (message === 'memory') return void held().then((bytes) => process.send?.({ held: bytes }));
  else full = message === 'full';
  Date.now = () => now() + jumped;
});

/** The real folder, until it is full. */
async function faulty(folder: string): Promise<Disk> {
  const disk = await openDisk(folder);
  const check = (): void => {
    if (full) throw new Error('no space left on device');
  };
  return {
    ...disk,
    open: async (name) => {
      const file = await disk.open(name);
      return {
        ...file,
        write: async (buffer, position) => {
          check();
          await file.write(buffer, position);
          check();
        },
      };
    },
  };
}

const say = (what: object, message: string): void => {
  if (options.verbose)
    process.stderr.write(
      `${new Date(now()).toISOString()} ${options.host} ${message} ${JSON.stringify(what)}\n`,
    );
};

const peer = await startPeer({
  repo: await faulty(options.repo),
  host: options.host,
  port: options.port,
  route: (address) => options.routes[address] ?? address,
  limits: options.limits,
  log: { info: say, warn: say },
});
process.on('SIGTERM', () => {
  void peer.close().then(() => process.exit(0));
});
process.send?.('ready');
// Whoever started it is gone: so is this.
process.on('disconnect', () => process.exit(1));
