/** Connections to peers: few at once, kept for a while, closed when idle or broken. */
import { Client, credentials } from '@grpc/grpc-js';
import type { ChannelCredentials, ClientOptions } from '@grpc/grpc-js';
import { connect } from 'node:net';
import type { PeerAt } from '../ports.js';

/** Where to connect to for a peer, and how to undo what that took. */
export interface Way {
  /** A gRPC target: `ip:port`, or `unix:/path`. */
  readonly target: string;
  /** What went wrong on it last, where gRPC sees no more than a broken connection. */
  trouble?(): Error | undefined;
  close(): Promise<void>;
}
export type FindWay = (peer: PeerAt) => Promise<Way>;
/** What to speak TLS with, read anew for each connection. */
export type FindTls = () => Promise<ChannelCredentials>;

/** How long a peer's machine may take to accept a connection, in milliseconds. */
const CONNECT_MS = 2_000;

/**
 * Straight to the peer's address: inside the cluster, and for the pods of the embedded one. A bare connection is tried first: a
 * pod without a peer is met often, and costs a hundred times less so than by gRPC, whose words for it are also worse.
 */
export const straight: FindWay = (peer) =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(`tcp://${peer.address}`);
    const socket = connect({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port),
      timeout: CONNECT_MS,
    });
    socket.on('error', reject);
    socket.on('timeout', () =>
      socket.destroy(new Error(`nothing accepted the connection within ${CONNECT_MS / 1000} s`)),
    );
    socket.on('connect', () => {
      socket.destroy();
      resolve({ target: peer.address, close: () => Promise.resolve() });
    });
  });

/** Most connections that are kept at once, and how long an idle one is, in milliseconds. */
const MOST = 100;
const IDLE_MS = 30_000;
/** A Lightblock of the largest payload, and a page of them. */
const MAX_MESSAGE_BYTES = 16 << 20;

const OPTIONS: ClientOptions = {
  // Pods are never behind the proxy of the environment.
  'grpc.enable_http_proxy': 0,
  // A persist is never sent twice.
  'grpc.enable_retries': 0,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  // What a connection by TLS asks for: an address is no name, and a socket's path none either.
  'grpc.ssl_target_name_override': 'lightpeer',
  // Each connection is one peer's own, and ends with it.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 5_000,
};

interface Entry {
  readonly client: Client;
  readonly way: Way;
  users: number;
  broken: boolean;
  idle?: NodeJS.Timeout;
}

export interface Clients {
  /** Lends a connection. `broken` says that it is not to be lent again. */
  use<T>(
    peer: PeerAt,
    work: (client: Client, way: Way) => Promise<T>,
    broken: (error: unknown) => boolean,
  ): Promise<T>;
  /** The same for a stream, which holds it as long as it runs. */
  stream<T>(
    peer: PeerAt,
    work: (client: Client, way: Way) => AsyncGenerator<T, void, undefined>,
    broken: (error: unknown) => boolean,
  ): AsyncGenerator<T, void, undefined>;
  close(): Promise<void>;
}

export function createClients(findWay: FindWay, findTls?: FindTls): Clients {
  const entries = new Map<string, Promise<Entry>>();
  const keyOf = ({ namespace, pod, address, tls }: PeerAt): string =>
    `${namespace}/${pod}/${address}${tls === true ? '/tls' : ''}`;

  const discard = async (key: string, entry: Entry): Promise<void> => {
    clearTimeout(entry.idle);
    const known = entries.get(key);
    if (known !== undefined && (await known.catch(() => undefined)) === entry) entries.delete(key);
    entry.client.close();
    await entry.way.close();
  };

  const secretsFor = async ({ tls }: PeerAt): Promise<ChannelCredentials> => {
    if (tls !== true) return credentials.createInsecure();
    if (findTls !== undefined) return findTls();
    throw new Error('it speaks TLS, and the setting XI_PEER_TLS_CA does not say who certified it.');
  };

  const open = async (peer: PeerAt): Promise<Entry> => {
    const secrets = await secretsFor(peer);
    const way = await findWay(peer);
    return {
      client: new Client(way.target, secrets, OPTIONS),
      way,
      users: 0,
      broken: false,
    };
  };

  /** Makes room: the connection that was idle longest goes. */
  const trim = async (): Promise<void> => {
    if (entries.size <= MOST) return;
    for (const [key, opening] of entries) {
      const entry = await opening.catch(() => undefined);
      if (entry === undefined || entry.users > 0) continue;
      return discard(key, entry);
    }
  };

  const take = async (peer: PeerAt): Promise<{ entry: Entry; give: () => void }> => {
    const key = keyOf(peer);
    let opening = entries.get(key);
    // Last in the map is last used.
    entries.delete(key);
    opening ??= open(peer);
    entries.set(key, opening);
    opening.catch(() => entries.get(key) === opening && entries.delete(key));
    const entry = await opening;
    clearTimeout(entry.idle);
    entry.users++;
    void trim();
    return {
      entry,
      give: () => {
        entry.users--;
        if (entry.users > 0) return;
        if (entry.broken) void discard(key, entry);
        else entry.idle = setTimeout(() => void discard(key, entry), IDLE_MS).unref();
      },
    };
  };

  /** A broken connection is nobody's next one, though others may still use it. */
  const note = (peer: PeerAt, entry: Entry): void => {
    entry.broken = true;
    entries.delete(keyOf(peer));
  };

  return {
    async use(peer, work, broken) {
      const { entry, give } = await take(peer);
      try {
        return await work(entry.client, entry.way);
      } catch (error) {
        if (broken(error)) note(peer, entry);
        throw error;
      } finally {
        give();
      }
    },
    async *stream(peer, work, broken) {
      const { entry, give } = await take(peer);
      try {
        yield* work(entry.client, entry.way);
      } catch (error) {
        if (broken(error)) note(peer, entry);
        throw error;
      } finally {
        give();
      }
    },
    async close() {
      const all = await Promise.allSettled(entries.values());
      entries.clear();
      await Promise.all(
        all.map(async (result) => {
          if (result.status === 'rejected') return;
          clearTimeout(result.value.idle);
          result.value.client.close();
          await result.value.way.close();
        }),
      );
    },
  };
}
