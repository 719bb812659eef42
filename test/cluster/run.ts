/**
 * `npm run cluster -- COMMAND…`: runs COMMAND beside a complete one-node Kubernetes with real containers, which is made
 * for it in namespaces of its own and is gone when COMMAND has ended. See README.md.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Writable } from 'node:stream';
import { build } from './harness/build.js';
import { NAMES, type ComponentName } from './harness/components.js';
import type { InsideOptions } from './harness/inside-options.js';
import { cgroupOf, createState, removeStale } from './harness/leftovers.js';
import { installPackages, systemPath } from './harness/packages.js';
import { programOf } from './harness/paths.js';
import { Failure, say } from './harness/steps.js';
import { NAMED_IMAGES, pauseImage } from './image.js';

const HELP = `npm run cluster -- [OPTION…] COMMAND [ARGUMENT…]

Runs COMMAND beside a one-node Kubernetes with real containers, made for it, and ends with COMMAND's exit status (125
when the cluster cannot be had). The first time its programs are built with Go (about 5 minutes). Needs Linux and root.

  --image FILE             loads a docker-archive file; can be given several times. Known by name:
                           @base   Node alone, as localhost/node-base:MAJOR
                           @nginx  a small web server, as docker.io/library/nginx:1.15.4
                           @nginx-newer  the same as docker.io/library/nginx:1.27
                           @xi-k8s  this repository's own image, as the manifests name it
  --flag COMPONENT=FLAG    adds a flag to a component's own, as in --flag kube-apiserver=--v=4. Components:
                           ${NAMES.join(', ')}
  --logs FOLDER            writes the components' logs there, to be kept
  --use-kubeconfig         runs COMMAND against the cluster of the kubeconfig that TEST_CLUSTER_KUBECONFIG names, and builds
                           and starts nothing. COMMAND changes things in that cluster.
  --print-kubectl          builds what is missing, prints the path of kubectl, and ends (needs no root)
  --help                   prints this

COMMAND sees KUBECONFIG (and TEST_CLUSTER_KUBECONFIG, the same), kubectl and cluster-ctl on its PATH, TEST_CLUSTER_CONTROL (the
socket behind cluster-ctl), TEST_CLUSTER_LOGS, and the cluster's network: services, pods, 127.0.0.1:6443, nothing outside.

  cluster-ctl kill|stop|start|restart|pause|resume COMPONENT     restart is kill -9 and start; waits until it is ready
  cluster-ctl load-image FILE                                    loads one more image
  cluster-ctl status                                             process ids

TEST_CLUSTER_CACHE is where built things are kept; .cache in the repository by default.
`;

const HARNESS_FAILED = 125;

const OPTIONS = {
  image: { type: 'string', multiple: true, default: [] as string[] },
  flag: { type: 'string', multiple: true, default: [] as string[] },
  logs: { type: 'string' },
  'use-kubeconfig': { type: 'boolean', default: false },
  'print-kubectl': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

/** Options end where COMMAND begins: what follows is COMMAND's own. */
const commandStart = (argv: readonly string[]): number => {
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? '';
    if (!word.startsWith('-') || word === '--') return index;
    const option = Object.entries(OPTIONS).find(([name]) => word === `--${name}`)?.[1];
    if (option?.type === 'string') index += 1;
  }
  return argv.length;
};

const parse = (argv: readonly string[]) => {
  const start = commandStart(argv);
  const rest = argv.slice(start);
  const command = rest[0] === '--' ? rest.slice(1) : rest;
  try {
    return { command, values: parseArgs({ args: argv.slice(0, start), options: OPTIONS }).values };
  } catch (error) {
    throw new Failure(`${error instanceof Error ? error.message : String(error)}\nSee --help.`);
  }
};

const parseFlag = (text: string): { component: ComponentName; flag: string } => {
  const [name = '', ...flag] = text.split('=');
  const component = NAMES.find((one) => one === name);
  if (component === undefined || flag.length === 0)
    throw new Failure(`--flag ${text}: give COMPONENT=FLAG, where COMPONENT is one of ${NAMES.join(', ')}`);
  return { component, flag: flag.join('=') };
};

