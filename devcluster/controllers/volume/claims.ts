/** The part of the volume controller that looks at claims: binds them, has volumes made, and holds those in use. */
import { join } from 'node:path';
import { PERSISTENT_VOLUMES, PERSISTENT_VOLUME_CLAIMS, KubeError } from '../../../kube/index.js';
import type { Kube, PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../../kube/index.js';
import { sameJson } from '../canonical.js';
import type { EventInit, EventRecorder } from '../events.js';
import { atOf, uidOf } from '../meta.js';
import { folderOf, makeFolder } from './folders.js';
import { BIND_COMPLETED, BOUND_BY_CONTROLLER, PROVISIONER, planClaim } from './match.js';
import type { Storage } from './match.js';

export const CLAIM_PROTECTION = 'kubernetes.io/pvc-protection';
export const VOLUME_PROTECTION = 'kubernetes.io/pv-protection';
/** On volumes that we made: they go only after their folder. */
export const VOLUME_CONTROLLER = 'kubernetes.io/pv-controller';
export const PROVISIONED_BY = 'pv.kubernetes.io/provisioned-by';

type Claim = PersistentVolumeClaim;
type Volume = PersistentVolume;

const claimRefTo = (claim: Claim): object => ({
  kind: 'PersistentVolumeClaim',
  apiVersion: 'v1',
  namespace: claim.metadata?.namespace,
  name: claim.metadata?.name,
  uid: uidOf(claim),
  resourceVersion: claim.metadata?.resourceVersion,
});

/** The volume made for a claim, already bound to it. */
export const volumeFor = (claim: Claim, storageClass: StorageClass, root: string): Volume => {
  const name = `pvc-${uidOf(claim)}`;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: {
      name,
      annotations: {
        'kubernetes.io/createdby': 'hostpath-dynamic-provisioner',
        [BOUND_BY_CONTROLLER]: 'yes',
        [PROVISIONED_BY]: PROVISIONER,
      },
      finalizers: [VOLUME_CONTROLLER],
    },
    spec: {
      accessModes: claim.spec?.accessModes ?? [],
      capacity: { storage: claim.spec?.resources?.requests?.storage ?? '0' },
      claimRef: claimRefTo(claim),
      hostPath: { path: join(root, name), type: '' },
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
      storageClassName: storageClass.metadata?.name ?? '',
      volumeMode: claim.spec?.volumeMode ?? 'Filesystem',
    },
  };
};

export interface ClaimsOptions {
  kube: Kube;
  events: EventRecorder;
  claims: ReadonlyMap<string, Claim>;
  storage: Storage;
  /** Where the folders are; undefined where none are made. */
  root: string | undefined;
  /** Whether a pod that has a node names this claim. */
  isInUse(claim: Claim): boolean;
}

