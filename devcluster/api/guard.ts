/** Who may talk to a server that trusts everybody on its loopback address: nobody whom a web page sent. */
import type { IncomingMessage } from 'node:http';
import { ApiError } from './errors.js';

const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(:\d{1,5})?$/i;

/** True for an address of the loopback interface. */
export const isLoopbackHost = (host: string): boolean =>
  LOOPBACK.test(host.includes(':') && !host.startsWith('[') ? `[${host}]` : host);

/** Throws 403 for requests under another name than a loopback one and for those of other sites. */
export function checkRequest({ headers }: IncomingMessage): void {
  const refuse = (why: string): never => {
    throw new ApiError({ code: 403, reason: 'Forbidden', message: `forbidden: ${why}`, details: {} });
  };
  const host = headers.host ?? '';
  if (!LOOPBACK.test(host))
    refuse(`the Host header ${JSON.stringify(host)} is not localhost, 127.0.0.0/8 or [::1]`);
  const { origin } = headers;
  if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`)
    refuse(`the Origin ${JSON.stringify(origin)} is not this server's`);
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    refuse(`a ${String(site)} request of a browser is not served`);
}
