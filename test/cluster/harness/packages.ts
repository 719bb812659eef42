/** The programs that come from Debian packages, installed when they are absent. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Failure, run, step } from './steps.js';

/** What is looked for (a program, or a path), and the package that has it. */
const NEEDED: Readonly<Record<string, string>> = {
  buildah: 'buildah',
  busybox: 'busybox-static',
  conntrack: 'conntrack',
  containerd: 'containerd',
  ctr: 'containerd',
  ip: 'iproute2',
  iptables: 'iptables',
  ldd: 'libc-bin',
  mount: 'mount',
  nft: 'nftables',
  openssl: 'openssl',
  runc: 'runc',
  setpriv: 'util-linux',
  unshare: 'util-linux',
  '/etc/ssl/certs/ca-certificates.crt': 'ca-certificates',
  '/usr/lib/cni/bridge': 'containernetworking-plugins',
};

const SYSTEM = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** PATH with the folders for the system's programs, which a plain user's lacks. */
export const systemPath = (): string => [process.env['PATH'] ?? '', ...SYSTEM].join(delimiter);

/** The path of a program, or undefined. */
export const which = (program: string): string | undefined =>
  systemPath()
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find((file) => existsSync(file));

const missing = (): string[] => [
  ...new Set(
    Object.entries(NEEDED)
      .filter(([what]) => (what.startsWith('/') ? !existsSync(what) : which(what) === undefined))
      .map(([, name]) => name),
  ),
];

/** Installs what is missing with apt-get; throws Failure that names the packages where that cannot be done. */
export const installPackages = async (): Promise<void> => {
  const names = missing();
  if (names.length === 0) return;
  if (which('apt-get') === undefined)
    throw new Failure(
      `these programs are missing, and there is no apt-get to install them: ${names.join(', ')}`,
    );
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const options = ['-qq', '-o', 'DPkg::Lock::Timeout=300'];
  const apt = (...args: string[]): Promise<string> => run(['apt-get', ...options, ...args], { env });
  await step(
    `installs ${names.join(', ')}`,
    async () => {
      await apt('update');
      await apt('install', '-y', '--no-install-recommends', ...names);
    },
    true,
  );
  const still = missing();
  if (still.length > 0) throw new Failure(`still missing after apt-get install: ${still.join(', ')}`);
};
