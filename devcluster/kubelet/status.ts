/** A pod's status in the shape that a kubelet writes: a pure function from its state. */
import type { Container, Pod } from '../../kube/index.js';
import { hash32 } from '../controllers/canonical.js';
import { findCondition, timestamp, uidOf, withCondition } from '../controllers/meta.js';
import { runsOf } from './container-state.js';
import type { ContainerState, Phase, Run } from './container-state.js';
import { HOST_IP } from './fields.js';
import { OVERDUE, healthOf, isStopped } from './pod.js';
import type { PodState, World } from './pod.js';
import { qosClassOf } from './qos.js';

export type PodStatus = NonNullable<Pod['status']>;
type ContainerStatus = NonNullable<PodStatus['containerStatuses']>[number];
type State = NonNullable<ContainerStatus['state']>;
type Condition = NonNullable<PodStatus['conditions']>[number];

const containerId = (run: Run): string => `${run.real === true ? 'process' : 'pretend'}://${run.id}`;

const terminated = (run: Run): State => ({
  terminated: {
    exitCode: run.exitCode ?? 0,
    reason: run.reason ?? (run.exitCode === 0 ? 'Completed' : 'Error'),
    ...(run.message === undefined ? {} : { message: run.message }),
    // What could not start never did.
    startedAt: timestamp(run.reason === undefined ? run.startedAt : 0),
    finishedAt: timestamp(run.endedAt ?? run.startedAt),
    containerID: containerId(run),
  },
});

const notStarted = ({ message = '' }: Run): State => ({ waiting: { reason: 'RunContainerError', message } });

/** Whether it shows as waiting for its next life, not as ended. */
const waitsAnew = ({ run, until, backoff }: Phase & { is: 'ended' }): boolean =>
  backoff !== undefined || (run.reason !== undefined && until !== undefined);

const stateOf = (
  container: Container,
  state: ContainerState | undefined,
  waiting: string,
  podName: string,
): State => {
  const { phase } = state ?? {};
  switch (phase?.is) {
    case undefined:
    case 'starting':
      // Until the next life begins, the one before is what there is.
      if (state?.last !== undefined)
        return state.last.reason === undefined ? terminated(state.last) : notStarted(state.last);
      return { waiting: { reason: waiting } };
    case 'creating':
      return { waiting: { reason: waiting } };
    case 'blocked':
      return { waiting: { reason: phase.reason, message: phase.message } };
    case 'running':
      return { running: { startedAt: timestamp(phase.run.startedAt) } };
    case 'ended': {
      if (!waitsAnew(phase)) return terminated(phase.run);
      if (phase.backoff === undefined) return notStarted(phase.run);
      const message = `back-off ${wait(phase.backoff)} restarting failed container=${container.name} pod=${podName}`;
      return { waiting: { reason: 'CrashLoopBackOff', message } };
    }
  }
};

const wait = (ms: number): string => {
  const minutes = Math.floor(ms / 60_000);
  return `${minutes > 0 ? `${minutes}m` : ''}${(ms % 60_000) / 1000}s`;
};

/** A made-up digest, the same for the same name. */
const imageId = (image: string): string =>
  `${image.replace(/@.*$/, '').replace(/:[^/:]*$/, '')}@sha256:${Array.from({ length: 8 }, (_, part) =>
    hash32(`${part}${image}`).toString(16).padStart(8, '0'),
  ).join('')}`;

interface Shown {
  container: Container;
  isInit: boolean;
  state: ContainerState | undefined;
}

const containerStatus = (
  { container, isInit, state }: Shown,
  waiting: string,
  podName: string,
  world: Seen,
): ContainerStatus => {
  const { phase, last, restarts = 0 } = state ?? {};
  const run = phase?.is === 'running' ? phase.run : undefined;
  const probes = run && healthOf(container, run, world);
  const endedWell = phase?.is === 'ended' && phase.run.exitCode === 0;
  const before = phase?.is === 'ended' && waitsAnew(phase) ? phase.run : last;
  const { current } = state === undefined ? { current: undefined } : runsOf(state);
  return {
    name: container.name,
    image: container.image ?? '',
    imageID: current === undefined ? '' : imageId(current.image),
    ...(current === undefined ? {} : { containerID: containerId(current) }),
    ready: isInit && container.restartPolicy !== 'Always' ? endedWell : (probes?.ready ?? false),
    started: probes?.started ?? false,
    restartCount: restarts,
    state: stateOf(container, state, waiting, podName),
    lastState: before === undefined ? {} : terminated(before),
  };
};