const imageFile = async (name: string): Promise<string> => {
  const make = Object.hasOwn(NAMED_IMAGES, name) ? NAMED_IMAGES[name] : undefined;
  if (make !== undefined) return (await make()).file;
  if (!existsSync(name))
    throw new Failure(
      `--image ${name}: no such file (known by name: ${Object.keys(NAMED_IMAGES).join(', ')})`,
    );
  return resolve(name);
};

/** Resolves to the exit status that a shell would give. */
const ended = async (child: ChildProcess): Promise<number> => {
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? HARNESS_FAILED;
};

const useKubeconfig = async (command: readonly string[]): Promise<number> => {
  const file = process.env['TEST_CLUSTER_KUBECONFIG'];
  if (file === undefined || !existsSync(file))
    throw new Failure(
      `--use-kubeconfig: TEST_CLUSTER_KUBECONFIG is ${file === undefined ? 'not set' : `'${file}', which does not exist`}.` +
        ' Set it to a kubeconfig file; it is asked for by name so that no cluster is touched by accident.',
    );
  const [program = '', ...args] = command;
  const child = spawn(program, args, {
    stdio: 'inherit',
    env: { ...process.env, KUBECONFIG: resolve(file) },
  });
  passSignals((signal) => child.kill(signal));
  return ended(child).catch((error: Error) => {
    say(`cannot run ${program}: ${error.message}`);
    return 127;
  });
};

/** Ctrl-C in a terminal reaches COMMAND by itself; what was sent to this process alone is passed on. */
const passSignals = (pass: (signal: NodeJS.Signals) => void): void => {
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => pass(signal));
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) pass('SIGINT');
  });
};

/** Runs the cluster and COMMAND in new namespaces. Whatever ends this process, nothing of them stays. */
const runInside = async (options: Omit<InsideOptions, 'state' | 'cgroup'>): Promise<number> => {
  const state = await createState();
  const watchdogArgv = [...programOf('watchdog'), state];
  const watchdog = spawn(watchdogArgv[0] ?? '', watchdogArgv.slice(1), {
    stdio: ['pipe', 'ignore', 'inherit'],
    detached: true,
  });
  const inside: InsideOptions = { ...options, state, cgroup: cgroupOf(state) };
  // The shell is the first process of the namespace, as node would not collect the orphans that end there.
  const argv = [
    ...['--pdeathsig', 'KILL', 'unshare', '-n', '-m', '--fork', '--pid', '--mount-proc', '--kill-child'],
    ...['sh', '-c', 'trap : INT; "$@"; exit $?', 'sh', ...programOf('inside'), JSON.stringify(inside)],
  ];
  const child = spawn('setpriv', argv, {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: { ...process.env, PATH: systemPath() },
  });
  const control = child.stdio[3] as Writable;
  control.on('error', () => undefined);
  passSignals((signal) => control.write(`${signal}\n`));
  try {
    return await ended(child);
  } finally {
    watchdog.stdin.end();
    await once(watchdog, 'exit');
  }
};

const main = async (argv: readonly string[]): Promise<number> => {
  const { values, command } = parse(argv);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (values['print-kubectl']) {
    process.stdout.write(`${(await build()).kubectl}\n`);
    return 0;
  }
  if (command.length === 0)
    throw new Failure('say which command to run: npm run cluster -- COMMAND (see --help)');
  if (values['use-kubeconfig']) return useKubeconfig(command);
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    throw new Failure(
      'this needs Linux and root: it makes namespaces, mounts and containers. Run it as root (`sudo npm run cluster --' +
        ' …`), in a virtual machine or a privileged container, or against a cluster that you have (--use-kubeconfig).',
    );
  const flags = values.flag.map(parseFlag);
  await removeStale();
  await installPackages();
  process.env['PATH'] = systemPath();
  const { components, kubectl } = await build();
  const pause = await pauseImage();
  const images = [pause.file];
  for (const name of values.image) images.push(await imageFile(name));
  const logs = values.logs === undefined ? null : resolve(values.logs);
  return runInside({ components, kubectl, pauseImage: pause.tag, images, flags, logs, command });
};

main(process.argv.slice(2)).then(
  (status) => process.exit(status),
  (error: unknown) => {
    say(
      error instanceof Failure
        ? error.message
        : error instanceof Error
          ? (error.stack ?? error.message)
          : String(error),
    );
    process.exit(HARNESS_FAILED);
  },
);
