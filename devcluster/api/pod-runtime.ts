/** What the API server needs of the one that runs the pods. */
import type { LogQuery } from '../../kube/kube.js';

export interface PodRuntime {
  /** The log of a container, as it comes. Ends at the signal. Throws ApiError where there is none. */
  logs(
    namespace: string,
    pod: string,
    query: LogQuery,
    signal: AbortSignal,
  ): AsyncIterable<string | Uint8Array>;
}
