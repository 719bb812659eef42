// Generated from the contracts in schemas/ by `npm run generate`; not to be edited.

/** The stable codes of failures. */
export type ErrorCode =
  | 'invalid_json'
  | 'invalid_params'
  | 'unauthenticated'
  | 'permission_denied'
  | 'forbidden_origin'
  | 'unknown_function'
  | 'not_found'
  | 'method_not_allowed'
  | 'not_acceptable'
  | 'already_exists'
  | 'conflict'
  | 'gone'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'rejected_by_cluster'
  | 'too_many_requests'
  | 'internal'
  | 'bad_gateway'
  | 'cluster_unavailable'
  | 'overloaded'
  | 'deadline_exceeded';

export interface Cause {
  /** The API server's path of the field. */
  field?: string;
  /** The API server's word for it: `FieldValueInvalid`, … */
  reason?: string;
  /** What is wrong. */
  message?: string;
}

export interface Condition {
  /** What it is about: `Available`, `Ready`, … */
  type: string;
  /** Whether it holds. */
  status: 'True' | 'False' | 'Unknown';
  /** Why, in one word for programs. */
  reason?: string;
  /** Why, in words for people. */
  message?: string;
  /** When the status last changed. RFC 3339. */
  changed_at?: string;
}

export interface ContainerPort {
  /** The port that the container listens on. */
  container_port: number;
  /** A name for probes and Services. */
  name?: string;
  /** The protocol; TCP when absent. */
  protocol?: 'TCP' | 'UDP' | 'SCTP';
}

export interface ContainerStatus {
  /** The container's name. */
  name: string;
  /** Its image. */
  image: string;
  /** Whether it is an init container. */
  init: boolean;
  /** Whether it passes its readiness probe. */
  ready: boolean;
  /** How often it was restarted. */
  restarts: number;
  /** What it does. */
  state: 'waiting' | 'running' | 'terminated';
  /** Why it waits or ended, in a word. */
  reason?: string;
  /** Why it waits or ended, in words. */
  message?: string;
  /** How it ended, now or, when it was restarted, last. */
  exit_code?: number;
  /** When it started. RFC 3339. */
  started_at?: string;
}

export interface Deletion {
  /** The object's name. */
  name: string;
  /** The object's namespace. */
  namespace: string;
  /** The object's identity. */
  uid?: string;
  /** False while it still goes: finalizers, or its grace period. */
  gone: boolean;
}

export interface DeletionProgress {
  /** What is still there, in words. */
  message: string;
  /** Whether the object itself is gone. */
  object_gone: boolean;
  /** How many of its pods are left, when their going is waited for. */
  pods_left?: number;
}

/** A Deployment and how far it is. */
export interface Deployment {
  /** Its name. */
  name: string;
  /** Its namespace. */
  namespace: string;
  /** Its identity, which a later Deployment of the same name does not share. */
  uid: string;
  /** Its labels. */
  labels: Record<string, string>;
  /** The images of its containers, in order. */
  images: string[];
  replicas: Replicas;
  /** What the Deployment controller says of it. */
  conditions: Condition[];
  /** Whether roll-outs are paused. */
  paused: boolean;
  /** The revision of its template, counted by roll-outs. */
  revision?: number;
  /** The labels by which it knows its pods. */
  selector: Record<string, string>;
  /** When it was created. RFC 3339. */
  created_at?: string;
  /** Whether it is going. */
  deleting: boolean;
  /** The API server's version of the object. */
  resource_version: string;
}

export interface DeploymentList {
  /** The objects, in the order of the API server: by namespace and name. */
  items: Deployment[];
  /** Set while there are more: pass it as `continue` for the next page. */
  continue?: string;
}

/** One environment variable; exactly one of `value`, `config_map`, `secret`. */
export interface EnvVar {
  /** The name of the variable. */
  name: string;
  /** The value itself. */
  value?: string;
  /** The value of a key of a ConfigMap. */
  config_map?: {
    /** The ConfigMap's name, in the same namespace. */
    name: string;
    /** The key in the ConfigMap. */
    key: string;
    /** Start the container also when it does not exist; false when absent. */
    optional?: boolean;
  };
  /** The value of a key of a Secret. */
  secret?: {
    /** The Secret's name, in the same namespace. */
    name: string;
    /** The key in the Secret. */
    key: string;
    /** Start the container also when it does not exist; false when absent. */
    optional?: boolean;
  };
}

export interface FieldError {
  /** Where: `ports[0].container_port`; empty for the params as a whole. */
  field: string;
  /** What is wrong, and what is allowed. */
  message: string;
  /** The known name that comes nearest. */
  suggestion?: string;
}

/** A line of a log, or something that happened to the log. */
export interface LogItem {
  /** The pod's name. */
  pod: string;
  /** The container's name. */
  container: string;
  /** A line of the log, without its end. */
  line?: string;
  /** When the line was written, with `timestamps`: RFC 3339 with nanoseconds. */
  time?: string;
  /** Instead of a line: the log was opened, waits for its container, ended, or broke off. */
  event?: 'opened' | 'waiting' | 'ended' | 'failed';
  /** What an event is about. */
  message?: string;
}

export interface MissingRule {
  /** API group; '' is the core group. */
  group: string;
  /** Resource, with its subresource after a slash. */
  resource: string;
  verb: string;
  namespace?: string;
  name?: string;
}

export interface Namespace {
  /** Its name. */
  name: string;
  /** Active or Terminating. */
  phase: string;
  /** Its labels. */
  labels: Record<string, string>;
  /** When it was created. RFC 3339. */
  created_at?: string;
}

export interface NamespaceList {
  /** The objects, in the order of the API server: by namespace and name. */
  items: Namespace[];
  /** Set while there are more: pass it as `continue` for the next page. */
  continue?: string;
}

/** A network, asked of its peers now. */
export interface Network {
  /** Its id. */
  network: string;
  /** Where its pods are: its own namespace, or those that share it. */
  namespaces: string[];
  /** Whether the operator's configuration lets it span namespaces. */
  shared: boolean;
  /** The member that is asked first, and that the next pod would join by: one that is well and not behind. Absent when nobody is reached. */
  contact?: {
    /** The pod's name. */
    pod: string;
    /** The pod's namespace. */
    namespace: string;
    /** Where its peer is. */
    address: string;
  };
  /** All pods with its label, by namespace and name. */
  members: NetworkMember[];
  /** Whether all pods that run are members. */
  complete: boolean;
  /** Whether the chains of all members that can be asked are equal. */
  in_step: boolean;
}

/** A block of a program: one state of the network. */
export interface NetworkBlock {
  /** What it holds, when that is UTF-8 text. */
  payload?: string;
  /** What it holds, when that is no text. */
  payload_base64?: string;
  /** How large that is. */
  size_bytes: number;
  /** The block's id. Absent from peers of the reference. */
  id?: string;
  /** Which state it is, where peers share a folder: the path of a file in it. */
  path?: string;
  /** Whether that file was deleted. */
  deleted?: boolean;
  /** The place in the chain. */
  height?: number;
  /** When it was made, by its maker's clock. RFC 3339. */
  made_at?: string;
}

export interface NetworkBlockList {
  /** The blocks, newest first. */
  items: NetworkBlock[];
  /** Set while there are older ones: pass it as `continue` for the next page. */
  continue?: string;
}

