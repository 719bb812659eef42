/** The sidecar's settings, as a table. It imports nothing: every program looks here whether its first argument is a flag of the sidecar. */

interface Setting {
  readonly flag: string;
  readonly variable: string;
  readonly about: string;
  /** Counts also where the setting is given and empty. */
  readonly byDefault: string;
  readonly switch?: true;
}

/** Flag → what it is. A flag is given as -flag VALUE, -flag=VALUE, or with two dashes. */
export const SETTINGS = {
  repo: {
    flag: 'repo',
    variable: 'XI_PEER_REPO',
    about: 'Folder of the chain; made when missing.',
    byDefault: './blocks',
  },
  host: {
    flag: 'host',
    variable: 'XI_PEER_HOST',
    about: "Address to listen on, and that others dial. The pod's own by default.",
    byDefault: '',
  },
  port: { flag: 'port', variable: 'XI_PEER_PORT', about: 'Port of the gRPC service.', byDefault: '9081' },
  name: { flag: 'name', variable: 'XI_PEER_NAME', about: 'Name of the peer in member lists.', byDefault: '' },
  statePath: {
    flag: 'statePath',
    variable: 'XI_PEER_STATE_PATH',
    about: 'File or folder that is shared; none when empty.',
    byDefault: '',
  },
  otlp: {
    flag: 'otlp',
    variable: 'XI_PEER_OTLP',
    about: 'Taken and not used: metrics are on the port of health.',
    byDefault: '',
  },
  verbose: { flag: 'v', variable: 'XI_PEER_VERBOSE', about: 'Log more.', byDefault: 'false', switch: true },
  opsHost: {
    flag: 'ops-host',
    variable: 'XI_PEER_OPS_HOST',
    about: 'Address of health and metrics; that of the peer by default.',
    byDefault: '',
  },
  opsPort: {
    flag: 'ops-port',
    variable: 'XI_PEER_OPS_PORT',
    about: 'Port of /healthz, /readyz and /metrics; 0 takes a free one.',
    byDefault: '9082',
  },
  tlsCert: {
    flag: 'tls-cert',
    variable: 'XI_PEER_TLS_CERT',
    about: 'File of the certificate; with it peers speak TLS only.',
    byDefault: '',
  },
  tlsKey: {
    flag: 'tls-key',
    variable: 'XI_PEER_TLS_KEY',
    about: "File of the certificate's key.",
    byDefault: '',
  },
  tlsCa: {
    flag: 'tls-ca',
    variable: 'XI_PEER_TLS_CA',
    about: 'File of the authority that other peers must be certified by.',
    byDefault: '',
  },
  compactMb: {
    flag: 'compact-mb',
    variable: 'XI_PEER_COMPACT_MB',
    about: 'Compact the chain above this size in MiB.',
    byDefault: '256',
  },
  compactBlocks: {
    flag: 'compact-blocks',
    variable: 'XI_PEER_COMPACT_BLOCKS',
    about: 'Compact the chain above this number of blocks.',
    byDefault: '200000',
  },
  compactHours: {
    flag: 'compact-hours',
    variable: 'XI_PEER_COMPACT_HOURS',
    about: 'Compact blocks older than this.',
    byDefault: '168',
  },
  keepBlocks: {
    flag: 'keep-blocks',
    variable: 'XI_PEER_KEEP_BLOCKS',
    about:
      'How many of the newest blocks compaction leaves; above the size as many as fill half of it, if fewer.',
    byDefault: '10000',
  },
  sync: {
    flag: 'sync',
    variable: 'XI_PEER_SYNC',
    about: 'Sync blocks to disk before they count; false only for measuring.',
    byDefault: 'true',
  },
} as const satisfies Record<string, Setting>;

export type Key = keyof typeof SETTINGS;

const settings = Object.entries(SETTINGS) as [Key, Setting][];

/** The lines of `--help`. */
export const usage = (): string =>
  [
    'Usage: xi-k8s lightpeer [flags]',
    '',
    ...settings.map(
      ([, { flag, variable, about, byDefault }]) =>
        `  -${flag.padEnd(16)} ${variable.padEnd(24)} ${about}${byDefault === '' ? '' : ` [${byDefault}]`}`,
    ),
    '',
  ].join('\n');

/** The setting that an argument names, and the value that stands in it. */
export function settingOf(
  argument: string,
): { readonly setting: readonly [Key, Setting]; readonly inline?: string } | undefined {
  const [, name, , inline] = /^--?([a-zA-Z-]+)(=(.*))?$/s.exec(argument) ?? [];
  const setting = settings.find(
    ([key, { flag }]) => flag === name || key.toLowerCase() === name?.replaceAll('-', '').toLowerCase(),
  );
  return setting && { setting, ...(inline !== undefined && { inline }) };
}

/** Whether an argument is a flag of the sidecar. */
export const isFlag = (argument: string): boolean => settingOf(argument) !== undefined;
