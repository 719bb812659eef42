/** Taking plugins away: a Deployment that `deploy_plugins` made. */
import { AppError } from '../errors.js';
import type { Implementations } from '../library/implementation.js';
import { PLUGIN_LABEL } from '../plugin-host/names.js';
import { DEPLOYMENTS } from '../ports.js';
import { deleteObject } from './delete.js';
import { PLUGIN_POD_LABEL } from './plugins-template.js';
import { podsOf } from './pods-of.js';

export const removePlugin: Implementations['remove_plugin'] = async function* (deps, params, call) {
  const { namespace, deployment: name, wait } = params;
  const object = await deps.kube.get(DEPLOYMENTS, { namespace, name }, call.io());
  const labels = object.metadata?.labels ?? {};
  const ours = labels['app.kubernetes.io/managed-by'] === 'xi-k8s';
  if (!ours || !(PLUGIN_LABEL in labels || PLUGIN_POD_LABEL in labels))
    throw new AppError(
      'conflict',
      `Deployment ${namespace}/${name} was not made by deploy_plugins; delete_deployment deletes any.`,
    );
  const followed = wait && !call.dryRun;
  return yield* deleteObject(deps, call, {
    resource: DEPLOYMENTS,
    namespace,
    name,
    object: followed ? object : undefined,
    propagationPolicy: 'Background',
    pods: followed ? podsOf(object) : undefined,
  });
};