export interface NetworkChange {
  /** The network's id; absent when pods were taken out of several. */
  network: string;
  /** The namespace. */
  namespace: string;
  /** What got or lost the label: `pod/a`, `deployment/b`. What had it already is not here. */
  changed: string[];
  /** The pods that it is about, and how they stand. */
  pods: NetworkMember[];
}

export interface NetworkLeft {
  /** The network's id; absent when pods were taken out of several. */
  network?: string;
  /** The namespace. */
  namespace: string;
  /** What got or lost the label: `pod/a`, `deployment/b`. What had it already is not here. */
  changed: string[];
  /** The pods that it is about, and how they stand. */
  pods: NetworkMember[];
}

export interface NetworkList {
  /** The objects, in the order of the API server: by namespace and name. */
  items: NetworkSummary[];
  /** Set while there are more: pass it as `continue` for the next page. */
  continue?: string;
}

/** A pod with the label, and how it stands to the network. */
export interface NetworkMember {
  /** The pod's name. */
  pod: string;
  /** The pod's namespace. */
  namespace: string;
  /** Whether it belongs to the network by now; `apart`: its peer is well, and still to be joined. */
  state: 'member' | 'apart' | 'unreachable' | 'waiting' | 'over';
  /** Why it is no member, in words. */
  reason?: string;
  /** Where its peer is: `ip:port`. */
  address?: string;
  /** Which protocol its peer knows; one of the reference cannot say what its chain holds. */
  speaks?: 'xi-k8s' | 'reference';
  /** The peer's version. */
  version?: string;
  /** The id of the newest block of its chain. */
  head?: string;
  /** The place of that block in the chain. */
  height?: number;
  /** How many blocks of programs its chain has. */
  blocks?: number;
  /** How many blocks it is behind the foremost. */
  lag?: number;
  /** What is wrong with it although it answers. */
  trouble?: string;
}

export interface NetworkProgress {
  /** How far it is, in words. */
  message: string;
  /** Pods that are as they should be. */
  done: number;
  /** Pods that it is about. */
  total: number;
}

export interface NetworkStateItem {
  /** `block`: the next block. `live`: all that there were have been sent. `rewound`: two networks became one, and blocks come again in their new order. `switched`: the peer was lost, and another goes on. */
  event: 'block' | 'rewound' | 'live' | 'switched';
  /** What it holds, when that is UTF-8 text. */
  payload?: string;
  /** What it holds, when that is no text. */
  payload_base64?: string;
  /** How large that is. */
  size_bytes?: number;
  /** The block's id. Absent from peers of the reference. */
  id?: string;
  /** Which state it is, where peers share a folder: the path of a file in it. */
  path?: string;
  /** Whether that file was deleted. */
  deleted?: boolean;
  /** The place in the chain. */
  height?: number;
  /** When it was made, by its maker's clock. RFC 3339. */
  made_at?: string;
  /** With `switched`: the pod whose peer goes on. */
  pod?: string;
  /** Given to another call as `cursor`, the stream goes on after this. */
  cursor?: string;
}

export interface NetworkSummary {
  /** Its id. */
  network: string;
  /** Where its pods are: its own namespace, or those that share it. */
  namespaces: string[];
  /** Whether the operator's configuration lets it span namespaces. */
  shared: boolean;
  /** Its pods, as the API server has them; their peers are not asked. */
  pods: {
    /** Pods with its label. */
    total: number;
    /** Those that run. */
    running: number;
    /** Those that have not started yet. */
    waiting: number;
    /** Those that ended or are being deleted. */
    over: number;
  };
}

export interface ObjectRef {
  /** Its kind, as RBAC names it: `deployments.apps`. */
  resource: string;
  /** Its namespace, where it has one. */
  namespace?: string;
  /** Its name. */
  name?: string;
}

export interface Persisted {
  /** The network's id. */
  network: string;
  /** The namespace. */
  namespace: string;
  /** The pod whose peer took it. */
  pod: string;
  /** The block's id, when the peer is one of ours. */
  id?: string;
  /** How large the payload is. */
  size_bytes: number;
}

/** A plugin, as its host knows it. */
export interface Plugin {
  /** Its id at this host, given by the host. */
  runtime_id: string;
  /** What it calls itself. */
  self_id: string;
  /** Its own version. */
  self_version: string;
  /** `unmanaged`: it came by itself. `managed`: the host was configured to see to it. `discovered`: the host found it in the cluster. */
  origin: 'unmanaged' | 'managed' | 'discovered';
  /** How it says that it is; of several pods the best counts. */
  health: 'healthy' | 'degraded' | 'unhealthy';
  /** Why it is so, in its own words, and which of its pods are worse. */
  reason?: string;
  /** Types of services that it misses, by its own account. */
  unavailable_dependencies: string[];
  /** Whether calls are routed to it now. */
  routable: boolean;
  /** Why not. */
  unroutable_because?: string;
  /** What it provides. */
  services: PluginService[];
  /** What it needs, as it declared or asked for. */
  requires: PluginNeed[];
  /** When it came. RFC 3339. */
  since: string;
}

export interface PluginAnswer {
  /** The type of the service called. */
  type: string;
  /** The method called. */
  method: string;
  /** The plugin that answered, where it is known: the one asked for, or the only one. */
  provider?: string;
  /** The HTTP status of its answer. Absent in a dry run. */
  status?: number;
  /** Its answer, when that is JSON. */
  response?: unknown;
  /** Its answer, when that is other UTF-8 text. */
  response_text?: string;
  /** Its answer, when that is no text. */
  response_base64?: string;
  /** How long the answer took, in milliseconds. */
  duration_ms: number;
}

export interface PluginContainer {
  /** The plugin's id, and the name of its container; in a Deployment of its own that one's too. */
  name: string;
  /** Its image. */
  image: string;
  /** The port that it listens on; it gets it as `PORT`. */
  port: number;
  /** The program and its first arguments, instead of the image's entrypoint. */
  command?: string[];
  /** The arguments, instead of the image's. */
  args?: string[];
  /** The environment beside HOST_URL, PORT and HOSTNAME; these may be named too. */
  env?: EnvVar[];
  /** Resource → quantity: `{ "cpu": "500m", "memory": "200Mi" }`. */
  requests?: Record<string, string>;
  /** Resource → quantity: `{ "cpu": "500m", "memory": "200Mi" }`. */
  limits?: Record<string, string>;
  /** A health check; exactly one of `http_get`, `tcp_port`, `grpc_port`, `command`. */
  readiness_probe?: Probe;
}

export interface PluginDeployment {
  /** The Deployment's name. */
  name: string;
  /** Its namespace. */
  namespace: string;
  /** The plugins whose containers are in its pods. */
  plugins: string[];
  /** The images of its containers, in order. */
  images: string[];
  /** How many pods are asked for. */
  replicas: number;
  /** How many of them are ready. */
  ready: number;
  /** The Service by which the host finds its pods, when it has one. */
  service?: string;
}

export interface PluginEvent {
  /** `plugin`: one that is there, came or changed, as it is now. `gone`: it is no longer there. `live`: all that were there at first have been sent. */
  event: 'plugin' | 'gone' | 'live';
  /** Which plugin; absent with `live`. */
  runtime_id?: string;
  /** A plugin, as its host knows it. */
  plugin?: Plugin;
}

