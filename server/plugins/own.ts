/** The operator's own host as `createPlugins` takes it. */
import type { PluginHost } from '../plugin-host/host.js';
import { OPERATOR } from '../plugin-host/names.js';
import type { HostIdentity, OwnHost } from './hosts.js';
import { inProcess } from './link.js';

export interface OwnHostParts {
  readonly host: Pick<PluginHost, 'registry' | 'handle' | 'status'>;
  readonly version: string;
}

export function createOwnHost({ host, version }: OwnHostParts): OwnHost & { close(): void } {
  const { registry } = host;
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
  };
}
