/** Finds the log that is asked for, and follows the life that it belongs to. */
import type { Container, LogQuery } from '../../kube/index.js';
import { badRequest } from '../api/errors.js';
import { runsOf } from './container-state.js';
import type { ContainerState, Run } from './container-state.js';
import { watchRun, woken } from './runtime.js';
import type { Runtime } from './runtime.js';
import { streamLog } from './log-stream.js';

export interface OpenLogOptions {
  /** The pod's runtime as it is at the moment; undefined when the pod is gone or is not this node's. */
  runtime(): Runtime | undefined;
  podName: string;
  query: LogQuery;
  signal: AbortSignal;
  clock(): number;
}

/** The container asked for, or the only one. */
export const containerOf = ({ pod }: Runtime, podName: string, wanted: string | undefined): Container => {
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  const [first] = containers;
  if (wanted === undefined && first !== undefined && containers.length === 1) return first;
  const names = (list: readonly Container[]): string => `[${list.map(({ name }) => name).join(' ')}]`;
  if (wanted === undefined) {
    const others =
      initContainers.length === 0 ? '' : ` or one of the init containers: ${names(initContainers)}`;
    throw badRequest(
      `a container name must be specified for pod ${podName}, choose one of: ${names(containers)}${others}`,
    );
  }
  const found = [...containers, ...initContainers].find(({ name }) => name === wanted);
  if (found === undefined) throw badRequest(`container ${wanted} is not valid for pod ${podName}`);
  return found;
};

const runOf = (
  state: ContainerState | undefined,
  {
    container,
    podName,
    query,
    isInit,
  }: { container: string; podName: string; query: LogQuery; isInit: boolean },
): Run => {
  const { current, previous } = state === undefined ? {} : runsOf(state);
  if (query.previous === true) {
    if (previous !== undefined) return previous;
    throw badRequest(`previous terminated container "${container}" in pod "${podName}" not found`);
  }
  if (current !== undefined) return current;
  const reason =
    state?.phase.is === 'blocked' ? state.phase.reason : isInit ? 'PodInitializing' : 'ContainerCreating';
  const doing =
    reason === 'ErrImagePull' ? 'trying and failing to pull image' : `waiting to start: ${reason}`;
  throw badRequest(`container "${container}" in pod "${podName}" is ${doing}`);
};

/** Throws at once where there is no log, so that it can be answered with a status. */
export const openLog = (options: OpenLogOptions): AsyncIterable<Uint8Array> => {
  const { podName, query, signal, clock } = options;
  const found = options.runtime();
  if (found === undefined) throw badRequest(`pod ${podName} does not have a host assigned`);
  const runtime = found;
  const container = containerOf(runtime, podName, query.container);
  const { name } = container;
  const isInit = (runtime.pod.spec?.initContainers ?? []).length > 0;
  const opened = runOf(runtime.state.containers.get(name), { container: name, podName, query, isInit });
  const current = (): boolean => options.runtime() === runtime;
  const { lines } = watchRun(runtime, { container, opened, current, clock });
  return streamLog({
    query,
    signal,
    lines,
    changed: (until) => woken(runtime, { until, signal, clock }),
    clock,
  });
};