/** Who provides what, who needs it, and who calls whom. */
export interface PluginGraph {
  /** The plugins, by runtime id. */
  nodes: PluginGraphNode[];
  /** Who needs or calls whom. */
  edges: PluginGraphEdge[];
  /** Runtime ids such that each comes after those that it needs; members of a cycle stand together. */
  start_order: string[];
  /** Runtime ids of plugins that need one another in a circle. */
  cycles: Array<string[]>;
  /** The same as a flow chart in the language of Mermaid. */
  mermaid: string;
}

export interface PluginGraphEdge {
  /** The runtime id of the plugin that needs or calls. */
  from: string;
  /** The runtime id of the plugin that provides. */
  to: string;
  /** The type of the service between them. */
  type: string;
  /** Whether the first says that it needs the service. */
  required: boolean;
  /** Calls that the host routed since it started. */
  calls: number;
  /** Those of them that were answered by a status of 400 or more. */
  failures: number;
  /** Methods that were called, cut to 100 characters; beyond 100 of them the others are counted as `(others)`. */
  methods: string[];
}

export interface PluginGraphNode {
  /** Its runtime id. */
  runtime_id: string;
  /** What it calls itself. */
  self_id: string;
  /** How it says that it is; of several pods the best counts. */
  health: 'healthy' | 'degraded' | 'unhealthy';
  /** Whether calls are routed to it now. */
  routable: boolean;
  /** Types of the services that it provides. */
  provides: string[];
  /** Types of services that it needs and that nobody provides. */
  missing: string[];
  /** Runtime ids of the plugins that lose a service they need when it goes, directly or not. */
  affects: string[];
}

export interface PluginList {
  /** The plugins, by runtime id. */
  items: Plugin[];
  /** Set while there are more: pass it as `continue` for the next page. */
  continue?: string;
}

/** A service that a plugin needs. */
export interface PluginNeed {
  /** The type of service. */
  type: string;
  /** The least version; empty for any. */
  min_version: string;
  /** Runtime ids of the plugins that provide it, in whatever version; none: it is missing. */
  providers: string[];
}

export interface PluginProgress {
  /** How far it is, in words. */
  message: string;
  /** Deployments that are rolled out. */
  done: number;
  /** Deployments in all. */
  total: number;
}

/** A service of a plugin. */
export interface PluginService {
  /** What it is: plugins ask for services by it. */
  type: string;
  /** Its version, by semver. */
  version: string;
  /** The runtime id of the plugin that provides it, which the host's routes name. */
  provider: string;
  /** Its path at the host; a method's name goes behind it. */
  path: string;
  /** Where calls go: the addresses of its pods, or of its container. */
  targets: string[];
  /** What the plugin says of it beside. */
  metadata: Record<string, string>;
  /** Whether calls are routed to it now. */
  routable: boolean;
}

export interface PluginServiceList {
  /** The services, by type and provider. */
  items: PluginService[];
  /** Set while there are more: pass it as `continue` for the next page. */
  continue?: string;
}

export interface PluginsDeployed {
  /** The model. */
  model: 'pod' | 'separate';
  /** What was applied. */
  deployments: PluginDeployment[];
  /** What keeps the plugins from being called, where something does. */
  warnings?: string[];
}

/** A pod and how it is. */
export interface Pod {
  /** Its name. */
  name: string;
  /** Its namespace. */
  namespace: string;
  /** Its identity. */
  uid: string;
  /** Its labels. */
  labels: Record<string, string>;
  /** What kubectl shows as STATUS: `Running`, `Pending`, `CrashLoopBackOff`, `Completed`, `Terminating`, … */
  status: string;
  /** Pending, Running, Succeeded, Failed or Unknown. */
  phase: string;
  /** Whether it takes traffic. */
  ready: boolean;
  /** Restarts of all its containers. */
  restarts: number;
  /** The images of its containers, in order. */
  images: string[];
  /** Its containers, init containers first. */
  containers: ContainerStatus[];
  /** Why it is not ready, in words. */
  message?: string;
  /** Its address. */
  ip?: string;
  /** The Kubernetes node that it runs on. */
  kubernetes_node?: string;
  /** What made it. */
  owner?: {
    /** Its kind. */
    kind: string;
    /** Its name. */
    name: string;
  };
  /** When it was created. RFC 3339. */
  created_at?: string;
  /** Whether it is going. */
  deleting: boolean;
  /** The API server's version of the object. */
  resource_version: string;
}

export interface PodList {
  /** The objects, in the order of the API server: by namespace and name. */
  items: Pod[];
  /** Set while there are more: pass it as `continue` for the next page. */
  continue?: string;
}

/** A health check; exactly one of `http_get`, `tcp_port`, `grpc_port`, `command`. */
export interface Probe {
  /** Healthy when a GET answers 200 to 399. */
  http_get?: {
    /** The path; `/` when absent. */
    path?: string;
    /** The port. */
    port: number;
    /** HTTP when absent. */
    scheme?: 'HTTP' | 'HTTPS';
  };
  /** Healthy when a connection to this port opens. */
  tcp_port?: number;
  /** Healthy when the gRPC health service on this port says so. */
  grpc_port?: number;
  /** Healthy when this command, run in the container, exits with 0. */
  command?: string[];
  /** Seconds before the first probe. */
  initial_delay_seconds?: number;
  /** Seconds between probes. */
  period_seconds?: number;
  /** Seconds until a probe has failed. */
  timeout_seconds?: number;
  /** Successes in a row that make it healthy. */
  success_threshold?: number;
  /** Failures in a row that make it unhealthy. */
  failure_threshold?: number;
}

/** A problem document (RFC 9457). */
export interface Problem {
  /** A URI that stands for the code. */
  type: string;
  /** The code in words. */
  title: string;
  /** The HTTP status. */
  status: number;
  /** The stable code for programs. */
  code: 'invalid_json' | 'invalid_params' | 'unauthenticated' | 'permission_denied' | 'forbidden_origin' | 'unknown_function' | 'not_found' | 'method_not_allowed' | 'not_acceptable' | 'already_exists' | 'conflict' | 'gone' | 'payload_too_large' | 'unsupported_media_type' | 'rejected_by_cluster' | 'too_many_requests' | 'internal' | 'bad_gateway' | 'cluster_unavailable' | 'overloaded' | 'deadline_exceeded';
  /** What happened, on which object, and what to do. */
  detail: string;
  /** The X-Request-Id of the call. */
  request_id?: string;
  /** Each bad param. */
  errors?: FieldError[];
  /** The API server's reasons, field by field. */
  causes?: Cause[];
  permission?: MissingRule;
  object?: ObjectRef;
  /** What became of a change that failed late: it may have happened, as a whole or in part, or it has and only the waiting failed. */
  outcome?: 'unknown' | 'done';
  /** When to try again. */
  retry_after_seconds?: number;
  /** The known name that comes nearest. */
  suggestion?: string;
}

export interface Replicas {
  /** How many are asked for. */
  desired: number;
  /** How many have the newest template. */
  updated: number;
  /** How many are ready. */
  ready: number;
  /** How many have been ready for long enough to count on. */
  available: number;
}

