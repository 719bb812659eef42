/** Who is there: what plugins say of themselves, what the router and the prober see, and who is gone for good. */
import type { Health, Registration, Target } from '../port.js';
import type { Ground } from './ground.js';
import { baseUrlsOf, probedUrlOf, refreshTargets, trimmedUrl } from './model.js';
import type { PluginEntry, Report } from './model.js';
import { BOUNDS } from './rules.js';
import { isHigher } from './versions.js';

export interface Liveness {
  report(plugin: PluginEntry, report: Report): void;
  /** The plugin asked for a service; the highest version that it asked for is kept. */
  need(plugin: PluginEntry, type: string, minVersion: string): void;
  refused(registration: Registration, target: Target, why: string): void;
  alive(runtimeId: string, report?: Report): void;
  silent(runtimeId: string, why: string): void;
  /** False when there is no such plugin. */
  setTargets(runtimeId: string, baseUrls: readonly string[]): boolean;
  sweep(): void;
}

const WELL: Report = { state: 'healthy', reason: '', unavailableDependencies: [] };
const SEVERITY: Readonly<Record<Health, number>> = { healthy: 0, degraded: 1, unhealthy: 2 };

/**
 * How the plugin is: as it said, or as it is found, whichever is worse. Many answer probes with the same word always. That one of several
 * pods is unhealthy takes nothing from the others: whether that one is routed to is its readiness.
 */
function worse({ said, heard, baseUrls }: PluginEntry): Report {
  const report = heard !== undefined && SEVERITY[heard.state] > SEVERITY[said.state] ? heard : said;
  if (report.state !== 'unhealthy' || baseUrls.length < 2) return report;
  return { ...report, state: 'degraded', reason: `one of its pods is unhealthy: ${report.reason}` };
}

const isAs = (plugin: PluginEntry, { state, reason, unavailableDependencies }: Report): boolean =>
  plugin.health === state &&
  plugin.reason === reason &&
  plugin.unavailableDependencies.join('\n') === unavailableDependencies.join('\n');

