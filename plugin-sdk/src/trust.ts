/** Who may tell the plugin who it is, and that it is to stop: its host, and nobody else who reaches its port. */
import { lookup } from 'node:dns/promises';
import { ConnectError } from '../../connect/index.js';
import type { Identity, Link } from './link.js';
import { checkUrl } from './options.js';
import type { Settings } from './options.js';

export interface Trust {
  /** The identity, ready for use. Throws ConnectError when the caller may not give one, or it is none. */
  identity(given: Identity, from: string): Identity;
  /** Rejects with ConnectError `permission_denied` when the caller is not the host. */
  maySayStop(from: string): Promise<void>;
}

const plain = (address: string): string => address.replace(/^::ffff:/i, '');
const isLoopback = (address: string): boolean => /^127\.|^::1$/.test(plain(address));

export function createTrust(settings: Settings, link: Pick<Link, 'host' | 'inTouch' | 'doubt'>): Trust {
  const { id, hostUrl: ownHost, managedBy } = settings;
  let manager: string | undefined;

  const addresses = async (): Promise<string[]> => {
    if (ownHost === undefined) return manager === undefined ? [] : [manager];
    const { hostname } = new URL(ownHost);
    const found = await lookup(hostname.replace(/^\[|\]$/g, ''), { all: true }).catch(() => []);
    return found.map(({ address }) => plain(address));
  };

  return {
    identity({ runtimeId, runtimeToken, hostUrl }, from) {
      if (ownHost !== undefined)
        throw new ConnectError(
          'failed_precondition',
          `${id} goes to its host ${ownHost} by itself; start it without HOST_URL to manage it`,
        );
      const url = settings.address(checkUrl('host_url', hostUrl));
      if (managedBy !== undefined && new URL(url).href !== new URL(managedBy).href)
        throw new ConnectError(
          'permission_denied',
          `${id} may be managed by ${managedBy} only, not by ${url}`,
        );
      const known = link.host()?.identity;
      const isSame = known?.runtimeId === runtimeId && known.runtimeToken === runtimeToken;
      if (known !== undefined && link.inTouch() && !isSame && manager !== plain(from)) {
        link.doubt(known);
        throw new ConnectError(
          'permission_denied',
          `${id} is managed by the host ${known.hostUrl}, which answers`,
        );
      }
      if (runtimeId === '' || runtimeToken === '')
        throw new ConnectError('invalid_argument', `runtime_id and runtime_token must be given to ${id}`);
      manager = plain(from);
      return { runtimeId, runtimeToken, hostUrl: url };
    },
    async maySayStop(from) {
      if (isLoopback(from) || (await addresses()).includes(plain(from))) return;
      throw new ConnectError('permission_denied', `only its host may stop ${id}, not ${plain(from)}`);
    },
  };
}
