/** How a plugin is, out of what it reported and what it answered at each of its addresses. Pure. */
import type { Health } from '../port.js';

/** How a plugin is, or one of its pods. */
export interface Report {
  readonly state: Health;
  readonly reason: string;
  readonly unavailableDependencies: readonly string[];
}

/** What there is to go by. */
export interface Words {
  /** What the plugin reported as a whole. */
  said: Report;
  /** Pods that have its identity, by address, and what each reported since; then that counts there and not `said`. */
  readonly pods: Map<string, Report | undefined>;
  /** What was answered when it was asked, by address. */
  readonly heard: Map<string, Report>;
}

export const WELL: Report = { state: 'healthy', reason: '', unavailableDependencies: [] };
const SEVERITY: Readonly<Record<Health, number>> = { healthy: 0, degraded: 1, unhealthy: 2 };
/** So many reasons are shown. */
const SHOWN = 3;

const isWorse = (one: Report, other: Report): boolean => SEVERITY[one.state] > SEVERITY[other.state];

/** How the plugin is at an address: as it said, or as it is found, whichever is worse. Many answer probes with the same word always. */
export function reportAt({ said, pods, heard }: Words, url: string): Report {
  const own = pods.get(url) ?? said;
  const found = heard.get(url);
  return found !== undefined && isWorse(found, own) ? found : own;
}

const listed = (reasons: readonly string[]): string => {
  const all = [...new Set(reasons)].filter((reason) => reason !== '');
  const more = all.length > SHOWN ? [`and ${all.length - SHOWN} more`] : [];
  return [...all.slice(0, SHOWN), ...more].join('; ');
};

/**
 * How the plugin is as a whole. Where each address serves all, as pods do, it is as its best ones, and the reason names those that are
 * worse; where each serves a part, it is as its worst.
 */
export function conditionOf(words: Words, urls: readonly string[], serves: 'all' | 'a part'): Report {
  const reports = urls.map((url) => ({ url, ...reportAt(words, url) }));
  const shown = reports.reduce<Report | undefined>(
    (one, other) =>
      one === undefined || (serves === 'all' ? isWorse(one, other) : isWorse(other, one)) ? other : one,
    undefined,
  );
  if (shown === undefined) return words.said;
  const alike = reports.filter(({ state }) => state === shown.state);
  const worse = reports
    .filter((report) => isWorse(report, shown))
    .map(({ url, state, reason }) => `${url} is ${state}${reason === '' ? '' : `: ${reason}`}`);
  return {
    state: shown.state,
    reason: listed([...alike.map(({ reason }) => reason), ...worse]),
    unavailableDependencies: [...new Set(alike.flatMap((report) => report.unavailableDependencies))],
  };
}
