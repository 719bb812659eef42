/** A pod: its containers stepped together, init containers first and one after another. */
import type { Container, Pod } from '../../kube/index.js';
import { hash32 } from '../controllers/canonical.js';
import type { EventInit } from '../controllers/events.js';
import { uidOf } from '../controllers/meta.js';
import { exitOf } from './behaviour.js';
import { dueAt, isAlive } from './container-state.js';
import { BACKOFF_MS, stepContainer } from './container.js';
import type { ContainerState, Observation, Run } from './container-state.js';
import { environmentProblem, volumeProblems } from './references.js';
import type { Configs } from './references.js';

export interface PodState {
  readonly startedAt: number;
  readonly ip: string;
  /** False while a volume cannot be mounted: nothing is started before. */
  readonly mounted: boolean;
  readonly initialized: boolean;
  /** Since when it has been active for longer than it may. */
  readonly overdueAt?: number | undefined;
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
  /** First and longest wait between restarts; the kubelet's own when absent. */
  backoffMillis?: readonly [number, number] | undefined;
  /** When the pretended containers of a pod that goes are to stop; absent while it stays. */
  stopsAt?: number | undefined;
  /** What keeps the volumes of a pod with processes from being mounted; absent for one that pretends. */
  volumeProblems?: readonly string[] | undefined;
  /** Whether a process plays this container; none does when absent. */
  isReal?: ((container: Container) => boolean) | undefined;
  observe?: Observe | undefined;
}

/** What is seen of a run's process. */
export type Observe = (runId: string) => Observation | undefined;

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

export const isSidecar = (container: Container): boolean => container.restartPolicy === 'Always';

/** When the pretended probes succeed: after their initial delay. */
const probesPassAt = (container: Container, startedAt: number): { started: number; ready: number } => {
  const { startupProbe, readinessProbe } = container;
  const started = startedAt + (startupProbe?.initialDelaySeconds ?? 0) * 1000;
  return { started, ready: Math.max(started, startedAt + (readinessProbe?.initialDelaySeconds ?? 0) * 1000) };
};

export interface Health {
  started: boolean;
  ready: boolean;
}

/** What the probes of a run say. */
export const healthOf = (
  container: Container,
  run: Run,
  { now, observe }: Pick<World, 'now' | 'observe'>,
): Health => {
  if (run.real !== true) {
    const { started, ready } = probesPassAt(container, run.startedAt);
    return { started: started <= now, ready: ready <= now };
  }
  const seen = observe?.(run.id);
  return seen?.is === 'running' ? seen : { started: false, ready: false };
};

/** An init container is over when it ended well, or, as a sidecar, when it has started. */
const isOver = (container: Container, state: ContainerState | undefined, world: World): boolean => {
  const { phase } = state ?? {};
  if (phase?.is === 'running') return isSidecar(container) && healthOf(container, phase.run, world).started;
  return phase?.is === 'ended' && phase.run.exitCode === 0 && !isSidecar(container);
};

/** The same pod always takes the same time. */
const creationMs = (pod: Pod, [least, most]: readonly [number, number]): number =>
  least + (hash32(uidOf(pod)) % (most - least + 1));

/** Whether nothing runs, and nothing will. */
const isFinal = (state: ContainerState | undefined): boolean =>
  state?.phase.is === 'ended' && state.phase.until === undefined;

/** Whether nothing of the pod runs any longer. */
export const isStopped = ({ containers }: PodState): boolean => ![...containers.values()].some(isAlive);

export const OVERDUE = {
  reason: 'DeadlineExceeded',
  message: 'Pod was active on the node longer than the specified deadline',
};

/** When a pod becomes overdue; undefined for one that is, that may run for ever, or that has ended. */
const deadlineOf = ({ spec }: Pod, { startedAt, overdueAt, containers }: PodState): number | undefined => {
  const seconds = spec?.activeDeadlineSeconds;
  if (seconds === undefined || overdueAt !== undefined) return undefined;
  return spec?.containers.every(({ name }) => isFinal(containers.get(name))) === true
    ? undefined
    : startedAt + seconds * 1000;
};

