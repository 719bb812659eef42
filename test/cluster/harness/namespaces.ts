/** Prepares the new namespaces: file systems of the cluster's own over what it would change outside, and a network. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NODE_IP, SERVICE_CIDR } from './addresses.js';
import { MOUNT_POINTS } from './leftovers.js';
import { run } from './steps.js';

/** Kernel settings that are the machine's and that a kubelet changes; it sees these values as already set. */
const KERNEL_SETTINGS: Readonly<Record<string, string>> = {
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/keys/root_maxbytes': '25000000',
};

/**
 * Mounts memory file systems on the state folder and wherever a component writes by a built-in path, so that all of it
 * vanishes with the namespace. From here on `state` is empty.
 */
export const mountFileSystems = async (state: string): Promise<void> => {
  for (const folder of [state, '/run', '/var/log', ...MOUNT_POINTS]) {
    await mkdir(folder, { recursive: true });
    await run(['mount', '-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', folder]);
  }
  const settings = join(state, 'kernel-settings');
  await mkdir(settings);
  await Promise.all(
    Object.entries(KERNEL_SETTINGS).map(async ([name, value]) => {
      const file = join(settings, name.replaceAll('/', '.'));
      await writeFile(file, `${value}\n`);
      await run(['mount', '--bind', file, `/proc/sys/${name}`]);
    }),
  );
};

/** Loopback, and one link that leads nowhere and has the node's address; what is not of the cluster is unreachable at once. */
export const makeNetwork = async (): Promise<void> => {
  const commands = [
    'link set lo up',
    'link add node type veth peer name nowhere',
    `addr add ${NODE_IP}/24 dev node`,
    'link set node up',
    'link set nowhere up',
    // Routes are looked up before a Service's address is translated to a pod's.
    `route add ${SERVICE_CIDR} dev node`,
    'route add unreachable default',
  ];
  for (const command of commands) await run(['ip', ...command.split(' ')]);
  await writeFile('/proc/sys/net/ipv4/ip_forward', '1\n');
};
