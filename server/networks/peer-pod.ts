/** Which pods are peers, and where. Pure. */
import { isIPv6 } from 'node:net';
import { PODS } from '../ports.js';
import type { KubeObject, PeerAt, Pod, Resource } from '../ports.js';

/** The label whose value is the network's id. */
export const NETWORK_LABEL = 'klight.networkId';
/** The container that breaks ties. */
export const PEER_CONTAINER = 'klightpeer';
export const DEFAULT_PORT = 9081;

/** `klightPort` is what the reference's pages write, and no API server takes it: a port's name has small letters only. */
const PORT_NAMES = new Set(['klightport', 'klight-port']);
/** The same of a peer that speaks TLS. */
export const TLS_PORT_NAME = 'klightport-tls';

/** A labelled pod as far as networks are concerned. */
export interface PeerPod {
  /** The pod's identity, which a later pod of the same name does not share. */
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** The id in the label. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /**
   * `waiting`: not running yet; `running`: its peer can be asked; `over`: it ended, or is being deleted. `why` says in words
   * what it waits for or how it ended.
   */
  readonly phase: 'waiting' | 'running' | 'over';
  readonly why?: string;
  /** `ip:port` of its peer; set when it runs. */
  readonly address?: string;
  /** It speaks TLS, by the name of its port. */
  readonly tls?: boolean;
  /** Changes when the pod's address changes or its peer's container is started anew. */
  readonly incarnation: string;
}

type Spec = NonNullable<Pod['spec']>;
type AnyContainer = Spec['containers'][number];

/** Init containers too: a sidecar may be one. */
const containersOf = (spec: Partial<Spec> | undefined): AnyContainer[] => [
  ...(spec?.initContainers ?? []),
  ...(spec?.containers ?? []),
];

const peerPort = ({ ports = [] }: AnyContainer): { port: number; tls: boolean } | undefined => {
  for (const { name = '', protocol = 'TCP', containerPort: port } of ports) {
    const tls = name === TLS_PORT_NAME;
    if (protocol === 'TCP' && (tls || PORT_NAMES.has(name.toLowerCase()))) return { port, tls };
  }
  return undefined;
};

/** The container and port of a pod's peer: that of any container with the named port, `klightpeer` first, else 9081. */
export function peerOf(pod: Pod): { container: string | undefined; port: number; tls: boolean } {
  const containers = containersOf(pod.spec);
  const named = containers.find(({ name }) => name === PEER_CONTAINER);
  const container =
    named !== undefined && peerPort(named) !== undefined
      ? named
      : (containers.find((one) => peerPort(one) !== undefined) ?? named);
  const found = container && peerPort(container);
  return { container: container?.name, port: found?.port ?? DEFAULT_PORT, tls: found?.tls ?? false };
}

/** `ip:port`, as peers write it. */
export const addressOf = (ip: string, port: number): string => `${isIPv6(ip) ? `[${ip}]` : ip}:${port}`;

/** A labelled pod as a peer; undefined for one without the label. */
export function peerPodOf(pod: Pod): PeerPod | undefined {
  const { metadata = {}, status = {} } = pod;
  const id = metadata.labels?.[NETWORK_LABEL];
  if (id === undefined || id === '') return undefined;
  const { container, port, tls } = peerOf(pod);
  const state = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])].find(
    ({ name }) => name === container,
  );
  const { podIP: ip, phase = 'Pending' } = status;
  const address = ip === undefined || ip === '' ? undefined : addressOf(ip, port);
  const common = {
    uid: metadata.uid ?? '',
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    id,
    createdAt: Date.parse(metadata.creationTimestamp ?? '') || 0,
    incarnation: `${address ?? ''} ${(state?.containerID ?? '').replace(/^.*:\/\//, '').slice(0, 12)}`.trim(),
  };
  if (metadata.deletionTimestamp !== undefined)
    return { ...common, phase: 'over', why: 'the pod is being deleted' };
  if (phase === 'Succeeded' || phase === 'Failed')
    return { ...common, phase: 'over', why: `the pod has ended (${phase})` };
  if (phase !== 'Running') return { ...common, phase: 'waiting', why: `the pod is ${phase}` };
  if (address === undefined) return { ...common, phase: 'waiting', why: 'the pod has no address yet' };
  return { ...common, phase: 'running', address, ...(tls && { tls }) };
}

/** Where a running pod's peer is. */
export const placeOf = ({ namespace, name, address = '', tls }: PeerPod): PeerAt => ({
  namespace,
  pod: name,
  address,
  ...(tls && { tls }),
});

/** What a reflector keeps of a labelled pod: a tenth of it, so that ten thousand fit. */
export interface LabelledPod extends KubeObject {
  /** Undefined for one without the label. */
  readonly peer?: PeerPod | undefined;
}

export const LABELLED_PODS = PODS as unknown as Resource<LabelledPod>;

/** Takes a whole pod, as it comes from the API server. */
export function labelledPod(object: LabelledPod): LabelledPod {
  const { name, namespace, uid, resourceVersion } = object.metadata ?? {};
  const peer = peerPodOf(object);
  return {
    metadata: {
      name: name ?? '',
      namespace: namespace ?? '',
      uid: uid ?? '',
      resourceVersion: resourceVersion ?? '',
    },
    ...(peer === undefined ? {} : { peer }),
  };
}
