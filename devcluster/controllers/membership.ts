/** Whom a workload with a history owns: its pods and its ControllerRevisions, claimed together. */
import { CONTROLLER_REVISIONS, PODS } from '../../kube/index.js';
import type { ControllerRevision, Kube, Pod } from '../../kube/index.js';
import { settleClaim } from './adopt.js';
import { claim } from './claim.js';
import { orphansOf, ownedBy, ownerKeys } from './informer.js';
import type { Informer } from './informer.js';
import { controllerOf, uidOf } from './meta.js';
import type { Selecting } from './owned-pods.js';

export interface Members {
  readonly pods: Pod[];
  readonly revisions: ControllerRevision[];
}

/**
 * Answers what sorts a workload's candidates: its members, or undefined when one had to be adopted or released first; the
 * watch brings the reconcile that sees the change.
 */
export const createMembership = <T extends Selecting>({
  kube,
  owners,
  revisions,
  wake,
}: {
  kube: Kube;
  owners: Informer<T>;
  revisions: Informer<ControllerRevision>;
  /** Called with the key of a workload of which a revision changed. */
  wake(key: string): void;
}): ((owner: T, candidates: readonly Pod[], signal: AbortSignal) => Promise<Members | undefined>) => {
  const revisionsUnder = revisions.index(ownerKeys);
  revisions.subscribe(({ object }) => {
    const owner = controllerOf(object);
    if (owner?.kind === owners.resource.kind) wake(`${object.metadata?.namespace}/${owner.name}`);
  });
  return async (owner, candidates, signal) => {
    const ours = { owner, ownerResource: owners.resource, signal };
    const keys = [ownedBy(uidOf(owner)), orphansOf(owner.metadata?.namespace)];
    const ofPods = claim(owner, owner.spec?.selector, candidates);
    const ofRevisions = claim(owner, owner.spec?.selector, keys.flatMap(revisionsUnder));
    await settleClaim(kube, PODS, ofPods, ours);
    await settleClaim(kube, CONTROLLER_REVISIONS, ofRevisions, ours);
    const changed = [ofPods, ofRevisions].some(({ adopt, release }) => adopt.length + release.length > 0);
    return changed ? undefined : { pods: ofPods.owned, revisions: ofRevisions.owned };
  };
};
