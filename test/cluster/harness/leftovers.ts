/**
 * What a running cluster has outside its namespaces, and taking it away: an empty folder in /tmp that names its owner,
 * the folders that its file systems are mounted on, and the control group of its pods. All else is in the namespaces.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PREFIX = 'xi-k8s-cluster-';

/** Not os.tmpdir(): socket paths must be short, and Kubernetes' host-path provisioner writes to /tmp in any case. */
const TMP = '/tmp';

/** Folders outside that some component writes to by a path built into it; each cluster mounts its own there. */
export const MOUNT_POINTS = ['/tmp/hostpath_pv', '/var/lib/cni'] as const;

/** A process as `PID STARTED`, which another one with the same number does not share; '' when it is gone. */
const identity = async (pid: number | string): Promise<string> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  return state === undefined || stat === '' || state === 'Z' ? '' : `${pid} ${fields[19] ?? ''}`;
};

const ownerLives = async (state: string): Promise<boolean> => {
  const owner = await readFile(join(state, 'owner'), 'utf8').catch(() => '');
  return owner !== '' && (await identity(owner.split(' ')[0] ?? '')) === owner;
};

const states = async (): Promise<string[]> =>
  (await readdir(TMP)).filter((name) => name.startsWith(PREFIX)).map((name) => join(TMP, name));

/** Every mounted control group hierarchy: one in version 2, one a controller in version 1. */
const hierarchies = async (): Promise<string[]> =>
  (await readFile('/proc/mounts', 'utf8'))
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'cgroup' || type === 'cgroup2')
    .map(([, path = '']) => path);

/** The control group under which a cluster's kubelet puts its pods, so that two kubelets never see each other's. */
export const cgroupOf = (state: string): string => `/${basename(state)}`;

/** Makes a cluster's folder and control group. The folder's mount points are made inside, where they are used. */
export const createState = async (): Promise<string> => {
  const state = await mkdtemp(join(TMP, PREFIX));
  await writeFile(join(state, 'owner'), await identity(process.pid));
  for (const root of await hierarchies()) {
    await mkdir(join(root, cgroupOf(state)));
    await delegate(root, join(root, cgroupOf(state)));
  }
  return state;
};

/** In version 2 a group has the controllers that its parents hand down; version 1 has no such file. */
const delegate = async (...groups: string[]): Promise<void> => {
  for (const group of groups) {
    const controllers = await readFile(join(group, 'cgroup.controllers'), 'utf8').catch(() => '');
    for (const name of controllers.split(/\s+/).filter(Boolean))
      await writeFile(join(group, 'cgroup.subtree_control'), `+${name}`).catch(() => undefined);
  }
};

const removeGroup = async (group: string): Promise<void> => {
  const entries = await readdir(group, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeGroup(join(group, entry.name));
  await rmdir(group).catch(() => undefined);
};

/** Takes away what a cluster that has ended had outside. Waits up to 20 s for its last processes to go. */
export const removeState = async (state: string): Promise<void> => {
  for (let tries = 0; tries < 200; tries += 1, await sleep(100)) {
    const groups = (await hierarchies())
      .map((root) => join(root, cgroupOf(state)))
      .filter((path) => existsSync(path));
    if (groups.length === 0) break;
    for (const group of groups) await removeGroup(group);
  }
  await rm(state, { recursive: true, force: true });
  const others = await Promise.all((await states()).map(ownerLives));
  // To remove a folder takes away what another namespace has mounted on it: only the last cluster may.
  if (!others.includes(true)) for (const folder of MOUNT_POINTS) await rmdir(folder).catch(() => undefined);
};

/** Takes away what clusters left whose harness, and its watchdog, were killed. */
export const removeStale = async (): Promise<void> => {
  for (const state of await states()) if (!(await ownerLives(state))) await removeState(state);
};
