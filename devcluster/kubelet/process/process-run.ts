/** One life of a container that a process plays: its folders, its start, its probes, its end. */
import type { Container } from '../../../kube/index.js';
import { MAX_TIMER_MS } from '../../../kube/timers.js';
import type { EventInit } from '../../controllers/events.js';
import type { PodProgram } from '../../devcluster.js';
import { entryOf } from '../command.js';
import type { Observation, Unhealthy } from '../container-state.js';
import { processEnvironment } from '../environment.js';
import { expand } from '../expansion.js';
import type { PlacedPod } from '../fields.js';
import type { PodFolders } from '../folders/pod-folders.js';
import type { View } from '../folders/view.js';
import { VolumeProblem } from '../folders/volume-files.js';
import { createLogStore } from '../log-store.js';
import type { LogStore } from '../log-store.js';
import type { CheckTarget } from '../probes/check.js';
import { startProber } from '../probes/prober.js';
import type { Prober } from '../probes/prober.js';
import { checkTarget } from './check-target.js';
import { startChild } from './child.js';
import type { Child } from './child.js';
import { lastWords } from './last-words.js';
import { runHook } from './lifecycle-hook.js';

export interface ProcessRunOptions {
  readonly placed: PlacedPod;
  readonly container: Container;
  readonly program: PodProgram;
  readonly folders: PodFolders;
  /** The container's own environment. */
  readonly environment: ReadonlyMap<string, string>;
  /** The API's URL. */
  readonly api: string;
  readonly clock: () => number;
  onEvent(event: EventInit): void;
  /** Called when what is seen of it has changed. */
  onChange(): void;
  /** Called when it has written something. */
  onOutput(): void;
}

export interface ProcessRun {
  readonly observation: Observation;
  readonly log: LogStore;
  readonly environment: ReadonlyMap<string, string>;
  /** Set once its folders are made. */
  readonly view: View | undefined;
  /** Stops it: preStop, SIGTERM, and SIGKILL at that time, which later calls can only bring forward. */
  stop(killAt: number, hooks?: boolean): void;
  /** Resolves when nothing of it runs. */
  readonly over: Promise<void>;
}

/** What the process has at least after preStop. */
const LEAST_GRACE_MS = 2_000;
const HOOK_MS = 600_000;

export const startProcessRun = (options: ProcessRunOptions): ProcessRun => {
  const { placed, container, program, folders, environment, api, clock, onEvent, onChange } = options;
  const log = createLogStore(clock);
  let seen: Observation = { is: 'starting' };
  let view: View | undefined;
  let child: Child | undefined;
  let prober: Prober | undefined;
  let hookFailed: Unhealthy | undefined;
  /** When it is to be killed; set once it is being stopped. */
  let killAt: number | undefined;
  const stopped = new AbortController();

  const set = (observation: Observation): void => {
    seen = observation;
    onChange();
  };

  const target = (at: View): CheckTarget => checkTarget(placed, container, { view: at, environment });

  const run = async (): Promise<void> => {
    const { command = [], args = [] } = container;
    const words = (list: readonly string[]): string[] =>
      list.map((word) => expand(word, (name) => environment.get(name)));
    const entry = entryOf(words(command), words(args), program.commands, program.isFlag);
    if (entry.is === 'refused') return set({ is: 'failed', message: entry.message });
    try {
      view = await folders.prepare(container, environment);
    } catch (error) {
      return set({
        is: error instanceof VolumeProblem ? 'unprepared' : 'failed',
        message: (error as Error).message,
      });
    }
    const { root } = view;
    const own = {
      XI_POD_IP: placed.ip,
      XI_POD_ROOT: root,
      XI_POD_API: api,
      TMPDIR: `${root}/tmp`,
      HOME: root,
    };
    try {
      child = await startChild({
        program,
        args: entry.args,
        environment: processEnvironment(environment, own),
        cwd: root,
        onOutput: (stream, bytes) => {
          log.write(stream, bytes);
          options.onOutput();
        },
      });
    } catch (error) {
      return set({ is: 'failed', message: `unable to start container process: ${(error as Error).message}` });
    }
    const startedAt = clock();
    if (killAt !== undefined) child.stop(killAt - clock());
    const at = target(view);
    const { postStart } = container.lifecycle ?? {};
    prober = startProber({ target: at, onEvent, onChange });
    if (killAt !== undefined) prober.stop();
    const probes = prober;
    seen = {
      is: 'running',
      startedAt,
      get started() {
        return probes.started;
      },
      get ready() {
        return probes.ready;
      },
      get unhealthy() {
        return hookFailed ?? probes.unhealthy;
      },
    } as Observation;
    onChange();
    if (postStart)
      void runHook(postStart, at, HOOK_MS).then((passed) => {
        if (passed || seen.is !== 'running') return;
        onEvent({ type: 'Warning', reason: 'FailedPostStartHook', message: 'PostStartHook failed' });
        hookFailed = { by: 'postStart' };
        onChange();
      });
    const exitCode = await child.ended;
    probes.stop();
    stopped.abort();
    log.end();
    set({
      is: 'ended',
      startedAt,
      endedAt: clock(),
      exitCode,
      message: await lastWords(container, { view, log, exitCode }),
    });
  };

  const stop = async (at: number, hooks: boolean): Promise<void> => {
    prober?.stop();
    const left = (): number => Math.max(0, at - clock());
    const { preStop } = container.lifecycle ?? {};
    if (!hooks || preStop === undefined || child === undefined || view === undefined)
      return child?.stop(left());
    const limit = new Promise<true>((resolve) => {
      const timer = setTimeout(() => resolve(true), Math.min(left(), MAX_TIMER_MS));
      stopped.signal.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve(true);
      });
    });
    const passed = await Promise.race([runHook(preStop, target(view), left()), limit]);
    if (!passed) onEvent({ type: 'Warning', reason: 'FailedPreStopHook', message: 'PreStopHook failed' });
    child.stop(Math.max(left(), LEAST_GRACE_MS));
  };

  const over = run()
    .catch((error: unknown) => set({ is: 'failed', message: String(error) }))
    .finally(() => log.end());
  return {
    get observation() {
      return seen;
    },
    log,
    environment,
    get view() {
      return view;
    },
    over,
    stop: (at, hooks = true) => {
      if (killAt !== undefined && at >= killAt) return;
      const isFirst = killAt === undefined;
      killAt = at;
      if (isFirst) void stop(at, hooks);
      else child?.stop(at - clock());
    },
  };
};
