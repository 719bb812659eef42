/** The Kubernetes client. What other folders may import is what stands here. */
export * from './objects.js';
export * from './kube.js';
export { KubeError } from './errors.js';
export type { KubeErrorInit, KubeErrorReason, Outcome } from './errors.js';
export { SERVICE_ACCOUNT, inClusterConnection, plainConnection } from './connection.js';
export type {
  Connection,
  Credentials,
  CredentialSource,
  InClusterOptions,
  ProxySettings,
} from './connection.js';
export { kubeconfigConnection } from './kubeconfig.js';
export type { KubeconfigOptions } from './kubeconfig.js';
export { createKube } from './transport.js';
export type { KubeOptions } from './transport.js';
export type { KubeLog } from './caller.js';
export { keyOf, startReflector } from './reflector.js';
export type { Change, Reflector, ReflectorOptions } from './reflector.js';
export { createWorkQueue } from './queue.js';
export { createTurns } from './turns.js';
export type { WorkQueue, WorkQueueOptions } from './queue.js';
export { backoffMs } from './backoff.js';
export type { Backoff } from './backoff.js';
export { LEASES, startElection } from './leases.js';
export type { Clocks, Election, ElectionOptions, Lease, Leadership } from './leases.js';
