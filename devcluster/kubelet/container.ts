/**
 * One pretended container as a machine of states: a pure function from its state and the time to its next state, and
 * the events that the step is told by. Times are milliseconds.
 */
import type { Container } from '../../kube/index.js';
import type { EventInit } from '../controllers/events.js';
import { imageOf, pullPolicyOf } from './images.js';
import type { Exit } from './behaviour.js';

/** One life of a container. */
export interface Run {
  readonly id: string;
  readonly startedAt: number;
  readonly image: string;
  readonly exit: Exit | undefined;
  readonly endedAt?: number;
  readonly exitCode?: number;
}

export type Phase =
  /** The image is being pulled, or was, and the container is made at `until`. */
  | { is: 'creating'; until: number; image: string; pulling: boolean }
  /** Something is missing: looked at again at `until`, or only when the pod or what it needs changes. */
  | { is: 'blocked'; reason: string; message: string; until?: number; image: string; attempts: number }
  | { is: 'running'; run: Run }
  /** Ended; started anew at `until` where that is set. */
  | { is: 'ended'; run: Run; until?: number; backoff?: number };

export interface ContainerState {
  readonly phase: Phase;
  readonly restarts: number;
  /** The life before the one of the phase. */
  readonly last?: Run | undefined;
  /** Milliseconds that the next failure will wait; 0 before the first. */
  readonly backoffMs: number;
}

export interface ContainerContext {
  container: Container;
  now: number;
  /** How long it takes to have the image and make the container. */
  creationMs: number;
  exit: Exit | undefined;
  /** Whether a run that ended with this code is followed by another. */
  restarts(exitCode: number): boolean;
  /** Whether the node has the image already. */
  hasImage(image: string): boolean;
  /** What the environment lacks. */
  environmentProblem(): string | undefined;
  newId(): string;
  /** `name_namespace(uid)`, as messages call the pod. */
  podName: string;
}

export interface Step {
  state: ContainerState;
  events: EventInit[];
}

const FIRST_BACKOFF_MS = 10_000;
const LARGEST_BACKOFF_MS = 300_000;
/** A run that lasted so long is no part of a crash loop. */
const SETTLED_MS = 600_000;
/** For how long ErrImagePull shows before it is called ImagePullBackOff. */
const PULL_ERROR_MS = 1_000;
/** Between the end of a run and the next that need not wait. */
const RESTART_MS = 250;

const doubled = (ms: number): number => Math.min(Math.max(ms * 2, FIRST_BACKOFF_MS), LARGEST_BACKOFF_MS);
const pullBackoff = (attempts: number): number =>
  Math.min(FIRST_BACKOFF_MS * 2 ** (attempts - 1), LARGEST_BACKOFF_MS);

const normal = (reason: string, message: string): EventInit => ({ type: 'Normal', reason, message });
const warning = (reason: string, message: string): EventInit => ({ type: 'Warning', reason, message });

/** Begins to have the image, or says why that is hopeless. */
const prepare = (
  context: ContainerContext,
  before: Pick<ContainerState, 'restarts' | 'last' | 'backoffMs'>,
  creationMs: number,
): Step => {
  const { container, now } = context;
  const { image: name = '' } = container;
  const image = imageOf(name);
  if (image.is === 'invalid') {
    const phase: Phase = {
      is: 'blocked',
      reason: 'InvalidImageName',
      message: image.message,
      image: name,
      attempts: 0,
    };
    return {
      state: { ...before, phase },
      events: [warning('InspectFailed', image.message), warning('Failed', 'Error: InvalidImageName')],
    };
  }
  const pulling = !context.hasImage(name) || pullPolicyOf(container) === 'Always';
  return {
    state: { ...before, phase: { is: 'creating', until: now + creationMs, image: name, pulling } },
    events: pulling ? [normal('Pulling', `Pulling image "${name}"`)] : [],
  };
};

const pullFailed = (
  context: ContainerContext,
  state: ContainerState,
  message: string,
  attempts: number,
): Step => {
  const { container, now } = context;
  const image = container.image ?? '';
  const until = now + PULL_ERROR_MS;
  return {
    state: { ...state, phase: { is: 'blocked', reason: 'ErrImagePull', message, image, attempts, until } },
    events: [
      warning('Failed', `Failed to pull image "${image}": ${message}`),
      warning('Failed', 'Error: ErrImagePull'),
    ],
  };
};

const start = (context: ContainerContext, state: ContainerState, events: EventInit[]): Step => {
  const { container, now, exit } = context;
  const image = container.image ?? '';
  const lacking = context.environmentProblem();
  if (lacking !== undefined) {
    const reason = 'CreateContainerConfigError';
    const told = state.phase.is === 'blocked' && state.phase.message === lacking;
    return {
      state: { ...state, phase: { is: 'blocked', reason, message: lacking, image, attempts: 0 } },
      events: told ? events : [...events, warning('Failed', `Error: ${lacking}`)],
    };
  }
  const run: Run = { id: context.newId(), startedAt: now, image, exit };
  return {
    state: { ...state, phase: { is: 'running', run } },
    events: [
      ...events,
      normal('Created', `Created container: ${container.name}`),
      normal('Started', `Started container ${container.name}`),
    ],
  };
};

