/** Requests that ask for another protocol: what becomes of them, and how the connection is taken over. */
import { ServerResponse } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { MAX_MESSAGE } from '../../../kube/streams/channels.js';
import { badRequest } from '../errors.js';
import type { ResourceCall } from '../resource-call.js';

/** The connection of a request that asks for another protocol, and the bytes that came behind the request. */
export interface Upgrade {
  readonly socket: Duplex;
  readonly head: Buffer;
}

type Handle = (request: IncomingMessage, response: ServerResponse, upgrade?: Upgrade) => void;

const WEBSOCKET = 'websocket';
const SPDY = 'spdy/3.1';
/** Headers that only say that another protocol would be welcome. */
const OFFER = /^(upgrade|connection|http2-settings)$/i;

const wanted = ({ headers }: IncomingMessage): string => (headers.upgrade ?? '').toLowerCase();
export const wantsWebSocket = (request: IncomingMessage): boolean => wanted(request) === WEBSOCKET;

/**
 * Requests for a WebSocket or SPDY are handled like all others, with the connection at hand; those for another protocol
 * (h2c, for one) as if they had not asked.
 */
export function handleUpgrades(server: Server, handle: Handle): void {
  server.on('upgrade', (request: IncomingMessage, duplex, head: Buffer) => {
    // The HTTP server's connections are sockets.
    const socket = duplex as Socket;
    if (wanted(request) !== WEBSOCKET && wanted(request) !== SPDY) {
      const lines = [`${request.method ?? 'GET'} ${request.url ?? '/'} HTTP/${request.httpVersion}`];
      const { rawHeaders } = request;
      for (let i = 0; i < rawHeaders.length; i += 2)
        if (!OFFER.test(rawHeaders[i] ?? ''))
          lines.push(`${rawHeaders[i] ?? ''}: ${rawHeaders[i + 1] ?? ''}`);
      socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
      server.emit('connection', socket);
      return;
    }
    socket.on('error', () => undefined);
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once('finish', () => socket.end());
    handle(request, response, { socket, head });
  });
}

/** The connection of a call that asks for another protocol. Throws 400 for one that does not, as the API server does. */
export function requireUpgrade({ upgrade }: ResourceCall): Upgrade {
  if (upgrade === undefined) throw badRequest('Upgrade request required');
  return upgrade;
}

/** An answer in plain text: what a kubelet refuses a connection with. */
export function refuse(
  { response }: ResourceCall,
  code: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(code, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

/**
 * The WebSocket of a call, speaking this subprotocol. What is no good request for one is answered, and undefined is the
 * result.
 */
export async function acceptWebSocket(call: ResourceCall, protocol: string): Promise<WebSocket | undefined> {
  const { socket, head } = requireUpgrade(call);
  // Loaded when it is first needed: it costs memory and time that the start can do without.
  const { WebSocketServer } = await import('ws');
  call.response.detachSocket(socket as Socket);
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE,
  });
  // The library takes no subprotocol with a slash, as Kubernetes' has, so it is not told of any.
  delete call.request.headers['sec-websocket-protocol'];
  server.once('headers', (headers) => headers.push(`Sec-WebSocket-Protocol: ${protocol}`));
  let accepted: WebSocket | undefined;
  server.handleUpgrade(call.request, socket, head, (webSocket) => (accepted = webSocket));
  accepted?.on('error', () => undefined);
  return accepted;
}

/** The bare connection of a call, as a SPDY session whose streams speak this protocol. */
export function acceptSpdy(call: ResourceCall, protocol: string): Duplex {
  const { socket, head } = requireUpgrade(call);
  call.response.detachSocket(socket as Socket);
  (socket as Socket).setNoDelay(true);
  if (head.length > 0) socket.unshift(head);
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
  );
  return socket;
}

/** The subprotocols that a WebSocket request offers. */
export const offeredWebSocket = ({ headers }: IncomingMessage): string[] =>
  words(headers['sec-websocket-protocol']);

/** The stream protocols that a SPDY request offers. */
export const offeredSpdy = ({ headers }: IncomingMessage): string[] =>
  words(headers['x-stream-protocol-version']);

const words = (header: string | string[] | undefined): string[] =>
  String(header ?? '')
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');

/**
 * The first offered protocol that is served. One that none is, is answered as a kubelet does, and undefined is the result.
 */
export function negotiate(
  call: ResourceCall,
  offered: readonly string[],
  served: readonly string[],
): string | undefined {
  const found = offered.find((protocol) => served.includes(protocol));
  if (found === undefined && offered.length === 0)
    refuse(call, 400, 'unable to upgrade: X-Stream-Protocol-Version is required\n');
  else if (found === undefined)
    refuse(
      call,
      403,
      `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(' ')}], server accepts [${served.join(' ')}]\n`,
      { 'x-accepted-stream-protocol-versions': served.join(', ') },
    );
  return found;
}
