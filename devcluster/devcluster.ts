/** The embedded cluster: an API server, its controllers and a pretending kubelet, in this process and in memory. */
import { NAMESPACES, createKube, plainConnection } from '../kube/index.js';
import type { KubeLog } from '../kube/index.js';
import { startApiServer } from './api/api-server.js';
import { startControllers } from './controllers/controllers.js';
import { startKubelet } from './kubelet/kubelet.js';

export interface DevclusterOptions {
  /** 0, the default, takes a free port. */
  port?: number | undefined;
  /** A loopback address; default 127.0.0.1. */
  host?: string | undefined;
  log?: KubeLog | undefined;
  /** Least and most milliseconds that a pod takes to start. */
  podStartMillis?: readonly [number, number] | undefined;
}

export interface Devcluster {
  readonly url: string;
  readonly port: number;
  /** Ends everything; all objects are gone. */
  close(): Promise<void>;
}

const NODE_NAME = 'embedded';
const INITIAL_NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/** Starts the cluster. Resolves when it takes objects and acts on them; rejects when the address cannot be had. */
export async function startDevcluster(options: DevclusterOptions = {}): Promise<Devcluster> {
  const { port = 0, host = '127.0.0.1', log, podStartMillis } = options;
  const api = await startApiServer({ port, host, log: (message, err) => log?.warn({ err }, message) });
  const kube = createKube(plainConnection({ url: api.url, how: 'embedded' }), { log });
  const stops = [() => kube.close(), () => api.close()];
  const close = async (): Promise<void> => {
    for (const stop of stops.splice(0)) await stop();
  };
  try {
    for (const name of INITIAL_NAMESPACES)
      await kube.create(NAMESPACES, undefined, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    const controllers = startControllers({ kube, log });
    stops.unshift(() => controllers.stop());
    const kubelet = startKubelet({ kube, log, nodeName: NODE_NAME, podStartMillis });
    stops.unshift(() => kubelet.stop());
    api.setPodRuntime(kubelet);
    await Promise.all([controllers.synced, kubelet.synced]);
  } catch (error) {
    await close();
    throw error;
  }
  return { url: api.url, port: api.port, close };
}
