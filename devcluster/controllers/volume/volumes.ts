/** The part of the volume controller that looks at volumes: says what they are, and takes back those whose claim is gone. */
import { KubeError, PERSISTENT_VOLUMES, PERSISTENT_VOLUME_CLAIMS } from '../../../kube/index.js';
import type { Kube, PersistentVolume, PersistentVolumeClaim } from '../../../kube/index.js';
import type { EventInit, EventRecorder } from '../events.js';
import { atOf, timestamp, uidOf } from '../meta.js';
import { PROVISIONED_BY, VOLUME_CONTROLLER, VOLUME_PROTECTION } from './claims.js';
import { folderOf, removeFolder } from './folders.js';
import { BOUND_BY_CONTROLLER } from './match.js';

type Claim = PersistentVolumeClaim;
type Volume = PersistentVolume;

export type VolumeStep =
  | { do: 'nothing' }
  | { do: 'phase'; phase: string; event?: EventInit }
  /** It forgets its claim, which has another. */
  | { do: 'unbind' }
  /** Its folder goes, and it too. */
  | { do: 'delete' }
  /** It is being deleted, and nothing keeps it. */
  | { do: 'let_go' };

/**
 * @param claim the claim that it is bound to; undefined when it is bound to none, `gone` when that one is no more
 * @param isOurs whether its folder is one of ours
 */
export const planVolume = (
  volume: Volume,
  claim: Claim | 'gone' | undefined,
  isOurs: boolean,
): VolumeStep => {
  const { deletionTimestamp, name, annotations, finalizers = [] } = volume.metadata ?? {};
  const policy = volume.spec?.persistentVolumeReclaimPolicy ?? 'Retain';
  const before = volume.status?.phase;
  const phase = (wanted: string, event?: EventInit): VolumeStep =>
    before === wanted ? { do: 'nothing' } : { do: 'phase', phase: wanted, ...(event && { event }) };
  const fail = (reason: string, message: string): VolumeStep =>
    phase('Failed', { type: 'Warning', reason, message });
  const isHeld = [VOLUME_PROTECTION, VOLUME_CONTROLLER].some((finalizer) => finalizers.includes(finalizer));

  if (claim === undefined || claim === 'gone') {
    if (deletionTimestamp !== undefined) return isHeld ? { do: 'let_go' } : { do: 'nothing' };
    if (claim === undefined) return phase('Available');
    if (before !== 'Released' && before !== 'Failed') return phase('Released');
    if (policy === 'Retain') return { do: 'nothing' };
    if (policy === 'Recycle') return fail('VolumeFailedRecycle', 'No recycler plugin found for the volume!');
    return isOurs
      ? { do: 'delete' }
      : fail(
          'VolumeFailedDelete',
          `error getting deleter volume plugin for volume "${name}": no deletable volume plugin matched`,
        );
  }
  if (claim.spec?.volumeName === name) return phase('Bound');
  if (!claim.spec?.volumeName || deletionTimestamp !== undefined) return { do: 'nothing' };
  // Its claim was bound to another one meanwhile.
  if (isOurs && policy === 'Delete') return { do: 'delete' };
  return annotations?.[BOUND_BY_CONTROLLER] === undefined ? phase('Available') : { do: 'unbind' };
};

export interface VolumesOptions {
  kube: Kube;
  events: EventRecorder;
  volumes: ReadonlyMap<string, Volume>;
  claims: ReadonlyMap<string, Claim>;
  root: string | undefined;
  clock(): number;
}

/** Answers what brings one volume in line. */
export const createVolumeReconciler = (
  options: VolumesOptions,
): ((key: string, signal: AbortSignal) => Promise<void>) => {
  const { kube, events, volumes, claims, root, clock } = options;

  const claimOf = async (volume: Volume, signal: AbortSignal): Promise<Claim | 'gone' | undefined> => {
    const { namespace = '', name = '', uid } = volume.spec?.claimRef ?? {};
    if (!uid) return undefined;
    const known = claims.get(`${namespace}/${name}`);
    if (known !== undefined && uidOf(known) === uid) return known;
    // The copy may lag behind, and what follows cannot be undone.
    try {
      const found = await kube.get(PERSISTENT_VOLUME_CLAIMS, { namespace, name }, { signal });
      return uidOf(found) === uid ? found : 'gone';
    } catch (error) {
      if (error instanceof KubeError && error.is(404)) return 'gone';
      throw error;
    }
  };

  const patch = async (volume: Volume, body: object, signal: AbortSignal): Promise<Volume> => {
    const { uid, resourceVersion } = volume.metadata ?? {};
    const { metadata, ...rest } = body as { metadata?: object };
    return kube.patch(
      PERSISTENT_VOLUMES,
      atOf(volume),
      { type: 'merge', body: { ...rest, metadata: { uid, resourceVersion, ...metadata } } },
      { signal },
    );
  };

  const setPhase = async (
    volume: Volume,
    { phase, event }: { phase: string; event?: EventInit },
    signal: AbortSignal,
  ): Promise<void> => {
    const { uid, resourceVersion } = volume.metadata ?? {};
    const status = {
      phase,
      lastPhaseTransitionTime: timestamp(clock()),
      message: event?.message ?? null,
    };
    const body = { metadata: { uid, resourceVersion }, status };
    await kube.patch(
      PERSISTENT_VOLUMES,
      atOf(volume),
      { type: 'merge', body },
      { signal, subresource: 'status' },
    );
    if (event !== undefined) events.record(PERSISTENT_VOLUMES, volume, event);
  };

  const letGo = async (volume: Volume, signal: AbortSignal): Promise<void> => {
    const ours = [VOLUME_PROTECTION, VOLUME_CONTROLLER];
    const finalizers = (volume.metadata?.finalizers ?? []).filter((finalizer) => !ours.includes(finalizer));
    await patch(volume, { metadata: { finalizers } }, signal);
  };

  return async (key, signal) => {
    const volume = volumes.get(key);
    if (volume === undefined) return;
    const folder = folderOf(root, volume);
    const isOurs = folder !== undefined && volume.metadata?.annotations?.[PROVISIONED_BY] !== undefined;
    const step = planVolume(volume, await claimOf(volume, signal), isOurs);
    if (step.do === 'phase') return setPhase(volume, step, signal);
    if (step.do === 'unbind') {
      const metadata = { annotations: { [BOUND_BY_CONTROLLER]: null } };
      await patch(volume, { metadata, spec: { claimRef: null } }, signal);
    }
    const takesFolder =
      step.do === 'delete' ||
      (step.do === 'let_go' && volume.spec?.persistentVolumeReclaimPolicy === 'Delete');
    if (isOurs && takesFolder) await removeFolder(folder);
    if (step.do === 'delete') {
      const preconditions = { uid: uidOf(volume) };
      await kube.delete(PERSISTENT_VOLUMES, atOf(volume), { signal, preconditions });
    }
    if (step.do === 'let_go') await letGo(volume, signal);
  };
};
