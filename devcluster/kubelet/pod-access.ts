/** What the API asks of the node about its pods: logs, commands, output and connections. */
import { mkdir } from 'node:fs/promises';
import { connect as connectSocket } from 'node:net';
import type { Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Container } from '../../kube/index.js';
import { ApiError } from '../api/errors.js';
import type { PodRuntime } from '../api/pod-runtime.js';
import { uidOf } from '../controllers/meta.js';
import type { Run } from './container-state.js';
import { environmentOf, hostnameOf } from './environment.js';
import type { EnvironmentSources } from './environment.js';
import { writerOf } from './exec/builtin.js';
import { containerOf, openLog } from './logs.js';
import { podFolder, watchRun, woken } from './runtime.js';
import type { Runtime } from './runtime.js';
import type { View } from './folders/view.js';

export interface PodAccessOptions {
  runtimeOf(key: string): Runtime | undefined;
  /** The folder of all pods. */
  readonly folder: string;
  readonly clock: () => number;
  /** What a container's environment is made of, beside the pod. */
  sources(): Pick<EnvironmentSources, 'configs' | 'services' | 'api'>;
}

interface Running {
  readonly runtime: Runtime;
  readonly container: Container;
  readonly run: Run;
  isCurrent(): boolean;
}

const KILLED = 137;

export const createPodAccess = ({ runtimeOf, folder, clock, sources }: PodAccessOptions): PodRuntime => {
  /** Throws ApiError where nothing runs. */
  const running = (namespace: string, podName: string, wanted: string | undefined): Running => {
    const key = `${namespace}/${podName}`;
    const runtime = runtimeOf(key);
    const notFound = (name: string): ApiError =>
      new ApiError({ code: 404, reason: 'NotFound', message: `container not found ("${name}")` });
    if (runtime === undefined) throw notFound(wanted ?? '');
    const container = containerOf(runtime, podName, wanted);
    const phase = runtime.state.containers.get(container.name)?.phase;
    if (phase?.is !== 'running') throw notFound(container.name);
    return { runtime, container, run: phase.run, isCurrent: () => runtimeOf(key) === runtime };
  };

  /** Where a command works: for a container that pretends, a folder that is otherwise empty. */
  const placeOf = async ({
    runtime,
    container,
    run,
  }: Running): Promise<{ view: View; environment: ReadonlyMap<string, string> }> => {
    const played = runtime.processes?.run(run.id);
    if (played?.view !== undefined) return { view: played.view, environment: played.environment };
    const { pod, state } = runtime;
    runtime.hasFolder = true;
    const root = join(podFolder(folder, pod), 'containers', container.name, 'rootfs');
    await mkdir(join(root, 'tmp'), { recursive: true });
    const environment = environmentOf({ ...sources(), pod, ip: state.ip, container });
    return { view: { root, mounts: [], cwd: container.workingDir ?? '/' }, environment };
  };

  return {
    logs: (namespace, podName, query, signal) =>
      openLog({ runtime: () => runtimeOf(`${namespace}/${podName}`), podName, query, signal, clock }),
    checkExec: (namespace, podName, container) => void running(namespace, podName, container),
    exec: async (namespace, podName, { container, command, tty }, given, signal) => {
      const found = running(namespace, podName, container);
      const { runtime } = found;
      const { view, environment } = await placeOf(found);
      const watch = watchRun(runtime, { ...found, opened: found.run, current: found.isCurrent, clock });
      const gone = new AbortController();
      const look = (): void => {
        if (watch.isOver()) gone.abort();
      };
      runtime.wakers.add(look);
      const hostname = hostnameOf({ pod: runtime.pod, ip: runtime.state.ip });
      const { runBuiltin, openTerminal } = await import('./exec/exec.js');
      const { streams, interrupted } = tty ? openTerminal(given) : { streams: given };
      const ends = [signal, gone.signal, ...(interrupted === undefined ? [] : [interrupted])];
      const where = { view, environment, hostname, signal: AbortSignal.any(ends) };
      try {
        return await runBuiltin(command, where, streams);
      } catch (error) {
        if (gone.signal.aborted) return KILLED;
        if (interrupted?.aborted === true) return interrupted.reason as number;
        throw error;
      } finally {
        runtime.wakers.delete(look);
      }
    },
    attach: async (namespace, podName, { container: wanted, tty }, { stdin, stdout, stderr }, signal) => {
      const found = running(namespace, podName, wanted);
      // The programs read no input.
      stdin?.resume();
      const { runtime } = found;
      const { lines } = watchRun(runtime, { ...found, opened: found.run, current: found.isCurrent, clock });
      const write = { stdout: writerOf(stdout, signal), stderr: writerOf(tty ? stdout : stderr, signal) };
      let next = lines().count(clock());
      while (!signal.aborted) {
        const now = clock();
        const log = lines();
        const count = log.count(now);
        for (next = Math.max(next, log.first); next < count && !signal.aborted; next++)
          await write[log.streamOf(next)](log.line(next));
        if (next < lines().count(clock())) continue;
        const until = lines().nextAt(now);
        if (until === undefined) return;
        await woken(runtime, { until, signal, clock });
      }
    },
    connect: async (namespace, podName, port, signal) => {
      const { runtime, container } = running(
        namespace,
        podName,
        anyRunning(runtimeOf(`${namespace}/${podName}`)),
      );
      const id = uidOf(runtime.pod);
      const refused = (why: string): Error =>
        new Error(
          `failed to execute portforward in network namespace "/var/run/netns/cni-${id}": failed to connect to localhost:${port} inside namespace "${id}", IPv4: dial tcp4 127.0.0.1:${port}: connect: ${why}`,
        );
      if (runtime.processes === undefined)
        throw refused(`connection refused (container ${container.name} only pretends to run)`);
      const socket: Socket = connectSocket({
        host: runtime.state.ip,
        port,
        noDelay: true,
        allowHalfOpen: true,
      });
      const leave = (): unknown => socket.destroy();
      signal.addEventListener('abort', leave, { once: true });
      socket.once('close', () => signal.removeEventListener('abort', leave));
      try {
        await once(socket, 'connect', { signal });
      } catch (error) {
        socket.destroy();
        const { code } = error as NodeJS.ErrnoException;
        throw code === 'ECONNREFUSED' ? refused('connection refused') : error;
      }
      return socket;
    },
  };
};

/** A port is the pod's, whichever container it is that runs. */
const anyRunning = (runtime: Runtime | undefined): string | undefined =>
  [...(runtime?.state.containers ?? [])].find(([, { phase }]) => phase.is === 'running')?.[0] ??
  runtime?.pod.spec?.containers[0]?.name;
