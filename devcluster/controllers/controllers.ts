/** The controllers of the embedded cluster: clients of its API, like everybody else's. */
import { DEPLOYMENTS, NODES, PODS, REPLICA_SETS } from '../../kube/index.js';
import type { Kube, KubeLog, KubeObject, Resource } from '../../kube/index.js';
import { KINDS } from '../data/kinds.js';
import { startDeploymentController } from './deployment/controller.js';
import { createEventRecorder } from './events.js';
import type { EventRecorder } from './events.js';
import { startGarbageCollector } from './garbage/controller.js';
import { ownerKeys, startInformer } from './informer.js';
import type { Informer } from './informer.js';
import { startReplicaSetController } from './replica-set/controller.js';
import { startScheduler } from './scheduler/controller.js';

export interface Controllers {
  /** Resolves when all have seen the objects that there are. */
  readonly synced: Promise<void>;
  stop(): Promise<void>;
}

export interface ControllersOptions {
  kube: Kube;
  log?: KubeLog | undefined;
}

/** Events own nothing, nobody owns them, and they are many. */
const isCollected = ({ kind }: Resource): boolean => kind !== 'Event';

export const startControllers = ({ kube, log }: ControllersOptions): Controllers => {
  const informer = <T extends KubeObject>(resource: Resource<T>): Informer<T> =>
    startInformer({ kube, resource, log });
  const deployments = informer(DEPLOYMENTS);
  const replicaSets = informer(REPLICA_SETS);
  const pods = informer(PODS);
  const nodes = informer(NODES);
  const known = [deployments, replicaSets, pods, nodes] as unknown as Informer<KubeObject>[];
  const isKnown = ({ kind, group }: Resource): boolean =>
    known.some(({ resource }) => resource.kind === kind && resource.group === group);
  const others = KINDS.filter((kind) => isCollected(kind) && !isKnown(kind)).map((kind) =>
    informer<KubeObject>(kind),
  );
  const informers = [...known, ...others];

  const podsUnder = pods.index(ownerKeys);
  const recorder = (component: string): EventRecorder => createEventRecorder({ kube, log, component });
  const told = {
    deployment: recorder('deployment-controller'),
    replicaSet: recorder('replicaset-controller'),
    scheduler: recorder('default-scheduler'),
  };
  const shared = { kube, log, pods, podsUnder, replicaSets };
  const controllers = [
    startDeploymentController({ ...shared, deployments, events: told.deployment }),
    startReplicaSetController({ ...shared, events: told.replicaSet }),
    startScheduler({ kube, log, pods, nodes, events: told.scheduler }),
    startGarbageCollector({ kube, log, informers }),
  ];
  return {
    synced: Promise.all(informers.map(({ synced }) => synced)).then(() => undefined),
    stop: async () => {
      // Readers first, so that nothing new is begun.
      await Promise.all(informers.map((each) => each.stop()));
      await Promise.all([...controllers, ...Object.values(told)].map((each) => each.stop()));
    },
  };
};
