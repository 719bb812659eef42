/** The operator's own host as `createPlugins` takes it. */
import { AppError } from '../errors.js';
import type { PluginHost } from '../plugin-host/host.js';
import { OPERATOR } from '../plugin-host/names.js';
import type { HostIdentity, OwnHost } from './hosts.js';
import { inProcess } from './link.js';

export interface OwnHostParts {
  readonly host: Pick<PluginHost, 'registry' | 'handle' | 'status' | 'manager'>;
  readonly version: string;
}

export function createOwnHost({ host, version }: OwnHostParts): OwnHost & { close(): void } {
  const { registry, manager } = host;
  const { open, close } = inProcess(host.handle);
  let identity: HostIdentity | undefined;
  return {
    open,
    close,
    status: host.status,
    watch: (listener) => registry.watch(listener),
    identity() {
      if (identity === undefined || registry.plugin(identity.runtimeId) === undefined)
        identity = registry.admit({
          selfId: OPERATOR,
          selfVersion: version,
          origin: 'managed',
          baseUrls: [],
          provides: [],
          requires: {},
        });
      return identity;
    },
    async remove(runtimeId) {
      const plugin = manager.plugins().find((one) => one.runtimeId === runtimeId);
      if (plugin === undefined)
        throw new AppError('not_found', `The host manages no plugin ${runtimeId}, or no longer.`);
      await manager.remove(plugin.name, 'remove_plugin');
    },
  };
}
