/** Who owns the volume claims of a StatefulSet's pods, so that they go with what they are kept for. */
import type { PersistentVolumeClaim, Pod, StatefulSet } from '../../../kube/objects.js';
import { PODS, STATEFUL_SETS } from '../../../kube/objects.js';
import { apiVersionOf, ownerReferenceTo, uidOf } from '../meta.js';
import type { OwnerReference } from '../meta.js';
import { nameOf } from './identity.js';

const policyOf = ({ spec }: StatefulSet): { whenDeleted: string; whenScaled: string } => ({
  whenDeleted: 'Retain',
  whenScaled: 'Retain',
  ...spec?.persistentVolumeClaimRetentionPolicy,
});

const ownersOf = ({ metadata }: PersistentVolumeClaim): OwnerReference[] => metadata?.ownerReferences ?? [];

const pointsAt =
  (resource: typeof PODS | typeof STATEFUL_SETS, object: Pod | StatefulSet) =>
  ({ apiVersion, kind, name }: OwnerReference): boolean =>
    apiVersion === apiVersionOf(resource) && kind === resource.kind && name === nameOf(object);

/** True when the claim is kept for a former pod or set of the same name: it is about to be collected. */
const isStaleFor =
  (resource: typeof PODS | typeof STATEFUL_SETS, object: Pod | StatefulSet) =>
  (claim: PersistentVolumeClaim): boolean =>
    ownersOf(claim).some((owner) => pointsAt(resource, object)(owner) && owner.uid !== uidOf(object));

/** A pod that is yet to be made must wait for the claims of its forerunner to go. */
export const mustGoFirst = (set: StatefulSet, pod: Pod, claim: PersistentVolumeClaim): boolean =>
  policyOf(set).whenScaled === 'Delete' && isStaleFor(PODS, pod)(claim);

/**
 * The owners that the claim is to have by the set's retention policy; undefined when it has them. A claim that another
 * controller owns, or a former set or pod of this name, is left as it is.
 */
export const wantedOwners = (
  set: StatefulSet,
  pod: Pod,
  { claim, isScaledDown }: { claim: PersistentVolumeClaim; isScaledDown: boolean },
): OwnerReference[] | undefined => {
  if (isStaleFor(STATEFUL_SETS, set)(claim) || isStaleFor(PODS, pod)(claim)) return undefined;
  const { whenDeleted, whenScaled } = policyOf(set);
  const isOurs = ({ uid }: OwnerReference): boolean => uid === uidOf(set) || uid === uidOf(pod);
  const before = ownersOf(claim);
  const others = before.filter((owner) => !isOurs(owner));
  const retains = whenDeleted === 'Retain' && whenScaled === 'Retain';
  const isForeign = !retains && others.some(({ controller }) => controller === true);
  const podOwns = !isForeign && whenScaled === 'Delete' && isScaledDown;
  const setOwns = !isForeign && whenDeleted === 'Delete' && !podOwns;
  const has = (object: Pod | StatefulSet): boolean =>
    before.some(({ uid, controller }) => uid === uidOf(object) && controller === true);
  const isSame =
    has(set) === setOwns &&
    has(pod) === podOwns &&
    before.filter(isOurs).length === Number(setOwns) + Number(podOwns);
  if (isSame) return undefined;
  return [
    ...others,
    ...(setOwns ? [ownerReferenceTo(STATEFUL_SETS, set)] : []),
    ...(podOwns ? [ownerReferenceTo(PODS, pod)] : []),
  ];
};
