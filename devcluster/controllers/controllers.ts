/** The controllers of the embedded cluster: clients of its API, like everybody else's. */
import {
  CONFIG_MAPS,
  ENDPOINTS,
  ENDPOINT_SLICES,
  NAMESPACES,
  NODES,
  PERSISTENT_VOLUMES,
  PERSISTENT_VOLUME_CLAIMS,
  PODS,
  SERVICES,
  SERVICE_ACCOUNTS,
  STORAGE_CLASSES,
} from '../../kube/index.js';
import type { Kube, KubeLog } from '../../kube/index.js';
import { startDisruptionController } from './disruption/controller.js';
import { startEndpointSliceController } from './endpoint-slice/controller.js';
import { createEventRecorder } from './events.js';
import type { EventRecorder } from './events.js';
import { startGarbageCollector } from './garbage/controller.js';
import { ownerKeys } from './informer.js';
import { startKinds } from './kinds.js';
import type { Kinds } from './kinds.js';
import { startNamespaceController } from './namespace/controller.js';
import { startPodGarbageCollector } from './pod-garbage/controller.js';
import { startScheduler } from './scheduler/controller.js';
import { startServiceAccountController } from './service-account/controller.js';
import { startVolumeController } from './volume/controller.js';
import { startWorkloads } from './workloads.js';

export interface Controllers {
  /** The informers of all kinds, which others may share. */
  readonly kinds: Kinds;
  /** Resolves when all have seen the objects that there are, and the namespaces among them take pods. */
  readonly synced: Promise<void>;
  stop(): Promise<void>;
}

export interface ControllersOptions {
  kube: Kube;
  log?: KubeLog | undefined;
  /**
   * Where volume claims get their folders: an existing folder of ours alone, without links in its path, whose owner
   * removes it in the end. Without it there is no storage class, and claims wait for volumes made by hand.
   */
  volumesRoot?: string | undefined;
}

export const startControllers = ({ kube, log, volumesRoot }: ControllersOptions): Controllers => {
  const kinds = startKinds({ kube, log });
  const pods = kinds.of(PODS);
  const nodes = kinds.of(NODES);
  const claims = kinds.of(PERSISTENT_VOLUME_CLAIMS);

  const podsUnder = pods.index(ownerKeys);
  const recorder = (component: string): EventRecorder => createEventRecorder({ kube, log, component });
  const told = {
    disruption: recorder('controllermanager'),
    garbage: recorder('garbage-collector-controller'),
    scheduler: recorder('default-scheduler'),
    volume: recorder('persistentvolume-controller'),
  };
  const serviceAccounts = startServiceAccountController({
    ...{ kube, log },
    namespaces: kinds.of(NAMESPACES),
    serviceAccounts: kinds.of(SERVICE_ACCOUNTS),
    configMaps: kinds.of(CONFIG_MAPS),
  });
  const volumes = startVolumeController({
    ...{ kube, log, pods, claims, root: volumesRoot, events: told.volume },
    volumes: kinds.of(PERSISTENT_VOLUMES),
    classes: kinds.of(STORAGE_CLASSES),
  });
  const controllers = [
    startWorkloads({ kube, log, kinds, podsUnder }),
    startEndpointSliceController({
      ...{ kube, log, pods, nodes },
      services: kinds.of(SERVICES),
      slices: kinds.of(ENDPOINT_SLICES),
      endpoints: kinds.of(ENDPOINTS),
    }),
    startScheduler({
      ...{ kube, log, pods, nodes, claims, events: told.scheduler },
      namespaces: kinds.of(NAMESPACES),
    }),
    startDisruptionController({ kube, log, kinds, events: told.disruption }),
    startGarbageCollector({ kube, log, kinds, events: told.garbage }),
    startPodGarbageCollector({ kube, log, pods, nodes }),
    startNamespaceController({ kube, log, kinds }),
    serviceAccounts,
    volumes,
  ];
  return {
    kinds,
    synced: Promise.all([kinds.synced, serviceAccounts.settled, volumes.settled]).then(() => undefined),
    stop: async () => {
      // Readers first, so that nothing new is begun.
      await kinds.stop();
      await Promise.all([...controllers, ...Object.values(told)].map((each) => each.stop()));
    },
  };
};
