/** Who is there: what plugins say of themselves, what the router and the prober see, and who is gone for good. */
import type { Registration, Target } from '../port.js';
import type { Ground } from './ground.js';
import { WELL } from './condition.js';
import { baseUrlsOf, conditionNow, refreshTargets, trimmedUrl } from './model.js';
import type { PluginEntry, Report } from './model.js';
import { BOUNDS } from './rules.js';
import { weightOfReport } from './tally.js';
import { isHigher } from './versions.js';

export interface Liveness {
  /** @param pod the address of the pod that reports; the plugin as a whole without it */
  report(plugin: PluginEntry, report: Report, pod?: string): void;
  /** The plugin asked for a service; the highest version that it asked for is kept. */
  need(plugin: PluginEntry, type: string, minVersion: string): void;
  refused(registration: Registration, target: Target, why: string): void;
  alive(runtimeId: string, baseUrl: string, report?: Report): void;
  silent(runtimeId: string, baseUrl: string, why: string): void;
  /** False when there is no such plugin. */
  setTargets(runtimeId: string, baseUrls: readonly string[]): boolean;
  addPod(runtimeId: string, baseUrl: string): void;
  dropPod(runtimeId: string, baseUrl: string): void;
  sweep(): void;
}

/** Milliseconds after which it is asked again who answers, when nobody could say. */
const ASK_AGAIN_MS = 5_000;

const isAs = (plugin: PluginEntry, { state, reason, unavailableDependencies }: Report): boolean =>
  plugin.health === state &&
  plugin.reason === reason &&
  plugin.unavailableDependencies.join('\n') === unavailableDependencies.join('\n');

/** @param overtaken told of a plugin that does not answer: another may have come in its place before. */
export function createLiveness(
  { options, roster, tally, changed, end }: Ground,
  overtaken: (plugin: PluginEntry) => void,
): Liveness {
  const { log, now, limits } = options;

  function report(plugin: PluginEntry, report: Report, pod?: string): void {
    if (pod === undefined) {
      const fits = tally.fits(weightOfReport(report) - weightOfReport(plugin.said));
      // In a full host: how it is counts, whether or not there is room for why.
      plugin.said = fits ? report : { ...WELL, state: report.state };
      tally.weighPlugin(plugin);
    }
    // One that is gone has no say.
    else if (plugin.pods.has(pod)) plugin.pods.set(pod, report);
    settle(plugin);
  }

  /** Has what is known of the plugin show, and calls go by it. False when all is as it was, and nobody was told. */
  function settle(plugin: PluginEntry): boolean {
    const urls = new Set(baseUrlsOf(plugin));
    for (const url of plugin.heard.keys()) if (!urls.has(url)) plugin.heard.delete(url);
    const moved = refreshTargets(plugin);
    const condition = conditionNow(plugin);
    const same = isAs(plugin, condition);
    if (!same) show(plugin, condition);
    if (!same || moved) changed(plugin);
    return !same || moved;
  }

  function show(plugin: PluginEntry, { state, reason, unavailableDependencies }: Report): void {
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
  }

  function need(plugin: PluginEntry, type: string, minVersion: string): void {
    const known = plugin.requires.get(type);
    if (known !== undefined && !isHigher(minVersion, known)) return;
    if (known === undefined && plugin.requires.size >= BOUNDS.dependencies) return;
    if (!tally.fits(type.length + minVersion.length)) return;
    plugin.requires.set(type, minVersion);
    tally.weighPlugin(plugin);
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
    log.warn({ plugin: plugin.runtimeId, why }, `${plugin.runtimeId} does not answer at ${baseUrl} (${why})`);
    settle(plugin);
  }

  function alive(runtimeId: string, baseUrl: string, heard?: Report): void {
    const plugin = roster.get(runtimeId);
    if (plugin === undefined) return;
    plugin.lastUsed = now();
    const { isStill } = plugin;
    if (isStill === undefined || !isAside(plugin, baseUrl)) return welcome(plugin, baseUrl, heard);
    void recognise(plugin, () => isStill(new URL(baseUrl))).then((known) => {
      if (known) welcome(plugin, baseUrl, heard);
    });
  }

  const isAside = (plugin: PluginEntry, baseUrl: string): boolean =>
    plugin.lost !== undefined || plugin.refused.has(baseUrl);

  /** Whether what answers again is the plugin, by the word of who vouched for it; the identity of one that is gone ends. */
  async function recognise(plugin: PluginEntry, isStill: () => Promise<boolean>): Promise<boolean> {
    const { runtimeId, lost } = plugin;
    if (plugin.doubtedUntil > now()) return false;
    plugin.doubtedUntil = Infinity;
    try {
      const still = await isStill();
      plugin.doubtedUntil = 0;
      // It may have come again by itself, or gone, in the meantime.
      if (roster.get(runtimeId) !== plugin || plugin.lost !== lost) return false;
      if (!still) end(plugin, 'another may have its address');
      return still;
    } catch (err) {
      plugin.doubtedUntil = now() + ASK_AGAIN_MS;
      const why = (err as Error).message;
      log.warn(
        { plugin: runtimeId, err },
        `Nobody can say whether ${runtimeId} is what answers again: ${why}`,
      );
      return false;
    }
  }

  function welcome(plugin: PluginEntry, baseUrl: string, heard: Report | undefined): void {
    const { runtimeId } = plugin;
    const urls = baseUrlsOf(plugin);
    if (!urls.includes(baseUrl)) return;
    const back = isAside(plugin, baseUrl);
    if (back) {
      // Only where it was asked is it known to be.
      if (plugin.lost !== undefined) for (const url of urls) plugin.refused.add(url);
      plugin.lost = undefined;
      plugin.refused.delete(baseUrl);
      log.info({ plugin: runtimeId }, `${runtimeId} answers again: calls are routed to it`);
    }
    if (heard !== undefined) plugin.heard.set(baseUrl, heard);
    if (!settle(plugin) && back) changed(plugin);
  }

  function silent(runtimeId: string, baseUrl: string, why: string): void {
    const plugin = roster.get(runtimeId);
    if (plugin !== undefined && baseUrlsOf(plugin).includes(baseUrl)) setAside(plugin, baseUrl, why);
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
    plugin.baseUrls = next;
    plugin.refused.clear();
    if (!settle(plugin)) changed(plugin);
    return true;
  }

  function addPod(runtimeId: string, baseUrl: string): void {
    const plugin = roster.get(runtimeId);
    if (plugin === undefined) return;
    plugin.pods.set(trimmedUrl(baseUrl), undefined);
    settle(plugin);
  }

  function dropPod(runtimeId: string, baseUrl: string): void {
    const plugin = roster.get(runtimeId);
    if (plugin?.pods.delete(trimmedUrl(baseUrl)) === true) settle(plugin);
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

  return { report, need, refused, alive, silent, setTargets, addPod, dropPod, sweep };
}