export interface RolloutProgress {
  /** How far it is, in words: `2 of 3 updated replicas are available`. */
  message: string;
  replicas: Replicas;
  /** What the Deployment controller says of it. */
  conditions: Condition[];
  /** Pods that do not become ready, and why. */
  stuck: StuckPod[];
  /** Whether the roll-out is complete. */
  done: boolean;
}

export interface ServerInfo {
  /** Always `xi-k8s`. */
  name: string;
  /** The server's version. */
  version: string;
  /** When it started. RFC 3339. */
  started_at: string;
  /** The namespace of calls that name none. */
  default_namespace: string;
  /** How many functions it has. */
  functions: number;
  /** The cluster that it acts on. */
  cluster: {
    /** How the cluster was found. */
    how: 'embedded' | 'kubeconfig' | 'in-cluster';
    /** The API server's address. */
    url: string;
    /** The kubeconfig's context. */
    context?: string;
    /** Whether the API server answers. */
    reachable: boolean;
    /** The API server's version. */
    version?: string;
    /** Why it does not answer. */
    message?: string;
  };
}

export interface Sidecar {
  /** Deployment, StatefulSet or DaemonSet. */
  kind: string;
  /** Its name. */
  name: string;
  /** Its namespace. */
  namespace: string;
  /** The network that its pods belong to, by their label. */
  network?: string;
  /** The sidecar's image. */
  image: string;
  /** Where the shared folder is. */
  mount_path: string;
  /** The one file of it that is shared. Absent: every file. */
  state_file?: string;
  /** The containers that see the folder. */
  containers: string[];
}

export interface StuckPod {
  /** The pod's name. */
  pod: string;
  /** The container that is stuck. */
  container?: string;
  /** Why, in a word: `ImagePullBackOff`, `Unschedulable`, `CrashLoopBackOff`, `CreateContainerConfigError`, … */
  reason: string;
  /** Why, in words. */
  message?: string;
  /** How often the container was restarted. */
  restarts?: number;
  /** How the container ended last. */
  exit_code?: number;
}

/** A volume and where it is mounted; exactly one of `empty_dir`, `config_map`, `secret`, `claim`. */
export interface Volume {
  /** The name of the volume. */
  name: string;
  /** Where the container sees it. */
  mount_path: string;
  /** Mounted for reading only; false when absent. */
  read_only?: boolean;
  /** Only this path inside the volume. */
  sub_path?: string;
  /** An empty folder that lives as long as the pod. */
  empty_dir?: {
    /** In memory instead of on disk. */
    medium?: 'Memory';
    /** At most so much: `1Gi`. */
    size_limit?: string;
  };
  /** The files of this ConfigMap. */
  config_map?: string;
  /** The files of this Secret. */
  secret?: string;
  /** The volume of this PersistentVolumeClaim. */
  claim?: string;
}

/** The params of `create_deployment`. */
export interface CreateDeploymentParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** The Deployment's name. Default: `"nginx-deployment"`. */
  name?: string;
  /** The container's image. Default: `"nginx:1.15.4"`. */
  image?: string;
  /** How many pods. Default: `3`. */
  replicas?: number;
  /** More labels, for the Deployment and its pods. `app` is fixed. */
  labels?: Record<string, string>;
  /** The Deployment's annotations. */
  annotations?: Record<string, string>;
  /** The container's name; the last part of the image's name when absent. */
  container_name?: string;
  /** The ports that the container listens on. */
  ports?: ContainerPort[];
  /** The environment. */
  env?: EnvVar[];
  /** The program and its first arguments, instead of the image's entrypoint. */
  command?: string[];
  /** The arguments, instead of the image's. */
  args?: string[];
  /** Resource → quantity: `{ "cpu": "500m", "memory": "200Mi" }`. */
  requests?: Record<string, string>;
  /** Resource → quantity: `{ "cpu": "500m", "memory": "200Mi" }`. */
  limits?: Record<string, string>;
  /** A health check; exactly one of `http_get`, `tcp_port`, `grpc_port`, `command`. */
  liveness_probe?: Probe;
  /** A health check; exactly one of `http_get`, `tcp_port`, `grpc_port`, `command`. */
  readiness_probe?: Probe;
  /** A health check; exactly one of `http_get`, `tcp_port`, `grpc_port`, `command`. */
  startup_probe?: Probe;
  /** Volumes and where they are mounted. */
  volumes?: Volume[];
  /** The ServiceAccount that the pods run as. */
  service_account?: string;
  /** Secrets with the credentials of a private registry. */
  image_pull_secrets?: string[];
  /** Only Kubernetes nodes with these labels. */
  node_selector?: Record<string, string>;
  /** Answer only when all replicas are available. Default: `false`. */
  wait?: boolean;
  /** How long to wait, in seconds, before the call fails with `deadline_exceeded`. Default: `300`. */
  timeout_seconds?: number;
}

/** The params of `get_deployment`. */
export interface GetDeploymentParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** The Deployment's name. */
  name: string;
}

/** The params of `list_deployments`. */
export interface ListDeploymentsParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** All namespaces instead of one; `namespace` must then be absent. Default: `false`. */
  all_namespaces?: boolean;
  /** Only objects whose labels match: `app=web,tier!=cache`, `env in (a, b)`, `!canary`. */
  label_selector?: string;
  /** Only objects whose fields match, as the API server supports it for the kind: `metadata.name=web`. */
  field_selector?: string;
  /** At most so many items in this answer. Default: `500`. */
  limit?: number;
  /** The `continue` of the answer before, for the next page. Answers 410 when it is too old: start again. */
  continue?: string;
}

/** The params of `scale_deployment`. */
export interface ScaleDeploymentParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** The Deployment's name. */
  name: string;
  /** How many pods. */
  replicas: number;
  /** Answer only when all replicas are available and those too many are gone. Default: `false`. */
  wait?: boolean;
  /** How long to wait, in seconds, before the call fails with `deadline_exceeded`. Default: `300`. */
  timeout_seconds?: number;
}

/** The params of `set_deployment_image`. */
export interface SetDeploymentImageParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** The Deployment's name. */
  name: string;
  /** The new image. */
  image: string;
  /** The container; the only one when absent. */
  container?: string;
  /** Answer only when the roll-out is complete. Default: `false`. */
  wait?: boolean;
  /** How long to wait, in seconds, before the call fails with `deadline_exceeded`. Default: `300`. */
  timeout_seconds?: number;
}

/** The params of `restart_deployment`. */
export interface RestartDeploymentParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** The Deployment's name. */
  name: string;
  /** Answer only when the roll-out is complete. Default: `false`. */
  wait?: boolean;
  /** How long to wait, in seconds, before the call fails with `deadline_exceeded`. Default: `300`. */
  timeout_seconds?: number;
}

/** The params of `rollback_deployment`. */
export interface RollbackDeploymentParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** The Deployment's name. */
  name: string;
  /** The revision; the previous one when absent. */
  to_revision?: number;
  /** Answer only when the roll-out is complete. Default: `false`. */
  wait?: boolean;
  /** How long to wait, in seconds, before the call fails with `deadline_exceeded`. Default: `300`. */
  timeout_seconds?: number;
}

/** The params of `wait_for_deployment`. */
export interface WaitForDeploymentParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** The Deployment's name. */
  name: string;
  /** How long to wait, in seconds, before the call fails with `deadline_exceeded`. Default: `300`. */
  timeout_seconds?: number;
}

