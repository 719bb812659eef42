/** How the plugin is: what it says itself, what it lacks, and what its host refused. */
import { HealthState } from '../../proto/gen/connectplugin/v1/plugin_pb.js';

export type Health = 'healthy' | 'degraded' | 'unhealthy';

/** A plugin's health, as hosts are told. */
export interface HealthReport {
  readonly state: Health;
  /** For people; empty when there is nothing to say. */
  readonly reason: string;
  /** The types of required services that nobody provides. */
  readonly unavailableDependencies: readonly string[];
}

const STATES: Readonly<Record<Health, HealthState>> = {
  healthy: HealthState.HEALTHY,
  degraded: HealthState.DEGRADED,
  unhealthy: HealthState.UNHEALTHY,
};

/** Hosts bound what they are told. */
const MOST_CHARACTERS = 1_000;

/** The report as the protocol has it. */
export const healthMessage = ({ state, reason, unavailableDependencies }: HealthReport) => ({
  state: STATES[state],
  // A character that was cut in half cannot be sent as JSON; in bytes it is replaced.
  reason: Buffer.from(reason.slice(0, MOST_CHARACTERS)).toString(),
  unavailableDependencies: [...unavailableDependencies],
});

export interface HealthBook {
  now(): HealthReport;
  /** What the plugin says of itself. */
  say(state: Health, reason: string): void;
  /** The types that it lacks now. */
  lacks(types: readonly string[]): void;
  /** What keeps its services from being found, if anything. */
  hindered(reason: string | undefined): void;
  /** Calls the listener at each change. Returns how to stop that. */
  onChange(listener: (report: HealthReport) => void): () => void;
}

export function createHealthBook(): HealthBook {
  let own: { state: Health; reason: string } = { state: 'healthy', reason: '' };
  let lacking: readonly string[] = [];
  let hindrance: string | undefined;
  const listeners = new Set<(report: HealthReport) => void>();

  const compute = (): HealthReport => {
    const degraded = lacking.length > 0 || hindrance !== undefined;
    const reasons = [
      own.reason,
      ...(lacking.length > 0 ? [`nobody provides ${lacking.join(', ')}`] : []),
      ...(hindrance === undefined ? [] : [hindrance]),
    ];
    return {
      state: own.state === 'healthy' && degraded ? 'degraded' : own.state,
      reason: reasons.filter((reason) => reason !== '').join('; '),
      unavailableDependencies: lacking,
    };
  };
  let last = compute();
  const changed = (): void => {
    const next = compute();
    if (JSON.stringify(next) === JSON.stringify(last)) return;
    last = next;
    for (const listener of [...listeners]) listener(next);
  };
  return {
    now: () => last,
    say(state, reason) {
      own = { state, reason };
      changed();
    },
    lacks(types) {
      lacking = [...types].sort();
      changed();
    },
    hindered(reason) {
      hindrance = reason;
      changed();
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
