/** A pretended pod: its containers stepped together, init containers first and one after another. */
import type { Container, Pod } from '../../kube/index.js';
import { hash32 } from '../controllers/canonical.js';
import type { EventInit } from '../controllers/events.js';
import { uidOf } from '../controllers/meta.js';
import { exitOf } from './behaviour.js';
import { dueAt, stepContainer } from './container.js';
import type { ContainerState } from './container.js';
import { environmentProblem, volumeProblems } from './references.js';
import type { Configs } from './references.js';

export interface PodState {
  readonly startedAt: number;
  readonly ip: string;
  /** False while a volume cannot be mounted: nothing is started before. */
  readonly mounted: boolean;
  readonly initialized: boolean;
  /** Init containers and others: names are unique among both. */
  readonly containers: ReadonlyMap<string, ContainerState>;
}

export interface World {
  now: number;
  configs: Configs;
  hasImage(image: string): boolean;
  newId(): string;
  /** Least and most milliseconds that a pod takes to start. */
  startMillis: readonly [number, number];
}

export interface PodStep {
  state: PodState;
  events: EventInit[];
  /** When it is to be stepped again, by time alone. */
  dueAt: number | undefined;
}

export const newPodState = (ip: string, now: number): PodState => ({
  startedAt: now,
  ip,
  mounted: false,
  initialized: false,
  containers: new Map(),
});

const isSidecar = (container: Container): boolean => container.restartPolicy === 'Always';

/** When the pretended probes succeed: after their initial delay. */
export const probesPassAt = (container: Container, startedAt: number): { started: number; ready: number } => {
  const { startupProbe, readinessProbe } = container;
  const started = startedAt + (startupProbe?.initialDelaySeconds ?? 0) * 1000;
  return { started, ready: Math.max(started, startedAt + (readinessProbe?.initialDelaySeconds ?? 0) * 1000) };
};

/** An init container is over when it ended well, or, as a sidecar, when it runs. */
const isOver = (container: Container, state: ContainerState | undefined, now: number): boolean => {
  const { phase } = state ?? {};
  if (phase?.is === 'running')
    return isSidecar(container) && probesPassAt(container, phase.run.startedAt).started <= now;
  return phase?.is === 'ended' && phase.run.exitCode === 0 && !isSidecar(container);
};

/** The same pod always takes the same time. */
const creationMs = (pod: Pod, [least, most]: readonly [number, number]): number =>
  least + (hash32(uidOf(pod)) % (most - least + 1));

export const stepPod = (pod: Pod, before: PodState, world: World): PodStep => {
  const { now, configs, hasImage, newId } = world;
  const { namespace = '', name = '' } = pod.metadata ?? {};
  const { restartPolicy = 'Always', initContainers = [], containers: others = [] } = pod.spec ?? {};
  const events: EventInit[] = [];
  const containers = new Map(before.containers);

  const problems = before.mounted ? [] : volumeProblems(pod, configs);
  if (problems.length > 0) {
    const told = problems.map((message): EventInit => ({ type: 'Warning', reason: 'FailedMount', message }));
    return { state: before, events: told, dueAt: undefined };
  }

  const step = (container: Container, isInit: boolean): void => {
    const always = isInit ? isSidecar(container) : restartPolicy === 'Always';
    const known = containers.get(container.name);
    const anyStarted = [...containers.values()].some(
      ({ phase }) => phase.is === 'running' || phase.is === 'ended',
    );
    const { state, events: told } = stepContainer(
      {
        container,
        now,
        // Images and sandbox take their time once; what follows an init container starts at once.
        creationMs: anyStarted ? 0 : creationMs(pod, world.startMillis),
        exit: exitOf(container, isInit && !always, always ? 'Always' : restartPolicy),
        restarts: (code) => always || (restartPolicy !== 'Never' && code !== 0),
        hasImage,
        environmentProblem: () => environmentProblem(container, namespace, configs),
        newId,
        podName: `${name}_${namespace}(${uidOf(pod)})`,
      },
      known,
    );
    containers.set(container.name, state);
    const fieldPath = `spec.${isInit ? 'initContainers' : 'containers'}{${container.name}}`;
    events.push(...told.map((event) => ({ ...event, fieldPath })));
  };

  let { initialized } = before;
  for (const container of initContainers) {
    if (initialized && !isSidecar(container)) continue;
    step(container, true);
    if (!initialized && !isOver(container, containers.get(container.name), now)) break;
    if (container === initContainers.at(-1)) initialized = true;
  }
  if (initContainers.length === 0) initialized = true;
  if (initialized) for (const container of others) step(container, false);

  const due = [...initContainers, ...others].flatMap((container): number[] => {
    const state = containers.get(container.name);
    if (state === undefined) return [];
    const times = [dueAt(state)];
    if (state.phase.is === 'running') {
      const { started, ready } = probesPassAt(container, state.phase.run.startedAt);
      times.push(...[started, ready].filter((at) => at > now));
    }
    return times.filter((at) => at !== undefined);
  });
  return {
    state: { ...before, mounted: true, initialized, containers },
    events,
    dueAt: due.length === 0 ? undefined : Math.min(...due),
  };
};
