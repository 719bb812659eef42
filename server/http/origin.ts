/** Who may talk to the loopback listener: nobody whom a web page of another site sent (DNS rebinding, cross-site posts). */
import type { IncomingHttpHeaders } from 'node:http';
import { AppError } from '../errors.js';

const LOOPBACK_HOST = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(:\d{1,5})?$/i;

const hostName = (host: string): string => host.replace(/:\d{1,5}$/, '').toLowerCase();

/**
 * Refuses headers that a browser sends for another site.
 * @param allowedHosts names that Host may have beside loopback's own, any port.
 * @throws AppError `forbidden_origin`
 */
export function checkOrigin(headers: IncomingHttpHeaders, allowedHosts: ReadonlySet<string>): void {
  const { host = '', origin } = headers;
  if (!LOOPBACK_HOST.test(host) && !allowedHosts.has(hostName(host)))
    throw new AppError(
      'forbidden_origin',
      `The Host header is ${JSON.stringify(host)}; this listener serves localhost only. More names go into XI_ALLOWED_HOSTS.`,
    );
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`)
    throw new AppError(
      'forbidden_origin',
      `The Origin header is ${JSON.stringify(origin)}, another site than ${host}.`,
    );
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    throw new AppError(
      'forbidden_origin',
      `The browser says that the call comes from another site (${String(site)}).`,
    );
}
