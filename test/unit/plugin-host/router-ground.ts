/** A host with the real registry and router on a real port, plugins on others, and callers that see each byte. */
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { Http2ServerRequest, Http2ServerResponse, ServerOptions } from 'node:http2';
import { connect, createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { Test } from 'tap';
import { listenBoth } from '../../../connect/index.js';
import { createRegistry } from '../../../server/plugin-host/registry/registry.js';
import type { RegistryOptions } from '../../../server/plugin-host/registry/registry.js';
import { createRouter } from '../../../server/plugin-host/router/router.js';
import type { RouterOptions } from '../../../server/plugin-host/router/router.js';
import { freePort } from '../../helpers/free-port.js';

export interface Line {
  readonly level: 'info' | 'warn';
  readonly fields: Record<string, unknown>;
  readonly text: string;
}

interface HostOptions {
  readonly router?: Partial<RouterOptions>;
  readonly registry?: Partial<RegistryOptions>;
}

export async function startHost(t: Test, options: HostOptions = {}) {
  const lines: Line[] = [];
  const routed: { labels: Record<string, unknown>; seconds: number }[] = [];
  const write = (level: Line['level']) => (fields: object, text: string) =>
    void lines.push({ level, fields: { ...fields }, text });
  const log = { info: write('info'), warn: write('warn') };
  const metrics = {
    routed: (labels: object, seconds: number) => void routed.push({ labels: { ...labels }, seconds }),
    registered: () => undefined,
  };
  const registry = createRegistry({ log, metrics, allowBaseUrl: () => undefined, ...options.registry });
  const router = createRouter({ routes: registry, log, metrics, ...options.router });
  const listener = await listenBoth({
    host: '127.0.0.1',
    port: 0,
    onRequest: (request, response) => {
      if (!router(request, response)) response.writeHead(418).end('not routed');
    },
  });
  t.teardown(async () => {
    await listener.close(0);
    router.close();
    await registry.close();
  });
  const caller = registry.admit(admission('api-plugin', [], []));
  const identity = {
    'x-plugin-runtime-id': caller.runtimeId,
    authorization: `Bearer ${caller.token}`,
  };
  /** A provider of the type at these URLs; its runtime id. */
  const provide = (type: string, urls: readonly string[], metadata: Record<string, string> = {}) => {
    const { runtimeId } = registry.admit(admission(`${type}-plugin`, urls, [type], metadata));
    return runtimeId;
  };
  return { port: listener.port, registry, router, lines, routed, caller, identity, provide };
}

const admission = (
  selfId: string,
  baseUrls: readonly string[],
  types: readonly string[],
  metadata: Record<string, string> = {},
) => ({
  selfId,
  selfVersion: '1.0.0',
  origin: 'managed' as const,
  baseUrls,
  provides: types.map((type) => ({ type, version: '1.0.0', path: `/${type}.v1.S/`, metadata })),
  requires: {},
});

export type Host = Awaited<ReturnType<typeof startHost>>;

/** The host's caller, as lines of a head. */
export const identityLines = ({ identity }: Host): string =>
  Object.entries(identity)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');

async function listening(
  t: Test,
  server: Server | ReturnType<typeof createTcpServer>,
  host: string,
  port: number,
) {
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  const at = (server.address() as AddressInfo).port;
  const stop = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  t.teardown(stop);
  return {
    url: `http://${host}:${at}`,
    port: at,
    sockets,
    /** Connections that were ever opened to it. */
    opened: () => connections,
    stop,
  };
}

/** A plugin that speaks HTTP/1.1. */
export const http1Plugin = (t: Test, handle: RequestListener, { host = '127.0.0.1', port = 0 } = {}) =>
  listening(t, createServer({ keepAliveTimeout: 30_000 }, handle), host, port);

/** A plugin that speaks h2c alone. */
export const h2cPlugin = (
  t: Test,
  handle: (request: Http2ServerRequest, response: Http2ServerResponse) => void,
  options: ServerOptions = {},
) => listening(t, createHttp2Server(options, handle), '127.0.0.1', 0);

/** A plugin that says what it likes. */
export const rawPlugin = (t: Test, handle: (socket: Socket) => void) =>
  listening(t, createTcpServer(handle), '127.0.0.1', 0);

/** An address of which every connection is refused. */
export const refusing = async (): Promise<string> => `http://127.0.0.1:${await freePort()}`;

/** A plugin's echo: what it saw of the request, and the body's length. */
export const mirror: RequestListener = (request, response) => {
  let size = 0;
  request.on('data', (chunk: Buffer) => (size += chunk.length));
  request.on('end', () => {
    const { method, url, headers, rawTrailers } = request;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ method, url, headers, size, trailers: rawTrailers }));
  });
};

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly trailers: IncomingMessage['trailers'];
  readonly text: string;
  /** Whether the body came to its end. */
  readonly complete: boolean;
}

interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

/** One HTTP/1.1 call on a connection of its own. */
export function call(
  host: Host,
  path: string,
  { method = 'POST', headers = {}, body = '' }: Asked = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        ...{ host: '127.0.0.1', port: host.port, path, method, agent: false },
        headers: { ...host.identity, 'content-length': Buffer.byteLength(body), ...headers },
      },
      (response) => {
        let text = '';
        response.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
        response.on('error', () => undefined);
        response.on('close', () => {
          const { statusCode: status = 0, headers, trailers, complete } = response;
          resolve({ status, headers, trailers, text, complete });
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** Sends bytes as they are, and answers all that comes until the host closes the connection, or the text says that it has. */
export function rawCall(
  port: number,
  bytes: string | Buffer,
  enough: (text: string) => boolean,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect({ host: '127.0.0.1', port });
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      text += chunk.toString();
      if (enough(text)) socket.destroy();
    });
    socket.on('error', reject).on('close', () => resolve(text));
    socket.write(bytes);
  });
}

export const errorOf = ({ text }: Pick<Answer, 'text'>) =>
  JSON.parse(text) as { code: string; message: string };

/** Those of the log's lines that tell of routed calls. */
export const routerLines = (host: Host) => host.lines.filter(({ text }) => text.startsWith('[ROUTER]'));
