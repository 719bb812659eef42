/** A container as it is seen at one moment: its lives, its phase, and what can be told from them alone. */
import type { Container } from '../../kube/index.js';
import type { EventInit } from '../controllers/events.js';
import type { Exit } from './behaviour.js';

/** One life of a container. */
export interface Run {
  readonly id: string;
  readonly startedAt: number;
  readonly image: string;
  /** When and how a pretended run ends by itself. */
  readonly exit: Exit | undefined;
  /** Whether a process plays it. */
  readonly real?: boolean;
  readonly endedAt?: number;
  readonly exitCode?: number;
  /** Set where it could not even start. */
  readonly reason?: 'StartError';
  /** What it left as its last words. */
  readonly message?: string | undefined;
}

/** Why a container is to be killed, and how the events call that. */
export interface Unhealthy {
  readonly by: 'liveness' | 'startup' | 'postStart';
  /** Milliseconds; the pod's own when absent. */
  readonly graceMs?: number | undefined;
}

/** What is seen of a run that a process plays. */
export type Observation =
  | { is: 'starting' }
  /** Its folder cannot be made yet: tried again later. */
  | { is: 'unprepared'; message: string }
  /** There is nothing to start. */
  | { is: 'failed'; message: string }
  | { is: 'running'; startedAt: number; started: boolean; ready: boolean; unhealthy?: Unhealthy }
  | { is: 'ended'; startedAt: number; endedAt: number; exitCode: number; message: string | undefined };

/** A run is being stopped; a pretended one ends at that time. */
export interface Stop {
  readonly why: 'pod' | 'replaced' | 'unhealthy';
  readonly at: number;
  readonly graceMs?: number | undefined;
}

export type Phase =
  /** The image is being pulled, or was, and the container is made at `until`. */
  | { is: 'creating'; until: number; image: string; pulling: boolean }
  /** Something is missing: looked at again at `until`, or only when the pod or what it needs changes. */
  | { is: 'blocked'; reason: string; message: string; until?: number; image: string; attempts: number }
  /** A process is being started. */
  | { is: 'starting'; run: Run }
  | { is: 'running'; run: Run; stops?: Stop }
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
  /** Whether a process plays it. */
  real: boolean;
  /** What is seen of a run with a process; undefined when that has not begun. */
  observe(runId: string): Observation | undefined;
  /** When its pod's pretended containers stop; set once the pod goes, or does not need this container any longer. */
  stopsAt: number | undefined;
  /** First and longest wait between restarts. */
  backoffMillis: readonly [number, number];
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

/** When the next transition is due by time alone. */
export const dueAt = ({ phase }: ContainerState): number | undefined => {
  if (phase.is === 'starting') return undefined;
  if (phase.is !== 'running') return phase.until;
  const { run, stops } = phase;
  if (run.real === true) return undefined;
  const ends = run.exit === undefined ? Infinity : run.startedAt + run.exit.afterMs;
  const at = Math.min(ends, stops?.at ?? Infinity);
  return at === Infinity ? undefined : at;
};

/** Whether something of it runs, or is about to. */
export const isAlive = ({ phase }: ContainerState): boolean =>
  phase.is === 'running' || phase.is === 'starting';

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
