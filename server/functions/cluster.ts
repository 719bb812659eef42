/** Functions about the cluster and the server itself. */
import type { Implementations } from '../library/implementation.js';
import { NAMESPACES } from '../ports.js';
import { listQuery, pageOf } from './list.js';

export const cluster = {
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

  async server_info(deps) {
    const { how, url, context } = deps.cluster;
    const reached = await deps.probe();
    return {
      name: 'xi-k8s',
      version: deps.version,
      started_at: deps.startedAt.toISOString(),
      default_namespace: deps.defaultNamespace,
      functions: deps.functionCount,
      cluster: {
        how,
        url,
        ...(context === undefined ? {} : { context }),
        ...(reached.fault === undefined
          ? { reachable: true, version: reached.version }
          : { reachable: false, message: reached.fault }),
      },
    };
  },
} satisfies Partial<Implementations>;
