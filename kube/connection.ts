/** Where the API server is and how to prove who we are to it. */
import { join } from 'node:path';
import { cannotConnect } from './errors.js';
import { rereadFile } from './files.js';
import type { ClusterInfo } from './kube.js';

/** What proves us to the server and the server to us. All of it may rotate; PEM texts. */
export interface Credentials {
  /** Value of the Authorization header. */
  authorization?: string | undefined;
  /** Authorities that may sign the server's certificate; the system's when absent. */
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  /** Further headers of every call (impersonation). */
  headers?: readonly (readonly [name: string, value: string])[] | undefined;
}

/** Asked before every call, so it must be cheap; the same object as long as nothing has changed. */
export interface CredentialSource {
  /** Throws or rejects with KubeError `unreachable` when there are none to be had. */
  get(): Credentials | Promise<Credentials>;
  /** The server answered 401 to `used`: get them anew at the next `get`. */
  renew(used: Credentials): void;
}

export interface ProxySettings {
  /** `http://`, `https://` or `socks5://` URL of the proxy, with user and password when it wants them. */
  url: string;
  /** Hosts that are reached directly: names (with their subdomains), addresses, CIDR blocks, `host:port`, or `*`. */
  noProxy?: readonly string[] | undefined;
}

export interface Connection extends ClusterInfo {
  /** The namespace of the kubeconfig's context. */
  readonly namespace?: string | undefined;
  readonly insecureSkipTlsVerify?: boolean | undefined;
  /** The name that the server's certificate must carry, when it is not the URL's host. */
  readonly tlsServerName?: string | undefined;
  readonly proxy?: ProxySettings | undefined;
  readonly credentials?: CredentialSource | undefined;
}

/** An API server that asks for no credentials. */
export const plainConnection = (options: { url: string; how: ClusterInfo['how'] }): Connection => ({
  ...options,
});

/** Where the kubelet mounts a pod's ServiceAccount. */
export const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface InClusterOptions {
  /** KUBERNETES_SERVICE_HOST. */
  host: string;
  /** KUBERNETES_SERVICE_PORT. Default 443. */
  port?: number | string | undefined;
  /** Folder with `token` and `ca.crt`. Default: where the kubelet mounts the ServiceAccount. */
  directory?: string | undefined;
  proxy?: ProxySettings | undefined;
  /** Milliseconds after which the files are read again, since the kubelet rotates them. Default 10 000. */
  rereadMs?: number | undefined;
}

/** The API server as a pod sees it. Rejects with KubeError `unreachable` when the ServiceAccount is not mounted. */
export async function inClusterConnection(options: InClusterOptions): Promise<Connection> {
  const directory = options.directory ?? SERVICE_ACCOUNT;
  const host =
    options.host.includes(':') && !options.host.startsWith('[') ? `[${options.host}]` : options.host;
  const credentials = fileCredentials(
    { token: join(directory, 'token'), ca: join(directory, 'ca.crt') },
    options.rereadMs,
  );
  await credentials.get();
  return {
    how: 'in-cluster',
    url: `https://${host}:${options.port ?? 443}`,
    credentials,
    proxy: options.proxy,
  };
}

export interface CredentialFiles {
  token?: string | undefined;
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
}

/** Credentials that live in files; `fixed` holds what does not. Files are read again every `rereadMs` and after a 401. */
export function fileCredentials(
  paths: CredentialFiles,
  rereadMs = 10_000,
  fixed: Credentials = {},
): CredentialSource {
  const kinds = (['token', 'ca', 'cert', 'key'] as const).flatMap((kind) => {
    const path = paths[kind];
    return path === undefined ? [] : [{ kind, path, file: rereadFile(path, rereadMs) }];
  });
  let current: Credentials | undefined;
  let seen: readonly string[] = [];

  const combine = (texts: readonly string[]): Credentials => {
    if (current && texts.every((text, i) => text === seen[i])) return current;
    const next: Credentials = { ...fixed };
    kinds.forEach(({ kind, path }, i) => {
      const text = texts[i] ?? '';
      if (text.trim() === '') {
        throw cannotConnect(`The file ${path} is empty; it should hold the ${KIND_NAMES[kind]}.`);
      }
      if (kind === 'token') next.authorization = `Bearer ${text.trim()}`;
      else next[kind] = text;
    });
    seen = texts;
    return (current = next);
  };

  return {
    get() {
      const fresh = kinds.map(({ file }) => file.fresh());
      if (fresh.every((text) => text !== undefined)) return combine(fresh);
      return Promise.all(kinds.map(({ kind, file }) => file.read(KIND_NAMES[kind]))).then(combine);
    },
    renew(used) {
      if (used === current) for (const { file } of kinds) file.expire();
    },
  };
}

/** Both sources in one; the second's values win. */
export function mergeSources(first: CredentialSource, second: CredentialSource): CredentialSource {
  let parts: readonly [Credentials, Credentials] | undefined;
  let merged: Credentials | undefined;

  const merge = (a: Credentials, b: Credentials): Credentials => {
    if (merged && parts?.[0] === a && parts[1] === b) return merged;
    parts = [a, b];
    return (merged = { ...a, ...b });
  };

  return {
    get() {
      const [a, b] = [first.get(), second.get()];
      if (a instanceof Promise || b instanceof Promise)
        return Promise.all([a, b]).then(([x, y]) => merge(x, y));
      return merge(a, b);
    },
    renew(used) {
      if (used !== merged || !parts) return;
      first.renew(parts[0]);
      second.renew(parts[1]);
    },
  };
}

const KIND_NAMES = {
  token: "ServiceAccount's or user's token",
  ca: "cluster's CA certificate",
  cert: 'client certificate',
  key: "client certificate's key",
};
