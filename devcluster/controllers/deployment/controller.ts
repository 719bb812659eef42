/** The Deployment controller: carries out the plans of plan.ts. */
import { DEPLOYMENTS, KubeError, REPLICA_SETS, keyOf } from '../../../kube/index.js';
import type { Deployment, Kube, KubeLog, ReplicaSet } from '../../../kube/index.js';
import { settleClaim } from '../adopt.js';
import { sameJson } from '../canonical.js';
import { claim } from '../claim.js';
import type { EventRecorder } from '../events.js';
import { orphansOf, ownedBy, ownerKeys } from '../informer.js';
import type { Informer } from '../informer.js';
import { atOf, controllerOf, isTerminal, uidOf } from '../meta.js';
import type { PodIndex } from '../owned-pods.js';
import { startQueue } from '../queue.js';
import { selects } from '../selector.js';
import { planDeployment } from './plan.js';
import type { Change } from './plan.js';
import { replicasOf } from './sizes.js';
import { sameTemplate } from './template.js';

export interface DeploymentControllerOptions extends Omit<PodIndex, 'podOf'> {
  kube: Kube;
  log?: KubeLog | undefined;
  events: EventRecorder;
  deployments: Informer<Deployment>;
  replicaSets: Informer<ReplicaSet>;
  clock?: () => number;
}

export const startDeploymentController = (
  options: DeploymentControllerOptions,
): { stop(): Promise<void> } => {
  const { kube, log, events, deployments, replicaSets, pods, podsUnder, clock = Date.now } = options;
  const setsUnder = replicaSets.index(ownerKeys);

  const scaled = (deployment: Deployment, rs: ReplicaSet, from: number): void => {
    const to = replicasOf(rs);
    if (from === to) return;
    const message = `Scaled ${to > from ? 'up' : 'down'} replica set ${rs.metadata?.name} from ${from} to ${to}`;
    events.record(DEPLOYMENTS, deployment, { type: 'Normal', reason: 'ScalingReplicaSet', message });
  };

  /** True when the ReplicaSet is there now; false when its name belongs to another one. */
  const create = async (deployment: Deployment, rs: ReplicaSet, signal: AbortSignal): Promise<boolean> => {
    try {
      await kube.create(REPLICA_SETS, rs.metadata?.namespace, rs, { signal });
      scaled(deployment, rs, 0);
      return true;
    } catch (error) {
      if (!(error instanceof KubeError) || !error.is(409)) throw error;
      const existing = await kube.get(REPLICA_SETS, atOf(rs), { signal });
      return controllerOf(existing)?.uid === uidOf(deployment) && sameTemplate(deployment, existing);
    }
  };

  /** Answers the Deployment as it is afterwards. */
  const carryOut = async (
    deployment: Deployment,
    change: Change,
    signal: AbortSignal,
  ): Promise<Deployment> => {
    if (change.type === 'annotate') {
      const { uid, resourceVersion } = deployment.metadata ?? {};
      const body = { metadata: { uid, resourceVersion, annotations: change.annotations } };
      return kube.patch(DEPLOYMENTS, atOf(deployment), { type: 'merge', body }, { signal });
    }
    const { replicaSet } = change;
    if (change.type === 'delete') {
      const preconditions = { uid: uidOf(replicaSet) };
      await kube.delete(REPLICA_SETS, atOf(replicaSet), {
        signal,
        preconditions,
        propagationPolicy: 'Background',
      });
    } else if (change.type === 'update') {
      await kube.replace(REPLICA_SETS, atOf(replicaSet), replicaSet, { signal });
      scaled(deployment, replicaSet, change.from);
    } else if (!(await create(deployment, replicaSet, signal))) {
      const status = { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 };
      await kube.replace(
        DEPLOYMENTS,
        atOf(deployment),
        { ...deployment, status },
        { signal, subresource: 'status' },
      );
      throw new KubeError(`The name ${replicaSet.metadata?.name} is taken; another one is made.`, {
        reason: 'status',
        outcome: 'refused',
        code: 409,
      });
    }
    return deployment;
  };

  const queue = startQueue({
    name: 'deployment',
    log,
    concurrency: 4,
    reconcile: async (key, signal) => {
      const observed = deployments.store.get(key);
      if (observed === undefined) return;
      const candidates = [
        ...setsUnder(ownedBy(uidOf(observed))),
        ...setsUnder(orphansOf(observed.metadata?.namespace)),
      ];
      const claimed = claim(observed, observed.spec?.selector, candidates);
      await settleClaim(kube, REPLICA_SETS, claimed, { owner: observed, ownerResource: DEPLOYMENTS, signal });
      const { changes, status, requeueAfterMs } = planDeployment({
        deployment: observed,
        replicaSets: claimed.owned,
        podsOf: (uid) => podsUnder(ownedBy(uid)).filter((pod) => !isTerminal(pod)).length,
        now: clock(),
      });
      let deployment = observed;
      for (const change of changes) deployment = await carryOut(deployment, change, signal);
      if (!sameJson(status, observed.status ?? {})) {
        await kube.replace(
          DEPLOYMENTS,
          atOf(deployment),
          { ...deployment, status },
          { signal, subresource: 'status' },
        );
      }
      return requeueAfterMs === undefined ? undefined : { requeueAfterMs };
    },
  });

  deployments.subscribe(({ object }) => queue.add(keyOf(object)));
  replicaSets.subscribe(({ object, previous }) => {
    const { namespace } = object.metadata ?? {};
    for (const owner of [controllerOf(object), previous && controllerOf(previous)]) {
      if (owner?.kind === 'Deployment') queue.add(`${namespace}/${owner.name}`);
    }
    if (controllerOf(object) !== undefined) return;
    for (const deployment of deployments.store.values()) {
      const here = deployment.metadata?.namespace === namespace;
      if (here && selects(deployment.spec?.selector, object.metadata?.labels)) queue.add(keyOf(deployment));
    }
  });
  // Recreate waits for the last old pod, which no ReplicaSet's status shows.
  pods.subscribe(({ type, object }) => {
    const owner = controllerOf(object);
    if ((type !== 'deleted' && !isTerminal(object)) || owner?.kind !== 'ReplicaSet') return;
    const rs = replicaSets.store.get(`${object.metadata?.namespace}/${owner.name}`);
    const deployment = rs === undefined ? undefined : controllerOf(rs);
    if (deployment?.kind === 'Deployment') queue.add(`${object.metadata?.namespace}/${deployment.name}`);
  });
  return { stop: () => queue.stop() };
};