export const stepPod = (pod: Pod, earlier: PodState, world: World): PodStep => {
  const { now, configs, hasImage, newId, isReal, observe } = world;
  const deadline = deadlineOf(pod, earlier);
  const isPast = world.stopsAt === undefined && deadline !== undefined && now >= deadline;
  const before = isPast ? { ...earlier, overdueAt: now } : earlier;
  const stopsAt = world.stopsAt ?? before.overdueAt;
  const { namespace = '', name = '' } = pod.metadata ?? {};
  const { restartPolicy = 'Always', initContainers = [], containers: others = [] } = pod.spec ?? {};
  const events: EventInit[] = isPast ? [{ type: 'Normal', ...OVERDUE }] : [];
  const containers = new Map(before.containers);

  const problems =
    before.mounted || stopsAt !== undefined ? [] : (world.volumeProblems ?? volumeProblems(pod, configs));
  if (problems.length > 0) {
    const told = problems.map((message): EventInit => ({ type: 'Warning', reason: 'FailedMount', message }));
    return { state: before, events: told, dueAt: deadline };
  }

  const step = (container: Container, isInit: boolean, dismissed: boolean): void => {
    const always = isInit ? isSidecar(container) : restartPolicy === 'Always';
    const known = containers.get(container.name);
    if (known === undefined && stopsAt !== undefined) return;
    const anyStarted = [...containers.values()].some((state) => isAlive(state) || state.phase.is === 'ended');
    const { state, events: told } = stepContainer(
      {
        container,
        now,
        // Images and sandbox take their time once; what follows an init container starts at once.
        creationMs: anyStarted ? 0 : creationMs(pod, world.startMillis),
        exit: exitOf(container, isInit && !always, always ? 'Always' : restartPolicy),
        real: isReal?.(container) ?? false,
        observe: (runId) => observe?.(runId),
        stopsAt: stopsAt ?? (dismissed ? now : undefined),
        backoffMillis: world.backoffMillis ?? BACKOFF_MS,
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
  // Sidecars are there for the others: they go when those have ended.
  const dismissed = initialized && others.every((container) => isFinal(containers.get(container.name)));
  for (const container of initContainers) {
    if (initialized && !isSidecar(container)) continue;
    step(container, true, dismissed);
    if (!initialized && !isOver(container, containers.get(container.name), world)) break;
    if (container === initContainers.at(-1)) initialized = true;
  }
  if (initContainers.length === 0) initialized = true;
  if (initialized) for (const container of others) step(container, false, false);

  const isLeft = (container: Container): boolean => {
    const state = containers.get(container.name);
    return state !== undefined && isAlive(state);
  };
  const leaves = initialized && others.every(({ name: of }) => isFinal(containers.get(of))) && !dismissed;
  const next = leaves && initContainers.some(isLeft) ? [now] : [];
  const due = [...initContainers, ...others].flatMap((container): number[] => {
    const state = containers.get(container.name);
    if (state === undefined) return [];
    const times = [dueAt(state)];
    if (state.phase.is === 'running' && state.phase.run.real !== true) {
      const { started, ready } = probesPassAt(container, state.phase.run.startedAt);
      times.push(...[started, ready].filter((at) => at > now));
    }
    return times.filter((at) => at !== undefined);
  });
  const mounted = before.mounted || stopsAt === undefined;
  const state: PodState = { ...before, mounted, initialized, containers };
  // Nothing more comes of one that was stopped.
  const isDone = state.overdueAt !== undefined && isStopped(state);
  const last = deadlineOf(pod, state);
  const times = isDone ? [] : [...due, ...next, ...(last === undefined ? [] : [last])];
  return { state, events, dueAt: times.length === 0 ? undefined : Math.min(...times) };
};
