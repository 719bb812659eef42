/** Which objects a controller owns, by owner reference and selector. */
import type { KubeObject } from '../../kube/objects.js';
import { controllerOf, uidOf } from './meta.js';
import { selects } from './selector.js';
import type { LabelSelector } from './selector.js';

export interface Claim<T> {
  /** Controlled by the owner and selected. */
  owned: T[];
  /** Selected and controlled by nobody: the owner is to be added to them. */
  adopt: T[];
  /** Controlled by the owner and no longer selected: the owner is to be taken from them. */
  release: T[];
}

/** Sorts candidates of the owner's namespace. An owner that is being deleted adopts nothing. */
export const claim = <T extends KubeObject>(
  owner: KubeObject,
  selector: LabelSelector | undefined,
  candidates: Iterable<T>,
): Claim<T> => {
  const result: Claim<T> = { owned: [], adopt: [], release: [] };
  const ownerGoes = owner.metadata?.deletionTimestamp !== undefined;
  for (const candidate of candidates) {
    const controller = controllerOf(candidate);
    const selected = selects(selector, candidate.metadata?.labels);
    const candidateGoes = candidate.metadata?.deletionTimestamp !== undefined;
    if (controller?.uid === uidOf(owner)) {
      if (selected) result.owned.push(candidate);
      else if (!ownerGoes && !candidateGoes) result.release.push(candidate);
    } else if (controller === undefined && selected && !ownerGoes && !candidateGoes) {
      result.adopt.push(candidate);
    }
  }
  return result;
};
