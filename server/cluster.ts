/** Which cluster to act on, by the configuration: the one place that decides it. */
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import {
  SERVICE_ACCOUNT,
  inClusterConnection,
  kubeconfigConnection,
  plainConnection,
} from '../kube/index.js';
import type { Connection, ProxySettings } from '../kube/index.js';
import type { PodProgram } from '../devcluster/devcluster.js';
import { ConfigError } from './settings.js';
import type { Config } from './config.js';
import { explainListen } from './listen-errors.js';
import type { Log } from './ports.js';

export interface ClusterAccess {
  readonly connection: Connection;
  /** Stops what was started for it. */
  close(): Promise<void>;
}

const nothing = (): Promise<void> => Promise.resolve();

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** `auto` made definite: the pod's own cluster, else the embedded one. A kubeconfig is used only when asked for. */
async function decide({
  XI_CLUSTER: asked,
  KUBERNETES_SERVICE_HOST: host,
}: Config): Promise<'in-cluster' | 'kubeconfig' | 'embedded'> {
  if (asked === 'kubeconfig' || asked === 'embedded') return asked;
  if (host !== undefined && !(await exists(join(SERVICE_ACCOUNT, 'token'))))
    throw new ConfigError(
      'KUBERNETES_SERVICE_HOST is set, so this is a pod, but no ServiceAccount token is mounted. Set automountServiceAccountToken: true, or XI_CLUSTER to embedded to try things out.',
    );
  return asked === 'in-cluster' || host !== undefined ? 'in-cluster' : 'embedded';
}

function proxySettings(config: Config): ProxySettings | undefined {
  const url = config.HTTPS_PROXY ?? config.https_proxy;
  const none = config.NO_PROXY ?? config.no_proxy;
  return url === undefined ? undefined : { url, noProxy: none?.split(',').map((host) => host.trim()) };
}

function kubeconfigPaths({ KUBECONFIG, HOME, USERPROFILE }: Config): string[] {
  const home = HOME ?? USERPROFILE;
  if (KUBECONFIG !== undefined) return KUBECONFIG.split(delimiter).filter((path) => path !== '');
  return home === undefined ? [] : [join(home, '.kube', 'config')];
}

/**
 * A pod of the embedded cluster acts on that one and on no other: whoever writes its manifest must not reach a kubeconfig
 * of this machine, whose credential programs would run.
 */
function embeddedPod({ XI_CLUSTER: asked }: Config, url: string): ClusterAccess {
  if (asked === 'kubeconfig' || asked === 'embedded')
    throw new ConfigError(
      `XI_CLUSTER is ${asked}, but this is a pod of the embedded cluster, which acts on that cluster alone. Set XI_CLUSTER to in-cluster.`,
    );
  return { connection: plainConnection({ url, how: 'in-cluster' }), close: nothing };
}

/**
 * Finds the cluster, or starts the embedded one.
 * @param environment what the credential programs of a kubeconfig see.
 * @param program what pods of our own image run in the embedded cluster; they pretend without it.
 * @throws ConfigError, KubeError
 */
export async function openCluster(
  config: Config,
  log: Log,
  environment: Readonly<Record<string, string | undefined>>,
  program: PodProgram | undefined,
): Promise<ClusterAccess> {
  const { api } = config.place;
  if (api !== undefined) return embeddedPod(config, api);
  const proxy = proxySettings(config);
  switch (await decide(config)) {
    case 'in-cluster': {
      const host = config.KUBERNETES_SERVICE_HOST;
      if (host === undefined)
        throw new ConfigError(
          'XI_CLUSTER is in-cluster, but KUBERNETES_SERVICE_HOST is not set: this is no pod.',
        );
      const port = config.KUBERNETES_SERVICE_PORT;
      return {
        connection: await inClusterConnection({ host, port, proxy }),
        close: nothing,
      };
    }
    case 'kubeconfig': {
      const connection = await kubeconfigConnection({
        paths: kubeconfigPaths(config),
        context: config.XI_CONTEXT,
        env: environment,
        proxy,
      });
      return { connection, close: nothing };
    }
    case 'embedded': {
      const { startDevcluster } = await import('../devcluster/devcluster.js');
      const port = config.XI_EMBEDDED_PORT;
      const cluster = await startDevcluster({ port, log, program }).catch((error: unknown) => {
        throw explainListen(error, '127.0.0.1', port, { port: 'XI_EMBEDDED_PORT' });
      });
      return {
        connection: plainConnection({ url: cluster.url, how: 'embedded' }),
        close: () => cluster.close(),
      };
    }
  }
}
