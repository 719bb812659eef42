/** Functions about Deployments. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Static } from '@sinclair/typebox';
import type { RolloutProgress } from '../../schemas/deployments.js';
import { AppError, invalidParams } from '../errors.js';
import type { FieldError } from '../errors.js';
import { isConflict } from '../kube-errors.js';
import type { Call, Implementations, Progress } from '../library/implementation.js';
import { DEPLOYMENTS, REPLICA_SETS, backoffMs } from '../ports.js';
import type { Deployment, Deps, Patch, PodTemplateSpec, ReplicaSet } from '../ports.js';
import { deleteObject } from './delete.js';
import { allOf, listQuery, pageOf } from './list.js';
import { podTemplate, workloadErrors } from './pod-template.js';
import { podsOf } from './pods-of.js';
import { followRollout, rolloutProgress } from './rollout.js';
import { selectorText } from './selector.js';
import { REVISION, defined, deploymentView } from './views.js';

type View = ReturnType<typeof deploymentView>;
type Steps = Progress<Static<typeof RolloutProgress>, View>;

const at = (object: Deployment) => `Deployment ${object.metadata?.namespace}/${object.metadata?.name}`;

/** What the Aplite reference gives a Deployment that names no image. */
const REFERENCE_PORTS = [{ container_port: 80 }];
const REFERENCE_RESOURCES = {
  requests: { cpu: '100m', memory: '200Mi' },
  limits: { cpu: '500m', memory: '500Mi' },
};

/** After a change: the Deployment as it is now, or, asked to wait, when its roll-out is complete. */
async function* settle(deps: Deps, call: Call, object: Deployment, wait: boolean): Steps {
  if (!wait || call.dryRun) {
    yield [rolloutProgress(object, [])];
    return deploymentView(object);
  }
  return deploymentView(yield* followRollout(deps, call, object, true));
}

/** How often a change that carries the version it read is tried when others are faster, as controllers are in a roll-out. */
const ATTEMPTS = 8;
/** Between two tries; seven of them are at most 1.3 s. */
const BACKOFF = { baseMs: 10, maxMs: 1_000 };

/**
 * Reads a Deployment and patches it by what was read. The patch carries the version that was read; a conflict means that
 * nothing was done, so the Deployment is read anew.
 */
async function readAndPatch(
  deps: Deps,
  call: Call,
  where: { namespace: string; name: string },
  change: (object: Deployment) => Patch | Promise<Patch>,
): Promise<Deployment> {
  const options = { ...call.io(), dryRun: call.dryRun };
  for (let attempt = 1; ; attempt++) {
    const object = await deps.kube.get(DEPLOYMENTS, where, call.io());
    try {
      return await deps.kube.patch(DEPLOYMENTS, where, await change(object), options);
    } catch (error) {
      if (!isConflict(error) || attempt === ATTEMPTS) throw error;
    }
    await delay(backoffMs(BACKOFF, attempt));
  }
}

/** A strategic merge patch of the pod template that fails with a conflict when the object is no longer what was read. */
const templatePatch = (object: Deployment, template: object): Patch => ({
  type: 'strategic',
  body: { metadata: { resourceVersion: object.metadata?.resourceVersion }, spec: { template } },
});

function refusePaused(object: Deployment): void {
  if (object.spec?.paused === true)
    throw new AppError('conflict', `${at(object)} is paused, so no roll-out can start; resume it first.`);
}

function onlyContainer(object: Deployment, container: string | undefined): string {
  const names = (object.spec?.template.spec?.containers ?? []).map(({ name }) => name);
  const known = names.join(', ');
  if (container === undefined && names.length > 1)
    throw invalidParams('set_deployment_image', [
      { field: 'container', message: `is required: ${at(object)} has the containers ${known}` },
    ]);
  if (container !== undefined && !names.includes(container))
    throw invalidParams('set_deployment_image', [
      { field: 'container', message: `must be one of those of ${at(object)}: ${known}` },
    ]);
  return container ?? names[0] ?? '';
}

/** The ReplicaSets that a Deployment made, by revision. */
async function revisions(deps: Deps, call: Call, object: Deployment): Promise<Map<number, ReplicaSet>> {
  const found = new Map<number, ReplicaSet>();
  const where = {
    namespace: object.metadata?.namespace,
    labelSelector: selectorText(object.spec?.selector),
  };
  for await (const set of allOf(deps, call, REPLICA_SETS, where))
    if (set.metadata?.ownerReferences?.some(({ uid }) => uid === object.metadata?.uid))
      found.set(Number(set.metadata.annotations?.[REVISION] ?? 0), set);
  return found;
}

