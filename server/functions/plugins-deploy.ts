/** Applying plugins' Deployments, and waiting until they are rolled out. */
import type { PluginContainer, PluginDeployment, PluginProgress } from '../../schemas/plugins.js';
import { invalidParams } from '../errors.js';
import type { Call, Filled, Implementations, Progress } from '../library/implementation.js';
import type { Contracts } from '../../schemas/index.js';
import { DEPLOYMENTS, SERVICES } from '../ports.js';
import type { Deployment, Deps } from '../ports.js';
import { applying } from './plugins-apply.js';
import type { Apply } from './plugins-apply.js';
import { HOST_CONTAINER, lonePlugin, pluginErrors, pluginPod, pluginService } from './plugins-template.js';
import { followRollout } from './rollout.js';
import { replicasOf } from './views.js';

type Params = Filled<Contracts['deploy_plugins']>;

const NO_HOST =
  'This operator runs no plugin host, so that nobody finds these plugins and routes calls to them: switch it on by XI_PLUGIN_HOST=on.';

interface Applied {
  readonly deployment: Deployment;
  readonly service: string | undefined;
}

async function applyPod(deps: Deps, apply: Apply, params: Params): Promise<Applied[]> {
  const { namespace, name, plugins, replicas } = params;
  const image = params.host_image ?? deps.plugins.hostImage;
  if (image === undefined)
    throw invalidParams('deploy_plugins', [
      { field: 'host_image', message: 'is required: the operator’s configuration names no image' },
    ]);
  const wanted = pluginPod({ namespace, name, app: name, replicas }, plugins, image);
  return [{ deployment: await apply(DEPLOYMENTS, wanted), service: undefined }];
}

async function applyLone(apply: Apply, params: Params, plugin: PluginContainer): Promise<Applied> {
  const { namespace, name: app, replicas } = params;
  const place = { namespace, name: plugin.name, app, replicas };
  const deployment = await apply(DEPLOYMENTS, lonePlugin(place, plugin));
  await apply(SERVICES, pluginService(deployment, plugin));
  return { deployment, service: plugin.name };
}

async function applyAll(deps: Deps, apply: Apply, params: Params): Promise<Applied[]> {
  if (params.model === 'pod') return applyPod(deps, apply, params);
  const applied: Applied[] = [];
  for (const plugin of params.plugins) applied.push(await applyLone(apply, params, plugin));
  return applied;
}

function deploymentView({ deployment, service }: Applied): PluginDeployment {
  const containers = deployment.spec?.template.spec?.containers ?? [];
  const { desired, ready } = replicasOf(deployment);
  return {
    name: deployment.metadata?.name ?? '',
    namespace: deployment.metadata?.namespace ?? '',
    plugins: containers
      .map(({ name }) => name)
      .filter((name) => service !== undefined || name !== HOST_CONTAINER),
    images: containers.map(({ image }) => image ?? ''),
    replicas: desired,
    ready,
    ...(service === undefined ? {} : { service }),
  };
}

/** Follows the roll-outs one after another: they go on side by side. */
async function* rolledOut(
  deps: Deps,
  call: Call,
  applied: readonly Applied[],
): Progress<PluginProgress, Applied[]> {
  const finished: Applied[] = [];
  const total = applied.length;
  for (const one of applied) {
    const rollout = followRollout(deps, call, one.deployment, true);
    for (let step = await rollout.next(); ; step = await rollout.next()) {
      if (step.done === true) {
        finished.push({ ...one, deployment: step.value });
        break;
      }
      for (const { message } of step.value)
        yield [{ message: `${one.deployment.metadata?.name}: ${message}`, done: finished.length, total }];
    }
  }
  yield [{ message: `all ${total} are rolled out`, done: total, total }];
  return finished;
}

/** What was applied, and what keeps it from being called. */
function resultOf({ plugins }: Deps, { model }: Params, applied: readonly Applied[]) {
  const hostless = model === 'separate' && plugins.own === undefined;
  return {
    model,
    deployments: applied.map(deploymentView),
    ...(hostless ? { warnings: [NO_HOST] } : {}),
  };
}

export const deployPlugins: Implementations['deploy_plugins'] = async function* (deps, params, call) {
  const { model, plugins, wait, force } = params;
  const errors = pluginErrors(plugins, model);
  if (errors.length > 0) throw invalidParams('deploy_plugins', errors);
  // Several objects: all or none, as far as the API server knows beforehand.
  if (model === 'separate' && !call.dryRun)
    await applyAll(deps, applying(deps, call, { dryRun: true, force }), params);
  const applied = await applyAll(deps, applying(deps, call, { dryRun: call.dryRun, force }), params);
  if (!wait || call.dryRun) {
    yield [{ message: 'the Deployments are applied', done: 0, total: applied.length }];
    return resultOf(deps, params, applied);
  }
  const finished = yield* rolledOut(deps, call, applied);
  return resultOf(deps, params, finished);
};
