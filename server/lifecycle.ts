/** Ordered start, bounded stop in reverse. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { hostname, platform } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { PodProgram } from '../devcluster/devcluster.js';
import { SERVICE_ACCOUNT, createKube } from '../kube/index.js';
import type { Place } from '../place/place.js';
import type { ClusterInfo } from '../kube/index.js';
import { buildApp, reflectOf } from './app.js';
import { openCluster } from './cluster.js';
import type { Config } from './config.js';
import { AppError } from './errors.js';
import { createHealth } from './ops/health.js';
import { createMetrics } from './ops/metrics.js';
import { explainListen } from './listen-errors.js';
import { createNetworks, startController } from './networks/networks.js';
import { straight } from './peers/clients.js';
import { forwarded } from './peers/forwarded.js';
import { createPeers } from './peers/peers.js';
import { peerTls } from './peers/tls.js';
import { createPlugins } from './plugins/hosts.js';
import { startOwnHost } from './plugins/own-host.js';
import type { OwnHostOptions, RunningOwnHost } from './plugins/own-host.js';
import { createProbe } from './probe.js';
import { ConfigError } from './settings.js';

export interface Running {
  /** Where the functions are: `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Where health and readiness are. */
  readonly opsUrl: string;
  readonly cluster: ClusterInfo;
  /** Readiness turns false, streams end, running calls finish within the bound, then all is closed. */
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly version: string;
  /** What the credential programs of a kubeconfig see. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What pods of our own image run in the embedded cluster; they pretend without it. */
  readonly program?: PodProgram | undefined;
}

/** How long connections may take to close after the last call ended, in milliseconds. */
const CLOSING_MS = 1_000;

type Address = Readonly<{ host: string; port: number }>;

/** Listens, and answers the URL. @param settings the variables that say where. @throws ConfigError when that cannot be had */
async function listen(
  start: (address: Address) => Promise<number>,
  { host, port }: Address,
  settings: { host: string; port: string },
): Promise<string> {
  try {
    return `http://${host.includes(':') ? `[${host}]` : host}:${await start({ host, port })}`;
  } catch (error) {
    throw explainListen(error, host, port, settings);
  }
}

/** Starts cluster access, the functions' listener and the health listener. What was started is stopped when a later step fails. */
export async function start({ config, log, version, environment, program }: StartOptions): Promise<Running> {
  const undo: (() => Promise<unknown>)[] = [];
  const stopping = new AbortController();
  const halting = new AbortController();
  const unwind = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const { connection, close } = await openCluster(config, log, environment, program);
    undo.push(close);
    const kube = createKube(connection, { log });
    undo.push(() => kube.close());

    const probe = createProbe(kube);
    const inPod = config.KUBERNETES_SERVICE_HOST !== undefined;
    const metrics = createMetrics();
    const health = createHealth(async () => {
      const { fault } = await probe();
      return fault && `the API server does not answer: ${fault}`;
    }, metrics);
    undo.push(() => health.close());
    const opsHost = config.XI_OPS_HOST ?? config.place.host(inPod ? '0.0.0.0' : '127.0.0.1');
    const opsUrl = await listen(
      health.listen,
      { host: opsHost, port: config.XI_OPS_PORT },
      { host: 'XI_OPS_HOST', port: 'XI_OPS_PORT' },
    );

    const pathOf = (file: string | undefined) => file && config.place.path(file);
    // Pods' addresses lead somewhere inside the cluster, and on the machine of the embedded one.
    const peers = createPeers(
      kube.cluster.how === 'kubeconfig'
        ? forwarded(({ namespace, pod }, port) => kube.portForward({ namespace, name: pod }, port))
        : straight,
      await peerTls({
        ca: pathOf(config.XI_PEER_TLS_CA),
        cert: pathOf(config.XI_PEER_TLS_CERT),
        key: pathOf(config.XI_PEER_TLS_KEY),
      }).catch((error: unknown) => {
        throw new ConfigError((error as Error).message);
      }),
    );
    undo.push(() => peers.close());
    const networkOptions = {
      kube,
      peers,
      log,
      shared: config.XI_SHARED_NETWORKS,
      ownNamespace: config.XI_OWN_NAMESPACE ?? (await podNamespace(kube.cluster, config.place)) ?? 'default',
      // The embedded cluster runs its own programs by any name that ends so.
      peerImage:
        config.XI_LIGHTPEER_IMAGE ??
        (kube.cluster.how === 'embedded' ? `localhost/xi-k8s:${version}` : undefined),
    };
    const { XI_NETWORK_CONTROLLER: control } = config;
    if (control === 'on' || (control === 'auto' && kube.cluster.how !== 'kubeconfig')) {
      const controller = startController(
        { ...networkOptions, reflect: reflectOf(kube), metrics },
        {
          namespaces: config.XI_NETWORK_NAMESPACES,
          healthMs: config.XI_NETWORK_HEALTH_SECONDS * 1000,
          identity: `${config.HOSTNAME ?? hostname()}_${randomUUID()}`,
        },
      );
      undo.push(() => controller.stop());
    }

    const ownNamespace = networkOptions.ownNamespace;
    const pluginHost =
      config.XI_PLUGIN_HOST === 'on'
        ? await startPluginHost(config, { kube, log, metrics, version, inPod, ownNamespace })
        : undefined;
    if (pluginHost !== undefined) undo.push(() => pluginHost.stop());

    const app = buildApp(config, {
      networks: createNetworks(networkOptions),
      plugins: createPlugins({ kube, own: pluginHost?.own, hostImage: networkOptions.peerImage, version }),
      kube,
      log,
      version,
      probe,
      defaultNamespace: config.XI_NAMESPACE ?? connection.namespace ?? 'default',
      inPod,
      stopping: stopping.signal,
      halting: halting.signal,
    });
    undo.push(() => closeWithin(app, config.XI_SHUTDOWN_SECONDS * 1000, halting));
    const url = await listen(
      async (address) => {
        await app.listen(address);
        return (app.server.address() as AddressInfo).port;
      },
      { host: config.XI_HOST, port: config.XI_PORT },
      { host: 'XI_HOST', port: 'XI_PORT' },
    );

    return {
      url,
      opsUrl,
      cluster: kube.cluster,
      stop() {
        health.stopping();
        stopping.abort(stopError());
        return unwind();
      },
    };
  } catch (error) {
    await unwind();
    throw error;
  }
}

