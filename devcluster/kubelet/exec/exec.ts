/**
 * Commands in a container. There is no other program there than what the container runs, and no shell: a few everyday
 * commands are built in, and work on the container's folders.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { notExecutable } from '../command.js';
import { wordsOf } from '../folders/view.js';
import { Failure, writerOf } from './builtin.js';
import type { Builtin, ExecContext } from './builtin.js';
import { cat, ls, test } from './files.js';
import { tar } from './tar.js';
import type { ExecStreams } from '../../api/pod-runtime.js';

export { openTerminal } from './terminal.js';

const SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 };
const MOST_SLEEP_MS = 2 ** 31 - 1;

const sleep: Builtin = async (args, { signal }) => {
  if (args.length === 0) throw new Failure('sleep: missing operand');
  let ms = 0;
  for (const arg of args) {
    const [, number, unit = ''] = /^(\d+(?:\.\d*)?|\.\d+)([smhd]?)$/.exec(arg) ?? [];
    if (number === undefined) throw new Failure(`sleep: invalid time interval '${arg}'`);
    ms += Number(number) * (SECONDS[unit] ?? 1) * 1000;
  }
  await delay(Math.min(ms, MOST_SLEEP_MS), undefined, { signal });
  return 0;
};

const echo: Builtin = async (args, { out }) => {
  const bare = args[0] === '-n';
  await out(`${args.slice(bare ? 1 : 0).join(' ')}${bare ? '' : '\n'}`);
  return 0;
};

const lines = ({ environment }: ExecContext): string =>
  [...environment].map(([name, value]) => `${name}=${value}\n`).join('');

const env: Builtin = async ([program], context) => {
  if (program !== undefined) throw new Failure(`env: '${program}': No such file or directory`, 127);
  await context.out(lines(context));
  return 0;
};

const printenv: Builtin = async (names, context) => {
  if (names.length === 0) return env([], context);
  const values = names.map((name) => context.environment.get(name));
  await context.out(values.flatMap((value) => (value === undefined ? [] : [`${value}\n`])).join(''));
  return values.includes(undefined) ? 1 : 0;
};

/** A command that prints one line, or none, and ends with a code. */
const prints =
  (code: number, text: (context: ExecContext) => string = () => ''): Builtin =>
  async (_args, context) => {
    await context.out(text(context));
    return code;
  };

const BUILTINS: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  ['cat', cat],
  ['echo', echo],
  ['env', env],
  ['false', prints(1)],
  ['hostname', prints(0, ({ hostname }) => `${hostname}\n`)],
  ['ls', ls],
  ['printenv', printenv],
  ['pwd', prints(0, ({ view }) => `${view.cwd}\n`)],
  ['sleep', sleep],
  ['tar', tar],
  ['test', test],
  ['true', prints(0)],
]);

/** Where such commands lie in an image. */
const FOLDERS = /^\/(?:usr\/)?bin\//;

/** A command that is not there, as a container runtime says it. */
class NoCommandError extends Error {
  constructor(program: string) {
    super(
      `failed to exec in container: failed to start exec "${randomBytes(32).toString('hex')}": OCI runtime exec failed: exec failed: ${notExecutable(program)}: unknown`,
    );
  }
}

/** Resolves to the exit code. Rejects when there is no such command, and when the signal fires. */
export const runBuiltin = async (
  [program = '', ...args]: readonly string[],
  where: Pick<ExecContext, 'view' | 'environment' | 'hostname' | 'signal'>,
  { stdin, stdout, stderr }: ExecStreams,
): Promise<number> => {
  const builtin = BUILTINS.get(program.replace(FOLDERS, ''));
  if (builtin === undefined) throw new NoCommandError(program);
  const err = writerOf(stderr, where.signal);
  // Also one that waits for input ends then.
  const ended = once(where.signal, 'abort').then((): never => {
    throw where.signal.reason;
  });
  try {
    where.signal.throwIfAborted();
    const context = { ...where, stdin, out: writerOf(stdout, where.signal), err };
    return await Promise.race([builtin(args, context), ended]);
  } catch (error) {
    where.signal.throwIfAborted();
    const failed = error instanceof Failure;
    await err(`${failed ? error.message : `${program}: ${wordsOf(error)}`}\n`).catch(() => undefined);
    return failed ? error.code : 1;
  }
};
