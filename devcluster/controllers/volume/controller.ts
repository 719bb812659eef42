/** The volume controller: claims get volumes, those of the class `standard` a folder of their own. */
import { KubeError, STORAGE_CLASSES, keyOf } from '../../../kube/index.js';
import type {
  Kube,
  KubeLog,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageClass,
} from '../../../kube/index.js';
import type { EventRecorder } from '../events.js';
import type { Informer } from '../informer.js';
import { startQueue } from '../queue.js';
import { createClaimReconciler } from './claims.js';
import { PROVISIONER, claimKeys, classOf } from './match.js';
import { createVolumeReconciler } from './volumes.js';

const STANDARD: StorageClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: {
    name: 'standard',
    annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
  },
  provisioner: PROVISIONER,
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'Immediate',
};

export interface VolumeControllerOptions {
  kube: Kube;
  log?: KubeLog | undefined;
  events: EventRecorder;
  claims: Informer<PersistentVolumeClaim>;
  volumes: Informer<PersistentVolume>;
  classes: Informer<StorageClass>;
  pods: Informer<Pod>;
  /** An existing folder of ours alone, without links in its path; without it there is no class `standard`. */
  root: string | undefined;
  clock?: () => number;
}

export interface VolumeController {
  /** Resolves when claims get volumes. */
  readonly settled: Promise<void>;
  stop(): Promise<void>;
}

export const startVolumeController = (options: VolumeControllerOptions): VolumeController => {
  const { kube, log, events, claims, volumes, classes, pods, root, clock = Date.now } = options;
  const podsOf = pods.index(claimKeys);
  const after = Promise.all([claims, volumes, classes, pods].map((each) => each.synced));
  const abandoned = new AbortController();

  const reconcileClaim = createClaimReconciler({
    ...{ kube, events, root, claims: claims.store },
    isInUse: (claim) => podsOf(keyOf(claim)).some(({ spec }) => spec?.nodeName !== undefined),
    storage: {
      volumes: () => volumes.store.values(),
      volume: (name) => volumes.store.get(name),
      storageClass: (name) => classes.store.get(name),
      isWanted: (claim) => podsOf(keyOf(claim)).length > 0,
      provisions: root !== undefined,
    },
  });
  const reconcileVolume = createVolumeReconciler({
    ...{ kube, events, root, clock, volumes: volumes.store, claims: claims.store },
  });
  // One claim after another, so that no two go for the same volume.
  const claimQueue = startQueue({ name: 'volume claims', log, after, reconcile: reconcileClaim });
  const volumeQueue = startQueue({ name: 'volumes', log, after, reconcile: reconcileVolume });

  const retryPending = (storageClass: string): void => {
    for (const [key, claim] of claims.store)
      if (claim.status?.phase !== 'Bound' && classOf(claim) === storageClass) claimQueue.add(key);
  };
  claims.subscribe(({ object }) => {
    claimQueue.add(keyOf(object));
    if (object.spec?.volumeName) volumeQueue.add(object.spec.volumeName);
  });
  const claimsOn = claims.index(({ spec }) => (spec?.volumeName ? [spec.volumeName] : []));
  volumes.subscribe(({ type, object }) => {
    volumeQueue.add(keyOf(object));
    for (const claim of claimsOn(keyOf(object))) claimQueue.add(keyOf(claim));
    const { namespace, name, uid } = object.spec?.claimRef ?? {};
    if (name !== undefined && !claimsOn(keyOf(object)).length) claimQueue.add(`${namespace}/${name}`);
    if (type !== 'deleted' && uid === undefined) retryPending(classOf(object));
  });
  classes.subscribe(({ object }) => retryPending(keyOf(object)));
  pods.subscribe(({ type, object, previous }) => {
    const isNews = type !== 'modified' || previous.spec?.nodeName !== object.spec?.nodeName;
    if (isNews) for (const key of claimKeys(object)) claimQueue.add(key);
  });

  const giveStandard = async (): Promise<void> => {
    if (root === undefined) return;
    await kube
      .create(STORAGE_CLASSES, undefined, STANDARD, { signal: abandoned.signal })
      .catch((error: unknown) => {
        if (!(error instanceof KubeError && error.is(409)) && !abandoned.signal.aborted) throw error;
      });
  };
  return {
    settled: giveStandard(),
    stop: async () => {
      abandoned.abort();
      await Promise.all([claimQueue.stop(), volumeQueue.stop()]);
    },
  };
};
