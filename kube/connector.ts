/** Opens sockets to the API server: TLS, directly or through a proxy. */
import type { buildConnector } from 'undici';
import createUndiciConnector from 'undici/lib/core/connect.js';
import type { Connection, Credentials } from './connection.js';
import { openTunnel, bypassesProxy } from './proxy.js';

const CONNECT_TIMEOUT_MS = 10_000;

/** undici's connect function for this connection. Its errors never carry undici's codes, for which it would try for ever. */
export function createConnector(connection: Connection, credentials: Credentials): buildConnector.connector {
  const direct = createUndiciConnector({
    timeout: CONNECT_TIMEOUT_MS,
    ...(credentials.ca !== undefined && { ca: credentials.ca }),
    ...(credentials.cert !== undefined && { cert: credentials.cert }),
    ...(credentials.key !== undefined && { key: credentials.key }),
    ...(connection.tlsServerName !== undefined && { servername: connection.tlsServerName }),
    rejectUnauthorized: connection.insecureSkipTlsVerify !== true,
  });
  const { proxy } = connection;
  if (!proxy || bypassesProxy(new URL(connection.url), proxy.noProxy ?? [])) return direct;

  return (options, callback) => {
    const port = Number(options.port) || (options.protocol === 'https:' ? 443 : 80);
    openTunnel(new URL(proxy.url), { host: options.hostname, port }, CONNECT_TIMEOUT_MS).then(
      (socket) => {
        if (options.protocol === 'https:') direct({ ...options, httpSocket: socket }, callback);
        else callback(null, socket);
      },
      (error: Error) => callback(error, null),
    );
  };
}
