/**
 * Fake nodes and pods by the thousand, made through the API: objects with a status that nobody else keeps. Nodes are
 * closed to the scheduler, so that real pods never land on them; pods are bound to them from the start.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeError, NAMESPACES, PODS } from '../../kube/index.js';
import type { Kube, KubeObject, Pod, Resource } from '../../kube/index.js';

interface Node extends KubeObject {
  spec?: { unschedulable?: boolean; taints?: { key: string; effect: string }[] };
}

export const NODES: Resource<Node> = {
  group: '',
  version: 'v1',
  plural: 'nodes',
  kind: 'Node',
  namespaced: false,
};

/** The label of everything made here, to select and to remove it by. */
export const FAKE = 'xi-k8s-fake';

export interface ScaleOptions {
  count: number;
  /** Names are PREFIX-0, PREFIX-1, … */
  prefix: string;
  labels?: Readonly<Record<string, string>>;
  /** Calls under way at once; 32 by default. */
  concurrency?: number;
  signal?: AbortSignal;
}

/** Runs `work` for 0 … count-1, at most `concurrency` at once; ends with the first error. */
const forEach = async (
  count: number,
  concurrency: number,
  work: (index: number) => Promise<unknown>,
): Promise<void> => {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      await work(next - 1).catch((error: unknown) => {
        next = count;
        throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker));
};

const names = ({ count, prefix }: ScaleOptions): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

const ready = (time: string) => ({
  type: 'Ready',
  status: 'True',
  lastTransitionTime: time,
  lastHeartbeatTime: time,
});

/** An address of a range that no pod of the cluster has, distinct for each index below 4 million. */
const address = (index: number): string => `10.${128 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;

/** Makes nodes that are Ready and take no pods. Answers their names. Throws KubeError. */
export const makeFakeNodes = async (kube: Kube, options: ScaleOptions): Promise<string[]> => {
  const { concurrency = 32, labels = {}, signal } = options;
  const all = names(options);
  const capacity = { cpu: '32', memory: '256Gi', pods: '110' };
  await forEach(all.length, concurrency, async (index) => {
    const name = all[index] ?? '';
    const metadata = { name, labels: { ...labels, [FAKE]: 'node' } };
    const taints = [{ key: FAKE, effect: 'NoSchedule' }];
    const spec = { unschedulable: true, taints };
    await kube.create(NODES, undefined, { apiVersion: 'v1', kind: 'Node', metadata, spec }, { signal });
    const time = new Date().toISOString();
    const body = { status: { capacity, allocatable: capacity, conditions: [ready(time)] } };
    await kube.patch(NODES, { name }, { type: 'merge', body }, { subresource: 'status', signal });
  });
  return all;
};

export interface FakePodOptions extends ScaleOptions {
  namespace: string;
  /** Names of the nodes to bind them to, in turn. */
  nodes: readonly string[];
  /** The image that their one container claims to run. */
  image?: string;
  /** Addresses that others have taken; none by default. */
  taken?: number;
}

/** Makes pods that are Running and Ready, each with an address of its own. Answers their names. Throws KubeError. */
export const makeFakePods = async (kube: Kube, options: FakePodOptions): Promise<string[]> => {
  const { concurrency = 32, labels = {}, namespace, nodes, signal } = options;
  const { image = 'localhost/fake:1', taken = 0 } = options;
  const all = names(options);
  await forEach(all.length, concurrency, async (index) => {
    const name = all[index] ?? '';
    const nodeName = nodes[index % nodes.length];
    const pod: Pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace, labels: { ...labels, [FAKE]: 'pod' } },
      spec: {
        containers: [{ name: 'fake', image }],
        automountServiceAccountToken: false,
        ...(nodeName === undefined ? {} : { nodeName }),
      },
    };
    await kube.create(PODS, namespace, pod, { signal });
    const time = new Date().toISOString();
    const body = { status: runningStatus(time, address(taken + index), image) };
    await kube.patch(PODS, { namespace, name }, { type: 'merge', body }, { subresource: 'status', signal });
  });
  return all;
};

const runningStatus = (time: string, podIP: string, image: string): Pod['status'] => ({
  phase: 'Running',
  podIP,
  podIPs: [{ ip: podIP }],
  startTime: time,
  conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map((type) => ({
    type,
    status: 'True',
    lastTransitionTime: time,
  })),
  containerStatuses: [
    {
      name: 'fake',
      image,
      imageID: image,
      ready: true,
      started: true,
      restartCount: 0,
      state: { running: { startedAt: time } },
    },
  ],
});

const SERVICE_ACCOUNTS: Resource = {
  group: '',
  version: 'v1',
  plural: 'serviceaccounts',
  kind: 'ServiceAccount',
  namespaced: true,
};

const SERVICE_ACCOUNT_MS = 30_000;

/** Makes a namespace and waits for its ServiceAccount `default`, which pods need and which appears a moment later. */
export const makeNamespace = async (kube: Kube, name: string): Promise<void> => {
  await kube.create(NAMESPACES, undefined, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  for (const start = performance.now(); ; await sleep(50)) {
    try {
      await kube.get(SERVICE_ACCOUNTS, { namespace: name, name: 'default' });
      return;
    } catch (error) {
      const absent = error instanceof KubeError && error.is(404);
      if (!absent || performance.now() - start > SERVICE_ACCOUNT_MS) throw error;
    }
  }
};

/** Removes what makeFakeNodes and makeFakePods made: all fake pods of the namespace, and all fake nodes. */
export const removeFakes = async (kube: Kube, namespace: string, concurrency = 32): Promise<void> => {
  const remove = async (resource: Resource, where: string | undefined): Promise<void> => {
    for (;;) {
      const { items } = await kube.list(resource, where, { labelSelector: FAKE, limit: 1000 });
      if (items.length === 0) return;
      await forEach(items.length, concurrency, async (index) => {
        const at = { namespace: where, name: items[index]?.metadata?.name ?? '' };
        // Nobody runs on a fake node who would end the pod.
        await kube.delete(resource, at, { gracePeriodSeconds: 0 }).catch((error: unknown) => {
          if (!(error instanceof KubeError && error.is(404))) throw error;
        });
      });
    }
  };
  await remove(PODS, namespace);
  await remove(NODES, undefined);
};