/** Answers what brings one claim in line. */
export const createClaimReconciler = (
  options: ClaimsOptions,
): ((key: string, signal: AbortSignal) => Promise<void>) => {
  const { kube, events, claims, storage, root, isInUse } = options;
  const tell = (claim: Claim, event: EventInit): void =>
    events.record(PERSISTENT_VOLUME_CLAIMS, claim, event);

  const annotate = async (
    claim: Claim,
    body: { annotations: Record<string, string>; spec?: object },
    signal: AbortSignal,
  ): Promise<Claim> => {
    const { uid, resourceVersion, annotations = {} } = claim.metadata ?? {};
    const isSame = Object.entries(body.annotations).every(([key, value]) => annotations[key] === value);
    if (isSame && body.spec === undefined) return claim;
    const metadata = { uid, resourceVersion, annotations: body.annotations };
    const patch = { type: 'merge', body: { ...body, annotations: undefined, metadata } } as const;
    return kube.patch(PERSISTENT_VOLUME_CLAIMS, atOf(claim), patch, { signal });
  };

  const writeStatus = async (
    claim: Claim,
    status: NonNullable<Claim['status']>,
    signal: AbortSignal,
  ): Promise<void> => {
    if (Object.entries(status).every(([key, value]) => sameJson(claim.status?.[key as 'phase'], value)))
      return;
    const { uid, resourceVersion } = claim.metadata ?? {};
    const patch = { type: 'merge', body: { metadata: { uid, resourceVersion }, status } } as const;
    await kube.patch(PERSISTENT_VOLUME_CLAIMS, atOf(claim), patch, { signal, subresource: 'status' });
  };

  /** First the volume is given to the claim, then the claim to the volume: so no two claims get one. */
  const bind = async (claim: Claim, volume: Volume, signal: AbortSignal): Promise<void> => {
    if (!volume.spec?.claimRef?.uid) {
      const { uid, resourceVersion } = volume.metadata ?? {};
      const annotations = volume.spec?.claimRef === undefined ? { [BOUND_BY_CONTROLLER]: 'yes' } : {};
      const body = { metadata: { uid, resourceVersion, annotations }, spec: { claimRef: claimRefTo(claim) } };
      await kube.patch(PERSISTENT_VOLUMES, atOf(volume), { type: 'merge', body }, { signal });
    }
    const volumeName = volume.metadata?.name ?? '';
    const isNamed = claim.spec?.volumeName === volumeName;
    const annotations = { [BIND_COMPLETED]: 'yes', ...(isNamed ? {} : { [BOUND_BY_CONTROLLER]: 'yes' }) };
    const named = await annotate(
      claim,
      { annotations, ...(isNamed ? {} : { spec: { volumeName } }) },
      signal,
    );
    const { accessModes = [], capacity = {} } = volume.spec ?? {};
    await writeStatus(named, { phase: 'Bound', accessModes, capacity }, signal);
  };

  const provision = async (claim: Claim, storageClass: StorageClass, signal: AbortSignal): Promise<void> => {
    const noted = await annotate(
      claim,
      {
        annotations: {
          'volume.beta.kubernetes.io/storage-provisioner': PROVISIONER,
          'volume.kubernetes.io/storage-provisioner': PROVISIONER,
        },
      },
      signal,
    );
    const volume = volumeFor(noted, storageClass, root ?? '');
    const folder = folderOf(root, volume);
    try {
      if (folder !== undefined) await makeFolder(folder);
      const made = await kube.create(PERSISTENT_VOLUMES, undefined, volume, { signal });
      const message = `Successfully provisioned volume ${volume.metadata?.name} using ${PROVISIONER}`;
      tell(noted, { type: 'Normal', reason: 'ProvisioningSucceeded', message });
      await bind(noted, made, signal);
    } catch (error) {
      // There already: its watch brings it.
      if (error instanceof KubeError) throw error;
      const message = `Failed to provision volume with StorageClass "${storageClass.metadata?.name}": ${(error as Error).message}`;
      tell(noted, { type: 'Warning', reason: 'ProvisioningFailed', message });
      throw error;
    }
  };

  return async (key, signal) => {
    const claim = claims.get(key);
    if (claim === undefined) return;
    const { finalizers = [], uid, resourceVersion, deletionTimestamp } = claim.metadata ?? {};
    if (deletionTimestamp !== undefined && finalizers.includes(CLAIM_PROTECTION) && !isInUse(claim)) {
      const left = finalizers.filter((finalizer) => finalizer !== CLAIM_PROTECTION);
      const body = { metadata: { uid, resourceVersion, finalizers: left } };
      await kube.patch(PERSISTENT_VOLUME_CLAIMS, atOf(claim), { type: 'merge', body }, { signal });
      return;
    }
    const step = planClaim(claim, storage);
    if (step.do === 'bind') return bind(claim, step.volume, signal);
    if (step.do === 'provision') return provision(claim, step.storageClass, signal);
    if (step.do === 'lose') await writeStatus(claim, { phase: 'Lost' }, signal);
    if ((step.do === 'lose' || step.do === 'wait') && step.event !== undefined) tell(claim, step.event);
  };
};
