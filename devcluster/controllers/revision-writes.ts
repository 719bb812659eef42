/** Makes true what revisions.ts wants of a workload's history. */
import { CONTROLLER_REVISIONS, KubeError } from '../../kube/index.js';
import type { ControllerRevision, Kube } from '../../kube/index.js';
import { sameJson } from './canonical.js';
import { atOf, controllerOf } from './meta.js';

/** True when the revision is there now; false when its name belongs to another template or owner. */
export const createRevision = async (
  kube: Kube,
  revision: ControllerRevision,
  signal: AbortSignal,
): Promise<boolean> => {
  try {
    await kube.create(CONTROLLER_REVISIONS, revision.metadata?.namespace, revision, { signal });
    return true;
  } catch (error) {
    if (!(error instanceof KubeError) || !error.is(409)) throw error;
    const existing = await kube.get(CONTROLLER_REVISIONS, atOf(revision), { signal });
    const isOurs = controllerOf(existing)?.uid === controllerOf(revision)?.uid;
    return isOurs && sameJson(existing.data, revision.data);
  }
};

/** Fails with 409 when the revision changed since it was read. */
export const renumberRevision = async (
  kube: Kube,
  revision: ControllerRevision,
  signal: AbortSignal,
): Promise<void> => {
  await kube.replace(CONTROLLER_REVISIONS, atOf(revision), revision, { signal });
};
