/** `xi-k8s plugin-host`: the host container of a plugin pod. */
import { runHost } from '../server/plugin-host/main.js';
import type { RunningHost } from '../server/plugin-host/main.js';
import { ConfigError, describeHostSettings } from '../server/plugin-host/options.js';
import { closeAtSignal } from './until-signal.js';
import { UsageError } from './usage.js';
import { readVersion } from './version.js';

const usage = (): string => `Usage: xi-k8s plugin-host

Registers plugins, tells them of one another, and routes the calls between them. Settings, by environment:

${describeHostSettings()
  .map(
    ({ name, description, allowed, default: value }) =>
      `  ${name}${value === undefined || value === '' ? '' : ` (${value})`}\n      ${description} Allowed: ${allowed}.`,
  )
  .join('\n')}
`;

/** Runs the host until a signal; resolves when it listens. Exits with 1 when it cannot start. */
export async function pluginHost(args: readonly string[]): Promise<void> {
  if (args.some((arg) => /^--?(help|h)$/.test(arg))) {
    process.stdout.write(usage());
    return;
  }
  if (args.length > 0)
    throw new UsageError(`plugin-host takes no arguments, and has ${args.join(' ')}`, usage());
  let host: RunningHost | undefined;
  closeAtSignal('plugin-host', () => host?.close());
  try {
    host = await runHost({
      environment: process.env,
      version: readVersion(),
      output: process.stdout.fd,
    });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`xi-k8s plugin-host cannot start: ${error.message}\n`);
    process.exit(1);
  }
}
