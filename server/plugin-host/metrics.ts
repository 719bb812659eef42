/** Numbers of a plugin host, by caller, provider and method. */
import type { Metrics } from '../ports.js';
import type { HostMetrics } from './port.js';
import type { CallCounts } from './status.js';

/** Bounds of the histogram, in seconds: calls on a loopback take a fraction of a millisecond. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5, 30];
/** Callers, providers and methods that are counted apart: methods are named by callers, and plugins that come again have new names. */
const MAX_SERIES = 2_000;
const OTHERS = '(others)';

/** @param counts told of each call too. */
export function createHostMetrics(metrics: Metrics, counts: CallCounts): HostMetrics {
  const calls = metrics.counter(
    'xi_plugin_calls_total',
    'Calls that were routed, by how they were answered.',
  );
  const times = metrics.histogram(
    'xi_plugin_call_seconds',
    'Time of routed calls from their first byte to the last of their answer.',
    SECONDS,
  );
  const series = new Set<string>();
  let services = 0;
  metrics.observed('xi_plugin_services', 'Services that are registered.', () => [[services]]);

  const isCounted = (key: string): boolean => {
    if (series.has(key)) return true;
    if (series.size >= MAX_SERIES) return false;
    series.add(key);
    return true;
  };

  return {
    routed(labels, seconds) {
      counts.routed(labels, seconds);
      const { caller, provider, type, method, status } = labels;
      const who = isCounted(`${caller} ${provider} ${type} ${method} ${status}`)
        ? { caller, provider, type, method }
        : { caller: OTHERS, provider: OTHERS, type: OTHERS, method: OTHERS };
      calls.add({ ...who, status: String(status) });
      times.observe(seconds, { provider: who.provider, type: who.type });
    },
    registered: (count) => void (services = count),
  };
}