/** The operator's plugin host. @throws ConfigError when its port cannot be had */
async function startPluginHost(
  config: Config,
  given: Pick<OwnHostOptions, 'kube' | 'log' | 'metrics' | 'version'> & {
    inPod: boolean;
    ownNamespace: string;
  },
): Promise<RunningOwnHost> {
  const { inPod, ownNamespace, ...options } = given;
  // To a pod of the embedded cluster 127.0.0.1 is its own address; other systems than Linux have no more, and pods that pretend.
  const apart = options.kube.cluster.how === 'embedded' && platform() === 'linux';
  const host = config.place.host(inPod ? '0.0.0.0' : apart ? '127.0.0.2' : '127.0.0.1');
  // The embedded cluster has no DNS.
  const named = inPod && config.place.api === undefined;
  const port = config.XI_PLUGIN_PORT;
  try {
    return await startOwnHost({
      ...options,
      reflect: reflectOf(options.kube),
      address: { host, port },
      url: config.XI_PLUGIN_URL ?? (named ? `http://xi-k8s-plugins.${ownNamespace}:${port}` : undefined),
      namespaces: config.XI_PLUGIN_NAMESPACES,
      audience: config.XI_PLUGIN_AUDIENCE,
    });
  } catch (error) {
    throw explainListen(error, host, port, { port: 'XI_PLUGIN_PORT' });
  }
}

/** The namespace of the pod that we are; undefined outside of one. */
const podNamespace = ({ how }: ClusterInfo, place: Place): Promise<string | undefined> =>
  how === 'in-cluster'
    ? readFile(place.path(join(SERVICE_ACCOUNT, 'namespace')), 'utf8').then(
        (text) => text.trim() || undefined,
        () => undefined,
      )
    : Promise.resolve(undefined);

const stopError = (): AppError =>
  new AppError('overloaded', 'The server is stopping.', { retry_after_seconds: 1 });

/** Closes an app: running calls have `boundMs` to finish, then they are ended, then their connections. */
async function closeWithin(app: FastifyInstance, boundMs: number, halting: AbortController): Promise<void> {
  const halt = setTimeout(() => halting.abort(stopError()), boundMs);
  const cut = setTimeout(() => app.server.closeAllConnections(), boundMs + CLOSING_MS);
  await app.close();
  clearTimeout(halt);
  clearTimeout(cut);
}
