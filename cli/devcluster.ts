/** `xi-k8s devcluster`: the embedded cluster on its own. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startDevcluster } from '../devcluster/devcluster.js';
import type { Devcluster, PodProgram } from '../devcluster/devcluster.js';
import { kubeconfigOf } from '../devcluster/kubeconfig.js';
import { SeedError, parseSeed } from '../devcluster/seed.js';
import { closeAtSignal } from './until-signal.js';
import { UsageError } from './usage.js';

const USAGE = `Usage: xi-k8s devcluster [OPTION…]

Runs the embedded cluster until Ctrl-C: a Kubernetes API on a loopback port, its controllers, and a kubelet that runs pods of
our own image as processes and pretends with all others. Everything is in memory and gone at the end. When it is ready it
prints a kubeconfig on standard output:

  xi-k8s devcluster > kubeconfig &
  kubectl --kubeconfig kubeconfig get nodes

  --port N       port of the API (default 6480; 0 takes a free one)
  --nodes N      how many Kubernetes nodes (default 1, at most 100)
  --seed FILE    objects to start with, YAML or JSON, - for standard input; can be given several times, in this order
  --help         prints this
`;

const OPTIONS = {
  port: { type: 'string', default: '6480' },
  nodes: { type: 'string', default: '1' },
  seed: { type: 'string', multiple: true, default: [] as string[] },
  help: { type: 'boolean', default: false },
} as const;

const MOST_NODES = 100;

function wholeNumber(option: string, text: string, [least, most]: [number, number]): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new UsageError(
      `--${option} is '${text}'; allowed is a whole number from ${least} to ${most}`,
      USAGE,
    );
  return value;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true }).values;
  } catch (error) {
    throw new UsageError((error as Error).message, USAGE);
  }
}

const fail = (message: string): never => {
  process.stderr.write(`xi-k8s devcluster: ${message}\n`);
  return process.exit(1);
};

function readSeed(file: string) {
  const name = file === '-' ? 'standard input' : file;
  try {
    return parseSeed(readFileSync(file === '-' ? 0 : file, 'utf8'), name);
  } catch (error) {
    if (error instanceof SeedError) return fail(error.message);
    return fail(`${name} cannot be read: ${(error as Error).message}`);
  }
}

/** Runs it until a signal; resolves when it is ready. Exits with 1 when it cannot start. */
export async function devcluster(args: readonly string[], program: PodProgram): Promise<void> {
  const values = parse(args);
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  const port = wholeNumber('port', values.port, [0, 65_535]);
  const nodes = wholeNumber('nodes', values.nodes, [1, MOST_NODES]);
  const objects = values.seed.flatMap(readSeed);
  let cluster: Devcluster;
  try {
    cluster = await startDevcluster({ port, nodes, program });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    return fail(`port ${port} of 127.0.0.1 is in use. Give another one, or --port 0 for any free one.`);
  }
  closeAtSignal('devcluster', () => cluster.close(), 30_000);
  try {
    await cluster.seed(objects);
  } catch (error) {
    if (!(error instanceof SeedError)) throw error;
    await cluster.close();
    return fail(error.message);
  }
  process.stdout.write(kubeconfigOf(cluster.url));
  process.stderr.write(`The embedded cluster is ready at ${cluster.url}; Ctrl-C ends it.\n`);
}
