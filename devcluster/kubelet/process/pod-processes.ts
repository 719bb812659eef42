/** The processes that play a pod's containers: started and stopped as the pod's state says. */
import type { Container, Kube, Pod, Service } from '../../../kube/index.js';
import type { EventInit } from '../../controllers/events.js';
import type { PodProgram } from '../../devcluster.js';
import { isAlive } from '../container-state.js';
import type { ContainerState, Stop } from '../container-state.js';
import { environmentOf } from '../environment.js';
import { createPodFolders } from '../folders/pod-folders.js';
import { isSidecar } from '../pod.js';
import type { Observe, PodState } from '../pod.js';
import { volumeProblems } from '../references.js';
import type { Configs } from '../references.js';
import { podFolder } from '../runtime.js';
import { startProcessRun } from './process-run.js';
import type { ProcessRun } from './process-run.js';
import { createTokens } from './tokens.js';

/** What the processes of all pods need. */
export interface ProcessDeps {
  readonly kube: Kube;
  readonly program: PodProgram;
  /** The API's URL. */
  readonly api: string;
  readonly configs: Configs;
  readonly clock: () => number;
  services(): Iterable<Service>;
  /** The folder of a claim of the pod's namespace. */
  claim(pod: Pod, name: string): Promise<string>;
}

export interface PodProcessesOptions extends ProcessDeps {
  readonly ip: string;
  /** The folder of all pods, with no link in its path. */
  readonly folder: string;
  isReal(container: Container): boolean;
  onEvent(event: EventInit): void;
  onChange(): void;
  onOutput(): void;
}

export interface PodProcesses {
  /** Makes the volumes or brings them up to date; answers what is wrong with them. */
  sync(pod: Pod): Promise<string[]>;
  /** When the volumes are to be synced again, whatever happens; undefined for never. */
  readonly syncAt: number | undefined;
  readonly observe: Observe;
  run(runId: string): ProcessRun | undefined;
  drive(pod: Pod, state: PodState): void;
  /** Ends all within so many milliseconds, and removes the pod's folders. */
  close(graceMs: number): Promise<void>;
}

const LEAST_GRACE_MS = 2_000;

const graceOf = ({ metadata, spec }: Pod): number =>
  (metadata?.deletionGracePeriodSeconds ?? spec?.terminationGracePeriodSeconds ?? 30) * 1000;

export const createPodProcesses = (first: Pod, options: PodProcessesOptions): PodProcesses => {
  const { ip, isReal, clock, configs } = options;
  const folder = podFolder(options.folder, first);
  const folders = createPodFolders({ folder, claim: options.claim });
  const tokens = createTokens(options.kube, clock);
  const runs = new Map<string, ProcessRun>();
  let closed = false;

  const begin = (pod: Pod, container: Container): ProcessRun => {
    const placed = { pod, ip };
    const isInit = pod.spec?.initContainers?.some(({ name }) => name === container.name) ?? false;
    const fieldPath = `spec.${isInit ? 'initContainers' : 'containers'}{${container.name}}`;
    return startProcessRun({
      ...options,
      placed,
      container,
      folders,
      environment: environmentOf({
        ...placed,
        container,
        configs,
        services: options.services(),
        api: options.api,
      }),
      onEvent: (event) => options.onEvent({ ...event, fieldPath }),
    });
  };

  /** Sidecars stop after the others, the last of them first. */
  const mayStop = (pod: Pod, container: Container, { containers }: PodState): boolean => {
    if (!isSidecar(container)) return true;
    const { initContainers = [], containers: others = [] } = pod.spec ?? {};
    const after = initContainers.slice(initContainers.indexOf(container) + 1).filter(isSidecar);
    return [...others, ...after].every(({ name }) => {
      const state = containers.get(name);
      return state === undefined || !isAlive(state);
    });
  };

  const stopRun = (pod: Pod, container: Container, run: ProcessRun, stops: Stop, state: PodState): void => {
    if (stops.why === 'pod' && !mayStop(pod, container, state)) return;
    const killAt = stops.at + (stops.graceMs ?? graceOf(pod));
    run.stop(isSidecar(container) ? Math.max(killAt, clock() + LEAST_GRACE_MS) : killAt);
  };

  const isKept = (id: string, states: Iterable<ContainerState>): boolean =>
    [...states].some(
      ({ phase, last }) =>
        last?.id === id || (phase.is !== 'creating' && phase.is !== 'blocked' && phase.run.id === id),
    );

  return {
    get syncAt() {
      return tokens.renewAt;
    },
    sync: async (pod) => {
      const { initContainers = [], containers = [] } = pod.spec ?? {};
      const problems = volumeProblems(pod, configs);
      if (problems.length > 0 || closed) return problems;
      const token = (request: Parameters<typeof tokens.get>[1]): Promise<string> => tokens.get(pod, request);
      return folders.sync({ pod, ip, configs, token }, [...initContainers, ...containers].filter(isReal));
    },
    observe: (id) => runs.get(id)?.observation,
    run: (id) => runs.get(id),
    drive: (pod, state) => {
      const { initContainers = [], containers = [] } = pod.spec ?? {};
      for (const container of [...initContainers, ...containers]) {
        const { phase } = state.containers.get(container.name) ?? {};
        if (phase?.is !== 'starting' && phase?.is !== 'running') continue;
        const { id, real } = phase.run;
        if (phase.is === 'starting' && !runs.has(id) && !closed) runs.set(id, begin(pod, container));
        const run = runs.get(id);
        if (real === true && run !== undefined && phase.is === 'running' && phase.stops !== undefined)
          stopRun(pod, container, run, phase.stops, state);
      }
      for (const id of runs.keys()) if (!isKept(id, state.containers.values())) runs.delete(id);
    },
    close: async (graceMs) => {
      closed = true;
      for (const run of runs.values()) run.stop(clock() + graceMs, false);
      await Promise.all([...runs.values()].map(({ over }) => over));
      await folders.remove();
    },
  };
};