/** The params of `delete_deployment`. */
export interface DeleteDeploymentParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** The Deployment's name. */
  name: string;
  /** What becomes of its pods. Default: `"background"`. */
  propagation_policy?: 'background' | 'foreground' | 'orphan';
  /** Answer only when it and its pods are gone. Default: `false`. */
  wait?: boolean;
  /** How long to wait, in seconds, before the call fails with `deadline_exceeded`. Default: `300`. */
  timeout_seconds?: number;
}

/** The params of `list_pods`. */
export interface ListPodsParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** All namespaces instead of one; `namespace` must then be absent. Default: `false`. */
  all_namespaces?: boolean;
  /** Only the pods of this Deployment; `label_selector` and `all_namespaces` must then be absent. */
  deployment?: string;
  /** Only objects whose labels match: `app=web,tier!=cache`, `env in (a, b)`, `!canary`. */
  label_selector?: string;
  /** Only objects whose fields match, as the API server supports it for the kind: `metadata.name=web`. */
  field_selector?: string;
  /** At most so many items in this answer. Default: `500`. */
  limit?: number;
  /** The `continue` of the answer before, for the next page. Answers 410 when it is too old: start again. */
  continue?: string;
}

/** The params of `get_pod`. */
export interface GetPodParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** The pod's name. */
  name: string;
}

/** The params of `delete_pod`. */
export interface DeletePodParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** The pod's name. */
  name: string;
  /** Seconds that its containers have to stop; the pod's own number when absent, 0 removes it at once. */
  grace_period_seconds?: number;
  /** Answer only when it is gone. Default: `false`. */
  wait?: boolean;
  /** How long to wait, in seconds, before the call fails with `deadline_exceeded`. Default: `300`. */
  timeout_seconds?: number;
}

/** The params of `pod_logs`. */
export interface PodLogsParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** One pod. */
  pod?: string;
  /** All pods of this Deployment. */
  deployment?: string;
  /** Only objects whose labels match: `app=web,tier!=cache`, `env in (a, b)`, `!canary`. */
  label_selector?: string;
  /** The container; the only one when absent. */
  container?: string;
  /** All containers, init containers too. Default: `false`. */
  all_containers?: boolean;
  /** Go on as the log grows. Default: `false`. */
  follow?: boolean;
  /** The log of the container's run before its last restart. Default: `false`. */
  previous?: boolean;
  /** Say when each line was written. Default: `false`. */
  timestamps?: boolean;
  /** Only so many lines from the end, of each container. */
  tail_lines?: number;
  /** Only lines of the last so many seconds. */
  since_seconds?: number;
  /** Only lines since then (RFC 3339). Not together with `since_seconds`. */
  since_time?: string;
  /** At most so many bytes of each container. */
  limit_bytes?: number;
}

/** The params of `list_networks`. */
export interface ListNetworksParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** All namespaces instead of one; `namespace` must then be absent. Default: `false`. */
  all_namespaces?: boolean;
  /** At most so many items in this answer. Default: `500`. */
  limit?: number;
  /** The `continue` of the answer before, for the next page. Answers 410 when it is too old: start again. */
  continue?: string;
}

/** The params of `get_network`. */
export interface GetNetworkParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** The network's id: the value of the pods' label `klight.networkId`. */
  network: string;
}

/** The params of `watch_network`. */
export interface WatchNetworkParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** The network's id: the value of the pods' label `klight.networkId`. */
  network: string;
  /** Ends after so long; never when absent. */
  timeout_seconds?: number;
}

/** The params of `join_network`. */
export interface JoinNetworkParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** The network's id: the value of the pods' label `klight.networkId`. */
  network: string;
  /** One pod. */
  pod?: string;
  /** Only objects whose labels match: `app=web,tier!=cache`, `env in (a, b)`, `!canary`. */
  label_selector?: string;
  /** A Deployment: the label goes to its template, so that its pods are replaced. */
  deployment?: string;
  /** Take pods out of the network that they are in: they forget its state. Default: `false`. */
  move?: boolean;
  /** Answer only when all of them are members. Default: `true`. */
  wait?: boolean;
  /** How long to wait, in seconds, before the call fails with `deadline_exceeded`. Default: `300`. */
  timeout_seconds?: number;
}

/** The params of `leave_network`. */
export interface LeaveNetworkParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** One pod. */
  pod?: string;
  /** Only objects whose labels match: `app=web,tier!=cache`, `env in (a, b)`, `!canary`. */
  label_selector?: string;
  /** A Deployment: the label goes to its template, so that its pods are replaced. */
  deployment?: string;
  /** The network's id: the value of the pods' label `klight.networkId`. */
  network?: string;
  /** Answer only when they have left. Default: `true`. */
  wait?: boolean;
  /** How long to wait, in seconds, before the call fails with `deadline_exceeded`. Default: `300`. */
  timeout_seconds?: number;
}

/** The params of `query_network`. */
export interface QueryNetworkParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** The network's id: the value of the pods' label `klight.networkId`. */
  network: string;
  /** At most so many blocks in this answer. Default: `100`. */
  limit?: number;
  /** The `continue` of the answer before, for the next page. Answers 410 when it is too old: start again. */
  continue?: string;
}

/** The params of `persist_to_network`. */
export interface PersistToNetworkParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** The network's id: the value of the pods' label `klight.networkId`. */
  network: string;
  /** What the block holds, as text. */
  payload?: string;
  /** What the block holds, as base64. */
  payload_base64?: string;
  /** Which file of a shared folder it is. Absent: the only state. */
  path?: string;
  /** The file at `path` is gone. */
  deleted?: boolean;
  /** The block's id; a random one when absent. The reference's peers keep a block in a file of that name. */
  id?: string;
}

/** The params of `watch_network_state`. */
export interface WatchNetworkStateParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** The network's id: the value of the pods' label `klight.networkId`. */
  network: string;
  /** The `cursor` of an item of another call. */
  cursor?: string;
  /** Ends after so long; never when absent. */
  timeout_seconds?: number;
}

/** The params of `add_lightpeer`. */
export interface AddLightpeerParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** A Deployment. */
  deployment?: string;
  /** A StatefulSet. */
  stateful_set?: string;
  /** A DaemonSet. */
  daemon_set?: string;
  /** The network's id: the value of the pods' label `klight.networkId`. */
  network?: string;
  /** The sidecar's image; that of the operator's configuration when absent. */
  image?: string;
  /** Where the containers see the shared folder. Absent: where they do already, `/lightchain` at first. */
  mount_path?: string;
  /** Share this one file of the folder; empty: every file of it. Absent: as it is already, every file at first. */
  state_file?: string;
  /** A Secret with `tls.crt`, `tls.key` and `ca.crt`, as cert-manager makes them: the peer speaks TLS only, with others whom that CA certified. The operator needs XI_PEER_TLS_CA then. Once given it holds for later calls. */
  tls_secret?: string;
  /** The containers that see the folder. Absent: those that do already, all at first. */
  containers?: string[];
}

