/** Functions about pods. */
import { invalidParams } from '../errors.js';
import type { Implementations } from '../library/implementation.js';
import { DEPLOYMENTS, PODS } from '../ports.js';
import type { Pod } from '../ports.js';
import { deleteObject } from './delete.js';
import { listQuery, pageOf } from './list.js';
import { podLogs } from './pod-logs.js';
import { podsOf } from './pods-of.js';
import { podView } from './views.js';

export const pods = {
  async list_pods(deps, params, call) {
    const { namespace, query } = listQuery('list_pods', params, call);
    const options = call.io();
    if (params.deployment !== undefined) {
      const clash = (['label_selector', 'all_namespaces'] as const).filter((key) => params[key]);
      if (clash.length > 0)
        throw invalidParams(
          'list_pods',
          clash.map((field) => ({ field, message: 'must be absent with deployment' })),
        );
      const where = { namespace: params.namespace, name: params.deployment };
      const { labelSelector, mine } = podsOf(await deps.kube.get(DEPLOYMENTS, where, options));
      const project = (pod: Pod) => (mine(pod) ? podView(pod) : undefined);
      return pageOf(
        await deps.kube.list(PODS, namespace, { ...query, labelSelector }, { ...options, project }),
        (item) => item,
      );
    }
    const page = await deps.kube.list(PODS, namespace, query, { ...options, project: podView });
    return pageOf(page, (item) => item);
  },

  async get_pod(deps, { namespace, name }, call) {
    return podView(await deps.kube.get(PODS, { namespace, name }, call.io()));
  },

  async *delete_pod(deps, { namespace, name, grace_period_seconds: grace, wait }, call) {
    const object =
      wait && !call.dryRun ? await deps.kube.get(PODS, { namespace, name }, call.io()) : undefined;
    return yield* deleteObject(deps, call, {
      resource: PODS,
      namespace,
      name,
      object,
      gracePeriodSeconds: grace,
    });
  },

  pod_logs: podLogs,
} satisfies Partial<Implementations>;
