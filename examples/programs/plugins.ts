/** What the example plugins have in common: where they run, and who ends them. */
import { startPlugin } from '../../plugin-sdk/src/index.js';
import type { Plugin, PluginOptions } from '../../plugin-sdk/src/index.js';
import type { Surroundings } from './programs.js';

/**
 * Starts a plugin with the environment of its process (HOST_URL, PORT, HOSTNAME, XI_PLUGIN_TOKEN_FILE), and says where it
 * listens. As every sidecar does, it means its own pod by `localhost`.
 */
export async function startExample(
  { environment, place, print }: Surroundings,
  { defaultPort, ...options }: PluginOptions & { readonly defaultPort: number },
): Promise<Plugin> {
  const { PORT: port, XI_PLUGIN_TOKEN_FILE: tokenFile } = environment;
  const plugin = await startPlugin({
    ...options,
    environment: {
      ...environment,
      PORT: port === undefined || port === '' ? String(defaultPort) : port,
      XI_PLUGIN_TOKEN_FILE: tokenFile && place.path(tokenFile),
    },
    address: place.address,
    log: { info: print, warn: print },
  });
  print(`${options.id} listens on localhost:${plugin.port}`);
  return plugin;
}
