/**
 * The program in the namespaces: prepares them, starts the components, runs COMMAND and ends with its status. Its end
 * ends the process namespace, and the kernel then takes all the others away at once, with their network and mounts.
 */
import { spawn } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NODE } from './addresses.js';
import { createApiClient, type ApiClient } from './api.js';
import { containerdSocket, makeComponents, type ComponentName } from './components.js';
import { serveControl } from './control-server.js';
import type { InsideOptions } from './inside-options.js';
import { makeNetwork, mountFileSystems } from './namespaces.js';
import { programOf } from './paths.js';
import { makePki } from './pki.js';
import { Failure, run, say, step, tail } from './steps.js';
import { createSupervisor } from './supervisor.js';

/** Exit status when the harness, not COMMAND, failed. */
const HARNESS_FAILED = 125;

/** How long COMMAND has to end after a signal was passed on. */
const GRACE_MS = 10_000;

/** The pipe from run.ts: a line is a signal to pass on, its end means that run.ts is gone. */
const CONTROL_FD = 3;

const numberOf = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];

const listenToRunner = (): { onSignal: (signal: NodeJS.Signals) => void } => {
  const runner = { onSignal: (signal: NodeJS.Signals): void => process.exit(numberOf(signal)) };
  new Socket({ fd: CONTROL_FD })
    .on('data', (text) => {
      for (const signal of text.toString().trim().split('\n')) runner.onSignal(signal as NodeJS.Signals);
    })
    .on('close', () => process.exit(HARNESS_FAILED));
  // Ctrl-C reaches all processes of the terminal: run.ts decides what becomes of it.
  process.on('SIGINT', () => undefined);
  return runner;
};

const nodeReady = async (api: ApiClient): Promise<void> => {
  const node = JSON.parse(await api.get(`/api/v1/nodes/${NODE}`)) as {
    status: { conditions?: { type: string; status: string; message: string }[] };
  };
  const ready = node.status.conditions?.find((condition) => condition.type === 'Ready');
  if (ready?.status !== 'True') throw new Error(ready?.message ?? 'no Ready condition yet');
  await api.get('/api/v1/namespaces/default/serviceaccounts/default');
};

const waitForNode = async (api: ApiClient, logs: string): Promise<void> => {
  let why = '';
  for (let tries = 0; tries < 600; tries += 1, await sleep(100)) {
    try {
      return await nodeReady(api);
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
    }
  }
  throw new Failure(
    `the node is not ready after 60 s (${why}). The end of kubelet's log:\n${await tail(join(logs, 'kubelet.log'))}`,
  );
};

const STORAGE_CLASS = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: 'host-path', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
  provisioner: 'kubernetes.io/host-path',
};

/** What makes a program look outside, where there is nothing. */
const PROXY_VARIABLES = /^(https?|all|no)_proxy$/i;

const startCluster = async (options: InsideOptions, logs: string, env: NodeJS.ProcessEnv): Promise<void> => {
  const { state } = options;
  const api = await step('network, file systems and certificates', async () => {
    await Promise.all([makeNetwork(), makePki(join(state, 'pki'))]);
    return createApiClient(join(state, 'pki'));
  });
  const components = await makeComponents({ ...options, binary: options.components, api });
  const supervisor = createSupervisor({ components, logs, env });
  const start = (...names: ComponentName[]): Promise<unknown> =>
    step(names.join(', '), () => Promise.all(names.map((name) => supervisor.start(name))));
  const address = ['--address', containerdSocket(state), '--namespace', 'k8s.io'];
  const loadImage = async (file: string): Promise<void> => {
    await run(['ctr', ...address, 'images', 'import', file], { env });
  };
  const loadImages = (): Promise<unknown> =>
    step(`${options.images.length} image${options.images.length === 1 ? '' : 's'} loaded`, () =>
      Promise.all(options.images.map(loadImage)),
    );
  await Promise.all([
    start('containerd').then(loadImages),
    start('etcd').then(() => start('kube-apiserver')),
  ]);
  await Promise.all([
    start('kube-controller-manager', 'kube-scheduler', 'kubelet'),
    api.post('/apis/storage.k8s.io/v1/storageclasses', STORAGE_CLASS),
  ]);
  await step('node ready', () => waitForNode(api, logs));
  // It asks for its node when it starts, and again only a second later.
  await start('kube-proxy');
  await serveControl({ socket: join(state, 'control'), supervisor, loadImage });
};

/** Runs COMMAND to its end and answers its exit status as a shell would. */
const runCommand = (
  command: readonly string[],
  env: NodeJS.ProcessEnv,
  runner: { onSignal: (signal: NodeJS.Signals) => void },
): Promise<number> =>
  new Promise((resolve) => {
    const [program = '', ...args] = command;
    const child = spawn(program, args, { stdio: 'inherit', env });
    runner.onSignal = (signal) => {
      child.kill(signal);
      setTimeout(() => child.kill('SIGKILL'), GRACE_MS).unref();
    };
    child.on('error', (error) => {
      say(`cannot run ${program}: ${error.message}`);
      resolve(127);
    });
    child.on('exit', (code, signal) =>
      resolve(code ?? (signal === null ? HARNESS_FAILED : numberOf(signal))),
    );
  });

const main = async (options: InsideOptions): Promise<number> => {
  const runner = listenToRunner();
  const { state } = options;
  const start = performance.now();
  await mountFileSystems(state);
  const bin = join(state, 'bin');
  const logs = options.logs ?? join(state, 'logs');
  await Promise.all([bin, logs].map((folder) => mkdir(folder, { recursive: true })));
  await symlink(options.kubectl, join(bin, 'kubectl'));
  const quoted = programOf('cluster-ctl').map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  await writeFile(join(bin, 'cluster-ctl'), `#!/bin/sh\nexec ${quoted.join(' ')} "$@"\n`, { mode: 0o755 });

  const plain = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !PROXY_VARIABLES.test(name)),
  );
  const kubeconfig = join(state, 'pki', 'admin.kubeconfig');
  await startCluster(options, logs, plain);
  say(`ready after ${((performance.now() - start) / 1000).toFixed(1)} s; runs ${options.command.join(' ')}`);
  return runCommand(
    options.command,
    {
      ...plain,
      PATH: [bin, plain['PATH'] ?? ''].join(delimiter),
      KUBECONFIG: kubeconfig,
      TEST_CLUSTER_KUBECONFIG: kubeconfig,
      TEST_CLUSTER_CONTROL: join(state, 'control'),
      TEST_CLUSTER_LOGS: logs,
      CONTAINERD_ADDRESS: containerdSocket(state),
      CONTAINERD_NAMESPACE: 'k8s.io',
      // kubectl would keep what it learns of the cluster, and look for settings, in the home folder.
      KUBECACHEDIR: join(state, 'kubectl-cache'),
      KUBERC: 'off',
    },
    runner,
  );
};

main(JSON.parse(process.argv[2] ?? '{}') as InsideOptions).then(
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
