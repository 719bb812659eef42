/** Built-in commands that read folders: cat, ls, test. */
import { createReadStream } from 'node:fs';
import type { Stats } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { posix } from 'node:path';
import { PathError, find } from '../folders/view.js';
import { Failure, forEach } from './builtin.js';
import type { Builtin, ExecContext } from './builtin.js';

/** What is there, by name as it was asked for. */
const statsOf = async (context: ExecContext, path: string, follow = true) => {
  const { stats, real, path: at } = await find(context.view, path, { follow });
  if (stats === undefined) throw new PathError('No such file or directory');
  return { stats, real, at };
};

export const cat: Builtin = (args, context) =>
  forEach('cat', args.length === 0 ? ['-'] : args, { context }, async (operand) => {
    if (operand === '-') {
      for await (const chunk of context.stdin ?? []) await context.out(chunk as Uint8Array);
      return;
    }
    const { stats, real } = await statsOf(context, operand);
    if (stats.isDirectory()) throw new PathError('Is a directory');
    for await (const chunk of createReadStream(real)) await context.out(chunk as Uint8Array);
  });

const TYPES: [(stats: Stats) => boolean, string][] = [
  [(stats) => stats.isDirectory(), 'd'],
  [(stats) => stats.isSymbolicLink(), 'l'],
  [(stats) => stats.isFIFO(), 'p'],
  [(stats) => stats.isSocket(), 's'],
];

const modeText = (stats: Stats): string => {
  const type = TYPES.find(([is]) => is(stats))?.[1] ?? '-';
  const bits = [...'rwxrwxrwx'].map((letter, at) => ((stats.mode >> (8 - at)) & 1 ? letter : '-'));
  return type + bits.join('');
};

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const dateText = (date: Date): string =>
  `${MONTHS[date.getUTCMonth()]} ${String(date.getUTCDate()).padStart(2)} ${date.toISOString().slice(11, 16)}`;

interface Shown {
  name: string;
  stats: Stats;
  link: string;
}

const shownOf = async (context: ExecContext, name: string, path: string): Promise<Shown> => {
  const { stats, real } = await statsOf(context, path, false);
  return { name, stats, link: stats.isSymbolicLink() ? ` -> ${await readlink(real)}` : '' };
};

const lineOf = ({ name, stats, link }: Shown): string => {
  const { nlink, uid, gid, size, mtime } = stats;
  return `${modeText(stats)} ${nlink} ${uid} ${gid} ${String(size).padStart(8)} ${dateText(mtime)} ${name}${link}\n`;
};

export const ls: Builtin = async (args, context) => {
  const flags = new Set<string>();
  const operands: string[] = [];
  for (const arg of args) {
    if (!/^-./.test(arg)) operands.push(arg);
    else for (const letter of arg.slice(1)) flags.add(letter);
  }
  const unknown = [...flags].find((letter) => !'la1A'.includes(letter));
  if (unknown !== undefined) throw new Failure(`ls: invalid option -- '${unknown}'`, 2);
  const hidden = flags.has('a') || flags.has('A');
  const print = async (list: readonly Shown[]): Promise<void> => {
    await context.out(list.map((one) => (flags.has('l') ? lineOf(one) : `${one.name}\n`)).join(''));
  };
  const paths = operands.length === 0 ? ['.'] : operands;
  let isFirst = true;
  return forEach('ls', paths, { context, code: 2 }, async (operand) => {
    const { stats, real, at } = await statsOf(context, operand);
    if (!stats.isDirectory()) return print([await shownOf(context, operand, operand)]);
    if (paths.length > 1) await context.out(`${isFirst ? '' : '\n'}${operand}:\n`);
    isFirst = false;
    const names = (await readdir(real)).filter((name) => hidden || !name.startsWith('.')).sort();
    const all = flags.has('a') ? ['.', '..', ...names] : names;
    const list = await Promise.all(all.map((name) => shownOf(context, name, posix.join(at, name))));
    if (flags.has('l')) {
      const blocks = list.reduce((sum, one) => sum + (one.stats.blocks ?? 0), 0);
      await context.out(`total ${blocks / 2}\n`);
    }
    await print(list);
  });
};

const TESTS: Readonly<Record<string, (stats: Stats) => boolean>> = {
  '-e': () => true,
  '-d': (stats) => stats.isDirectory(),
  '-f': (stats) => stats.isFile(),
};

export const test: Builtin = async ([operator = '', ...operands], context) => {
  const holds = TESTS[operator];
  const [path] = operands;
  if (holds === undefined || path === undefined || operands.length > 1)
    throw new Failure(`test: only ${Object.keys(TESTS).join(', ')} with one path are there`, 2);
  const { stats } = await find(context.view, path).catch((error: unknown) => {
    if (error instanceof PathError) return { stats: undefined };
    throw error;
  });
  return stats !== undefined && holds(stats) ? 0 : 1;
};
