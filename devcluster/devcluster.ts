/** The embedded cluster: an API server, its controllers and its kubelets, in this process and in memory. */
import { mkdir, mkdtemp, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NAMESPACES, createKube, plainConnection } from '../kube/index.js';
import type { KubeLog } from '../kube/index.js';
import { startApiServer } from './api/api-server.js';
import { stringAt } from './api/json.js';
import type { Registry } from './api/registry.js';
import { startControllers } from './controllers/controllers.js';
import { removeTree } from './kubelet/folders/tree.js';
import { startKubelet } from './kubelet/kubelet.js';
import { byNode } from './kubelet/by-node.js';
import { createKubeletShared } from './kubelet/shared.js';
import { startQuietCollection } from './quiet-collection.js';
import { applySeed } from './seed.js';
import type { SeedObject } from './seed.js';

/** What a pod of our own image runs: this program with one of its subcommands, and nothing else. */
export interface PodProgram {
  /** The program and the arguments that come before the subcommand. */
  readonly argv: readonly string[];
  /** The subcommands that a pod may run. */
  readonly commands: readonly string[];
  /** Whether an argument stands in a subcommand's place, as the flag of one that may be left out. */
  readonly isFlag?: ((argument: string) => boolean) | undefined;
  /** Signals a process group; without it only the process itself is signalled. Throws when it is gone. */
  readonly kill?: ((group: number, signal: NodeJS.Signals) => void) | undefined;
}

export interface DevclusterOptions {
  /** 0, the default, takes a free port. */
  port?: number | undefined;
  /** A loopback address; default 127.0.0.1. */
  host?: string | undefined;
  log?: KubeLog | undefined;
  /** Least and most milliseconds that a pod takes to start. */
  podStartMillis?: readonly [number, number] | undefined;
  /** How many Kubernetes nodes there are; default 1. */
  nodes?: number | undefined;
  /** Without it pods of our own image pretend as all others do. */
  program?: PodProgram | undefined;
  /** First and longest milliseconds between restarts of a container. Default 10,000 and 300,000. */
  backoffMillis?: readonly [number, number] | undefined;
  /** The folder that volumes of claims lie in, which is there; a temporary one, removed at the end, when absent. */
  volumesRoot?: string | undefined;
}

export interface Devcluster {
  readonly url: string;
  readonly port: number;
  /**
   * Applies objects one after another.
   * @throws SeedError
   */
  seed(objects: readonly SeedObject[]): Promise<void>;
  /** Ends everything; all objects are gone. */
  close(): Promise<void>;
}

/** `embedded`, `embedded-2` and so on. */
const nodeNames = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => (at === 0 ? 'embedded' : `embedded-${at + 1}`));

const INITIAL_NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/** Starts the cluster. Resolves when it takes objects and acts on them; rejects when the address cannot be had. */
export async function startDevcluster(options: DevclusterOptions = {}): Promise<Devcluster> {
  const { port = 0, host = '127.0.0.1', nodes = 1, log, program, podStartMillis, backoffMillis } = options;
  const api = await startApiServer({ port, host, log: (message, err) => log?.warn({ err }, message) });
  const kube = createKube(plainConnection({ url: api.url, how: 'embedded' }), {
    log,
    fieldManager: 'kube-controller-manager',
  });
  const stops = [() => kube.close(), () => api.close()];
  const close = async (): Promise<void> => {
    for (const stop of stops.splice(0)) await stop();
  };
  try {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'xi-k8s-')));
    stops.push(() => removeTree(folder));
    const volumesRoot = options.volumesRoot ?? join(folder, 'volumes');
    await mkdir(volumesRoot, { recursive: true });
    for (const name of INITIAL_NAMESPACES)
      await kube.create(NAMESPACES, undefined, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    const controllers = startControllers({ kube, log, volumesRoot });
    stops.unshift(() => controllers.stop());
    const { kinds } = controllers;
    const shared = createKubeletShared({ kube, kinds, log, program, folder, volumesRoot, clock: Date.now });
    const kubelets = new Map(
      nodeNames(nodes).map((nodeName) => [
        nodeName,
        startKubelet({ shared, nodeName, podStartMillis, backoffMillis }),
      ]),
    );
    stops.unshift(async () => {
      await Promise.all([...kubelets.values()].map((kubelet) => kubelet.stop()));
    });
    api.setPodRuntime(byNode(kubelets, (namespace, name) => nodeOf(api.registry, namespace, name)));
    await Promise.all([controllers.synced, ...[...kubelets.values()].map(({ synced }) => synced)]);
    const endCollection = startQuietCollection();
    stops.unshift(async () => endCollection());
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url: api.url,
    port: api.port,
    seed: (objects) => applySeed(kube, () => api.registry.resources, objects),
    close,
  };
}

/** The Kubernetes node that a pod is on. */
const nodeOf = (registry: Registry, namespace: string, name: string): string | undefined => {
  const resource = registry.resources.find('', 'v1', 'pods');
  if (resource === undefined) return undefined;
  return stringAt(registry.read({ resource, namespace, name }), 'spec', 'nodeName');
};
