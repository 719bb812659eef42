/** Who a managed plugin is to the registry: made from what it says of itself, and anew when it says something else. */
import { isSameInfo } from '../introduce.js';
import type { Identity, PluginInfo } from '../introduce.js';
import type { Registry } from '../registry/registry.js';
import { idsOf } from './plugin.js';
import type { Managed } from './plugin.js';

export interface Identities {
  /** Gives it an identity by which nothing is routed to it before it takes another's place. @throws ConnectError */
  standBy(plugin: Managed, info: PluginInfo): Identity;
  /**
   * Gives it a new identity. The one by which calls come to it, which may be a former host's, stays until the plugin has
   * taken the new one; any other is no more. @throws ConnectError
   */
  appoint(plugin: Managed, info: PluginInfo): Identity;
  /** Asks who it is by now, and has it take its identity, and calls go to it. @throws Error when it does not answer, or take it */
  renew(plugin: Managed): Promise<void>;
}

/** @param runs told of a plugin that has taken an identity, and has its calls by it from now on */
export function createIdentities(
  registry: Pick<Registry, 'admit' | 'setTargets' | 'replace' | 'remove' | 'plugin' | 'plugins'>,
  runs: (plugin: Managed, identity: Identity) => void,
): Identities {
  const admit = (url: string, info: PluginInfo, standby: boolean): Identity =>
    registry.admit({ ...info, origin: 'managed', baseUrls: standby ? [url] : [], standby });

  const isListed = (runtimeId: string): boolean => registry.plugin(runtimeId) !== undefined;

  /** An entry of this plugin at this place that a host before this one left behind. */
  const predecessor = ({ url }: Managed, { selfId }: PluginInfo): string | undefined =>
    registry
      .plugins()
      .find((other) => other.origin === 'managed' && other.selfId === selfId && other.baseUrl === url)
      ?.runtimeId;

  const standBy = (plugin: Managed, info: PluginInfo): Identity => {
    plugin.info = info;
    return (plugin.identity = admit(plugin.url, info, true));
  };

  const appoint = (plugin: Managed, info: PluginInfo): Identity => {
    const before = plugin.identity === undefined ? predecessor(plugin, info) : plugin.routed;
    const routed = before !== undefined && isListed(before) ? before : undefined;
    const identity = admit(plugin.url, info, routed !== undefined);
    for (const id of idsOf(plugin))
      if (id !== routed) registry.remove(id, `${identity.runtimeId} took its place`);
    Object.assign(plugin, { info, identity, routed });
    return identity;
  };

  const renew = async (plugin: Managed): Promise<void> => {
    const info = await plugin.ask();
    const { identity: given } = plugin;
    const holds = given !== undefined && idsOf(plugin).every(isListed) && isSameInfo(info, plugin.info);
    const identity = holds ? given : appoint(plugin, info);
    await plugin.tell(identity);
    // What is taken out meanwhile gets no calls.
    plugin.leaving.signal.throwIfAborted();
    const { runtimeId } = identity;
    const { routed } = plugin;
    if (routed === runtimeId) return;
    if (routed === undefined) registry.setTargets(runtimeId, [plugin.url]);
    else {
      registry.replace(routed, runtimeId);
      registry.remove(routed, `${runtimeId} took its place`);
    }
    runs(plugin, identity);
  };

  return { standBy, appoint, renew };
}
