/**
 * Kubernetes objects as the JSON that travels, typed with client-node's models, and the kinds that we know by name.
 *
 * client-node's classes describe decoded objects (Date for timestamps, `_continue` for reserved words); `Json` maps them
 * back to what the API server sends, so that no object is ever decoded on a hot path.
 */
import type * as k8s from '@kubernetes/client-node';

type Unreserved<K> = K extends `_${infer Rest}` ? Rest : K;

/** T as plain JSON: dates are RFC 3339 strings and reserved words lose client-node's underscore. */
export type Json<T> = T extends Date
  ? string
  : T extends (infer U)[]
    ? Json<U>[]
    : T extends object
      ? { [K in keyof T as Unreserved<K>]: Json<T[K]> }
      : T;

export type ObjectMeta = Json<k8s.V1ObjectMeta>;

/** Any object of the API: what all kinds share, and the rest as it came. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
}

/** A list as the API server sends it. `metadata.continue` is set while there are more pages. */
export interface KubeList<T> {
  apiVersion?: string;
  kind?: string;
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  items: T[];
}

export type Deployment = Json<k8s.V1Deployment>;
export type ReplicaSet = Json<k8s.V1ReplicaSet>;
export type StatefulSet = Json<k8s.V1StatefulSet>;
export type DaemonSet = Json<k8s.V1DaemonSet>;
export type ControllerRevision = Json<k8s.V1ControllerRevision>;
export type Job = Json<k8s.V1Job>;
export type CronJob = Json<k8s.V1CronJob>;
export type Pod = Json<k8s.V1Pod>;
export type PodTemplateSpec = Json<k8s.V1PodTemplateSpec>;
export type Container = Json<k8s.V1Container>;
export type Probe = Json<k8s.V1Probe>;
export type Namespace = Json<k8s.V1Namespace>;
export type Node = Json<k8s.V1Node>;
export type ConfigMap = Json<k8s.V1ConfigMap>;
export type Secret = Json<k8s.V1Secret>;
export type Binding = Json<k8s.V1Binding>;
export type Service = Json<k8s.V1Service>;
export type ServiceAccount = Json<k8s.V1ServiceAccount>;
export type Endpoints = Json<k8s.V1Endpoints>;
export type EndpointSlice = Json<k8s.V1EndpointSlice>;
export type PersistentVolume = Json<k8s.V1PersistentVolume>;
export type PersistentVolumeClaim = Json<k8s.V1PersistentVolumeClaim>;
export type StorageClass = Json<k8s.V1StorageClass>;
export type PodDisruptionBudget = Json<k8s.V1PodDisruptionBudget>;
export type CustomResourceDefinition = Json<k8s.V1CustomResourceDefinition>;
export type KubeEvent = Json<k8s.CoreV1Event>;
export type Status = Json<k8s.V1Status>;
export type VersionInfo = Json<k8s.VersionInfo>;

/** A kind of the API: where its objects live. `group` is '' for the core group. */
export interface Resource<T extends KubeObject = KubeObject> {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Carries the object type; never set. */
  readonly example?: T;
}

const resource = <T extends KubeObject>(
  group: string,
  version: string,
  plural: string,
  kind: string,
  namespaced = true,
): Resource<T> => Object.freeze({ group, version, plural, kind, namespaced });

export const DEPLOYMENTS = resource<Deployment>('apps', 'v1', 'deployments', 'Deployment');
export const REPLICA_SETS = resource<ReplicaSet>('apps', 'v1', 'replicasets', 'ReplicaSet');
export const STATEFUL_SETS = resource<StatefulSet>('apps', 'v1', 'statefulsets', 'StatefulSet');
export const DAEMON_SETS = resource<DaemonSet>('apps', 'v1', 'daemonsets', 'DaemonSet');
export const CONTROLLER_REVISIONS = resource<ControllerRevision>(
  'apps',
  'v1',
  'controllerrevisions',
  'ControllerRevision',
);
export const JOBS = resource<Job>('batch', 'v1', 'jobs', 'Job');
export const CRON_JOBS = resource<CronJob>('batch', 'v1', 'cronjobs', 'CronJob');
export const PODS = resource<Pod>('', 'v1', 'pods', 'Pod');
export const NAMESPACES = resource<Namespace>('', 'v1', 'namespaces', 'Namespace', false);
export const EVENTS = resource<KubeEvent>('', 'v1', 'events', 'Event');
export const NODES = resource<Node>('', 'v1', 'nodes', 'Node', false);
export const CONFIG_MAPS = resource<ConfigMap>('', 'v1', 'configmaps', 'ConfigMap');
export const SECRETS = resource<Secret>('', 'v1', 'secrets', 'Secret');
export const SERVICES = resource<Service>('', 'v1', 'services', 'Service');
export const SERVICE_ACCOUNTS = resource<ServiceAccount>('', 'v1', 'serviceaccounts', 'ServiceAccount');
export const ENDPOINTS = resource<Endpoints>('', 'v1', 'endpoints', 'Endpoints');
export const ENDPOINT_SLICES = resource<EndpointSlice>(
  'discovery.k8s.io',
  'v1',
  'endpointslices',
  'EndpointSlice',
);
export const PERSISTENT_VOLUMES = resource<PersistentVolume>(
  '',
  'v1',
  'persistentvolumes',
  'PersistentVolume',
  false,
);
export const PERSISTENT_VOLUME_CLAIMS = resource<PersistentVolumeClaim>(
  '',
  'v1',
  'persistentvolumeclaims',
  'PersistentVolumeClaim',
);
export const STORAGE_CLASSES = resource<StorageClass>(
  'storage.k8s.io',
  'v1',
  'storageclasses',
  'StorageClass',
  false,
);
export const POD_DISRUPTION_BUDGETS = resource<PodDisruptionBudget>(
  'policy',
  'v1',
  'poddisruptionbudgets',
  'PodDisruptionBudget',
);
export const CUSTOM_RESOURCE_DEFINITIONS = resource<CustomResourceDefinition>(
  'apiextensions.k8s.io',
  'v1',
  'customresourcedefinitions',
  'CustomResourceDefinition',
  false,
);
