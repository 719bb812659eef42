/** What a plugin is told when it starts, checked and completed from the environment. */
import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ConnectError } from '../../connect/index.js';
import type { Handler } from '../../connect/index.js';
import type { Method } from './method.js';

type Awaitable<T> = T | Promise<T>;

/** A service that the plugin offers to others. */
export interface ProvidedService {
  /** What others ask for: `storage`. */
  readonly type: string;
  /** A semantic version: `1.2.0`. Others ask for a least one. */
  readonly version: string;
  /** Below which its methods lie, with slashes at both ends: `/storage.v1.Storage/`. */
  readonly path: string;
  /** Methods of JSON or query parameters by name: `Store` answers at `/storage.v1.Storage/Store`, to GET and to POST. */
  readonly methods?: Readonly<Record<string, Method>>;
  /** Methods of a protobuf service, made by `unary` and `serverStream`. */
  readonly handlers?: readonly Handler[];
  /** Answers all else below `path`, with Node's own request and response: for uploads, downloads, servers that are there. */
  readonly listener?: (request: IncomingMessage, response: ServerResponse) => void;
  /** Told to those who discover it. `base_url` is added. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A service that the plugin needs. It is degraded, and names this type, for as long as nobody provides it. */
export interface RequiredService {
  readonly type: string;
  /** Default: any version. */
  readonly minVersion?: string;
  /** Whether a host that manages the plugin starts it only when this is there. Default: true. */
  readonly requiredForStartup?: boolean;
}

/** Where lines for people go. */
export interface PluginLog {
  info(text: string): void;
  warn(text: string): void;
}

export interface PluginOptions {
  /** The plugin's own name, which its runtime id begins with: `storage-plugin`. */
  readonly id: string;
  /** Its semantic version. */
  readonly version: string;
  readonly provides?: readonly ProvidedService[];
  readonly requires?: readonly RequiredService[];
  /** Usually `process.env`: HOST_URL, MANAGED_BY, PORT, HOSTNAME and XI_PLUGIN_TOKEN_FILE are read. An option of its own wins. Default: {}. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** The host that it goes to. Default: HOST_URL; with neither it waits for a host that manages it. */
  readonly hostUrl?: string;
  /** The only host that may manage it. Default: MANAGED_BY, else whichever comes first and answers. */
  readonly managedBy?: string;
  /** Port to listen on; 0 takes a free one. Default: PORT, else 8080. */
  readonly port?: number;
  /** Address to listen on. Default: 0.0.0.0, as others and the probes of Kubernetes come by the pod's address. */
  readonly host?: string;
  /** Where the host reaches it. A function is asked again at every heartbeat. Default: `http://HOSTNAME:PORT`, of localhost. */
  readonly baseUrl?: string | (() => string);
  /** Maps each address to listen on or to dial, for a process that plays a pod. Default: as it is. */
  readonly address?: (address: string) => string;
  /** Proves at the handshake who it is; asked for at each. Default: the content of the file XI_PLUGIN_TOKEN_FILE, if set. */
  readonly token?: string | (() => Awaitable<string>);
  /** Of GetPluginInfo. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Default: none. */
  readonly log?: PluginLog;
  /** Milliseconds between reports of health. Default: 3,000. */
  readonly heartbeatMs?: number;
  /** Milliseconds that calls have to end when it stops. Default: 10,000. */
  readonly graceMs?: number;
  /** Largest body of a call to `methods` or `handlers`. Default: 4 MiB. */
  readonly bodyLimitBytes?: number;
  /** Milliseconds in which the body of such a call must have come. Default: 30,000. */
  readonly bodyTimeoutMs?: number;
  /** Version of the plugins' own protocol, which the host must have too. Default: 1. */
  readonly appProtocolVersion?: number;
  /** What the host shows that it is one. Default: connect-plugin's own. */
  readonly cookie?: { readonly key: string; readonly value: string };
}

/** Options with their defaults. */
export interface Settings {
  readonly id: string;
  readonly version: string;
  readonly provides: readonly ProvidedService[];
  readonly requires: readonly Required<RequiredService>[];
  readonly hostUrl: string | undefined;
  readonly port: number;
  readonly host: string;
  /** The base URL, once the port is known. */
  readonly baseUrl: (port: number) => string;
  readonly address: (address: string) => string;
  readonly managedBy: string | undefined;
  readonly token: (() => Awaitable<string>) | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly log: PluginLog;
  readonly heartbeatMs: number;
  readonly graceMs: number;
  readonly bodyLimitBytes: number;
  readonly bodyTimeoutMs: number;
  readonly appProtocolVersion: number;
  readonly cookie: { readonly key: string; readonly value: string };
}

const COOKIE = { key: 'CONNECT_PLUGIN', value: 'd3f40b3c2e1a5f8b9c4d7e6a1b2c3d4e' };
const SILENT: PluginLog = { info: () => undefined, warn: () => undefined };

const NAME = /^[A-Za-z](?:[\w-]|\.(?!\.)){0,127}$/;
const SEMVER =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;
const PATH = /^\/(?:[\w.~-]+\/)+$/;

const wrong = (what: string): ConnectError => new ConnectError('invalid_argument', what);

function checkName(what: string, name: string): void {
  if (!NAME.test(name))
    throw wrong(
      `${what} '${name}': give a letter, then at most 127 letters, digits, '.', '_' and '-', such as storage-plugin`,
    );
}

function checkVersion(what: string, version: string): void {
  if (!SEMVER.test(version)) throw wrong(`${what} '${version}' is no semantic version, such as 1.2.0`);
}

function checkPath(type: string, path: string): void {
  if (!PATH.test(path) || /\/\.{1,2}\//.test(path))
    throw wrong(
      `service ${type}: the path '${path}' must look like /storage.v1.Storage/, with slashes at both ends`,
    );
}

function checkServices(services: readonly ProvidedService[]): void {
  const paths = new Map<string, string>();
  const types = new Set<string>();
  for (const { type, version, path, methods, handlers, listener } of services) {
    checkName('service type', type);
    checkVersion(`service ${type}: the version`, version);
    checkPath(type, path);
    if (types.has(type)) throw wrong(`service ${type} is provided twice; one plugin provides a type once`);
    types.add(type);
    const other = [...paths].find(([taken]) => taken.startsWith(path) || path.startsWith(taken));
    if (other !== undefined)
      throw wrong(`services ${other[1]} and ${type} share the path ${path}; give each one of its own`);
    paths.set(path, type);
    if (methods === undefined && handlers === undefined && listener === undefined)
      throw wrong(`service ${type} answers nothing; give it methods, handlers or a listener`);
    for (const handler of handlers ?? [])
      if (!handler.path.startsWith(path))
        throw wrong(`service ${type}: its handler ${handler.path} does not lie below its path ${path}`);
  }
}

function checkRequires(services: readonly RequiredService[]): void {
  const types = new Set<string>();
  for (const { type, minVersion } of services) {
    checkName('required service', type);
    if (types.has(type)) throw wrong(`service ${type} is required twice; say once which version it needs`);
    types.add(type);
    if (minVersion !== undefined) checkVersion(`required service ${type}: the version`, minVersion);
  }
}

/** An http URL without a slash at its end. Throws when it is none, or has a query, a fragment or a user. */
export function checkUrl(what: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' || url.search + url.hash + url.username + url.password !== '')
    throw wrong(`${what} '${text}' must be an http URL, such as http://localhost:8080`);
  return text.replace(/\/+$/, '');
}

function portOf(option: number | undefined, variable: string | undefined): number {
  const port = option ?? (variable === undefined || variable === '' ? 8080 : Number(variable));
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw wrong(`PORT '${option ?? variable}' is no port; give a number from 0 to 65535`);
  return port;
}

const given = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

function baseUrlOf({ baseUrl, environment, address = same }: PluginOptions): (port: number) => string {
  const name = given(environment?.['HOSTNAME']) ?? 'localhost';
  // Kubernetes gives addresses of IPv6 without the brackets that a URL needs.
  const hostname = isIPv6(name) ? `[${name}]` : name;
  return (port) => {
    const url = typeof baseUrl === 'function' ? baseUrl() : (baseUrl ?? `http://${hostname}:${port}`);
    return checkUrl('the base URL', address(url));
  };
}

function tokenOf(option: PluginOptions['token'], file: string | undefined): Settings['token'] {
  if (typeof option === 'string') return () => option;
  // Kubernetes renews what is in the file.
  if (option === undefined && file !== undefined) return () => tokenIn(file);
  return option;
}

async function tokenIn(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    const message = `XI_PLUGIN_TOKEN_FILE cannot be read: ${(cause as Error).message}`;
    throw new ConnectError('failed_precondition', message, { cause });
  }
}

const same = (address: string): string => address;

/** Checks options and fills in what they leave open. Throws ConnectError `invalid_argument`, which names the option. */
export function settingsOf(options: PluginOptions): Settings {
  const { id, version, provides = [], requires = [], environment = {}, address = same } = options;
  checkName('plugin id', id);
  checkVersion(`plugin ${id}: the version`, version);
  checkServices(provides);
  checkRequires(requires);
  const baseUrl = baseUrlOf(options);
  // A function may not know it yet.
  if (typeof options.baseUrl !== 'function') baseUrl(1);
  const hostUrl = options.hostUrl ?? given(environment['HOST_URL']);
  const managedBy = options.managedBy ?? given(environment['MANAGED_BY']);
  return {
    id,
    version,
    provides,
    requires: requires.map(({ type, minVersion = '', requiredForStartup = true }) => ({
      type,
      minVersion,
      requiredForStartup,
    })),
    hostUrl: hostUrl === undefined ? undefined : address(checkUrl('HOST_URL', hostUrl)),
    managedBy: managedBy === undefined ? undefined : address(checkUrl('MANAGED_BY', managedBy)),
    port: portOf(options.port, environment['PORT']),
    host: address(options.host ?? '0.0.0.0'),
    baseUrl,
    address,
    token: tokenOf(options.token, given(environment['XI_PLUGIN_TOKEN_FILE'])),
    metadata: options.metadata ?? {},
    log: options.log ?? SILENT,
    heartbeatMs: options.heartbeatMs ?? 3_000,
    graceMs: options.graceMs ?? 10_000,
    bodyLimitBytes: options.bodyLimitBytes ?? 4 << 20,
    bodyTimeoutMs: options.bodyTimeoutMs ?? 30_000,
    appProtocolVersion: options.appProtocolVersion ?? 1,
    cookie: options.cookie ?? COOKIE,
  };
}
