/** Taking plugins away: a Deployment that `deploy_plugins` made, or a plugin that the operator's host manages. */
import { AppError, invalidParams } from '../errors.js';
import type { Call, Implementations, Progress } from '../library/implementation.js';
import type { Static } from '@sinclair/typebox';
import type { DeletionProgress } from '../../schemas/deployments.js';
import type { PluginRemoval } from '../../schemas/plugins.js';
import { PLUGIN_LABEL } from '../plugin-host/names.js';
import { DEPLOYMENTS } from '../ports.js';
import type { Deps } from '../ports.js';
import { deleteObject } from './delete.js';
import { PLUGIN_POD_LABEL } from './plugins-template.js';
import { findPlugin, hostOf, pluginsOf } from './plugins-view.js';
import { podsOf } from './pods-of.js';

type Removing = Progress<Static<typeof DeletionProgress>, PluginRemoval>;

async function* removeDeployment(
  deps: Deps,
  call: Call,
  { namespace, name, wait }: { namespace: string; name: string; wait: boolean },
): Removing {
  const object = await deps.kube.get(DEPLOYMENTS, { namespace, name }, call.io());
  const labels = object.metadata?.labels ?? {};
  const ours = labels['app.kubernetes.io/managed-by'] === 'xi-k8s';
  if (!ours || !(PLUGIN_LABEL in labels || PLUGIN_POD_LABEL in labels))
    throw new AppError(
      'conflict',
      `Deployment ${namespace}/${name} was not made by deploy_plugins; delete_deployment deletes any.`,
    );
  const followed = wait && !call.dryRun;
  const deletion = yield* deleteObject(deps, call, {
    resource: DEPLOYMENTS,
    namespace,
    name,
    object: followed ? object : undefined,
    propagationPolicy: 'Background',
    pods: followed ? podsOf(object) : undefined,
  });
  return { ...deletion, what: 'deployment' };
}

async function* removeManaged(deps: Deps, call: Call, namespace: string, wanted: string): Removing {
  const host = hostOf(deps, { namespace });
  const plugin = findPlugin('remove_plugin', host, pluginsOf(await host.status(call.io())), wanted);
  const { runtimeId, origin } = plugin;
  if (origin !== 'managed' || host.remove === undefined)
    throw new AppError(
      'conflict',
      origin === 'discovered'
        ? `The plugin ${runtimeId} was found in the cluster and goes when its Service or its pods do: remove_plugin with its deployment.`
        : `The plugin ${runtimeId} came by itself and goes when it stops.`,
    );
  yield [{ message: call.dryRun ? 'it would be removed' : 'its calls are ending', object_gone: false }];
  if (!call.dryRun) await host.remove(runtimeId, call.io());
  return { name: runtimeId, gone: !call.dryRun, what: 'plugin' };
}

export const removePlugin: Implementations['remove_plugin'] = async function* (deps, params, call) {
  const { namespace, deployment, plugin, wait } = params;
  if (deployment !== undefined && plugin === undefined)
    return yield* removeDeployment(deps, call, { namespace, name: deployment, wait });
  if (plugin !== undefined && deployment === undefined)
    return yield* removeManaged(deps, call, namespace, plugin);
  throw invalidParams('remove_plugin', [
    {
      field: '',
      message: `need exactly one of deployment and plugin, and have ${deployment === undefined ? 'none' : 'both'}`,
    },
  ]);
};