/** The params of `list_plugins`. */
export interface ListPluginsParams {
  /** The namespace of `pod`, and none without one. The server's default namespace when absent. */
  namespace?: string;
  /** A pod with a host of its own, whose plugins are meant; without it the operator's host. */
  pod?: string;
  /** Only those that provide this type of service. */
  type?: string;
  /** At most so many items in this answer. Default: `500`. */
  limit?: number;
  /** The `continue` of the answer before, for the next page. Answers 410 when it is too old: start again. */
  continue?: string;
}

/** The params of `get_plugin`. */
export interface GetPluginParams {
  /** The namespace of `pod`, and none without one. The server's default namespace when absent. */
  namespace?: string;
  /** A pod with a host of its own, whose plugins are meant; without it the operator's host. */
  pod?: string;
  /** The plugin's runtime id, or what it calls itself where only one does. */
  plugin: string;
}

/** The params of `list_plugin_services`. */
export interface ListPluginServicesParams {
  /** The namespace of `pod`, and none without one. The server's default namespace when absent. */
  namespace?: string;
  /** A pod with a host of its own, whose plugins are meant; without it the operator's host. */
  pod?: string;
  /** Only those of this type. */
  type?: string;
  /** At most so many items in this answer. Default: `500`. */
  limit?: number;
  /** The `continue` of the answer before, for the next page. Answers 410 when it is too old: start again. */
  continue?: string;
}

/** The params of `call_plugin_service`. */
export interface CallPluginServiceParams {
  /** The namespace of `pod`, and none without one. The server's default namespace when absent. */
  namespace?: string;
  /** A pod with a host of its own, whose plugins are meant; without it the operator's host. */
  pod?: string;
  /** The type of the service. */
  type: string;
  /** The method's name, as it stands behind the service's path. */
  method: string;
  /** The runtime id of the plugin that is to be called; whichever the host picks when absent. */
  provider?: string;
  /** The method's request: any JSON; `{}` when absent. */
  request?: unknown;
}

/** The params of `watch_plugins`. */
export interface WatchPluginsParams {
  /** The namespace of `pod`, and none without one. The server's default namespace when absent. */
  namespace?: string;
  /** A pod with a host of its own, whose plugins are meant; without it the operator's host. */
  pod?: string;
  /** Ends after so long; never when absent. */
  timeout_seconds?: number;
}

/** The params of `get_plugin_graph`. */
export interface GetPluginGraphParams {
  /** The namespace of `pod`, and none without one. The server's default namespace when absent. */
  namespace?: string;
  /** A pod with a host of its own, whose plugins are meant; without it the operator's host. */
  pod?: string;
}

/** The params of `deploy_plugins`. */
export interface DeployPluginsParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** The Deployment's name in the model `pod`, and the label `app` in both. */
  name: string;
  /** One pod with a host, or a Deployment for each plugin. Default: `"pod"`. */
  model?: 'pod' | 'separate';
  /** The plugins. */
  plugins: PluginContainer[];
  /** How many pods of each Deployment. When absent: what scaled it since then keeps its number, and 1 where nothing did. */
  replicas?: number;
  /** The image of the host's container; the operator's own by its configuration when absent. */
  host_image?: string;
  /** Take over fields that others set meanwhile, as with `kubectl edit`, rather than be refused. Default: `false`. */
  force?: boolean;
  /** Answer only when all are rolled out. Default: `true`. */
  wait?: boolean;
  /** How long to wait, in seconds, before the call fails with `deadline_exceeded`. Default: `300`. */
  timeout_seconds?: number;
}

/** The params of `remove_plugin`. */
export interface RemovePluginParams {
  /** The namespace. The server's default namespace when absent. */
  namespace?: string;
  /** A Deployment that `deploy_plugins` made. */
  deployment: string;
  /** Answer only when it and its pods are gone. Default: `false`. */
  wait?: boolean;
  /** How long to wait, in seconds, before the call fails with `deadline_exceeded`. Default: `300`. */
  timeout_seconds?: number;
}

/** The params of `list_namespaces`. */
export interface ListNamespacesParams {
  /** Only objects whose labels match: `app=web,tier!=cache`, `env in (a, b)`, `!canary`. */
  label_selector?: string;
  /** Only objects whose fields match, as the API server supports it for the kind: `metadata.name=web`. */
  field_selector?: string;
  /** At most so many items in this answer. Default: `500`. */
  limit?: number;
  /** The `continue` of the answer before, for the next page. Answers 410 when it is too old: start again. */
  continue?: string;
}

/** The params of `server_info`. */
export type ServerInfoParams = Record<string, never>;

