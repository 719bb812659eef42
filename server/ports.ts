/** What functions see of the outside. Implementations stand behind these and never import one another. */
import type { ClusterInfo, Kube } from '../kube/kube.js';
import type { KubeObject } from '../kube/objects.js';
import type { ClusterProbe } from './probe.js';
import type { Reflector, ReflectorOptions } from '../kube/reflector.js';

export type {
  Container,
  Deployment,
  KubeList,
  KubeObject,
  Namespace,
  Pod,
  PodTemplateSpec,
  Probe,
  ReplicaSet,
  Resource,
} from '../kube/objects.js';
export { DEPLOYMENTS, NAMESPACES, PODS, REPLICA_SETS } from '../kube/objects.js';
export type { ClusterInfo, Kube, LogQuery, Patch } from '../kube/kube.js';

/** Where log lines go; pino's shape. */
export interface Log {
  debug(fields: object, message?: string): void;
  info(fields: object, message?: string): void;
  warn(fields: object, message?: string): void;
  error(fields: object, message?: string): void;
  child(fields: object): Log;
}

/** Keeps a live copy of the objects of a kind, across cut and expired watches. */
export type Reflect = <T extends KubeObject>(options: Omit<ReflectorOptions<T>, 'kube'>) => Reflector<T>;

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
}
