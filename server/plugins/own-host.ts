/** The operator's plugin host: for plugins of other pods, which it finds by the API server's word or knows by their tokens. */
import { startDiscovery } from '../plugin-host/discovery/discovery.js';
import { createIdentify } from '../plugin-host/discovery/identify.js';
import { startHost } from '../plugin-host/host.js';
import type { ListenAddress } from '../plugin-host/options.js';
import type { Kube, Log, Metrics, Reflect } from '../ports.js';
import type { OwnHost } from './hosts.js';
import { createOwnHost } from './own.js';

export interface OwnHostOptions {
  readonly kube: Kube;
  readonly reflect: Reflect;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly version: string;
  readonly address: ListenAddress;
  /** The URL that plugins reach it at; that of its address when absent. */
  readonly url: string | undefined;
  /** Whose plugins may come; those of every namespace when empty. */
  readonly namespaces: readonly string[];
  readonly audience: string | undefined;
}

export interface RunningOwnHost {
  readonly url: string;
  readonly own: OwnHost;
  stop(): Promise<void>;
}

const refuseBaseUrl = (): never => {
  throw new Error('a plugin of another pod proves its ServiceAccount at the handshake');
};

/** @throws Error as Node's `listen` does, such as EADDRINUSE. */
export async function startOwnHost(options: OwnHostOptions): Promise<RunningOwnHost> {
  const { kube, log, namespaces, audience, version } = options;
  const host = await startHost({
    address: options.address,
    hostUrl: options.url,
    log: log.child({ part: 'plugin-host' }),
    metrics: options.metrics,
    registry: {
      allowBaseUrl: refuseBaseUrl,
      identify: createIdentify({ kube, audience, namespaces }),
      serverMetadata: { host: 'xi-k8s', version },
    },
    showStatus: false,
    // No page of a browser has business here.
    admit({ headers }) {
      if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined)
        throw new Error('browsers are not served here');
    },
  });
  const discovery = startDiscovery({
    kube,
    reflect: options.reflect,
    registry: host.registry,
    log,
    namespaces,
    hostUrl: options.url ?? host.url,
  });
  const own = createOwnHost({ host, version });
  return {
    url: host.url,
    own,
    async stop() {
      await discovery.stop();
      own.close();
      await host.close();
    },
  };
}
