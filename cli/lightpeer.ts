/** `xi-k8s lightpeer`: the sidecar. */
import { OptionsError, StartError, runPeer, usage } from '../lightpeer/main.js';
import type { RunningPeer } from '../lightpeer/main.js';
import { closeAtSignal } from './until-signal.js';
import { UsageError } from './usage.js';
import { readVersion } from './version.js';

/** Runs a peer until a signal; resolves when it listens. Exits with 1 when it cannot start. */
export async function lightpeer(args: readonly string[]): Promise<void> {
  if (args.some((arg) => /^--?(help|h)$/.test(arg))) {
    process.stdout.write(usage());
    return;
  }
  let peer: RunningPeer | undefined;
  closeAtSignal('lightpeer', () => peer?.close());
  try {
    peer = await runPeer(args, {
      environment: process.env,
      version: readVersion(),
      write: (line) => process.stdout.write(`${line}\n`),
    });
  } catch (error) {
    if (error instanceof OptionsError) throw new UsageError(error.message, usage());
    if (!(error instanceof StartError)) throw error;
    process.stderr.write(`xi-k8s lightpeer: ${error.message}\n`);
    process.exit(1);
  }
}