type Creating = Phase & { is: 'creating' };

const create = (
  context: ContainerContext,
  state: ContainerState,
  { image: name, pulling }: Creating,
): Step => {
  const image = imageOf(name);
  if (image.is === 'absent') return pullFailed(context, state, image.message, 1);
  const message = pulling
    ? `Successfully pulled image "${name}" in ${context.creationMs}ms`
    : `Container image "${name}" already present on machine`;
  return start(context, state, [normal('Pulled', message)]);
};

const unblock = (
  context: ContainerContext,
  state: ContainerState,
  phase: Phase & { is: 'blocked' },
): Step | undefined => {
  const { container, now } = context;
  if (container.image !== phase.image) return prepare(context, state, context.creationMs);
  if (phase.reason === 'CreateContainerConfigError') {
    return context.environmentProblem() === phase.message ? undefined : start(context, state, []);
  }
  if (phase.until === undefined || now < phase.until) return undefined;
  if (phase.reason === 'ErrImagePull') {
    const until = now + pullBackoff(phase.attempts);
    const message = `Back-off pulling image "${phase.image}": ErrImagePull: ${phase.message}`;
    return {
      state: { ...state, phase: { ...phase, reason: 'ImagePullBackOff', message, until } },
      events: [
        normal('BackOff', `Back-off pulling image "${phase.image}"`),
        warning('Failed', 'Error: ImagePullBackOff'),
      ],
    };
  }
  const image = imageOf(phase.image);
  const failed = pullFailed(context, state, image.is === 'there' ? '' : image.message, phase.attempts + 1);
  return { ...failed, events: [normal('Pulling', `Pulling image "${phase.image}"`), ...failed.events] };
};

/** A run has ended: for good, or with another to follow, at once the first time and after a growing wait then. */
const end = (context: ContainerContext, state: ContainerState, ran: Run, exitCode: number): Step => {
  const { container, now, podName } = context;
  const run: Run = { ...ran, endedAt: now, exitCode };
  if (!context.restarts(exitCode)) return { state: { ...state, phase: { is: 'ended', run } }, events: [] };
  const waits = now - run.startedAt >= SETTLED_MS ? 0 : state.backoffMs;
  const phase: Phase = {
    is: 'ended',
    run,
    until: now + (waits || RESTART_MS),
    ...(waits > 0 ? { backoff: waits } : {}),
  };
  const message = `Back-off restarting failed container ${container.name} in pod ${podName}`;
  return {
    state: { ...state, phase, backoffMs: doubled(waits) },
    events: waits > 0 ? [warning('BackOff', message)] : [],
  };
};

/** The image of a pod that runs may be changed, and its container starts anew then. */
const replace = (context: ContainerContext, { restarts }: ContainerState, run: Run): Step => {
  const last: Run = { ...run, endedAt: context.now, exitCode: 0 };
  const next = prepare(context, { restarts: restarts + 1, last, backoffMs: 0 }, context.creationMs);
  const message = `Container ${context.container.name} definition changed, will be restarted`;
  return { ...next, events: [normal('Killing', message), ...next.events] };
};

/** The one transition that is due; undefined when none is. */
const once = (context: ContainerContext, state: ContainerState): Step | undefined => {
  const { phase } = state;
  const { now } = context;
  switch (phase.is) {
    case 'creating':
      if (context.container.image !== phase.image) return prepare(context, state, context.creationMs);
      return now < phase.until ? undefined : create(context, state, phase);
    case 'blocked':
      return unblock(context, state, phase);
    case 'running': {
      const { exit, startedAt, image } = phase.run;
      if (context.container.image !== image) return replace(context, state, phase.run);
      return exit === undefined || now < startedAt + exit.afterMs
        ? undefined
        : end(context, state, phase.run, exit.code);
    }
    case 'ended': {
      if (phase.until === undefined || now < phase.until) return undefined;
      const { backoffMs, restarts } = state;
      return prepare(context, { backoffMs, restarts: restarts + 1, last: phase.run }, 0);
    }
  }
};

/** Takes all transitions that are due, from no state on. */
export const stepContainer = (context: ContainerContext, before: ContainerState | undefined): Step => {
  let { state, events }: Step =
    before === undefined
      ? prepare(context, { restarts: 0, backoffMs: 0 }, context.creationMs)
      : { state: before, events: [] };
  for (;;) {
    const next = once(context, state);
    if (next === undefined) return { state, events };
    state = next.state;
    events = [...events, ...next.events];
  }
};

/** When the next transition is due by time alone. */
export const dueAt = ({ phase }: ContainerState): number | undefined => {
  if (phase.is !== 'running') return phase.until;
  return phase.run.exit === undefined ? undefined : phase.run.startedAt + phase.run.exit.afterMs;
};

/** The life that a log shows, and the one before it. */
export const runsOf = ({
  phase,
  last,
}: ContainerState): { current: Run | undefined; previous: Run | undefined } => {
  if (phase.is === 'running') return { current: phase.run, previous: last };
  // While a container waits for its next life, its log and its last one are the same.
  if (phase.is === 'ended')
    return { current: phase.run, previous: phase.backoff === undefined ? last : phase.run };
  return { current: last, previous: last };
};
