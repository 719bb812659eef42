/** Waiting until a managed plugin can start: until all is there that it needs at start-up. */
import type { PluginInfo } from '../introduce.js';
import type { Registry } from '../registry/registry.js';
import type { Managed } from './plugin.js';
import { missingFor, nextChange, startupCircles } from './start-order.js';

export interface Startable {
  /** What keeps a plugin from starting; undefined when all that it needs at start-up is there. */
  lackOf(info: PluginInfo): string | undefined;
  /** What the plugin says of itself once it can start. It is asked anew while it waits: it may need less by then. */
  ask(plugin: Managed): Promise<PluginInfo>;
}

/** Milliseconds after which a plugin that waits is asked again who it is, if nothing happens before. */
const ASK_AGAIN_MS = 1_000;

/** @param managed all managed plugins by name: some of them may wait for one another */
export function createStartable(
  registry: Pick<Registry, 'isProvided' | 'watch'>,
  managed: ReadonlyMap<string, Managed>,
): Startable {
  /** Says it of all who wait for one another; answers their names. */
  const holdCircles = (): ReadonlySet<string> => {
    const waiting = [...managed.values()].flatMap(({ name, state, info }) =>
      state === 'waiting' && info !== undefined
        ? { name, provides: info.provides, missing: missingFor(registry, info) }
        : [],
    );
    const circles = startupCircles(waiting);
    for (const circle of circles) {
      const text = `${circle.join(', ')} need one another at start-up, so none of them can start; let one of them require the next without required_for_startup`;
      for (const name of circle) {
        const plugin = managed.get(name)!;
        plugin.hold(text);
        plugin.settle(new Error(text));
      }
    }
    return new Set(circles.flat());
  };

  const lackOf = (info: PluginInfo): string | undefined => {
    const missing = Object.entries(missingFor(registry, info));
    if (missing.length === 0) return undefined;
    return `waits for ${missing.map((need) => need.join(' ').trim()).join(', ')}, which nobody provides yet`;
  };

  const ask = async (plugin: Managed): Promise<PluginInfo> => {
    plugin.state = 'asking';
    for (;;) {
      const info = (plugin.info = await plugin.ask());
      const lack = lackOf(info);
      if (lack === undefined) return info;
      plugin.state = 'waiting';
      if (!holdCircles().has(plugin.name)) plugin.hold(lack);
      await nextChange(registry, plugin.leaving.signal, ASK_AGAIN_MS);
    }
  };

  return { lackOf, ask };
}
