/**
 * The one port to a Kubernetes API. `createKube` (transport.ts) makes it; everything else takes it as a parameter.
 *
 * Every method throws KubeError and nothing else, ends at its signal or deadline with the socket closed, and answers
 * plain JSON. Reads are retried by a bounded back-off; a change is never sent twice (see KubeError.outcome).
 */
import type { Duplex, Readable, Writable } from 'node:stream';
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

export interface ExecRequest {
  /** May be absent where the pod has only one. */
  container?: string | undefined;
  /** Program and arguments; no shell is involved. */
  command: readonly string[];
  /** Runs it on a terminal, whose one output is stdout. Default false. */
  tty?: boolean | undefined;
}

/** Those that are given are connected; at least one must be. They are neither ended nor destroyed. */
export interface ExecStreams {
  /** Read until it or the command ends; its end is that of the command's input. */
  stdin?: Readable | undefined;
  stdout?: Writable | undefined;
  stderr?: Writable | undefined;
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
  /**
   * Runs a command in a container and resolves to its exit code, when all its output is written. The time limit is that of
   * the opening. A command that could not be run is a KubeError `status`; one whose connection is lost is `unreachable` with
   * the outcome `unknown`. The signal ends the connection, and the command at the container runtime's will.
   *
   * Slow streams slow down the command. Needs Kubernetes 1.30.
   */
  exec(at: At, request: ExecRequest, streams: ExecStreams, options?: CallOptions): Promise<number>;
  /** The streams of a container's main process from now on, until it ends. Else as exec. */
  attach(
    at: At,
    request: Omit<ExecRequest, 'command'>,
    streams: ExecStreams,
    options?: CallOptions,
  ): Promise<void>;
  /**
   * Opens a connection to a port (1 to 65535) on the loopback address of a pod. The time limit is that of the opening.
   *
   * It resolves when the far side has taken the request, which is before it has connected: that nothing listens there shows
   * as a failure of the stream, a KubeError `unreachable` in the kubelet's words. A connection that is reset or lost fails
   * likewise, so that an end is always the far side's own. `end()` goes to the far side and what it still sends arrives;
   * containerd, though, does not tell the program, and ends the connection a second later: who must have an answer reads it
   * first. When the far side ends, the stream ends both ways. The signal, `destroy` and the
   * client's closing end it at once. Back-pressure reaches both ends. Needs Kubernetes 1.31.
   */
  portForward(at: At, port: number, options?: CallOptions): Promise<Duplex>;
  /** Closes the connections; calls under way fail with `cancelled`. */
  close(): Promise<void>;
}