/** Every function: its params, what it answers, and how. */
export interface Functions {
  /**
   * Create a Deployment.
   *
   * Creates a Deployment with one container and answers it as the API server made it.
   *
   * Without any param it makes the Deployment of the Aplite reference: `nginx-deployment` with 3 replicas of
   * `nginx:1.15.4` that listen on port 80, requests 100m CPU and 200Mi memory, limits 500m and 500Mi. An omitted `name`,
   * `image` or `replicas` takes the reference's value one by one; its port and resources come only when `image` is
   * omitted. What else is not given is left to the API server.
   *
   * The selector is the label `app` with the Deployment's name as its value (`nginx` when `name` is omitted), so that two
   * Deployments never share pods. With `wait` the answer comes when all replicas are available.
   */
  create_deployment: {
    effect: 'create';
    mode: 'progress';
    params: CreateDeploymentParams;
    item: RolloutProgress;
    result: Deployment;
  };
  /**
   * Show a Deployment.
   *
   * Answers one Deployment.
   */
  get_deployment: {
    effect: 'read';
    mode: 'unary';
    params: GetDeploymentParams;
    item: undefined;
    result: Deployment;
  };
  /**
   * List Deployments.
   *
   * Answers the Deployments of a namespace, or of all, page by page.
   */
  list_deployments: {
    effect: 'read';
    mode: 'unary';
    params: ListDeploymentsParams;
    item: undefined;
    result: DeploymentList;
  };
  /**
   * Set the number of replicas.
   *
   * Sets how many pods a Deployment has; 0 stops it. With `wait` the answer comes when it is so.
   */
  scale_deployment: {
    effect: 'update';
    mode: 'progress';
    params: ScaleDeploymentParams;
    item: RolloutProgress;
    result: Deployment;
  };
  /**
   * Roll out another image.
   *
   * Sets the image of one container, which starts a roll-out. A Deployment with several containers needs
   * `container`. With `wait` the answer comes when the roll-out is complete.
   */
  set_deployment_image: {
    effect: 'update';
    mode: 'progress';
    params: SetDeploymentImageParams;
    item: RolloutProgress;
    result: Deployment;
  };
  /**
   * Replace all pods, a few at a time.
   *
   * Restarts the pods by a roll-out of the same template, as `kubectl rollout restart` does. A paused
   * Deployment is refused.
   */
  restart_deployment: {
    effect: 'update';
    mode: 'progress';
    params: RestartDeploymentParams;
    item: RolloutProgress;
    result: Deployment;
  };
  /**
   * Go back to an earlier revision.
   *
   * Rolls the template of an earlier revision out again, the one before the present when `to_revision` is
   * absent. A revision that is no longer kept is a 404 that names those that are; a paused Deployment is refused.
   */
  rollback_deployment: {
    effect: 'update';
    mode: 'progress';
    params: RollbackDeploymentParams;
    item: RolloutProgress;
    result: Deployment;
  };
  /**
   * Follow a roll-out until it is complete.
   *
   * Streams how far a roll-out is: replicas updated, ready and available, the conditions, and the pods that are
   * stuck with the reason why. It ends when the roll-out is complete, and fails when its time or the Deployment's progress
   * deadline is over or the Deployment is deleted.
   */
  wait_for_deployment: {
    effect: 'read';
    mode: 'stream';
    params: WaitForDeploymentParams;
    item: RolloutProgress;
    result: Deployment;
  };
  /**
   * Delete a Deployment.
   *
   * Deletes a Deployment. Its pods go with it, after it (`background`) or before it (`foreground`), or stay
   * (`orphan`). With `wait` the answer comes when the Deployment and, but for `orphan`, its pods are gone.
   */
  delete_deployment: {
    effect: 'delete';
    mode: 'progress';
    params: DeleteDeploymentParams;
    item: DeletionProgress;
    result: Deletion;
  };
  /**
   * List pods.
   *
   * Answers the pods of a namespace, of all, or of one Deployment, page by page.
   */
  list_pods: {
    effect: 'read';
    mode: 'unary';
    params: ListPodsParams;
    item: undefined;
    result: PodList;
  };
  /**
   * Show a pod.
   *
   * Answers one pod.
   */
  get_pod: {
    effect: 'read';
    mode: 'unary';
    params: GetPodParams;
    item: undefined;
    result: Pod;
  };
  /**
   * Delete a pod.
   *
   * Deletes a pod; what made it makes another. With `wait` the answer comes when it is gone.
   */
  delete_pod: {
    effect: 'delete';
    mode: 'progress';
    params: DeletePodParams;
    item: DeletionProgress;
    result: Deletion;
  };
  /**
   * Read or follow containers' logs.
   *
   * Streams the lines of a container's log, of all containers of a pod, or of all pods of a Deployment or a
   * label selector at once, each line with its pod and container. Exactly one of `pod`, `deployment`, `label_selector` is
   * given. With `follow` it goes on until the containers end, and takes in pods that appear meanwhile.
   *
   * The first item of each container has `event: "opened"`; a pod with several containers needs `container` or
   * `all_containers`.
   */
  pod_logs: {
    effect: 'read';
    mode: 'stream';
    params: PodLogsParams;
    item: LogItem;
    result: undefined;
  };
  /**
   * List lightchain networks.
   *
   * Answers the networks that pods of a namespace, or of all, belong to by their label `klight.networkId`, with
   * how many pods each has. A network is an id in one namespace, unless the operator's configuration shares it. The peers are not
   * asked: `get_network` does.
   */
  list_networks: {
    effect: 'read';
    mode: 'unary';
    params: ListNetworksParams;
    item: undefined;
    result: NetworkList;
  };
  /**
   * Show a network, its members and their chains.
   *
   * Asks the peers of all pods of a network how they are: which are members and which are not yet, and why; by whom
   * the next one would join; the head of each chain, and who lags.
   */
  get_network: {
    effect: 'read';
    mode: 'unary';
    params: GetNetworkParams;
    item: undefined;
    result: Network;
  };
  /**
   * Follow a network as its pods come, join and go.
   *
   * Streams the network whenever a pod or a chain of it changes, and at first as it is. It goes on when the network
   * has no pods for a while, and ends when the caller leaves or the time is over.
   */
  watch_network: {
    effect: 'read';
    mode: 'stream';
    params: WatchNetworkParams;
    item: Network;
    result: undefined;
  };
  /**
   * Put pods into a network, and wait until they are.
   *
   * Gives the label `klight.networkId` to a pod, to the pods of a selector, or to the template of a Deployment, whose
   * pods are replaced then. Exactly one of `pod`, `label_selector`, `deployment` is given. The controller joins their peers; the
   * answer comes when all are members, unless `wait` is false.
   *
   * A pod that runs no lightpeer never becomes a member: `add_lightpeer` gives a workload one. A pod that is in another network is
   * refused unless `move` is true: it leaves that one then and forgets its state. The last
   * to go bring it along where the new network has none.
   */
  join_network: {
    effect: 'update';
    mode: 'progress';
    params: JoinNetworkParams;
    item: NetworkProgress;
    result: NetworkChange;
  };
  /**
   * Take pods out of their network, and wait until they are.
   *
   * Takes the label `klight.networkId` from a pod, from the pods of a selector, or from the template of a Deployment,
   * whose pods are replaced then. Exactly one of `pod`, `label_selector`, `deployment` is given; with `network`, only what is in
   * that one. The peers of the pods leave and are alone, and the others drop them; the answer comes when that is so, unless `wait`
   * is false.
   */
  leave_network: {
    effect: 'update';
    mode: 'progress';
    params: LeaveNetworkParams;
    item: NetworkProgress;
    result: NetworkLeft;
  };
  /**
   * Read the blocks of a network, newest first.
   *
   * Answers the blocks of programs that a network's chain holds, newest first, page by page. The first block is the
   * present state of a network that shares one file; where peers share a folder, the first block of each `path` is that file's.
   */
  query_network: {
    effect: 'read';
    mode: 'unary';
    params: QueryNetworkParams;
    item: undefined;
    result: NetworkBlockList;
  };
  /**
   * Add a block to a network.
   *
   * Adds a block to a network's chain, as a program beside a peer would: the peers of the network write its payload
   * to their state file: where they share one file a block without `path`, where they share a folder one with it; others are in the
   * chain alone. Exactly one of `payload`, `payload_base64`, `deleted` is given, at most 4128768 bytes, and no more than a
   * request may hold (`XI_BODY_LIMIT_BYTES`; base64 takes a third more). The answer
   * comes when every member of ours has the block on disk. When it fails late the block may be there all the same: a call again with
   * the same `id` and content adds it once; other content under an id that the chain has is refused.
   */
  persist_to_network: {
    effect: 'update';
    mode: 'unary';
    params: PersistToNetworkParams;
    item: undefined;
    result: Persisted;
  };
  /**
   * Follow the blocks of a network as they come.
   *
   * Streams the blocks of a network's chain, oldest first, then each as it comes. When the peer that it reads from goes,
   * or its disk refuses to write, another goes on where it was. After `cursor` only later ones come.
   */
  watch_network_state: {
    effect: 'read';
    mode: 'stream';
    params: WatchNetworkStateParams;
    item: NetworkStateItem;
    result: undefined;
  };
  /**
   * Give the pods of a workload a lightpeer.
   *
   * Adds the container `klightpeer` and a folder that it shares with the others to the pod template of a Deployment,
   * a StatefulSet or a DaemonSet, by server-side apply; its pods are replaced then. Exactly one of `deployment`, `stateful_set`,
   * `daemon_set` is given. With `network` the template gets the label too. Asked again, it changes what is given and differs; what is
   * not given stays.
   *
   * A volume of the workload's own named `lightchain`, `lightchain-chain` or `lightchain-tls` is a conflict: what it holds would be
   * shared.
   */
  add_lightpeer: {
    effect: 'update';
    mode: 'unary';
    params: AddLightpeerParams;
    item: undefined;
    result: Sidecar;
  };
  /**
   * List the plugins of a host.
   *
   * Answers the plugins that are registered at the operator's host, or at the host of a pod: how they are, what they
   * provide and what they need. What the operator itself calls them as is not among them.
   */
  list_plugins: {
    effect: 'read';
    mode: 'unary';
    params: ListPluginsParams;
    item: undefined;
    result: PluginList;
  };
  /**
   * Show a plugin.
   *
   * Answers one plugin of the operator's host, or of the host of a pod, by its runtime id or by what it calls itself.
   */
  get_plugin: {
    effect: 'read';
    mode: 'unary';
    params: GetPluginParams;
    item: undefined;
    result: Plugin;
  };
  /**
   * List the services that plugins provide.
   *
   * Answers every service of every plugin of the operator's host, or of the host of a pod: who provides which type in which
   * version, where calls go, and whether it is routed.
   */
  list_plugin_services: {
    effect: 'read';
    mode: 'unary';
    params: ListPluginServicesParams;
    item: undefined;
    result: PluginServiceList;
  };
  /**
   * Call a method of a service of a plugin.
   *
   * Sends a request as JSON to a method of a service, through the host's router and by its rules, and answers what the
   * plugin does. Without `provider` the host picks one of those that provide the type. The call is the operator's own: the router's log
   * and its numbers name it `xi-k8s`.
   *
   * An error of the plugin's is the error of this call. When the connection breaks after the request was sent, the method may have run
   * all the same: the error then says `outcome: "unknown"`. A dry run only looks whether somebody provides the service.
   */
  call_plugin_service: {
    effect: 'execute';
    mode: 'unary';
    params: CallPluginServiceParams;
    item: undefined;
    result: PluginAnswer;
  };
  /**
   * Follow the plugins of a host as they come, change and go.
   *
   * Streams the plugins of the operator's host, or of the host of a pod: first all that are there, then `live`, then each
   * that comes, changes or goes. Several changes of one plugin may come as its newest state. It ends when the caller leaves or the time
   * is over.
   */
  watch_plugins: {
    effect: 'read';
    mode: 'stream';
    params: WatchPluginsParams;
    item: PluginEvent;
    result: undefined;
  };
  /**
   * Show which plugins need and call one another.
   *
   * Answers the plugins of the operator's host, or of the host of a pod, as a graph: who provides what, who needs it, who
   * called whom how often since the host started, who breaks when one goes, an order to start them in, and circles. `mermaid` is the
   * same as a picture.
   */
  get_plugin_graph: {
    effect: 'read';
    mode: 'unary';
    params: GetPluginGraphParams;
    item: undefined;
    result: PluginGraph;
  };
  /**
   * Deploy plugins, in one pod with a host or each by itself.
   *
   * Applies Deployments of plugins, by server-side apply: asked again, it changes what differs. What our other functions
   * changed meanwhile, as `set_deployment_image`, it sets as it is asked to; what others changed it overwrites with `force` only. A
   * Deployment or Service that it did not make, or made under another `name`, is refused.
   *
   * `model` `pod` makes one Deployment `name`: a host's container and one for each plugin, which reach one another on the pod's
   * loopback. Each gets HOST_URL, PORT and HOSTNAME, and registers by itself.
   *
   * `model` `separate` makes a Deployment and a Service for each plugin, named after it. The operator's host, which it has
   * where XI_PLUGIN_HOST is `on`, finds them by the Service's label `xi-k8s.dev/plugin`, gives each pod its identity and routes to
   * those that are ready; such a plugin answers GetPluginInfo and SetRuntimeIdentity. What an earlier call made and this one does not
   * name stays: `remove_plugin` takes it away.
   *
   * A plugin without a `readiness_probe` is ready when it takes connections at its port, by the pod's address; one that listens on
   * loopback alone needs one, a `command`. A pod takes an earlier one's place when all its plugins are ready.
   *
   * All containers get the security context of a restricted namespace: they run as user 1000, write to no file of their image and have no
   * token of the API server.
   */
  deploy_plugins: {
    effect: 'create';
    mode: 'progress';
    params: DeployPluginsParams;
    item: PluginProgress;
    result: PluginsDeployed;
  };
  /**
   * Remove plugins that were deployed.
   *
   * Deletes a Deployment that `deploy_plugins` made, with its pods and its Service; another one is refused. Its plugins finish
   * their calls and are gone from the host with their pods.
   */
  remove_plugin: {
    effect: 'delete';
    mode: 'progress';
    params: RemovePluginParams;
    item: DeletionProgress;
    result: Deletion;
  };
  /**
   * List namespaces.
   *
   * Answers the namespaces of the cluster, page by page.
   */
  list_namespaces: {
    effect: 'read';
    mode: 'unary';
    params: ListNamespacesParams;
    item: undefined;
    result: NamespaceList;
  };
  /**
   * Say what this server is and which cluster it acts on.
   *
   * Answers the server's version and the cluster's. It answers also when the cluster is away, and says so; what
   * it learned of the cluster is at most 2 seconds old.
   */
  server_info: {
    effect: 'read';
    mode: 'unary';
    params: ServerInfoParams;
    item: undefined;
    result: ServerInfo;
  };
}

