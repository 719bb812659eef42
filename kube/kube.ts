/**
 * The one port to a Kubernetes API. `createKube` (transport.ts) makes it; everything else takes it as a parameter.
 *
 * Every method throws KubeError and nothing else, ends at its signal or deadline with the socket closed, and answers
 * plain JSON. Reads are retried by a bounded back-off; a change is never sent twice (see KubeError.outcome).
 */
import type { KubeList, KubeObject, Resource, Status, VersionInfo } from './objects.js';

export interface CallOptions {
  /** Cancels the call down to the socket. */
  signal?: AbortSignal | undefined;
  /**
   * Milliseconds until the call fails with `deadline`; the client's default when absent. For a watch and for logs it
   * bounds the opening only, and logs that are followed have none unless it is given.
   */
  timeoutMs?: number | undefined;
}

export interface At {
  namespace?: string | undefined;
  name: string;
}

export interface ListQuery {
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  limit?: number | undefined;
  continue?: string | undefined;
  resourceVersion?: string | undefined;
  resourceVersionMatch?: 'Exact' | 'NotOlderThan' | undefined;
}

export interface ListOptions<T, P> extends CallOptions {
  /** What the list holds of each object. Applied while the list comes in, so that a long one is never whole in memory. */
  project?: ((object: T) => P) | undefined;
}

export interface WatchQuery {
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  resourceVersion?: string | undefined;
  /** Asks the server to send bookmarks; they arrive as events of type BOOKMARK. Default true. */
  allowBookmarks?: boolean | undefined;
  /** Seconds after which the server ends the watch. */
  timeoutSeconds?: number | undefined;
}

export interface ChangeOptions extends CallOptions {
  /** Server-side dry run: everything but the storing. */
  dryRun?: boolean | undefined;
  /** The manager of the fields that this change sets; the client's own (`xi-k8s`) when absent. */
  fieldManager?: string | undefined;
}

export type Subresource = 'status' | 'scale';

export type Patch =
  | { type: 'json'; body: { op: string; path: string; value?: unknown; from?: string }[] }
  | { type: 'merge' | 'strategic'; body: unknown }
  | { type: 'apply'; body: unknown; force?: boolean };

export interface DeleteOptions extends ChangeOptions {
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan' | undefined;
  gracePeriodSeconds?: number | undefined;
  preconditions?: { uid?: string; resourceVersion?: string } | undefined;
}

/** What a watch yields. An ERROR event of the server is thrown as KubeError (410 Gone included), never yielded. */
export interface WatchEvent<T> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  object: T;
}

export interface LogQuery {
  container?: string | undefined;
  follow?: boolean | undefined;
  previous?: boolean | undefined;
  timestamps?: boolean | undefined;
  tailLines?: number | undefined;
  sinceSeconds?: number | undefined;
  sinceTime?: string | undefined;
  limitBytes?: number | undefined;
}

/** Where the calls go and how that was found. */
export interface ClusterInfo {
  readonly how: 'embedded' | 'kubeconfig' | 'in-cluster';
  /** The API server's base URL. */
  readonly url: string;
  /** The kubeconfig's context, when there is one. */
  readonly context?: string | undefined;
}

export interface Kube {
  readonly cluster: ClusterInfo;
  version(options?: CallOptions): Promise<VersionInfo>;
  get<T extends KubeObject>(resource: Resource<T>, at: At, options?: CallOptions): Promise<T>;
  /** One page; follow `metadata.continue`. Without a namespace: all namespaces. */
  list<T extends KubeObject, P = T>(
    resource: Resource<T>,
    namespace: string | undefined,
    query?: ListQuery,
    options?: ListOptions<T, P>,
  ): Promise<KubeList<P>>;
  create<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string | undefined,
    body: T,
    options?: ChangeOptions,
  ): Promise<T>;
  /** PUT; with `metadata.resourceVersion` in the body it fails with 409 when the object has changed. */
  replace<T extends KubeObject>(
    resource: Resource<T>,
    at: At,
    body: T,
    options?: ChangeOptions & { subresource?: Subresource | undefined },
  ): Promise<T>;
  patch<T extends KubeObject>(
    resource: Resource<T>,
    at: At,
    patch: Patch,
    options?: ChangeOptions & { subresource?: Subresource | undefined },
  ): Promise<T>;
  /** Answers the object while it still goes (finalizers, foreground), else the server's Status. */
  delete<T extends KubeObject>(resource: Resource<T>, at: At, options?: DeleteOptions): Promise<T | Status>;
  /** One watch connection, until the server ends it (returns) or fails it (throws). Supervision is the reflector's. */
  watch<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string | undefined,
    query?: WatchQuery,
    options?: CallOptions,
  ): AsyncGenerator<WatchEvent<T>, void, undefined>;
  /** The log's bytes as they come. Not retried, never timed out while open; back-pressure reaches the socket. */
  logs(at: At, query?: LogQuery, options?: CallOptions): AsyncGenerator<Uint8Array, void, undefined>;
  /** Closes the connections; calls under way fail with `cancelled`. */
  close(): Promise<void>;
}
