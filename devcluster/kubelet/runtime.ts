/** What a kubelet knows of one pod of its own. */
import { join } from 'node:path';
import type { Container, Pod } from '../../kube/index.js';
import { uidOf } from '../controllers/meta.js';
import { runsOf } from './container-state.js';
import type { Run } from './container-state.js';
import { isOurs } from './images.js';
import type { LogLines } from './log-lines.js';
import { logLines } from './log-lines.js';
import type { PodProcesses } from './process/pod-processes.js';
import type { PodState } from './pod.js';

export interface Runtime {
  pod: Pod;
  state: PodState;
  /** The version that the last status was written over, and what came of it: a copy may lag behind. */
  written?: { over: string | undefined; pod: Pod };
  /** When pretended containers stop; set once the pod is being deleted. */
  stopsAt?: number;
  /** What plays the containers of our image. */
  processes?: PodProcesses;
  /** Why nothing plays them. */
  pretends?: string;
  /** Whether the pod has a folder. */
  hasFolder?: boolean;
  /** Called when a run may have ended, or written something. */
  readonly wakers: Set<() => void>;
}

/** Where all of a pod's folders are. @param folder that of all pods. */
export const podFolder = (folder: string, pod: Pod): string =>
  join(folder, uidOf(pod).replace(/[^\w-]/g, '_'));

export const wake = ({ wakers }: Runtime): void => {
  for (const waker of [...wakers]) waker();
};

/** Resolves at the next wake, at the time given, or when the signal fires. */
export const woken = (
  { wakers }: Runtime,
  { until, signal, clock }: { until: number; signal: AbortSignal; clock: () => number },
): Promise<void> =>
  new Promise((resolve) => {
    const timer = until === Infinity ? undefined : setTimeout(done, Math.max(0, until - clock()));
    wakers.add(done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
    function done(): void {
      clearTimeout(timer);
      wakers.delete(done);
      signal.removeEventListener('abort', done);
      resolve();
    }
  });

/** A run as it is at the moment: ended when it is no longer known. */
export interface RunWatch {
  lines(): LogLines;
  isOver(): boolean;
}

/** @param current whether the runtime is still that of its pod. */
export const watchRun = (
  runtime: Runtime,
  {
    container,
    opened,
    current,
    clock,
  }: { container: Container; opened: Run; current(): boolean; clock(): number },
): RunWatch => {
  let latest = opened;
  // Kept here, as a run that is over is soon forgotten there.
  const played = runtime.processes?.run(opened.id);
  const look = (): Run => {
    const state = current() ? runtime.state.containers.get(container.name) : undefined;
    const { current: now, previous } = state === undefined ? {} : runsOf(state);
    const same = [now, previous].find((run) => run?.id === opened.id);
    if (same !== undefined) latest = same;
    else if (latest.endedAt === undefined) latest = { ...latest, endedAt: clock(), exitCode: 0 };
    return latest;
  };
  const why = runtime.pretends !== undefined && isOurs(opened.image) ? `: ${runtime.pretends}` : '';
  return {
    lines: () => played?.log ?? logLines(look(), container, why),
    isOver: () => look().endedAt !== undefined,
  };
};
