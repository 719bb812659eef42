/** What functions see of the outside. Implementations stand behind these and never import one another. */
import type { ClusterInfo, Kube } from '../kube/kube.js';
import type { KubeObject } from '../kube/objects.js';
import type { ClusterProbe } from './probe.js';
import type { Reflector, ReflectorOptions } from '../kube/reflector.js';
import type { NetworkRef } from './networks/network-key.js';
import type { PeerPod } from './networks/peer-pod.js';
import type { Plan } from './networks/plan.js';
import type { HostStatus } from './plugin-host/status.js';

export type {
  ConfigMap,
  Container,
  DaemonSet,
  Deployment,
  EndpointSlice,
  KubeEvent,
  KubeList,
  KubeObject,
  Namespace,
  Pod,
  PodTemplateSpec,
  Probe,
  ReplicaSet,
  Resource,
  Service,
  StatefulSet,
} from '../kube/objects.js';
export {
  CONFIG_MAPS,
  DAEMON_SETS,
  DEPLOYMENTS,
  ENDPOINT_SLICES,
  EVENTS,
  NAMESPACES,
  PODS,
  REPLICA_SETS,
  SERVICES,
  STATEFUL_SETS,
} from '../kube/objects.js';
export type { ClusterInfo, Kube, LogQuery, Patch } from '../kube/kube.js';
export { keyOf } from '../kube/reflector.js';
export type { Change, Reflector } from '../kube/reflector.js';
export { backoffMs } from '../kube/backoff.js';
export { createWorkQueue } from '../kube/queue.js';
export { createTurns } from '../kube/turns.js';
export type { WorkQueue } from '../kube/queue.js';
export { LEASES, startElection } from '../kube/leases.js';
export type { NetworkRef } from './networks/network-key.js';
export type { Plan } from './networks/plan.js';
export type { CallCount, HostStatus, StatusPlugin } from './plugin-host/status.js';
export type { Leadership } from '../kube/leases.js';

/** Where log lines go; pino's shape. */
export interface Log {
  debug(fields: object, message?: string): void;
  info(fields: object, message?: string): void;
  warn(fields: object, message?: string): void;
  error(fields: object, message?: string): void;
  child(fields: object): Log;
}

export type Labels = Readonly<Record<string, string>>;
export interface Counter {
  add(labels?: Labels, by?: number): void;
  /** Shows the series no more; counted again, it begins anew. */
  remove(labels: Labels): void;
}
export interface Gauge {
  set(value: number, labels?: Labels): void;
}
export interface Histogram {
  observe(value: number, labels?: Labels): void;
  /** Shows the series no more; observed again, it begins anew. */
  remove(labels: Labels): void;
}

/** Where numbers about the running server go. Names follow Prometheus' rules, units are in the name. */
export interface Metrics {
  counter(name: string, help: string): Counter;
  gauge(name: string, help: string): Gauge;
  /** A gauge that is read when it is asked for. */
  observed(name: string, help: string, read: () => Iterable<readonly [number, Labels?]>): void;
  /** @param bounds upper bounds of its buckets, ascending, without infinity. */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram;
}

/** Keeps a live copy of the objects of a kind, across cut and expired watches. */
export type Reflect = <T extends KubeObject>(options: Omit<ReflectorOptions<T>, 'kube'>) => Reflector<T>;

/** A lightpeer: the pod that it runs in, and the `ip:port` at which other peers reach it. */
export interface PeerAt {
  readonly namespace: string;
  readonly pod: string;
  readonly address: string;
  /** It speaks TLS. */
  readonly tls?: boolean;
}

/** Bounds a call to a peer. */
export interface PeerIo {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds; the port's own limit when absent. A watch has none. */
  readonly timeoutMs?: number | undefined;
}

/** What one of our peers says of itself. */
export interface PeerStatus {
  /** The address that it gives itself. */
  readonly self: string;
  /** The addresses of its network's members, its own among them. */
  readonly members: readonly string[];
  /** The id of its newest block. */
  readonly head: string;
  /** The place of that block in the chain. */
  readonly height: number;
  /** How many blocks of programs its chain has. */
  readonly blocks: number;
  readonly version: string;
  /** What is wrong with it although it answers. */
  readonly trouble?: string;
}

/** A block of a program. What the reference's protocol does not tell is absent. */
export interface PeerBlock {
  readonly payload: Uint8Array;
  readonly id?: string;
  /** Which state: a file's path relative to the shared folder. */
  readonly path?: string;
  readonly deleted?: boolean;
  readonly height?: number;
  /** When it was made, by its maker's clock. */
  readonly at?: Date;
}

export type PeerEvent =
  | { readonly type: 'block'; readonly block: PeerBlock; readonly cursor?: string }
  /** Two networks became one: what came after the cursor comes again, in its new order. */
  | { readonly type: 'rewound'; readonly cursor?: string }
  /** All blocks that there were have been sent. */
  | { readonly type: 'live'; readonly cursor?: string };

