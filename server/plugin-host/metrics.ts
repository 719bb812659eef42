/** Numbers of a plugin host, by caller, provider and method. */
import type { Labels, Metrics } from '../ports.js';
import { OTHERS } from './counts.js';
import type { CallCounts } from './counts.js';
import type { HostMetrics } from './port.js';

/** Bounds of the histogram, in seconds: calls on a loopback take a fraction of a millisecond. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5, 30];
/** Callers, providers and methods that are told apart: what many plugins and methods would make is too much for who scrapes it. */
const MAX_SERIES = 2_000;

type Routed = Parameters<HostMetrics['routed']>[0];

/** The labels of the two metrics, made once: frozen ones are also rendered once. */
interface Series {
  readonly call: Labels;
  readonly time: Labels;
  readonly plugins: readonly string[];
}

const seriesFor = ({ caller, provider, type, method, status }: Routed): Series => ({
  call: Object.freeze({ caller, provider, type, method, status: String(status) }),
  time: Object.freeze({ provider, type }),
  plugins: [caller, provider],
});

const timeKey = ({ time }: Series): string => JSON.stringify(time);

/**
 * Says which series a call counts for. Plugins that come again have new names: those of plugins that nobody knows any more make room.
 * @param gone told of each that goes; `last` when no other has its time.
 */
function createSeries(
  knows: (runtimeId: string) => boolean,
  gone: (series: Series, last: boolean) => void,
): (call: Routed, method: string) => Series {
  const told = new Map<string, Series>();
  /** By status, those of all that are not told apart. */
  const others = new Map<number, Series>();
  /** Calls that found no room since there last was some. */
  let crowdedOut = 0;

  function sweep(): void {
    const left: Series[] = [];
    for (const [key, series] of told) {
      if (series.plugins.every(knows)) continue;
      told.delete(key);
      left.push(series);
    }
    if (left.length === 0) return;
    const timed = new Set([...told.values()].map(timeKey));
    for (const series of left) gone(series, !timed.has(timeKey(series)));
  }

  function hasRoom(): boolean {
    if (told.size < MAX_SERIES) return true;
    // Where there is none, looking for some at each call would cost too much.
    if (crowdedOut % MAX_SERIES === 0) sweep();
    crowdedOut = told.size < MAX_SERIES ? 0 : crowdedOut + 1;
    return crowdedOut === 0;
  }

  function othersOf(status: number): Series {
    const known = others.get(status);
    if (known !== undefined) return known;
    const made = seriesFor({ caller: OTHERS, provider: OTHERS, type: OTHERS, method: OTHERS, status });
    others.set(status, made);
    return made;
  }

  return (call, method) => {
    const { caller, provider, type, status } = call;
    const key = `${caller} ${provider} ${type} ${method} ${status}`;
    const known = told.get(key);
    if (known !== undefined) return known;
    if (!hasRoom()) return othersOf(status);
    const made = seriesFor({ ...call, method });
    told.set(key, made);
    return made;
  };
}

/**
 * @param counts told of each call too; it says what a method is counted as.
 * @param knows whether there is such a plugin.
 */
export function createHostMetrics(
  metrics: Metrics,
  counts: CallCounts,
  knows: (runtimeId: string) => boolean,
): HostMetrics {
  const calls = metrics.counter(
    'xi_plugin_calls_total',
    'Calls that were routed, by how they were answered.',
  );
  const times = metrics.histogram(
    'xi_plugin_call_seconds',
    'Time of routed calls from their first byte to the last of their answer.',
    SECONDS,
  );
  const seriesOf = createSeries(knows, ({ call, time }, last) => {
    calls.remove(call);
    if (last) times.remove(time);
  });
  let services = 0;
  metrics.observed('xi_plugin_services', 'Services that are registered.', () => [[services]]);

  return {
    routed(labels, seconds) {
      const { call, time } = seriesOf(labels, counts.routed(labels));
      calls.add(call);
      times.observe(seconds, time);
    },
    registered: (count) => void (services = count),
  };
}
