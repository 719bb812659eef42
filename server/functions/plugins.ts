/** Functions about plugins: which there are, what they provide, who calls whom. */
import type { PluginEvent } from '../../schemas/plugins.js';
import type { Implementations } from '../library/implementation.js';
import { graphOf } from '../plugins/graph.js';
import { pageOfSorted } from './list.js';
import { callService } from './plugins-call.js';
import { deployPlugins } from './plugins-deploy.js';
import { removePlugin } from './plugins-remove.js';
import { findPlugin, hostOf, pluginView, pluginsOf, providersOf, serviceViews } from './plugins-view.js';

const byKey =
  <T>(keyOf: (item: T) => string) =>
  (a: T, b: T): number =>
    keyOf(a) < keyOf(b) ? -1 : 1;

const serviceKey = ({
  type,
  provider,
  version,
}: {
  type: string;
  provider: string;
  version: string;
}): string => `${type}/${provider}/${version}`;

export const plugins = {
  async list_plugins(deps, params, call) {
    const all = pluginsOf(await hostOf(deps, 'list_plugins', params, call).status(call.io()));
    const providers = providersOf(all);
    const { type } = params;
    const wanted =
      type === undefined ? all : all.filter((one) => one.services.some((own) => own.type === type));
    const page = pageOfSorted(wanted, ({ runtimeId }) => runtimeId, params);
    return { ...page, items: page.items.map((one) => pluginView(one, providers)) };
  },

  async get_plugin(deps, params, call) {
    const host = hostOf(deps, 'get_plugin', params, call);
    const all = pluginsOf(await host.status(call.io()));
    return pluginView(findPlugin('get_plugin', host, all, params.plugin), providersOf(all));
  },

  async list_plugin_services(deps, params, call) {
    const all = pluginsOf(await hostOf(deps, 'list_plugin_services', params, call).status(call.io())).flatMap(
      serviceViews,
    );
    const wanted = params.type === undefined ? all : all.filter(({ type }) => type === params.type);
    return pageOfSorted(wanted.sort(byKey(serviceKey)), serviceKey, params);
  },

  async *watch_plugins(deps, params, call) {
    let known: Map<string, string> | undefined;
    for await (const status of hostOf(deps, 'watch_plugins', params, call).changes(call.signal)) {
      const all = pluginsOf(status);
      const providers = providersOf(all);
      const next = new Map<string, string>();
      const events: PluginEvent[] = [];
      for (const one of all) {
        const plugin = pluginView(one, providers);
        const text = JSON.stringify(plugin);
        next.set(one.runtimeId, text);
        if (known?.get(one.runtimeId) !== text)
          events.push({ event: 'plugin', runtime_id: one.runtimeId, plugin });
      }
      for (const runtimeId of known?.keys() ?? [])
        if (!next.has(runtimeId)) events.push({ event: 'gone', runtime_id: runtimeId });
      if (known === undefined) events.push({ event: 'live' });
      known = next;
      if (events.length > 0) yield events;
    }
    return undefined;
  },

  async get_plugin_graph(deps, params, call) {
    return graphOf(await hostOf(deps, 'get_plugin_graph', params, call).status(call.io()));
  },

  call_plugin_service: callService,
  deploy_plugins: deployPlugins,
  remove_plugin: removePlugin,
} satisfies Partial<Implementations>;