/** The phase as a kubelet derives it from the containers. */
const phaseOf = (pod: Pod, shown: readonly Shown[], initialized: boolean): string => {
  const policy = pod.spec?.restartPolicy ?? 'Always';
  const ended = (one: Shown): Run | undefined =>
    one.state?.phase.is === 'ended' ? one.state.phase.run : undefined;
  const isFinal = ({ state }: Shown): boolean =>
    state?.phase.is === 'ended' && state.phase.until === undefined;
  const inits = shown.filter(({ isInit }) => isInit);
  const others = shown.filter(({ isInit }) => !isInit);
  if (!initialized) {
    const failed = inits.some((one) => isFinal(one) && ended(one)?.exitCode !== 0);
    return failed && policy === 'Never' ? 'Failed' : 'Pending';
  }
  const waits = others.some(({ state }) => {
    const is = state?.phase.is;
    return is === undefined || (is !== 'running' && is !== 'ended' && state?.last === undefined);
  });
  if (waits) return 'Pending';
  if (!others.every(isFinal)) return 'Running';
  return others.every((one) => ended(one)?.exitCode === 0) ? 'Succeeded' : 'Failed';
};

/** What a status depends on beside the pod's state. */
export type Seen = Pick<World, 'now' | 'observe'>;

export const podStatus = (pod: Pod, state: PodState, world: Seen): PodStatus => {
  const { now } = world;
  const { name = '', namespace = '' } = pod.metadata ?? {};
  const podName = `${name}_${namespace}(${uidOf(pod)})`;
  const show =
    (isInit: boolean) =>
    (container: Container): Shown => ({
      container,
      isInit,
      state: state.containers.get(container.name),
    });
  const inits = (pod.spec?.initContainers ?? []).map(show(true));
  const others = (pod.spec?.containers ?? []).map(show(false));
  const waiting = inits.length > 0 ? 'PodInitializing' : 'ContainerCreating';
  const initStatuses = inits.map((one) => containerStatus(one, waiting, podName, world));
  const statuses = others.map((one) => containerStatus(one, waiting, podName, world));
  // As long as something of it runs, it has not ended.
  const isOverdue = state.overdueAt !== undefined && isStopped(state);
  const phase = isOverdue ? 'Failed' : phaseOf(pod, [...inits, ...others], state.initialized);
  const succeeded = phase === 'Succeeded';

  const names = (list: readonly ContainerStatus[]): string => list.map((one) => one.name).join(' ');
  const unready = [
    ...initStatuses.filter((_, at) => inits[at]?.container.restartPolicy === 'Always'),
    ...statuses,
  ].filter(({ ready }) => !ready);
  const uninitialized = initStatuses.filter(({ ready, started }, at) =>
    inits[at]?.container.restartPolicy === 'Always' ? started !== true : !ready,
  );
  const notReady =
    succeeded || phase === 'Failed'
      ? { reason: succeeded ? 'PodCompleted' : 'PodFailed' }
      : { reason: 'ContainersNotReady', message: `containers with unready status: [${names(unready)}]` };

  let conditions: Condition[] = pod.status?.conditions ?? [];
  const set = (type: string, is: boolean, why: { reason?: string; message?: string } = {}): void => {
    const status = is ? 'True' : 'False';
    const before = findCondition(conditions, type);
    if (before?.status === status && before.reason === why.reason && before.message === why.message) return;
    const lastTransitionTime =
      (before?.status === status ? before.lastTransitionTime : undefined) ?? timestamp(now);
    conditions = withCondition(conditions, { type, status, lastTransitionTime, ...why });
  };
  set('PodReadyToStartContainers', state.mounted && phase !== 'Succeeded' && phase !== 'Failed');
  if (succeeded) set('Initialized', true, { reason: 'PodCompleted' });
  else if (state.initialized || inits.length === 0) set('Initialized', true);
  else {
    const message = `containers with incomplete status: [${names(uninitialized)}]`;
    set('Initialized', false, { reason: 'ContainersNotInitialized', message });
  }
  const ready = unready.length === 0 && statuses.length > 0;
  const gates = (pod.spec?.readinessGates ?? []).filter(
    ({ conditionType }) => findCondition(conditions, conditionType)?.status !== 'True',
  );
  set(
    'Ready',
    ready && gates.length === 0,
    !ready ? notReady : gates.length === 0 ? {} : gatesNotReady(gates),
  );
  set('ContainersReady', ready, ready ? {} : notReady);
  set('PodScheduled', true);

  const { message: _message, reason: _reason, ...rest } = pod.status ?? {};
  return {
    ...rest,
    phase,
    ...(isOverdue ? OVERDUE : {}),
    conditions,
    hostIP: HOST_IP,
    hostIPs: [{ ip: HOST_IP }],
    ...(state.mounted ? { podIP: state.ip, podIPs: [{ ip: state.ip }] } : {}),
    startTime: timestamp(state.startedAt),
    qosClass: pod.status?.qosClass ?? qosClassOf(pod),
    ...(inits.length === 0 ? {} : { initContainerStatuses: initStatuses }),
    containerStatuses: statuses,
  };
};

const gatesNotReady = (gates: readonly { conditionType: string }[]): { reason: string; message: string } => ({
  reason: 'ReadinessGatesNotReady',
  message: gates
    .map(
      ({ conditionType }) =>
        `corresponding condition of pod readiness gate "${conditionType}" does not exist.`,
    )
    .join(', '),
});
