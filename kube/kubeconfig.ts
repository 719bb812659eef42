/** Connections from kubeconfig files. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileCredentials, mergeSources } from './connection.js';
import type { Connection, CredentialSource, Credentials, ProxySettings } from './connection.js';
import { cannotConnect } from './errors.js';
import { execCredentials } from './exec-credentials.js';
import type { ExecConfig } from './exec-credentials.js';

export interface KubeconfigOptions {
  /** Files in order of precedence; of several, those that do not exist are passed over. */
  paths: readonly string[];
  /** Default: the files' current-context. */
  context?: string | undefined;
  /** Environment of exec credential plugins, to which the kubeconfig adds. Default empty. */
  env?: Readonly<Record<string, string | undefined>> | undefined;
  /** For clusters without a proxy-url of their own. */
  proxy?: ProxySettings | undefined;
  /** Milliseconds after which credential files are read again. Default 10 000. */
  rereadMs?: number | undefined;
}

interface Cluster {
  server?: string;
  'certificate-authority'?: string;
  'certificate-authority-data'?: string;
  'insecure-skip-tls-verify'?: boolean;
  'tls-server-name'?: string;
  'proxy-url'?: string;
  extensions?: { name: string; extension?: unknown }[];
}

interface User {
  'client-certificate'?: string;
  'client-certificate-data'?: string;
  'client-key'?: string;
  'client-key-data'?: string;
  token?: string;
  tokenFile?: string;
  username?: string;
  password?: string;
  as?: string;
  'as-uid'?: string;
  'as-groups'?: string[];
  'as-user-extra'?: Record<string, string[]>;
  exec?: ExecConfig;
  'auth-provider'?: { name?: string };
}

interface Context {
  cluster?: string;
  user?: string;
  namespace?: string;
}

/** An entry and the folder that its relative paths start from. */
interface Entry<T> {
  value: T;
  folder: string;
}

interface Kubeconfig {
  currentContext: string | undefined;
  clusters: Map<string, Entry<Cluster>>;
  users: Map<string, Entry<User>>;
  contexts: Map<string, Entry<Context>>;
}

/** Rejects with KubeError `unreachable` that says which file, context, cluster or user is wrong. */
export async function kubeconfigConnection(options: KubeconfigOptions): Promise<Connection> {
  const config = await loadKubeconfig(options.paths);
  const files = options.paths.join(', ');
  const name = options.context ?? config.currentContext;
  if (!name) {
    throw cannotConnect(
      `The kubeconfig ${files} has no current-context; choose one of ${known(config.contexts)}.`,
    );
  }
  const context = config.contexts.get(name)?.value;
  if (!context) {
    throw cannotConnect(
      `The kubeconfig ${files} has no context "${name}"; it has ${known(config.contexts)}.`,
    );
  }
  const cluster = config.clusters.get(context.cluster ?? '');
  if (!cluster) {
    throw cannotConnect(
      `The context "${name}" names the cluster "${context.cluster ?? ''}", which the kubeconfig ${files} does not have; it has ${known(config.clusters)}.`,
    );
  }
  const { server } = cluster.value;
  if (!server || !/^https?:\/\//.test(server) || !URL.canParse(server)) {
    throw cannotConnect(
      `The cluster "${context.cluster}" of the kubeconfig ${files} has the server ${JSON.stringify(server ?? '')}, which is no http or https URL.`,
    );
  }
  const user = config.users.get(context.user ?? '');
  if (!user && context.user) {
    throw cannotConnect(
      `The context "${name}" names the user "${context.user}", whom the kubeconfig ${files} does not have; it has ${known(config.users)}.`,
    );
  }

  const credentials = credentialsOf(cluster, user ?? { value: {}, folder: '.' }, context.user ?? '', options);
  await credentials.get();
  const proxyUrl = cluster.value['proxy-url'];
  return {
    how: 'kubeconfig',
    url: server.replace(/\/+$/, ''),
    context: name,
    namespace: context.namespace || undefined,
    insecureSkipTlsVerify: cluster.value['insecure-skip-tls-verify'] === true,
    tlsServerName: cluster.value['tls-server-name'] || undefined,
    proxy: proxyUrl ? { url: proxyUrl } : options.proxy,
    credentials,
  };
}

