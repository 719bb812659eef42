/** The one node that the kubelet pretends to be. */
import { arch } from 'node:os';
import { KubeError, NODES } from '../../kube/index.js';
import type { Kube, Node } from '../../kube/index.js';
import { timestamp } from '../controllers/meta.js';

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

/** Creates the node where it is not there yet, and tells what it has. */
export const registerNode = async (
  kube: Kube,
  name: string,
  now: number,
  signal: AbortSignal,
): Promise<void> => {
  const { gitVersion } = await kube.version({ signal });
  const node = nodeObject(name, gitVersion, now);
  try {
    await kube.create(NODES, undefined, node, { signal });
  } catch (error) {
    if (!(error instanceof KubeError) || !error.is(409)) throw error;
  }
  const body = { status: node.status };
  await kube.patch(NODES, { name }, { type: 'merge', body }, { signal, subresource: 'status' });
};