/** What the client needs to know of a function while it runs. */
export const functions: {
  readonly [K in keyof Functions]: Readonly<Pick<Functions[K], 'effect' | 'mode'>>;
} = {
  create_deployment: { effect: 'create', mode: 'progress' },
  get_deployment: { effect: 'read', mode: 'unary' },
  list_deployments: { effect: 'read', mode: 'unary' },
  scale_deployment: { effect: 'update', mode: 'progress' },
  set_deployment_image: { effect: 'update', mode: 'progress' },
  restart_deployment: { effect: 'update', mode: 'progress' },
  rollback_deployment: { effect: 'update', mode: 'progress' },
  wait_for_deployment: { effect: 'read', mode: 'stream' },
  delete_deployment: { effect: 'delete', mode: 'progress' },
  list_pods: { effect: 'read', mode: 'unary' },
  get_pod: { effect: 'read', mode: 'unary' },
  delete_pod: { effect: 'delete', mode: 'progress' },
  pod_logs: { effect: 'read', mode: 'stream' },
  list_networks: { effect: 'read', mode: 'unary' },
  get_network: { effect: 'read', mode: 'unary' },
  watch_network: { effect: 'read', mode: 'stream' },
  join_network: { effect: 'update', mode: 'progress' },
  leave_network: { effect: 'update', mode: 'progress' },
  query_network: { effect: 'read', mode: 'unary' },
  persist_to_network: { effect: 'update', mode: 'unary' },
  watch_network_state: { effect: 'read', mode: 'stream' },
  add_lightpeer: { effect: 'update', mode: 'unary' },
  list_plugins: { effect: 'read', mode: 'unary' },
  get_plugin: { effect: 'read', mode: 'unary' },
  list_plugin_services: { effect: 'read', mode: 'unary' },
  call_plugin_service: { effect: 'execute', mode: 'unary' },
  watch_plugins: { effect: 'read', mode: 'stream' },
  get_plugin_graph: { effect: 'read', mode: 'unary' },
  deploy_plugins: { effect: 'create', mode: 'progress' },
  remove_plugin: { effect: 'delete', mode: 'progress' },
  list_namespaces: { effect: 'read', mode: 'unary' },
  server_info: { effect: 'read', mode: 'unary' },
};
