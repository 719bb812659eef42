/** A pod's folders: its volumes, and for each container a root of its own where they are mounted. */
import { chmod, cp, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import type { Container, Pod } from '../../../kube/index.js';
import { canonical } from '../../controllers/canonical.js';
import { expand } from '../expansion.js';
import { writeAtomically } from './atomic-folder.js';
import type { VolumeFiles } from './atomic-folder.js';
import { removeTree } from './tree.js';
import type { Mount, View } from './view.js';
import { VolumeProblem, volumeFiles } from './volume-files.js';
import type { FileSources, Volume } from './volume-files.js';
import { within } from './within.js';

export interface PodFoldersOptions {
  /** A folder for this pod alone, with no link in its path. */
  readonly folder: string;
  /** The folder of a claim, with no link in its path. Rejects with VolumeProblem. */
  claim(pod: Pod, name: string): Promise<string>;
}

export interface PodFolders {
  /**
   * Makes the volumes that these containers mount, or brings their files up to date. Answers what is wrong with them, as
   * the kubelet's events say it.
   */
  sync(sources: FileSources, containers: readonly Container[]): Promise<string[]>;
  /** Makes a container's root anew. Rejects with VolumeProblem. */
  prepare(container: Container, environment: ReadonlyMap<string, string>): Promise<View>;
  remove(): Promise<void>;
}

export const TERMINATION_LOG = '/dev/termination-log';
/** Where our image's programs lie, and begin. */
export const WORKING_DIRECTORY = '/app';
/** Every container has it, as its own folder or as a volume. */
const TEMPORARY = '/tmp';

interface MadeVolume {
  readonly folder: string;
  /** The text of what it holds; undefined where programs write. */
  readonly content?: string;
}

const textOf = (files: VolumeFiles): string =>
  canonical([...files].map(([path, { data, mode }]) => [path, Buffer.from(data).toString('base64'), mode]));

const kindOf = ({ name: _name, ...source }: Volume): string => Object.keys(source)[0] ?? 'emptyDir';

export const createPodFolders = ({ folder, claim }: PodFoldersOptions): PodFolders => {
  const made = new Map<string, MadeVolume>();

  const make = async (volume: Volume, sources: FileSources): Promise<void> => {
    const before = made.get(volume.name);
    const own = join(folder, 'volumes', volume.name);
    const files = await volumeFiles(volume, sources);
    if (files !== undefined) {
      const content = textOf(files);
      if (before?.content !== content) await writeAtomically(own, files);
      made.set(volume.name, { folder: own, content });
    } else if (before === undefined) {
      const kind = kindOf(volume);
      if (volume.persistentVolumeClaim)
        made.set(volume.name, { folder: await claim(sources.pod, volume.persistentVolumeClaim.claimName) });
      else if (kind === 'emptyDir') {
        await mkdir(own, { recursive: true });
        // As every user of the pod may write there, whatever this process's mask.
        await chmod(own, 0o777);
        made.set(volume.name, { folder: own });
      } else
        throw new VolumeProblem(
          `the embedded cluster gives its own programs no ${kind} volume; use emptyDir, configMap, secret, downwardAPI, projected or persistentVolumeClaim`,
        );
    }
  };

  /** Where a mount's content is, or undefined when it was copied to its place, as what is mounted once does not change. */
  const source = async (
    container: Container,
    { name, subPath = '' }: { name: string; subPath?: string | undefined },
    place: string,
  ): Promise<string | undefined> => {
    const volume = made.get(name);
    if (volume === undefined) throw new VolumeProblem(`volume "${name}" is not mounted`);
    if (subPath === '') return volume.folder;
    const refused = `failed to prepare subPath for volumeMount "${name}" of container "${container.name}"`;
    if (volume.content === undefined) {
      const found = await within(volume.folder, subPath).catch(() => undefined);
      if (found === undefined) throw new VolumeProblem(refused);
      return found;
    }
    if (subPath.split('/').includes('..')) throw new VolumeProblem(refused);
    const from = join(volume.folder, subPath);
    if (await stat(from).catch(() => undefined))
      await cp(from, place, { recursive: true, dereference: true });
    else await mkdir(place);
    return undefined;
  };

  const prepare = async (container: Container, environment: ReadonlyMap<string, string>): Promise<View> => {
    const root = join(folder, 'containers', container.name, 'rootfs');
    await removeTree(root);
    const mounted = (container.volumeMounts ?? []).map((mount) => ({
      ...mount,
      at: posix.normalize(`/${mount.mountPath}`).replace(/\/$/, ''),
      subPath: mount.subPathExpr ? expand(mount.subPathExpr, (name) => environment.get(name)) : mount.subPath,
    }));
    for (const { at } of mounted) {
      const over = mounted.find((other) => at.startsWith(`${other.at}/`));
      if (at === '' || over !== undefined)
        throw new VolumeProblem(
          over === undefined
            ? 'a volume cannot be mounted at /'
            : `the embedded cluster cannot mount a volume at ${at}, as another is mounted at ${over.at}`,
        );
    }
    await mkdir(root, { recursive: true });
    if (!mounted.some(({ at }) => at === TEMPORARY)) await mkdir(join(root, TEMPORARY));
    const mounts: Mount[] = [];
    for (const mount of mounted) {
      const place = join(root, mount.at);
      await mkdir(dirname(place), { recursive: true });
      const from = await source(container, mount, place);
      if (from === undefined) continue;
      await symlink(from, place);
      const readOnly = mount.readOnly === true || made.get(mount.name)?.content !== undefined;
      mounts.push({ at: mount.at, folder: from, readOnly });
    }
    const log = posix.normalize(`/${container.terminationMessagePath ?? TERMINATION_LOG}`);
    if (!mounts.some(({ at }) => log.startsWith(`${at}/`))) {
      await mkdir(dirname(join(root, log)), { recursive: true });
      await writeFile(join(root, log), '');
    }
    return { root, mounts, cwd: container.workingDir ?? WORKING_DIRECTORY };
  };

  return {
    sync: async (sources, containers) => {
      const used = new Set(
        containers.flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name)),
      );
      const problems: string[] = [];
      for (const volume of sources.pod.spec?.volumes ?? []) {
        if (!used.has(volume.name)) continue;
        await make(volume, sources).catch((error: unknown) => {
          const why = error instanceof Error ? error.message : String(error);
          problems.push(`MountVolume.SetUp failed for volume "${volume.name}" : ${why}`);
        });
      }
      return problems;
    },
    prepare,
    remove: () => removeTree(folder),
  };
};
