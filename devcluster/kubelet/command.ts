/** What a container of our image runs: our entrypoint with a subcommand, and nothing else. */

/** Arguments of our command, subcommand first; or why a runtime could not start it, in its words. */
export type Entry = { is: 'program'; args: readonly string[] } | { is: 'refused'; message: string };

/** The image's entrypoint and command. */
const ENTRYPOINT = ['node', '/app/dist/cli/xi-k8s.js'];
const DEFAULT_ARGS = ['serve'];
/** What stands for the entrypoint in a container's command. */
const ENTRIES = [['xi-k8s'], ENTRYPOINT, ENTRYPOINT.slice(1)];

/** How a container runtime says that there is no such executable. */
export const notExecutable = (program: string): string =>
  program.includes('/')
    ? `unable to start container process: exec: ${JSON.stringify(program)}: stat ${program}: no such file or directory`
    : `unable to start container process: exec: ${JSON.stringify(program)}: executable file not found in $PATH`;

const RUNTIME = 'failed to create containerd task: failed to create shim task: OCI runtime create failed:';

/**
 * @param commands the subcommands that there are.
 * @param isFlag whether an argument is a flag of the one that may be left out.
 */
export const entryOf = (
  command: readonly string[] = [],
  args: readonly string[] = [],
  commands: readonly string[],
  isFlag: (argument: string) => boolean = () => false,
): Entry => {
  const words =
    command.length === 0
      ? [...ENTRYPOINT, ...(args.length === 0 ? DEFAULT_ARGS : args)]
      : [...command, ...args];
  const entry = ENTRIES.find((known) => known.every((word, at) => words[at] === word));
  const rest = words.slice(entry?.length ?? 0);
  const [sub] = rest;
  if (entry !== undefined && sub !== undefined && (commands.includes(sub) || isFlag(sub)))
    return { is: 'program', args: rest };
  const what =
    entry === undefined
      ? notExecutable(words[0] ?? '')
      : `unable to start container process: xi-k8s has no command ${JSON.stringify(sub ?? '')}`;
  const hint = `of this image the embedded cluster runs xi-k8s with ${commands.join(', ')}, and nothing else`;
  return { is: 'refused', message: `${RUNTIME} runc create failed: ${what}: unknown (${hint})` };
};
