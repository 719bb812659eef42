#!/usr/bin/env node
/** The command `xi-k8s`: one subcommand a program. */
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { isFlag } from '../lightpeer/settings.js';
import { UsageError } from './usage.js';
import { readVersion } from './version.js';

interface Command {
  readonly summary: string;
  /** Whether a pod of the embedded cluster may run it. */
  readonly inPods: boolean;
  run(args: readonly string[]): Promise<void>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  serve: {
    summary: 'run the operator (settings by environment; see the README)',
    inPods: true,
    async run(args) {
      if (args.length > 0) throw new UsageError(`serve takes no arguments, and has ${args.join(' ')}`);
      await (await import('../server/main.js')).serve(program, readVersion());
    },
  },
  lightpeer: {
    summary: 'run a peer of a lightchain network beside an application (lightpeer --help)',
    inPods: true,
    run: async (args) => (await import('./lightpeer.js')).lightpeer(args),
  },
  'plugin-host': {
    summary: 'run the host that plugins register with and call each other by (plugin-host --help)',
    inPods: true,
    run: async (args) => (await import('./plugin-host.js')).pluginHost(args),
  },
  devcluster: {
    summary: 'run the embedded cluster alone (devcluster --help)',
    inPods: false,
    run: async (args) => (await import('./devcluster.js')).devcluster(args, program),
  },
  example: {
    summary: 'run a small program of the examples (example --help)',
    inPods: true,
    run: async (args) => (await import('./example.js')).example(args),
  },
};

/** What the embedded cluster's pods of our own image run: this program. */
const program = {
  argv: [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)],
  commands: Object.keys(COMMANDS).filter((name) => COMMANDS[name]?.inPods),
  isFlag,
  kill: (group: number, signal: NodeJS.Signals) => void process.kill(-group, signal),
};

const usage = `Usage: xi-k8s COMMAND

${Object.entries(COMMANDS)
  .map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`)
  .join('\n')}
`;

/** As a pod of the embedded cluster it ends with the kubelet, however that one ended. */
function endWithParent(): void {
  const fd = Number(process.env['XI_POD_PARENT_FD']);
  if (!Number.isInteger(fd) || fd < 3) return;
  const parent = new Socket({ fd, readable: true, writable: false });
  // No exit handlers: a log that flushes into a broken pipe would try for ever.
  const end = (): boolean => process.kill(process.pid, 'SIGKILL');
  parent.on('end', end).on('error', end).resume().unref();
}

endWithParent();
const given = process.argv.slice(2);
/** A manifest of the Go sidecar gives flags and no subcommand. */
const [name, ...args] = given[0] !== undefined && isFlag(given[0]) ? ['lightpeer', ...given] : given;
const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
if (name === '--help' || name === '-h' || name === 'help') process.stdout.write(usage);
else {
  try {
    if (command === undefined)
      throw new UsageError(name === undefined ? 'a command is needed' : `there is no command ${name}`);
    await command.run(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`xi-k8s: ${error.message}\n\n${error.usage ?? usage}`);
    process.exitCode = 2;
  }
}