function credentialsOf(
  { value: cluster, folder: clusterFolder }: Entry<Cluster>,
  { value: user, folder }: Entry<User>,
  userName: string,
  { env = {}, rereadMs }: KubeconfigOptions,
): CredentialSource {
  const provider = user['auth-provider']?.name;
  if (provider !== undefined && !user.exec) {
    throw cannotConnect(
      `The user "${userName}" of the kubeconfig has the auth-provider "${provider}", which Kubernetes has removed; use an exec plugin.`,
    );
  }
  const ca = decode(cluster['certificate-authority-data']);
  const cert = decode(user['client-certificate-data']);
  const key = decode(user['client-key-data']);
  const headers = impersonation(user);
  const fixed: Credentials = {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(headers && { headers }),
    ...authorization(user),
  };
  const path = (file: string | undefined, from = folder) => (file ? resolve(from, file) : undefined);
  const files = fileCredentials(
    {
      // As kubectl has it: data goes before a file, but a token's file before a token.
      ca: ca === undefined ? path(cluster['certificate-authority'], clusterFolder) : undefined,
      cert: cert === undefined ? path(user['client-certificate']) : undefined,
      key: key === undefined ? path(user['client-key']) : undefined,
      token: path(user.tokenFile),
    },
    rereadMs,
    fixed,
  );
  if (!user.exec) return files;
  return mergeSources(
    files,
    execCredentials(user.exec, {
      folder,
      env,
      cluster: async () => clusterInfo(cluster, (await files.get()).ca),
    }),
  );
}

function authorization(user: User): Credentials {
  if (user.token) return { authorization: `Bearer ${user.token}` };
  if (user.username === undefined) return {};
  const login = Buffer.from(`${user.username}:${user.password ?? ''}`).toString('base64');
  return { authorization: `Basic ${login}` };
}

function impersonation(user: User): Credentials['headers'] {
  if (!user.as) return undefined;
  const headers: [string, string][] = [['Impersonate-User', user.as]];
  if (user['as-uid']) headers.push(['Impersonate-Uid', user['as-uid']]);
  for (const group of user['as-groups'] ?? []) headers.push(['Impersonate-Group', group]);
  for (const [key, values] of Object.entries(user['as-user-extra'] ?? {})) {
    for (const value of values) headers.push([`Impersonate-Extra-${encodeURIComponent(key)}`, value]);
  }
  return headers;
}

/** What a plugin with provideClusterInfo is told. */
const clusterInfo = (cluster: Cluster, ca: string | undefined) => ({
  server: cluster.server,
  'tls-server-name': cluster['tls-server-name'],
  'insecure-skip-tls-verify': cluster['insecure-skip-tls-verify'],
  'certificate-authority-data': ca && Buffer.from(ca).toString('base64'),
  'proxy-url': cluster['proxy-url'],
  config: cluster.extensions?.find(({ name }) => name === 'client.authentication.k8s.io/exec')?.extension,
});

async function loadKubeconfig(paths: readonly string[]): Promise<Kubeconfig> {
  const config: Kubeconfig = {
    currentContext: undefined,
    clusters: new Map(),
    users: new Map(),
    contexts: new Map(),
  };
  let found = 0;
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return undefined;
      throw cannotConnect(`The kubeconfig ${path} cannot be read: ${cause.message}.`, cause);
    });
    if (text === undefined) continue;
    found++;
    const file = await parse(path, text);
    const folder = dirname(resolve(path));
    config.currentContext ||=
      typeof file['current-context'] === 'string' ? file['current-context'] : undefined;
    collect(config.clusters, file['clusters'], 'cluster', folder);
    collect(config.users, file['users'], 'user', folder);
    collect(config.contexts, file['contexts'], 'context', folder);
  }
  if (found === 0) {
    throw cannotConnect(`There is no kubeconfig at ${paths.join(' or ') || 'any path: none was given'}.`);
  }
  return config;
}

async function parse(path: string, text: string): Promise<Record<string, unknown>> {
  if (text.trim() === '') throw cannotConnect(`The kubeconfig ${path} is empty.`);
  const value = parseJson(text) ?? (await parseYaml(path, text));
  if (typeof value !== 'object' || value === null)
    throw cannotConnect(`The kubeconfig ${path} holds no object.`);
  return value as Record<string, unknown>;
}

/** JSON is YAML that needs no parser of its own: undefined for the rest. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function parseYaml(path: string, text: string): Promise<unknown> {
  // Only where YAML is really read.
  const { load } = await import('js-yaml');
  try {
    return load(text);
  } catch (cause) {
    throw cannotConnect(`The kubeconfig ${path} is not YAML: ${(cause as Error).message}`, cause);
  }
}

/** Adds a file's entries; of two with one name the first stays. */
function collect<T>(into: Map<string, Entry<T>>, list: unknown, field: string, folder: string): void {
  if (!Array.isArray(list)) return;
  for (const item of list as ({ name?: string } & Record<string, unknown>)[]) {
    if (item?.name && !into.has(item.name)) into.set(item.name, { value: (item[field] ?? {}) as T, folder });
  }
}

const decode = (data: string | undefined) =>
  data ? Buffer.from(data, 'base64').toString('utf8') : undefined;

const known = (entries: ReadonlyMap<string, unknown>) =>
  [...entries.keys()].map((name) => `"${name}"`).join(', ') || 'none';
