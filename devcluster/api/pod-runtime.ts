/** What the API server needs of the one that runs a Kubernetes node's pods. */
import type { Duplex, Readable, Writable } from 'node:stream';
import type { LogQuery } from '../../kube/kube.js';

/** Which container of a pod, and what to run there. */
export interface ExecRequest {
  /** The pod's only one, or the one that its annotation names, when absent. */
  readonly container: string | undefined;
  /** Program and arguments. */
  readonly command: readonly string[];
  readonly tty: boolean;
}

export interface ExecStreams {
  /** Absent when the caller gives none. */
  readonly stdin: Readable | undefined;
  /** Absent when the caller does not want it. */
  readonly stdout: Writable | undefined;
  /** Absent when the caller does not want it, and with a terminal. */
  readonly stderr: Writable | undefined;
}

export interface PodRuntime {
  /** The log of a container, as it comes. Ends at the signal. Throws ApiError where there is none. */
  logs(
    namespace: string,
    pod: string,
    query: LogQuery,
    signal: AbortSignal,
  ): AsyncIterable<string | Uint8Array>;
  /**
   * Throws ApiError when the container does not exist or does not run: asked before a connection is upgraded, so that
   * the caller gets a Status.
   */
  checkExec(namespace: string, pod: string, container: string | undefined): void;
  /**
   * Runs a command in a container. Resolves to its exit code when it has ended and its output is written; rejects with
   * an Error whose message says why it cannot be run.
   */
  exec(
    namespace: string,
    pod: string,
    request: ExecRequest,
    streams: ExecStreams,
    signal: AbortSignal,
  ): Promise<number>;
  /** The output of a container's main process from now on. Resolves when it has ended. */
  attach(
    namespace: string,
    pod: string,
    request: Omit<ExecRequest, 'command'>,
    streams: ExecStreams,
    signal: AbortSignal,
  ): Promise<void>;
  /** A connection to a port on the pod's own loopback. Rejects with an Error whose message says why there is none. */
  connect(namespace: string, pod: string, port: number, signal: AbortSignal): Promise<Duplex>;
}
