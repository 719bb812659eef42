/** Numbers of a plugin host, by caller, provider and method. */
import type { Labels, Metrics } from '../ports.js';
import { OTHERS } from './counts.js';
import type { CallCounts } from './counts.js';
import type { HostMetrics } from './port.js';

/** Bounds of the histogram, in seconds: calls on a loopback take a fraction of a millisecond. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5, 30];
/** Callers, providers and methods that are counted apart: methods are named by callers, and plugins that come again have new names. */
const MAX_SERIES = 2_000;

type Routed = Parameters<HostMetrics['routed']>[0];

/** The labels of the two metrics, made once: frozen ones are also rendered once. */
interface Series {
  readonly call: Labels;
  readonly time: Labels;
}

const seriesFor = (
  caller: string,
  provider: string,
  type: string,
  method: string,
  status: number,
): Series => ({
  call: Object.freeze({ caller, provider, type, method, status: String(status) }),
  time: Object.freeze({ provider, type }),
});

/** @param counts told of each call too; it says what a method is counted as. */
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
  const series = new Map<string, Series>();
  let services = 0;
  metrics.observed('xi_plugin_services', 'Services that are registered.', () => [[services]]);

  const seriesOf = ({ caller, provider, type, status }: Routed, method: string): Series => {
    const key = `${caller} ${provider} ${type} ${method} ${status}`;
    const known = series.get(key);
    if (known !== undefined) return known;
    if (series.size >= MAX_SERIES) return seriesFor(OTHERS, OTHERS, OTHERS, OTHERS, status);
    const made = seriesFor(caller, provider, type, method, status);
    series.set(key, made);
    return made;
  };

  return {
    routed(labels, seconds) {
      const { call, time } = seriesOf(labels, counts.routed(labels));
      calls.add(call);
      times.observe(seconds, time);
    },
    registered: (count) => void (services = count),
  };
}
