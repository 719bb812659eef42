/**
 * The `portforward` subresource of pods: a SPDY session, bare or inside a WebSocket, in which each connection is a pair of
 * streams, `data` and `error`, with the headers `port` and `requestID` in common.
 */
import type { Duplex } from 'node:stream';
import { createSpdySession } from '../../../kube/streams/spdy-session.js';
import type { SpdyStream } from '../../../kube/streams/spdy-stream.js';
import { webSocketDuplex } from '../../../kube/streams/websocket-duplex.js';
import type { ResourceCall, ResourceHandler } from '../resource-call.js';
import type { SubresourceDeps } from '../subresources.js';
import { streamTarget } from './pod.js';
import type { StreamTarget } from './pod.js';
import {
  acceptSpdy,
  acceptWebSocket,
  negotiate,
  offeredSpdy,
  offeredWebSocket,
  refuse,
  requireUpgrade,
  wantsWebSocket,
} from './upgrade.js';

const PROTOCOL = 'portforward.k8s.io';
const TUNNEL = 'SPDY/3.1+';
/** How long one stream of a pair waits for the other, in milliseconds. */
const PAIR_MS = 30_000;

interface Pair {
  readonly data: SpdyStream;
  readonly error: SpdyStream;
  readonly port: number;
}

export const createPortForwardHandler =
  (deps: SubresourceDeps): ResourceHandler =>
  async (call) => {
    const target = streamTarget(deps, call);
    const transport = await accept(call);
    if (transport === undefined) return;
    const gone = new AbortController();
    const session = createSpdySession(transport, {
      role: 'server',
      onStream: createPairing((pair) => void forward(target, pair, gone.signal)),
    });
    const ended = deps.onStream(() => session.destroy(new Error('the server is closed')));
    void session.closed.then(() => {
      ended();
      gone.abort();
    });
  };

async function accept(call: ResourceCall): Promise<Duplex | undefined> {
  requireUpgrade(call);
  if (!wantsWebSocket(call.request)) {
    const protocol = negotiate(call, offeredSpdy(call.request), [PROTOCOL]);
    return protocol === undefined ? undefined : acceptSpdy(call, protocol);
  }
  const tunnels = offeredWebSocket(call.request).filter((protocol) => protocol.startsWith(TUNNEL));
  if (tunnels.length === 0) {
    refuse(call, 400, `unable to upgrade: no tunneling spdy protocols provided: offer ${TUNNEL}${PROTOCOL}`);
    return undefined;
  }
  const inner = tunnels.map((protocol) => protocol.slice(TUNNEL.length));
  const protocol = negotiate(call, inner, [PROTOCOL]);
  const socket = protocol === undefined ? undefined : await acceptWebSocket(call, TUNNEL + protocol);
  return socket === undefined ? undefined : webSocketDuplex(socket);
}

/** Brings the two streams of a connection together. What it answers throws for a stream that is none of a pair. */
function createPairing(whole: (pair: Pair) => void): (stream: SpdyStream) => void {
  const halves = new Map<string, { stream: SpdyStream; timer: NodeJS.Timeout }>();
  return (stream) => {
    const { port = '', streamtype: type = '' } = stream.headers;
    if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535)
      throw new Error(`unable to parse ${JSON.stringify(port)} as a port`);
    if (type !== 'data' && type !== 'error') throw new Error(`invalid stream type ${JSON.stringify(type)}`);
    // Clients that send no id open the error stream and then the data stream, one connection at a time.
    const id = stream.headers.requestid ?? String(type === 'error' ? stream.id : stream.id - 2);
    const half = halves.get(id);
    if (half === undefined) {
      const timer = setTimeout(() => {
        halves.delete(id);
        stream.destroy();
      }, PAIR_MS);
      timer.unref();
      halves.set(id, { stream, timer });
      return;
    }
    const other = half.stream;
    if (other.headers.streamtype === type)
      throw new Error(`error processing stream for request ${id}: ${type} stream already assigned`);
    clearTimeout(half.timer);
    halves.delete(id);
    const [data, error] = type === 'data' ? [stream, other] : [other, stream];
    whole({ data, error, port: Number(data.headers.port) });
  };
}

/** One connection, from its streams' pairing to its end. */
async function forward(target: StreamTarget, pair: Pair, gone: AbortSignal): Promise<void> {
  const { namespace, name, uid, runtime } = target;
  const { data, error, port } = pair;
  const left = new AbortController();
  const signal = AbortSignal.any([gone, left.signal]);
  data.once('reset', () => left.abort());
  error.resume();
  try {
    await join(data, await runtime.connect(namespace, name, port, signal), signal);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    if (!signal.aborted) error.write(`error forwarding port ${port} to pod ${uid}, uid : ${why}`);
    data.destroy();
  }
  error.end();
}

/** Resolves when the connection is over; rejects when it failed before the pod's side had ended it. */
function join(data: SpdyStream, connection: Duplex, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let ended = false;
    const leave = (): void => void connection.destroy();
    signal.addEventListener('abort', leave, { once: true });
    connection
      .once('end', () => (ended = true))
      .once('error', (error) => (ended ? resolve() : reject(error)))
      .once('close', () => {
        signal.removeEventListener('abort', leave);
        // What the caller still sends goes nowhere, and must not hold up the other connections.
        data.resume();
        if (ended) resolve();
        else reject(new Error('the connection was closed'));
      });
    data.pipe(connection).pipe(data);
    if (signal.aborted) leave();
  });
}
