#!/usr/bin/env node
/** The command `xi-k8s`: one subcommand a program. */

const COMMANDS: Record<string, { summary: string; run(): Promise<void> }> = {
  serve: {
    summary: 'run the operator (settings by environment; see the README)',
    run: async () => (await import('../server/main.js')).serve(),
  },
};

const usage = `Usage: xi-k8s COMMAND

${Object.entries(COMMANDS)
  .map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`)
  .join('\n')}
`;

const [name, ...rest] = process.argv.slice(2);
const command = COMMANDS[name ?? ''];
if (name === '--help' || name === '-h' || name === 'help') process.stdout.write(usage);
else if (command === undefined || rest.length > 0) {
  const why =
    name === undefined
      ? 'a command is needed'
      : command === undefined
        ? `there is no command ${name}`
        : `${name} takes no arguments, and has ${rest.join(' ')}`;
  process.stderr.write(`xi-k8s: ${why}\n\n${usage}`);
  process.exitCode = 2;
} else await command.run();
