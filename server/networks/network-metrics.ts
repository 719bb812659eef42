/** The controller's numbers. */
import type { Counter, Metrics } from '../ports.js';
import type { Standing, State, Step } from './plan.js';

export interface NetworkMetrics {
  readonly eventsDropped: Counter;
  /** How a network's pods stand. */
  standings(network: string, standings: readonly Standing[]): void;
  forget(network: string): void;
  /** This process no longer leads. */
  clear(): void;
  step(what: Step['do'], result: string): void;
  joined(how: 'join' | 'merge', seconds: number): void;
  reconciled(seconds: number): void;
  failed(): void;
  queue(size: () => number): void;
  leads(leading: () => boolean): void;
}

const SECONDS = [0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 20];

export function createNetworkMetrics(metrics: Metrics): NetworkMetrics {
  const counts = new Map<string, Map<State, number>>();
  let size = (): number => 0;
  let leading = (): boolean => false;
  const steps = metrics.counter(
    'xi_network_steps_total',
    'Joins, merges, leaves and drops of peers, by result.',
  );
  const joins = metrics.histogram(
    'xi_network_join_seconds',
    'How long peers took to join or merge.',
    SECONDS,
  );
  const passes = metrics.histogram(
    'xi_network_reconcile_seconds',
    'How long it took to bring a network in line.',
    SECONDS,
  );
  const failures = metrics.counter(
    'xi_network_failures_total',
    'Passes over a network that left something undone.',
  );
  metrics.observed('xi_networks', 'Networks that this process looks after.', () => [[counts.size]]);
  metrics.observed('xi_network_pods', 'Labelled pods, by how they stand to their network.', () => {
    const sums = new Map<State, number>();
    for (const count of counts.values())
      for (const [state, number] of count) sums.set(state, (sums.get(state) ?? 0) + number);
    return [...sums].map(([state, number]) => [number, { state }] as const);
  });
  metrics.observed('xi_network_queue', 'Networks that wait for their turn or are worked on.', () => [
    [size()],
  ]);
  metrics.observed('xi_leader', 'Whether this process leads: 1 or 0.', () => [[Number(leading())]]);
  return {
    eventsDropped: metrics.counter(
      'xi_network_events_dropped_total',
      'Events on pods that were not written.',
    ),
    standings(network, standings) {
      const count = new Map<State, number>();
      for (const { state } of standings) count.set(state, (count.get(state) ?? 0) + 1);
      counts.set(network, count);
    },
    forget: (network) => void counts.delete(network),
    clear: () => counts.clear(),
    step: (what, result) => steps.add({ step: what, result }),
    joined: (how, seconds) => joins.observe(seconds, { how }),
    reconciled: (seconds) => passes.observe(seconds),
    failed: () => failures.add(),
    queue: (read) => void (size = read),
    leads: (read) => void (leading = read),
  };
}
