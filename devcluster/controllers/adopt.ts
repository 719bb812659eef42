/** Makes what an owner claims true: adds and takes away its owner references. */
import type { Kube, KubeObject, Resource } from '../../kube/index.js';
import type { Claim } from './claim.js';
import { atOf, ownerReferenceTo, uidOf } from './meta.js';

/** Replaces an object's owners; fails with 409 when the object changed since it was read. */
export const setOwners = async <T extends KubeObject>(
  kube: Kube,
  resource: Resource<T>,
  object: T,
  { owners, signal }: { owners: readonly object[]; signal: AbortSignal },
): Promise<void> => {
  const { uid, resourceVersion } = object.metadata ?? {};
  const body = { metadata: { uid, resourceVersion, ownerReferences: owners } };
  await kube.patch(resource, atOf(object), { type: 'merge', body }, { signal });
};

/** The next watch events bring the reconcile that sees the change. */
export const settleClaim = async <T extends KubeObject>(
  kube: Kube,
  resource: Resource<T>,
  { adopt, release }: Claim<T>,
  { owner, ownerResource, signal }: { owner: KubeObject; ownerResource: Resource; signal: AbortSignal },
): Promise<void> => {
  for (const object of adopt) {
    const owners = [...(object.metadata?.ownerReferences ?? []), ownerReferenceTo(ownerResource, owner)];
    await setOwners(kube, resource, object, { owners, signal });
  }
  for (const object of release) {
    const owners = (object.metadata?.ownerReferences ?? []).filter(({ uid }) => uid !== uidOf(owner));
    await setOwners(kube, resource, object, { owners, signal });
  }
};
