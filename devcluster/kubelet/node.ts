/** The one node that the kubelet pretends to be. */
import { arch } from 'node:os';
import { KubeError, LEASES, NODES } from '../../kube/index.js';
import type { Kube, KubeLog, Lease, Node } from '../../kube/index.js';
import type { EventRecorder } from '../controllers/events.js';
import { timestamp, uidOf } from '../controllers/meta.js';
import { startQueue } from '../controllers/queue.js';

/** What pretended containers ask for costs nothing, so the node has plenty. */
export const RESOURCES = { cpu: '1k', memory: '4Ti', 'ephemeral-storage': '16Ti', pods: '20k' };

const ARCHITECTURE = arch() === 'x64' ? 'amd64' : arch();

const READY = {
  status: 'True',
  reason: 'KubeletReady',
  message: 'the embedded cluster pretends to be a node',
};
const PRESSURES = {
  MemoryPressure: ['KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
  DiskPressure: ['KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
  PIDPressure: ['KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
};

const nodeObject = (name: string, version: string, now: number): Node => {
  const time = { lastHeartbeatTime: timestamp(now), lastTransitionTime: timestamp(now) };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': ARCHITECTURE,
        'node-role.kubernetes.io/control-plane': '',
      },
    },
    spec: {},
    status: {
      capacity: RESOURCES,
      allocatable: RESOURCES,
      addresses: [
        { type: 'InternalIP', address: '127.0.0.1' },
        { type: 'Hostname', address: name },
      ],
      nodeInfo: {
        kubeletVersion: version,
        kubeProxyVersion: version,
        operatingSystem: 'linux',
        architecture: ARCHITECTURE,
        osImage: 'xi-k8s embedded cluster',
        kernelVersion: 'none',
        containerRuntimeVersion: 'pretend://1',
        machineID: name,
        systemUUID: name,
        bootID: name,
      },
      conditions: [
        ...Object.entries(PRESSURES).map(([type, [reason, message]]) => ({
          type,
          status: 'False',
          reason: reason ?? '',
          message: message ?? '',
          ...time,
        })),
        { type: 'Ready', ...READY, ...time },
      ],
    },
  };
};

/** Creates the node where it is not there yet, and tells what it has; answers it. */
export const registerNode = async (
  kube: Kube,
  name: string,
  now: number,
  signal: AbortSignal,
): Promise<Node> => {
  const { gitVersion } = await kube.version({ signal });
  const node = nodeObject(name, gitVersion, now);
  try {
    await kube.create(NODES, undefined, node, { signal });
  } catch (error) {
    if (!(error instanceof KubeError) || !error.is(409)) throw error;
  }
  const body = { status: node.status };
  return kube.patch(NODES, { name }, { type: 'merge', body }, { signal, subresource: 'status' });
};

const LEASE_NAMESPACE = 'kube-node-lease';
const LEASE_SECONDS = 40;
/** Nobody who waits for the cluster to start should wait for this. */
const FIRST_MS = 250;

export interface HeartbeatOptions {
  readonly kube: Kube;
  readonly name: string;
  readonly log: KubeLog | undefined;
  readonly clock: () => number;
  readonly events: EventRecorder;
  /** The node, once it is there and its kubelet does its work. */
  readonly ready: Promise<Node>;
  /** Milliseconds between renewals of the Lease. Default 10,000, as a kubelet does. */
  readonly renewMs?: number | undefined;
  /** Milliseconds after which the status is written though nothing in it has changed. Default 300,000. */
  readonly reportMs?: number | undefined;
}

/** Tells again and again that the node lives: by its Lease, and now and then by its conditions. */
export const startHeartbeat = (options: HeartbeatOptions): { stop(): Promise<void> } => {
  const { kube, name, log, clock, events, ready, renewMs = 10_000, reportMs = 300_000 } = options;
  const at = { namespace: LEASE_NAMESPACE, name };
  let reportAt = clock() + reportMs;

  const renew = async (signal: AbortSignal): Promise<void> => {
    const renewTime = new Date(clock()).toISOString().replace('Z', '000Z');
    try {
      await kube.patch(LEASES, at, { type: 'merge', body: { spec: { renewTime } } }, { signal });
    } catch (error) {
      if (!(error instanceof KubeError) || !error.is(404)) throw error;
      const owner = {
        apiVersion: 'v1',
        kind: 'Node',
        name,
        uid: uidOf(await kube.get(NODES, { name }, { signal })),
      };
      const spec = { holderIdentity: name, leaseDurationSeconds: LEASE_SECONDS, renewTime };
      const lease: Lease = { metadata: { ...at, ownerReferences: [owner] }, spec };
      await kube.create(LEASES, LEASE_NAMESPACE, lease, { signal });
    }
  };

  const report = async (signal: AbortSignal): Promise<void> => {
    const { metadata, status } = await kube.get(NODES, { name }, { signal });
    const isOurs = (type: string): boolean => type === 'Ready' || type in PRESSURES;
    const conditions = (status?.conditions ?? []).map((condition) =>
      isOurs(condition.type) ? { ...condition, lastHeartbeatTime: timestamp(clock()) } : condition,
    );
    const body = { metadata: { resourceVersion: metadata?.resourceVersion }, status: { conditions } };
    await kube.patch(NODES, { name }, { type: 'merge', body }, { signal, subresource: 'status' });
  };

  let registered: Node | undefined;
  const introduce = (node: Node): void => {
    const tell = (reason: string, message: string): void =>
      events.record(NODES, node, { type: 'Normal', reason, message });
    tell('Starting', 'Starting kubelet.');
    tell('NodeReady', `Node ${name} status is now: NodeReady`);
  };

  const queue = startQueue({
    name: 'node heartbeat',
    log,
    reconcile: async (_key, signal) => {
      if (registered !== undefined) introduce(registered);
      registered = undefined;
      await renew(signal);
      if (clock() >= reportAt) {
        await report(signal);
        reportAt = clock() + reportMs;
      }
      return { requeueAfterMs: renewMs };
    },
  });
  ready.then(
    (node) => {
      registered = node;
      queue.addAfter(name, FIRST_MS);
    },
    () => undefined,
  );
  return { stop: () => queue.stop() };
};