/** Calls to lightpeers, ours and the reference's. Each has a deadline, and throws PeerError and nothing else. */
export interface Peers {
  /** How the peer is; undefined for one that is healthy and speaks the reference's protocol only. */
  status(peer: PeerAt, io?: PeerIo): Promise<PeerStatus | undefined>;
  /** The peer joins the network of the peer at `contact`. */
  join(peer: PeerAt, contact: string, io?: PeerIo): Promise<void>;
  /** The peer takes its half of a network to that of the peer at `contact`; one that cannot joins alone. */
  merge(peer: PeerAt, contact: string, io?: PeerIo): Promise<void>;
  /** The peer leaves its network, forgets its blocks and is alone; with an address, the member there is dropped from it. */
  leave(peer: PeerAt, address?: string, io?: PeerIo): Promise<void>;
  /** Adds a block. Resolves when the network has it, as far as the peer's kind promises that. */
  persist(
    peer: PeerAt,
    block: { payload: Uint8Array; path?: string | undefined; deleted?: boolean | undefined; id?: string },
    io?: PeerIo,
  ): Promise<void>;
  /** Blocks of programs, newest first; `next` leads to the page after. */
  list(
    peer: PeerAt,
    page: { limit: number; continue?: string | undefined },
    io?: PeerIo,
  ): Promise<{ blocks: PeerBlock[]; next?: string }>;
  /** The payloads of blocks of programs, newest first, of either kind of peer; who leaves early ends the call. */
  payloads(peer: PeerAt, io?: PeerIo): AsyncGenerator<Uint8Array, void, undefined>;
  /** Blocks of programs, oldest first, then each as it comes, until the signal fires. */
  watch(peer: PeerAt, cursor: string | undefined, io?: PeerIo): AsyncGenerator<PeerEvent, void, undefined>;
  close(): Promise<void>;
}

/** What functions know of the lightchain networks. */
export interface Networks {
  readonly peers: Peers;
  /** The image of the sidecar, when the configuration names one. */
  readonly peerImage: string | undefined;
  /** The network that a label in a namespace means. */
  networkOf(namespace: string, id: string): NetworkRef;
  /**
   * Asks the peers of these pods, all of one network, and answers how each stands to it.
   * @param moved uids of pods that are known to come from another network.
   */
  survey(
    network: NetworkRef,
    pods: Iterable<PeerPod>,
    io?: PeerIo,
    moved?: ReadonlySet<string>,
  ): Promise<Plan>;
  /** Why nobody may be joining peers, in words; undefined where a controller leads, or none can tell. */
  whyIdle(io?: PeerIo): Promise<string | undefined>;
}

/** Bounds a call to a host. */
export interface HostIo {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds; 30 000 when absent. */
  readonly timeoutMs?: number | undefined;
}

/** A method of a service; without a provider the host picks one. */
export interface PluginRequest {
  readonly type: string;
  readonly method: string;
  readonly provider?: string | undefined;
  /** JSON. */
  readonly body: string;
}

/** What a plugin, or the router in its place, answered. */
export interface PluginReply {
  readonly status: number;
  readonly body: Uint8Array;
}

/** A host of plugins. Each method throws AppError, or what the Kube port throws, and nothing else. */
export interface PluginHost {
  /** `the operator's host`, `the host of pod default/shop`: for sentences. */
  readonly what: string;
  status(io?: HostIo): Promise<HostStatus>;
  /** Its status, at first and whenever it may have changed, until the signal fires: it then throws the signal's reason. */
  changes(signal: AbortSignal): AsyncGenerator<HostStatus, never, undefined>;
  /** Calls through the host's router, as the operator. A status of 400 or more is an answer too. */
  call(request: PluginRequest, io?: HostIo): Promise<PluginReply>;
}

/** What functions know of plugins' hosts. */
export interface Plugins {
  /** The operator's; undefined where it runs none. */
  readonly own: PluginHost | undefined;
  /** The image of a host's container, when the configuration names one. */
  readonly hostImage: string | undefined;
  /** The one that listens on the loopback of a pod, reached by port-forward. */
  inPod(at: { readonly namespace: string; readonly name: string }): PluginHost;
}

/** What every implementation gets. */
export interface Deps {
  readonly kube: Kube;
  readonly reflect: Reflect;
  readonly cluster: ClusterInfo;
  /** Whether the cluster answers; at most 2 seconds old. */
  readonly probe: ClusterProbe;
  readonly version: string;
  readonly startedAt: Date;
  /** The namespace of calls that name none. */
  readonly defaultNamespace: string;
  /** How many functions the library has. */
  readonly functionCount: number;
  readonly networks: Networks;
  readonly plugins: Plugins;
}
