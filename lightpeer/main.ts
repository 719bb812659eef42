/** The sidecar as a program: flags and environment → peer, state files, health. Signals are the caller's. */
import { join } from 'node:path';
import { followCertificates, readCertificates } from './certificates.js';
import { exposition, startOps } from './ops.js';
import { OptionsError, readOptions } from './options.js';
import { startPeer } from './peer.js';
import { PeerError } from './port.js';
import { LIMITS } from './replica/ports.js';
import type { Log } from './replica/ports.js';
import { usage } from './settings.js';
import { StateError } from './state/folder.js';

export { OptionsError, usage };

/** A sidecar that cannot start; the message is for people. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

export interface RunningPeer {
  readonly address: string;
  readonly opsPort: number;
  /** Leaves the network, so that the others need not find out, and stops. */
  close(): Promise<void>;
}

export interface RunDeps {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** Takes a line of the log, without its line feed. */
  write(line: string): void;
}

const logTo = (write: (line: string) => void, verbose: boolean): Log => {
  const line = (level: string, what: object, message: string): void =>
    write(JSON.stringify({ time: new Date().toISOString(), level, message, ...what }));
  return {
    info: (what, message) => {
      if (verbose) line('info', what, message);
    },
    warn: (what, message) => line('warn', what, message),
  };
};

/** Whether the message says it all: ours, and those of the system. */
const isForPeople = (error: unknown): error is Error =>
  error instanceof PeerError ||
  error instanceof StateError ||
  (error instanceof Error && typeof (error as NodeJS.ErrnoException).code === 'string' && 'syscall' in error);

/** Starts the sidecar. Rejects with OptionsError or StartError, whose message is for people. */
export async function runPeer(argv: readonly string[], deps: RunDeps): Promise<RunningPeer> {
  const read = readOptions(argv, deps.environment);
  try {
    return await start(read, deps);
  } catch (error) {
    if (!isForPeople(error)) throw error;
    throw new StartError(error.message, { cause: error });
  }
}

async function start(
  { options, place }: ReturnType<typeof readOptions>,
  { version, write }: RunDeps,
): Promise<RunningPeer> {
  const log = logTo(write, options.verbose);
  if (options.statePath !== undefined)
    await (await import('./state/overlap.js')).refuseOwnChain(options.statePath, options.repo);
  const tls = options.tls && (await readCertificates(options.tls));
  const peer = await startPeer({
    repo: options.repo,
    host: options.host,
    port: options.port,
    // A pod of the embedded cluster shares its 127.0.0.1 with the whole machine.
    local: place.api === undefined,
    name: options.name,
    version,
    log,
    tls,
    sync: options.sync,
    dialled: (address) => place.address(address),
    limits: {
      compactBytes: options.compactMb * 2 ** 20,
      compactBlocks: options.compactBlocks,
      compactAge: options.compactHours * 3_600_000,
      keepBlocks: options.keepBlocks,
      lookFor: LIMITS.lookFor,
    },
  });
  const following =
    tls &&
    options.tls &&
    followCertificates(options.tls, tls, {
      renewed: (certificates) => {
        peer.certify(certificates);
        log.info({}, 'the certificates were renewed');
      },
      problem: (message) => log.warn({}, message),
    });
  try {
    const state =
      options.statePath === undefined
        ? undefined
        : await (
            await import('./state/sync.js')
          ).startStateSync({
            peer,
            path: options.statePath,
            memory: join(options.repo, 'state.log'),
            durable: options.sync,
            log: (message) => log.warn({}, message),
          });
    const ops = await startOps(
      { host: options.opsHost, port: options.opsPort },
      {
        ready: () => peer.ready() && state?.following() !== false,
        metrics: () => exposition(peer.metrics(), state?.counters),
      },
    );
    write(
      JSON.stringify({
        time: new Date().toISOString(),
        level: 'info',
        message: 'lightpeer listens',
        address: peer.address,
        ops: `${options.opsHost}:${ops.port}`,
        repo: options.repo,
        ...(options.statePath !== undefined && { statePath: options.statePath }),
      }),
    );
    return {
      address: peer.address,
      opsPort: ops.port,
      close: async () => {
        following?.stop();
        await state?.close();
        await peer.close();
        await ops.close();
      },
    };
  } catch (error) {
    following?.stop();
    await peer.close();
    throw error;
  }
}
