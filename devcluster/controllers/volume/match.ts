/** Which volume a claim gets: pure functions from the claim, the volumes and their classes. */
import type { PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '../../../kube/objects.js';
import { parseQuantity } from '../../api/quantity.js';
import type { EventInit } from '../events.js';
import { uidOf } from '../meta.js';
import { selectsAny } from '../selector.js';

export const PROVISIONER = 'kubernetes.io/host-path';
export const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed';
export const BOUND_BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller';
const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class';

/** The claims that a pod names, as `namespace/name`. */
export const claimKeys = ({ metadata, spec }: Pod): string[] =>
  (spec?.volumes ?? []).flatMap(({ persistentVolumeClaim }) =>
    persistentVolumeClaim === undefined ? [] : [`${metadata?.namespace}/${persistentVolumeClaim.claimName}`],
  );

type Claim = PersistentVolumeClaim;
type Volume = PersistentVolume;

export const classOf = ({ metadata, spec }: Claim | Volume): string =>
  metadata?.annotations?.[CLASS_ANNOTATION] ?? spec?.storageClassName ?? '';

const nanos = (quantity: string | undefined): bigint => parseQuantity(quantity ?? '0')?.nanos ?? 0n;
const sizeOf = (volume: Volume): bigint => nanos(volume.spec?.capacity?.storage);

/** Why a volume does not do for a claim; undefined when it does. */
export const mismatch = (claim: Claim, volume: Volume): string | undefined => {
  const { resources, accessModes = [], volumeMode = 'Filesystem' } = claim.spec ?? {};
  if (volume.metadata?.deletionTimestamp !== undefined)
    return `the volume is marked for deletion "${volume.metadata.name}"`;
  if (sizeOf(volume) < nanos(resources?.requests?.storage)) return 'requested PV is too small';
  if (classOf(volume) !== classOf(claim)) return 'storageClassName does not match';
  if ((volume.spec?.volumeMode ?? 'Filesystem') !== volumeMode) return 'incompatible volumeMode';
  const has = volume.spec?.accessModes ?? [];
  return accessModes.every((mode) => has.includes(mode)) ? undefined : 'incompatible accessMode';
};

/** Whether the volume is kept for this claim, by its own will or since it was bound. */
export const isFor = ({ spec }: Volume, claim: Claim): boolean => {
  const { namespace, name, uid } = spec?.claimRef ?? {};
  const same = name === claim.metadata?.name && namespace === claim.metadata?.namespace;
  return same && (!uid || uid === uidOf(claim));
};

/** The volume that is kept for the claim, else the smallest free one that does; of equals the first by name. */
export const findVolume = (claim: Claim, volumes: Iterable<Volume>): Volume | undefined => {
  const fitting = [...volumes].filter((volume) => mismatch(claim, volume) === undefined);
  const kept = fitting.find((volume) => isFor(volume, claim));
  if (kept !== undefined) return kept;
  const order = (a: Volume, b: Volume): number => {
    if (sizeOf(a) !== sizeOf(b)) return sizeOf(a) < sizeOf(b) ? -1 : 1;
    return (a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1;
  };
  return fitting
    .filter(({ spec, status }) => spec?.claimRef === undefined && status?.phase === 'Available')
    .filter(({ metadata }) => selectsAny(claim.spec?.selector ?? {}, metadata?.labels))
    .sort(order)[0];
};

export interface Storage {
  volumes(): Iterable<Volume>;
  volume(name: string): Volume | undefined;
  storageClass(name: string): StorageClass | undefined;
  /** Whether a pod names this claim. */
  isWanted(claim: Claim): boolean;
  /** Whether there is a place for folders. */
  readonly provisions: boolean;
}

export type ClaimStep =
  | { do: 'nothing' }
  | { do: 'bind'; volume: Volume }
  | { do: 'provision'; storageClass: StorageClass }
  /** It stays without a volume for now. */
  | { do: 'wait'; event?: EventInit }
  | { do: 'lose'; event: EventInit };

const wait = (type: EventInit['type'], reason: string, message: string): ClaimStep => ({
  do: 'wait',
  event: { type, reason, message },
});

/** A claim that was bound stays so, whatever becomes of its volume, or has lost it. */
const boundStep = (claim: Claim, volume: Volume | undefined): ClaimStep => {
  const lose = (reason: string, message: string): ClaimStep =>
    claim.status?.phase === 'Lost'
      ? { do: 'nothing' }
      : { do: 'lose', event: { type: 'Warning', reason, message } };
  if (!claim.spec?.volumeName)
    return lose(
      'ClaimLost',
      'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!',
    );
  if (volume === undefined)
    return lose('ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!');
  if (volume.spec?.claimRef !== undefined && !isFor(volume, claim))
    return lose('ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly');
  return { do: 'bind', volume };
};

/** A claim that names its volume gets that one or none. */
const namedStep = (claim: Claim, volume: Volume | undefined): ClaimStep => {
  if (volume === undefined) return { do: 'wait' };
  const name = volume.metadata?.name;
  if (volume.spec?.claimRef !== undefined && !isFor(volume, claim))
    return wait('Warning', 'FailedBinding', `volume "${name}" already bound to a different claim.`);
  const why = mismatch(claim, volume);
  return why === undefined
    ? { do: 'bind', volume }
    : wait('Warning', 'VolumeMismatch', `Cannot bind to requested volume "${name}": ${why}`);
};

const provisionStep = (claim: Claim, storage: Storage): ClaimStep => {
  const name = classOf(claim);
  if (name === '')
    return wait(
      'Normal',
      'FailedBinding',
      'no persistent volumes available for this claim and no storage class is set',
    );
  const storageClass = storage.storageClass(name);
  if (storageClass === undefined)
    return wait('Warning', 'ProvisioningFailed', `storageclass.storage.k8s.io "${name}" not found`);
  const { provisioner, volumeBindingMode } = storageClass;
  if (volumeBindingMode === 'WaitForFirstConsumer' && !storage.isWanted(claim))
    return wait('Normal', 'WaitForFirstConsumer', 'waiting for first consumer to be created before binding');
  if (provisioner === 'kubernetes.io/no-provisioner') return { do: 'wait' };
  if (provisioner !== PROVISIONER || !storage.provisions)
    return wait(
      'Normal',
      'ExternalProvisioning',
      `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`,
    );
  if (claim.spec?.volumeMode === 'Block')
    return wait('Warning', 'ProvisioningFailed', `${provisioner} does not support block volume provisioning`);
  return { do: 'provision', storageClass };
};

export const planClaim = (claim: Claim, storage: Storage): ClaimStep => {
  if (claim.metadata?.deletionTimestamp !== undefined) return { do: 'nothing' };
  const name = claim.spec?.volumeName;
  const named = name ? storage.volume(name) : undefined;
  if (claim.metadata?.annotations?.[BIND_COMPLETED] !== undefined) return boundStep(claim, named);
  if (name) return namedStep(claim, named);
  const volume = findVolume(claim, storage.volumes());
  return volume === undefined ? provisionStep(claim, storage) : { do: 'bind', volume };
};
