/** Functions about the cluster and the server itself. */
import type { Contracts, Result } from '../../schemas/index.js';
import type { Implementations } from '../library/implementation.js';
import { NAMESPACES } from '../ports.js';
import type { Deps } from '../ports.js';
import { listQuery, pageOf } from './list.js';

type Info = Result<Contracts['server_info']>;

/** How old an answer about the cluster may be, in milliseconds. */
const FRESH_MS = 10_000;
/** How long the cluster may take to say its version, in milliseconds. */
const PATIENCE_MS = 3_000;

/** The functions, with what is known of the cluster between calls. */
export function clusterFunctions() {
  let known: { at: number; answer: Promise<Info> } | undefined;

  const ask = async (deps: Deps): Promise<Info> => {
    const { how, url, context } = deps.cluster;
    const reached = await deps.kube.version({ timeoutMs: PATIENCE_MS }).then(
      ({ gitVersion }) => ({ reachable: true, version: gitVersion }),
      (error: unknown) => ({
        reachable: false,
        message: error instanceof Error ? error.message : String(error),
      }),
    );
    return {
      name: 'xi-k8s',
      version: deps.version,
      started_at: deps.startedAt.toISOString(),
      default_namespace: deps.defaultNamespace,
      functions: deps.functionCount,
      cluster: { how, url, ...(context === undefined ? {} : { context }), ...reached },
    };
  };

  return {
    async list_namespaces(deps, params, call) {
      const { query } = listQuery('list_namespaces', params, call);
      const page = await deps.kube.list(NAMESPACES, undefined, query, call.io());
      return pageOf(page, ({ metadata, status }) => ({
        name: metadata?.name ?? '',
        phase: status?.phase ?? 'Active',
        labels: metadata?.labels ?? {},
        ...(metadata?.creationTimestamp === undefined ? {} : { created_at: metadata.creationTimestamp }),
      }));
    },

    server_info(deps) {
      if (known === undefined || performance.now() - known.at > FRESH_MS)
        known = { at: performance.now(), answer: ask(deps) };
      return known.answer;
    },
  } satisfies Partial<Implementations>;
}
