/** The streams of one remote command, over a WebSocket's channels or as streams of a SPDY session. */
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { CHANNEL, openChannels } from '../../../kube/streams/channels.js';
import { createSpdySession } from '../../../kube/streams/spdy-session.js';
import type { SpdyStream } from '../../../kube/streams/spdy-stream.js';
import type { JsonObject } from '../json.js';
import type { ExecStreams } from '../pod-runtime.js';
import type { ResourceCall } from '../resource-call.js';
import { acceptSpdy, acceptWebSocket } from './upgrade.js';

/** Which streams the caller asks for. */
export interface Wanted {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

export interface CommandStreams extends ExecStreams {
  /** Fires when the caller has gone. */
  readonly signal: AbortSignal;
  /** Sends how the command ended, and closes everything. */
  end(status: JsonObject): Promise<void>;
  /** Closes everything at once. */
  destroy(): void;
}

/** How long a caller may take to open its SPDY streams, in milliseconds. */
const OPEN_MS = 30_000;

/** Undefined when the request is none for a WebSocket; it is answered then. */
export async function webSocketStreams(
  call: ResourceCall,
  protocol: string,
  wanted: Wanted,
): Promise<CommandStreams | undefined> {
  const socket = await acceptWebSocket(call, protocol);
  if (socket === undefined) return undefined;
  const channels = openChannels(socket, protocol);
  const gone = new AbortController();
  void channels.closed.then(() => gone.abort());
  const { stdin, stdout, stderr, error } = CHANNEL;
  // An empty message on the first channel says that the connection stands.
  socket.send(Buffer.from([wanted.stdout ? stdout : wanted.stderr ? stderr : error]));
  return {
    stdin: wanted.stdin ? channels.readable(stdin) : undefined,
    stdout: wanted.stdout ? channels.writable(stdout) : undefined,
    stderr: wanted.stderr ? channels.writable(stderr) : undefined,
    signal: gone.signal,
    end(status) {
      channels.writable(error).end(JSON.stringify(status));
      channels.close();
      return channels.closed.then(() => undefined);
    },
    destroy: () => channels.destroy(),
  };
}

/** Resolves when the caller has opened its streams; rejects when it does not. */
export function spdyStreams(call: ResourceCall, protocol: string, wanted: Wanted): Promise<CommandStreams> {
  const streams = new Map<string, SpdyStream>();
  const gone = new AbortController();
  const needed = ['error', ...(['stdin', 'stdout', 'stderr'] as const).filter((name) => wanted[name])];
  return new Promise((resolve, reject) => {
    const session = createSpdySession(acceptSpdy(call, protocol), {
      role: 'server',
      onStream(stream) {
        const { streamtype: type = '' } = stream.headers;
        if (streams.has(type) || ![...needed, 'resize'].includes(type))
          throw new Error(`unexpected stream type: ${JSON.stringify(type)}`);
        streams.set(type, stream);
        if (type !== 'stdin') stream.resume();
        // The last one is accepted when this returns.
        if (needed.every((name) => streams.has(name))) setImmediate(() => resolve(opened()));
      },
    });
    const fail = (error: Error): void => {
      session.destroy(error);
      reject(error);
    };
    const timer = setTimeout(
      () => fail(new Error('timed out waiting for client to create streams')),
      OPEN_MS,
    );
    void session.closed.then((error) => {
      clearTimeout(timer);
      gone.abort();
      reject(error ?? new Error('the connection was closed'));
    });
    const opened = (): CommandStreams => {
      clearTimeout(timer);
      return {
        stdin: streams.get('stdin'),
        stdout: streams.get('stdout'),
        stderr: streams.get('stderr'),
        signal: gone.signal,
        async end(status) {
          streams.get('error')?.write(JSON.stringify(status));
          // The caller's leaving would not be seen behind input that nobody reads any more.
          streams.get('stdin')?.resume();
          await Promise.allSettled([...streams.values()].map(endWritable));
          session.close();
        },
        destroy: () => session.destroy(new Error('the server is closed')),
      };
    };
  });
}

const endWritable = (stream: Writable): Promise<void> => {
  stream.end();
  return finished(stream, { readable: false });
};
