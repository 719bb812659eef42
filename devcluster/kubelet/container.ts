/**
 * One container as a machine of states: a pure function from its state, the time and what is seen of its process to its
 * next state, and the events that the step is told by. A container that pretends has no process; its life is computed
 * from the clock. Times are milliseconds.
 */
import type { EventInit } from '../controllers/events.js';
import type { ContainerContext, ContainerState, Phase, Run, Step, Stop } from './container-state.js';
import { imageOf, pullPolicyOf } from './images.js';

/** First and longest wait between restarts and between pulls. */
export const BACKOFF_MS = [10_000, 300_000] as const;
/** A run that lasted so long is no part of a crash loop. */
const SETTLED_MS = 600_000;
/** For how long ErrImagePull shows before it is called ImagePullBackOff. */
const PULL_ERROR_MS = 1_000;
/** Between the end of a run and the next that need not wait. */
const RESTART_MS = 250;

/** For how long a container waits whose folder cannot be made. */
const UNPREPARED_MS = 5_000;

const doubled = (ms: number, [first, longest]: readonly [number, number]): number =>
  Math.min(Math.max(ms * 2, first), longest);
const pullBackoff = (attempts: number): number =>
  Math.min(BACKOFF_MS[0] * 2 ** (attempts - 1), BACKOFF_MS[1]);

const normal = (reason: string, message: string): EventInit => ({ type: 'Normal', reason, message });
const warning = (reason: string, message: string): EventInit => ({ type: 'Warning', reason, message });

const CREATED = normal('Created', 'Container created');
const STARTED = normal('Started', 'Container started');

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
  return context.real
    ? { state: { ...state, phase: { is: 'starting', run: { ...run, real: true } } }, events }
    : { state: { ...state, phase: { is: 'running', run } }, events: [...events, CREATED, STARTED] };
};

/** What came of the start of a process. */
const started = (context: ContainerContext, state: ContainerState, run: Run): Step | undefined => {
  const { now, container } = context;
  const seen = context.observe(run.id);
  switch (seen?.is) {
    case undefined:
    case 'starting':
      return undefined;
    case 'unprepared': {
      const { message } = seen;
      const reason = 'CreateContainerConfigError';
      const until = now + UNPREPARED_MS;
      const phase: Phase = {
        is: 'blocked',
        reason,
        message,
        image: container.image ?? '',
        attempts: 0,
        until,
      };
      return { state: { ...state, phase }, events: [warning('Failed', `Error: ${message}`)] };
    }
    case 'failed': {
      const { message } = seen;
      const failed = end(
        context,
        state,
        { ...run, reason: 'StartError', message },
        { exitCode: 128, endedAt: now },
      );
      return { ...failed, events: [CREATED, warning('Failed', `Error: ${message}`), ...failed.events] };
    }
    case 'running':
    case 'ended': {
      const begun: Run = { ...run, startedAt: seen.startedAt };
      return { state: { ...state, phase: { is: 'running', run: begun } }, events: [CREATED, STARTED] };
    }
  }
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
    ? `Successfully pulled image "${name}" in ${context.creationMs}ms (${context.creationMs}ms including waiting). Image size: 0 bytes.`
    : `Container image "${name}" already present on machine and can be accessed by the pod`;
  return start(context, state, [normal('Pulled', message)]);
};

const unblock = (
  context: ContainerContext,
  state: ContainerState,
  phase: Phase & { is: 'blocked' },
): Step | undefined => {
  const { container, now } = context;
  if (container.image !== phase.image) return prepare(context, state, context.creationMs);
  if (phase.reason === 'CreateContainerConfigError' && phase.until === undefined)
    return context.environmentProblem() === phase.message ? undefined : start(context, state, []);
  if (phase.until === undefined || now < phase.until) return undefined;
  if (phase.reason === 'CreateContainerConfigError') return start(context, state, []);
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
const end = (
  context: ContainerContext,
  state: ContainerState,
  ran: Run,
  ended: { exitCode: number; endedAt: number },
): Step => {
  const { container, now, podName } = context;
  const run: Run = { ...ran, ...ended };
  if (context.stopsAt !== undefined || !context.restarts(run.exitCode ?? 0))
    return { state: { ...state, phase: { is: 'ended', run } }, events: [] };
  const waits = now - run.startedAt >= SETTLED_MS ? 0 : state.backoffMs;
  const phase: Phase = {
    is: 'ended',
    run,
    until: now + (waits || RESTART_MS),
    ...(waits > 0 ? { backoff: waits } : {}),
  };
  const message = `Back-off restarting failed container ${container.name} in pod ${podName}`;
  return {
    state: { ...state, phase, backoffMs: doubled(waits, context.backoffMillis) },
    events: waits > 0 ? [warning('BackOff', message)] : [],
  };
};

/** The image of a pod that runs may be changed, and its container starts anew then. */
const replace = (context: ContainerContext, { restarts }: ContainerState, last: Run): Step =>
  prepare(context, { restarts: restarts + 1, last, backoffMs: 0 }, context.creationMs);

const stop = (state: ContainerState, run: Run, stops: Stop, message: string): Step => ({
  state: { ...state, phase: { is: 'running', run, stops } },
  events: [normal('Killing', message)],
});

const run = (
  context: ContainerContext,
  state: ContainerState,
  { run, stops }: Phase & { is: 'running' },
): Step | undefined => {
  const { container, now, stopsAt } = context;
  const { exit, startedAt, image, real = false } = run;
  const seen = real ? context.observe(run.id) : undefined;
  const over = (exitCode: number, endedAt: number, message?: string): Step => {
    const ended = { ...run, exitCode, endedAt, ...(message === undefined ? {} : { message }) };
    return stops?.why === 'replaced' && stopsAt === undefined
      ? replace(context, state, ended)
      : end(context, state, ended, { exitCode, endedAt });
  };
  if (seen?.is === 'ended') return over(seen.exitCode, seen.endedAt, seen.message);
  if (!real && exit !== undefined && now >= startedAt + exit.afterMs) return over(exit.code, now);
  if (!real && stops !== undefined && now >= stops.at) return over(0, now);
  if (stopsAt !== undefined && stops?.why !== 'pod')
    return stop(state, run, { why: 'pod', at: stopsAt }, `Stopping container ${container.name}`);
  if (stops !== undefined) return undefined;
  if (container.image !== image) {
    const message = `Container ${container.name} definition changed, will be restarted`;
    return stop(state, run, { why: 'replaced', at: now }, message);
  }
  if (seen?.is !== 'running' || seen.unhealthy === undefined) return undefined;
  const { by, graceMs } = seen.unhealthy;
  const message =
    by === 'postStart'
      ? 'FailedPostStartHook'
      : `Container ${container.name} failed ${by} probe, will be restarted`;
  return stop(state, run, { why: 'unhealthy', at: now, graceMs }, message);
};

/** The one transition that is due; undefined when none is. */
const once = (context: ContainerContext, state: ContainerState): Step | undefined => {
  const { phase } = state;
  const { now, stopsAt } = context;
  if (phase.is === 'running') return run(context, state, phase);
  if (phase.is === 'starting') return started(context, state, phase.run);
  // Nothing is begun in a pod that goes.
  if (stopsAt !== undefined)
    return phase.is === 'ended' && phase.until !== undefined
      ? { state: { ...state, phase: { is: 'ended', run: phase.run } }, events: [] }
      : undefined;
  switch (phase.is) {
    case 'creating':
      if (context.container.image !== phase.image) return prepare(context, state, context.creationMs);
      return now < phase.until ? undefined : create(context, state, phase);
    case 'blocked':
      return unblock(context, state, phase);
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
