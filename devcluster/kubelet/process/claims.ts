/** The folder of a volume claim: that of the volume which it is bound to. */
import { realpath } from 'node:fs/promises';
import { relative } from 'node:path';
import { KubeError, PERSISTENT_VOLUMES, PERSISTENT_VOLUME_CLAIMS } from '../../../kube/index.js';
import type { At, Kube, KubeObject, Pod, Resource } from '../../../kube/index.js';
import { VolumeProblem } from '../folders/volume-files.js';
import { within } from '../folders/within.js';

/** @param volumesRoot the folder that those of all volumes lie in; it is there. */
export const createClaims =
  (kube: Kube, volumesRoot: string) =>
  async (pod: Pod, name: string): Promise<string> => {
    const get = async <T extends KubeObject>(resource: Resource<T>, at: At, what: string): Promise<T> =>
      kube.get(resource, at).catch((error: unknown) => {
        if (error instanceof KubeError && error.is(404))
          throw new VolumeProblem(`${what} "${at.name}" not found`);
        throw error;
      });
    const claimAt = { namespace: pod.metadata?.namespace, name };
    const claim = await get(PERSISTENT_VOLUME_CLAIMS, claimAt, 'persistentvolumeclaim');
    const volumeName = claim.spec?.volumeName;
    if (claim.status?.phase !== 'Bound' || !volumeName)
      throw new VolumeProblem(`persistentvolumeclaim "${name}" is not bound to a volume`);
    const volume = await get(PERSISTENT_VOLUMES, { name: volumeName }, 'persistentvolume');
    const path = volume.spec?.hostPath?.path;
    const root = await realpath(volumesRoot);
    const inside = path === undefined ? '' : relative(volumesRoot, path);
    const folder = inside === '' ? undefined : await within(root, inside);
    if (folder === undefined)
      throw new VolumeProblem(
        `persistentvolume "${volumeName}" is no folder below ${volumesRoot}, and the embedded cluster gives its programs no other`,
      );
    return folder;
  };