/** The ReplicaSet of a revision, the one before the present when none is wanted. */
function earlierSet(
  object: Deployment,
  kept: Map<number, ReplicaSet>,
  wanted: number | undefined,
): ReplicaSet {
  const present = Number(object.metadata?.annotations?.[REVISION] ?? 0);
  const known = [...kept.keys()].sort((a, b) => a - b);
  const set = kept.get(wanted ?? known.filter((revision) => revision < present).at(-1) ?? -1);
  if (set !== undefined) return set;
  throw new AppError(
    'not_found',
    wanted === undefined
      ? `${at(object)} has no earlier revision to go back to.`
      : `${at(object)} keeps no revision ${wanted}; it keeps ${known.join(', ')}.`,
  );
}

function templateOf(set: ReplicaSet): PodTemplateSpec {
  const template = structuredClone(set.spec?.template ?? {});
  delete template.metadata?.labels?.['pod-template-hash'];
  return template;
}

export const deployments = {
  async *create_deployment(deps, params, call) {
    const { namespace, name, labels = {}, annotations, replicas, wait } = params;
    const app = call.given['name'] === undefined ? 'nginx' : name;
    const errors: FieldError[] = workloadErrors(params);
    if (labels['app'] !== undefined && labels['app'] !== app)
      errors.push({
        field: 'labels.app',
        message: `is fixed to ${app}, the label by which the Deployment knows its pods; leave it out`,
      });
    if (errors.length > 0) throw invalidParams('create_deployment', errors);
    const ownImage = call.given['image'] !== undefined;
    const workload = ownImage ? params : { ports: REFERENCE_PORTS, ...REFERENCE_RESOURCES, ...params };
    const all = { ...labels, app };
    const object: Deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: defined({ name, namespace, labels: all, annotations }),
      spec: { replicas, selector: { matchLabels: { app } }, template: podTemplate(workload, all) },
    };
    const created = await deps.kube.create(DEPLOYMENTS, namespace, object, {
      ...call.io(),
      dryRun: call.dryRun,
    });
    return yield* settle(deps, call, created, wait);
  },

  async get_deployment(deps, { namespace, name }, call) {
    return deploymentView(await deps.kube.get(DEPLOYMENTS, { namespace, name }, call.io()));
  },

  async list_deployments(deps, params, call) {
    const { namespace, query } = listQuery('list_deployments', params, call);
    const options = { ...call.io(), project: deploymentView };
    return pageOf(await deps.kube.list(DEPLOYMENTS, namespace, query, options), (item) => item);
  },

  async *scale_deployment(deps, { namespace, name, replicas, wait }, call) {
    const patch = { type: 'merge', body: { spec: { replicas } } } as const;
    const options = { ...call.io(), dryRun: call.dryRun };
    const scaled = await deps.kube.patch(DEPLOYMENTS, { namespace, name }, patch, options);
    return yield* settle(deps, call, scaled, wait);
  },

  async *set_deployment_image(deps, { namespace, name, image, container, wait }, call) {
    const changed = await readAndPatch(deps, call, { namespace, name }, (object) =>
      templatePatch(object, { spec: { containers: [{ name: onlyContainer(object, container), image }] } }),
    );
    return yield* settle(deps, call, changed, wait);
  },

  async *restart_deployment(deps, { namespace, name, wait }, call) {
    const restarted = await readAndPatch(deps, call, { namespace, name }, (object) => {
      refusePaused(object);
      const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() };
      return templatePatch(object, { metadata: { annotations } });
    });
    return yield* settle(deps, call, restarted, wait);
  },

  async *rollback_deployment(deps, { namespace, name, to_revision: wanted, wait }, call) {
    const rolledBack = await readAndPatch(deps, call, { namespace, name }, async (object) => {
      refusePaused(object);
      const template = templateOf(earlierSet(object, await revisions(deps, call, object), wanted));
      return {
        type: 'json',
        body: [
          { op: 'replace', path: '/metadata/resourceVersion', value: object.metadata?.resourceVersion },
          { op: 'replace', path: '/spec/template', value: template },
        ],
      };
    });
    return yield* settle(deps, call, rolledBack, wait);
  },

  async *wait_for_deployment(deps, { namespace, name }, call) {
    const object = await deps.kube.get(DEPLOYMENTS, { namespace, name }, call.io());
    return deploymentView(yield* followRollout(deps, call, object, false));
  },

  async *delete_deployment(deps, { namespace, name, propagation_policy: policy, wait }, call) {
    const followed = wait && !call.dryRun;
    const object = followed ? await deps.kube.get(DEPLOYMENTS, { namespace, name }, call.io()) : undefined;
    return yield* deleteObject(deps, call, {
      resource: DEPLOYMENTS,
      namespace,
      name,
      object,
      propagationPolicy: ({ background: 'Background', foreground: 'Foreground', orphan: 'Orphan' } as const)[
        policy
      ],
      pods: object === undefined || policy === 'orphan' ? undefined : podsOf(object),
    });
  },
} satisfies Partial<Implementations>;
