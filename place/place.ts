/**
 * Where a program of ours runs. As a pod of the embedded cluster it is a process of this machine: `localhost` is then the
 * pod's own loopback address, and absolute paths lie in the pod's folder, so that an operator and a plugin pod can both
 * listen on `localhost:8080` and read `/etc/config`. Everywhere else all stays as it is.
 *
 * Every program applies it where it reads its settings, to each address that it listens on or dials, to each base URL and
 * to each path.
 */
import { isAbsolute, join, normalize, sep } from 'node:path';

export interface Place {
  /** The embedded cluster's API, for a process that plays one of its pods; undefined everywhere else. */
  readonly api: string | undefined;
  /** A host to listen on or to dial. Loopback and "all addresses" become the pod's address. */
  host(host: string): string;
  /** A URL or `host:port` to dial. */
  address(address: string): string;
  /** A path; an absolute one lies in the pod's folder, `..` does not lead out of it. */
  path(path: string): string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const HERE = /^(localhost|127\.0\.0\.1|\[?::1\]?|0\.0\.0\.0|\[?::\]?)$/i;
const AUTHORITY = /^([a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?)?(\[[^\]]*\]|[^:/?#]*)/i;

const ELSEWHERE: Place = {
  api: undefined,
  host: (host) => host,
  address: (address) => address,
  path: (path) => path,
};

/**
 * The place that the kubelet of the embedded cluster describes by XI_POD_ROOT (the pod's folder), XI_POD_IP and XI_POD_API.
 * Without XI_POD_ROOT: this machine, or a real pod.
 */
export function placeOf(environment: Environment): Place {
  const { XI_POD_ROOT: root, XI_POD_IP: ip, XI_POD_API: api } = environment;
  if (root === undefined || root === '') return ELSEWHERE;
  if (ip === undefined || api === undefined)
    throw new Error('XI_POD_ROOT is set, but not XI_POD_IP and XI_POD_API, which belong to it');
  const host = (given: string): string => (HERE.test(given) ? ip : given);
  return {
    api,
    host,
    address: (address) =>
      address.replace(
        AUTHORITY,
        (_, scheme: string | undefined, name: string) => (scheme ?? '') + host(name),
      ),
    // Relative paths too: the folder of the process is not the pod's.
    path: (path) => join(root, normalize(isAbsolute(path) ? path : sep + path)),
  };
}
