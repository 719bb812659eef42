/** What a peer can be told: the flags of the Go sidecar as they stand, their `--long` forms, and environment variables. */
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { placeOf } from '../place/place.js';
import type { Place } from '../place/place.js';
import { memberProblem } from './chain/bounds.js';
import { SETTINGS, settingOf, usage } from './settings.js';
import type { Key } from './settings.js';

export interface PeerOptions {
  /** Folder of the chain. */
  readonly repo: string;
  /** Address that others dial, and that the peer listens on. */
  readonly host: string;
  readonly port: number;
  readonly name: string;
  /** File or folder of the state; none when undefined. */
  readonly statePath: string | undefined;
  /** Taken for the sake of the Go sidecar's manifests. */
  readonly otlp: string | undefined;
  readonly verbose: boolean;
  readonly opsHost: string;
  readonly opsPort: number;
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string | undefined } | undefined;
  readonly compactMb: number;
  readonly compactBlocks: number;
  readonly compactHours: number;
  readonly keepBlocks: number;
  /** Whether appended blocks are synced to disk before they count. */
  readonly sync: boolean;
}

export class OptionsError extends Error {
  override readonly name = 'OptionsError';
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The first address of the machine that is not its loopback. */
function ownAddress(): string {
  const found = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80'));
  return (found.find(({ family }) => family === 'IPv4') ?? found[0])?.address ?? '127.0.0.1';
}

function parseFlags(argv: readonly string[]): Map<Key, string> {
  const given = new Map<Key, string>();
  for (let i = 0; i < argv.length; i++) {
    const found = settingOf(argv[i]!);
    if (found === undefined) throw new OptionsError(`'${argv[i]}' is no flag of lightpeer\n\n${usage()}`);
    const {
      setting: [key, setting],
      inline,
    } = found;
    if (inline !== undefined) given.set(key, inline);
    else if (setting.switch === true) given.set(key, 'true');
    else {
      const value = argv[++i];
      if (value === undefined) throw new OptionsError(`-${setting.flag} needs a value`);
      given.set(key, value);
    }
  }
  return given;
}

/** Reads flags and environment; flags win. Throws OptionsError that says what is wrong and what is allowed. */
export function readOptions(
  argv: readonly string[],
  environment: Environment,
): { readonly options: PeerOptions; readonly place: Place } {
  const given = parseFlags(argv);
  const place = placeOf(environment);
  const text = (key: Key): string =>
    (given.get(key) ?? environment[SETTINGS[key].variable]) || SETTINGS[key].byDefault;
  const whole = (key: Key, least: number, most: number): number => {
    const value = Number(text(key));
    if (!Number.isInteger(value) || value < least || value > most)
      throw new OptionsError(
        `-${SETTINGS[key].flag} (${SETTINGS[key].variable}) is '${text(key)}': give a whole number from ${least} to ${most}`,
      );
    return value;
  };
  const yes = (key: Key): boolean => {
    const value = text(key).toLowerCase();
    if (!['true', 't', '1', 'false', 'f', '0'].includes(value))
      throw new OptionsError(
        `-${SETTINGS[key].flag} (${SETTINGS[key].variable}) is '${value}': give true or false`,
      );
    return ['true', 't', '1'].includes(value);
  };
  const path = (key: Key): string | undefined => (text(key) === '' ? undefined : place.path(text(key)));
  const host = text('host') === '' ? environment['XI_POD_IP'] || ownAddress() : place.host(text('host'));
  const bare = host.replace(/^\[|\]$/g, '');
  if (isIP(bare) === 0 && host !== 'localhost')
    throw new OptionsError(`-host (XI_PEER_HOST) is '${host}': give the IP address that other peers dial`);
  if (/^(0\.0\.0\.0|[0:]+)$/.test(bare))
    throw new OptionsError(
      `-host (XI_PEER_HOST) is '${host}': give the one address that other peers dial, or none`,
    );
  const unfit = memberProblem({ address: host, name: text('name') });
  if (unfit !== undefined) throw new OptionsError(`-name (XI_PEER_NAME): ${unfit}`);
  const cert = path('tlsCert');
  const key = path('tlsKey');
  if ((cert === undefined) !== (key === undefined))
    throw new OptionsError('-tls-cert and -tls-key go together: give both or neither');
  if (cert === undefined && path('tlsCa') !== undefined)
    throw new OptionsError(
      '-tls-ca (XI_PEER_TLS_CA) is given without -tls-cert and -tls-key: give these too, or this peer would speak plain text',
    );
  return {
    place,
    options: {
      repo: path('repo')!,
      host,
      port: whole('port', 1, 65_535),
      name: text('name'),
      statePath: path('statePath'),
      otlp: text('otlp') === '' ? undefined : text('otlp'),
      verbose: yes('verbose'),
      opsHost: text('opsHost') === '' ? host : place.host(text('opsHost')),
      opsPort: whole('opsPort', 0, 65_535),
      tls: cert === undefined || key === undefined ? undefined : { cert, key, ca: path('tlsCa') },
      compactMb: whole('compactMb', 1, 1 << 20),
      compactBlocks: whole('compactBlocks', 10, 100_000_000),
      compactHours: whole('compactHours', 1, 1_000_000),
      keepBlocks: whole('keepBlocks', 1, 10_000_000),
      sync: yes('sync'),
    },
  };
}
