/** A runtime of pods for the tests of streams: commands are programs of this machine, and ports those of the test. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { Test } from 'tap';
import { ApiError } from '../../../devcluster/api/errors.js';
import type { PodRuntime } from '../../../devcluster/api/pod-runtime.js';
import type { Api } from './server.js';
import { PODS, pod } from './server.js';

export interface StreamPods extends PodRuntime {
  /** How many commands run, and how many connections are open. */
  readonly running: { commands: number; connections: number };
}

/** The port of a TCP server of the test. */
export async function serve(t: Test, on: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    on(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

export function createStreamPods(): StreamPods {
  const running = { commands: 0, connections: 0 };
  return {
    running,
    async *logs(_namespace, _name, query, signal) {
      yield 'first\n';
      if (query.follow !== true) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
      if (!signal.aborted) yield 'second\n';
    },
    checkExec(_namespace, _pod, container) {
      if (container === 'ended')
        throw new ApiError({ code: 404, reason: 'NotFound', message: 'container not found ("ended")' });
    },
    async exec(_namespace, _pod, { command }, { stdin, stdout, stderr }, signal) {
      const [program = '', ...args] = command;
      if (program === '') throw new Error('no command');
      const child = spawn(program === 'node' ? process.execPath : program, args);
      const kill = (): unknown => child.kill('SIGKILL');
      signal.addEventListener('abort', kill, { once: true });
      running.commands++;
      try {
        if (stdin) stdin.pipe(child.stdin);
        else child.stdin.end();
        child.stdin.on('error', () => undefined);
        if (stdout) child.stdout.pipe(stdout, { end: false });
        if (stderr) child.stderr.pipe(stderr, { end: false });
        const [code] = (await once(child, 'close')) as [number | null];
        return code ?? 137;
      } catch (cause) {
        throw new Error(`exec: "${program}": executable file not found in $PATH`, { cause });
      } finally {
        running.commands--;
      }
    },
    async attach(_namespace, _pod, _request, { stdout, stderr }, signal) {
      stdout?.write('out of it\n');
      stderr?.write('error of it\n');
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (!signal.aborted) stdout?.write('end of it\n');
    },
    async connect(_namespace, _pod, port, signal) {
      const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
      await once(socket, 'connect', { signal });
      running.connections++;
      socket.once('close', () => running.connections--);
      return socket;
    },
  };
}

/** Makes a pod of these containers that a Kubernetes node has and that is ready. */
export async function makePod(api: Api, name: string, containers: string[], labels = {}): Promise<void> {
  const spec = {
    nodeName: 'embedded',
    containers: containers.map((container) => ({ name: container, image: 'busybox' })),
  };
  const made = await api.ok('POST', PODS, pod(name, spec, { labels }));
  await api.ok('PUT', `${PODS}/${name}/status`, {
    ...made,
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: containers.map((container) => ({
        name: container,
        ready: true,
        restartCount: 0,
        image: 'busybox',
        imageID: '',
        state: { running: {} },
      })),
    },
  });
}