/** @param overtaken told of a plugin that does not answer: another may have come in its place before. */
export function createLiveness(
  { options, roster, changed, end }: Ground,
  overtaken: (plugin: PluginEntry) => void,
): Liveness {
  const { log, now, limits } = options;

  function report(plugin: PluginEntry, said: Report): void {
    plugin.said = said;
    settle(plugin);
  }

  function settle(plugin: PluginEntry): void {
    const now = worse(plugin);
    if (isAs(plugin, now)) return;
    const { state, reason, unavailableDependencies } = now;
    plugin.health = state;
    plugin.reason = reason;
    plugin.unavailableDependencies = [...unavailableDependencies];
    const because = reason === '' ? '' : `: ${reason}`;
    const missing =
      unavailableDependencies.length === 0 ? '' : ` (missing: ${unavailableDependencies.join(', ')})`;
    log.info(
      { plugin: plugin.runtimeId, health: state, reason },
      `${plugin.runtimeId} is ${state}${because}${missing}`,
    );
    changed(plugin);
  }

  function need(plugin: PluginEntry, type: string, minVersion: string): void {
    const known = plugin.requires.get(type);
    if (known !== undefined && !isHigher(minVersion, known)) return;
    if (known === undefined && plugin.requires.size >= BOUNDS.dependencies) return;
    plugin.requires.set(type, minVersion);
    changed(plugin, 'changed', []);
  }

  function lose(plugin: PluginEntry, why: string): void {
    if (plugin.lost !== undefined) return;
    plugin.lost = { why, at: now() };
    plugin.refused.clear();
    refreshTargets(plugin);
    log.warn(
      { plugin: plugin.runtimeId, why },
      `${plugin.runtimeId} does not answer (${why}): no calls are routed to it until it does`,
    );
    changed(plugin);
    overtaken(plugin);
  }

  function refused(registration: Registration, target: Target, why: string): void {
    const plugin = roster.get(registration.provider);
    const targets = plugin?.services.get(registration.type)?.registration.targets ?? [];
    // It may have come back at another address meanwhile, or the address may be set aside already.
    if (plugin !== undefined && targets.some(({ baseUrl }) => baseUrl === target.baseUrl))
      setAside(plugin, target.baseUrl, why);
  }

  /** No calls go to the address until the plugin is seen alive; without another one it is lost. */
  function setAside(plugin: PluginEntry, baseUrl: string, why: string): void {
    if (plugin.lost !== undefined || plugin.refused.has(baseUrl)) return;
    plugin.refused.add(baseUrl);
    if (baseUrlsOf(plugin).every((url) => plugin.refused.has(url))) return lose(plugin, why);
    refreshTargets(plugin);
    log.warn({ plugin: plugin.runtimeId, why }, `${plugin.runtimeId} does not answer at ${baseUrl} (${why})`);
    changed(plugin);
  }

  function alive(runtimeId: string, heard?: Report): void {
    const plugin = roster.get(runtimeId);
    if (plugin === undefined) return;
    plugin.lastUsed = now();
    const asked = probedUrlOf(plugin);
    plugin.turn++;
    const back = plugin.lost !== undefined || (asked !== undefined && plugin.refused.has(asked));
    if (back) {
      // Only where it was asked is it known to be.
      if (plugin.lost !== undefined) for (const url of baseUrlsOf(plugin)) plugin.refused.add(url);
      plugin.lost = undefined;
      if (asked !== undefined) plugin.refused.delete(asked);
      refreshTargets(plugin);
      log.info({ plugin: runtimeId }, `${runtimeId} answers again: calls are routed to it`);
      changed(plugin);
    }
    if (heard === undefined) return;
    plugin.heard = heard;
    settle(plugin);
  }

  function silent(runtimeId: string, why: string): void {
    const plugin = roster.get(runtimeId);
    const asked = plugin && probedUrlOf(plugin);
    if (plugin === undefined || asked === undefined) return;
    plugin.turn++;
    setAside(plugin, asked, why);
  }

  function setTargets(runtimeId: string, baseUrls: readonly string[]): boolean {
    const plugin = roster.get(runtimeId);
    if (plugin === undefined) return false;
    const next = [...new Set(baseUrls.map(trimmedUrl))];
    const known = new Set(plugin.baseUrls);
    const same = next.length === known.size && next.every((url) => known.has(url));
    if (same && plugin.refused.size === 0) return true;
    // Who names the addresses says that they are ready.
    plugin.lost = undefined;
    // What those said of themselves that went is over.
    if ([...known].some((url) => !next.includes(url))) {
      plugin.said = WELL;
      plugin.heard = undefined;
    }
    plugin.baseUrls = next;
    plugin.refused.clear();
    refreshTargets(plugin);
    settle(plugin);
    changed(plugin);
    return true;
  }

  function whyOver(plugin: PluginEntry, at: number): string | undefined {
    const byItself = plugin.origin === 'unmanaged';
    if (byItself && plugin.lost !== undefined && at - plugin.lost.at >= limits.goneAfterMs)
      return 'it has not answered for too long';
    if (plugin.supersededAt !== undefined && at - plugin.supersededAt >= limits.supersededMs)
      return 'it shook hands anew';
    if (!byItself || plugin.services.size > 0) return undefined;
    const unusedMs = at - plugin.lastUsed;
    if (plugin.retired && unusedMs >= limits.unusedMs) return 'it unregistered its services';
    return unusedMs >= limits.tokenLapsesMs ? 'nobody used its token' : undefined;
  }

  function sweep(): void {
    for (const plugin of [...roster.all()]) {
      const why = whyOver(plugin, now());
      if (why !== undefined) end(plugin, why);
    }
  }

  return { report, need, refused, alive, silent, setTargets, sweep };
}
