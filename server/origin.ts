/** Who may talk to a loopback listener: nobody whom a web page of another site sent (DNS rebinding, cross-site posts). */
import type { IncomingHttpHeaders } from 'node:http';
import { isIPv4 } from 'node:net';

/** Whether a host, a name or an address without brackets, is this machine's or pod's own. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));

const LOOPBACK_HOST = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(:\d{1,5})?$/i;

const hostName = (host: string): string => host.replace(/:\d{1,5}$/, '').toLowerCase();

/**
 * Why a request is not answered: its headers are what a browser sends for another site. Undefined when they are not.
 * @param allowedHosts names that Host may have beside loopback's own, any port.
 * @param setting the variable that more names go into, if there is one.
 */
export function foreign(
  headers: IncomingHttpHeaders,
  allowedHosts: ReadonlySet<string>,
  setting?: string,
): string | undefined {
  // HTTP/2 has `:authority` in its place.
  const { host = String(headers[':authority'] ?? ''), origin } = headers;
  if (!LOOPBACK_HOST.test(host) && !allowedHosts.has(hostName(host)))
    return `The Host header is ${JSON.stringify(host)}; this listener serves localhost only.${setting === undefined ? '' : ` More names go into ${setting}.`}`;
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`)
    return `The Origin header is ${JSON.stringify(origin)}, another site than ${host}.`;
  const site = headers['sec-fetch-site'];
  return site === undefined || site === 'same-origin' || site === 'none'
    ? undefined
    : `The browser says that the call comes from another site (${String(site)}).`;
}
