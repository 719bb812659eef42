/** The probes of one run: each at its own pace, the startup probe before the others. */
import type { Container, Probe } from '../../../kube/index.js';
import { MAX_TIMER_MS } from '../../../kube/timers.js';
import type { EventInit } from '../../controllers/events.js';
import type { Unhealthy } from '../container-state.js';
import type { Health } from '../pod.js';
import { check } from './check.js';
import type { CheckTarget } from './check.js';

export interface ProberOptions {
  readonly target: CheckTarget;
  /** Told of each failure. */
  onEvent(event: EventInit): void;
  /** Called when what the probes say has changed. */
  onChange(): void;
}

export interface Prober extends Health {
  readonly unhealthy: Unhealthy | undefined;
  stop(): void;
}

type Kind = 'startup' | 'liveness' | 'readiness';

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** How long after its start a kubelet finds a container running: it is not asked before. */
const SEEN_MS = 1_000;

export const startProber = ({ target, onEvent, onChange }: ProberOptions): Prober => {
  const { startupProbe, livenessProbe, readinessProbe }: Container = target.container;
  const timers = new Set<NodeJS.Timeout>();
  const begun = performance.now();
  let stopped = false;
  const state = { started: startupProbe === undefined, passed: readinessProbe === undefined };
  let unhealthy: Unhealthy | undefined;

  const later = (ms: number, work: () => Promise<void>): void => {
    if (stopped) return;
    const timer = setTimeout(
      () => {
        timers.delete(timer);
        void work();
      },
      Math.min(ms, MAX_TIMER_MS),
    );
    timers.add(timer);
  };

  const settle = (kind: Kind, probe: Probe, passes: boolean): void => {
    if (kind === 'startup' && passes) {
      state.started = true;
      follow();
    } else if (kind === 'readiness') {
      if (state.passed === passes) return;
      state.passed = passes;
    } else if (passes || unhealthy !== undefined) return;
    else {
      const grace = probe.terminationGracePeriodSeconds;
      unhealthy = {
        by: kind,
        graceMs: grace === undefined ? undefined : grace * 1000,
      };
    }
    onChange();
  };

  const run = (kind: Kind, probe: Probe): void => {
    const { initialDelaySeconds = 0, periodSeconds = 10, timeoutSeconds = 1 } = probe;
    const needed = { success: probe.successThreshold ?? 1, failure: probe.failureThreshold ?? 3 };
    let last: 'success' | 'failure' | undefined;
    let count = 0;
    const once = async (): Promise<void> => {
      const verdict = await check(probe, target, (timeoutSeconds || 1) * 1000);
      if (stopped) return;
      if (verdict.is !== 'success') {
        const what = verdict.is === 'failure' ? 'failed' : 'errored and resulted in unknown state';
        const message = `${capital(kind)} probe ${what}: ${verdict.message}`;
        onEvent({ type: 'Warning', reason: 'Unhealthy', message });
      }
      if (verdict.is !== 'unknown') {
        count = verdict.is === last ? count + 1 : 1;
        last = verdict.is;
        if (count >= needed[verdict.is]) settle(kind, probe, verdict.is === 'success');
      }
      // A startup probe is done once it has passed, and what is to be killed is asked no more.
      const done = kind === 'startup' ? state.started || unhealthy !== undefined : false;
      if (!done && !(kind === 'liveness' && unhealthy !== undefined)) later(periodSeconds * 1000, once);
    };
    later(Math.max(initialDelaySeconds * 1000, SEEN_MS) - (performance.now() - begun), once);
  };

  const follow = (): void => {
    if (livenessProbe) run('liveness', livenessProbe);
    if (readinessProbe) run('readiness', readinessProbe);
  };
  if (startupProbe) run('startup', startupProbe);
  else follow();

  return {
    get started() {
      return state.started;
    },
    get ready() {
      return state.started && state.passed;
    },
    get unhealthy() {
      return unhealthy;
    },
    stop: () => {
      stopped = true;
      for (const timer of timers) clearTimeout(timer);
    },
  };
};
