/** A whole peer: chain, network and gRPC service, for the sidecar and for programs that embed one. */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { Health } from '../proto/gen/grpc/health/v1/health_pb.js';
import { Lightpeer } from '../proto/gen/lightpeer_pb.js';
import { Peer as PeerRpc } from '../proto/gen/xi/lightpeer/v1/peer_pb.js';
import type { Certificates } from './certificates.js';
import { createClients } from './grpc/client.js';
import { listen, methodsOf } from './grpc/server.js';
import type { Listening } from './grpc/server.js';
import { createTransport } from './grpc/transport.js';
import { PeerError } from './port.js';
import type { PeerPort } from './port.js';
import { LIMITS } from './replica/ports.js';
import type { Limits, Log, Status } from './replica/ports.js';
import { createReplica } from './replica/replica.js';
import type { Counters } from './replica/state.js';
import { healthService } from './service/health-service.js';
import { checkAddress, lightpeerService } from './service/lightpeer-service.js';
import { peerService } from './service/peer-service.js';
import { openDisk } from './store/disk.js';
import type { Disk } from './store/disk.js';
import { openStore } from './store/store.js';
import { query, watch } from './watch.js';

export interface StartOptions {
  /** Folder of the chain, or a disk. */
  readonly repo: string | Disk;
  /** Address to listen on, and that others dial. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Listen on the machine's own 127.0.0.1 too, as Kubernetes' port-forward dials it. Default: false. */
  readonly local?: boolean;
  readonly name?: string;
  readonly version?: string;
  readonly log?: Log;
  readonly limits?: Partial<Limits>;
  /** With them this peer speaks TLS only. */
  readonly tls?: Certificates | undefined;
  /** False leaves out syncing to disk: for measuring what it costs. */
  readonly sync?: boolean;
  /** Maps an address that a caller names to the one to dial. */
  readonly dialled?: (address: string) => string;
  /** Where to connect to reach a member's address: a way around. Default: that address. */
  readonly route?: (address: string) => string;
}

export interface PeerMetrics extends Counters {
  readonly height: number;
  readonly committed: number;
  readonly bytes: number;
  readonly blocks: number;
  readonly members: number;
  readonly lost: number;
  readonly leading: number;
  readonly ready: number;
  readonly cutBytes: number;
  readonly importedBlocks: number;
}

export interface Peer extends PeerPort {
  /** `ip:port`, as other peers dial it. */
  readonly address: string;
  status(): Status;
  metrics(): PeerMetrics;
  /** Part of a network (be it of its own) and able to write. */
  ready(): boolean;
  /** Resolves when both peers are in one network. */
  join(address: string, timeoutMs?: number): Promise<void>;
  /** Leaves the network for good: the peer is then one of its own, with its chain as it is, or with a new one (`forget`). */
  leave(options?: { forget?: boolean }): Promise<void>;
  /** Other certificates, for connections from now on; for a peer that was started with some. */
  certify(tls: Certificates): void;
  /** Leaves the network, stops listening, closes the chain. `leave: false` is as if it had died. */
  close(options?: { leave?: boolean }): Promise<void>;
}

const SILENT: Log = { info: () => undefined, warn: () => undefined };

/** Rejects when the address is taken, or the folder cannot be written. */
export async function startPeer(options: StartOptions): Promise<Peer> {
  const { repo, host, name = '', version = '', log = SILENT, tls, dialled = (address) => address } = options;
  const bracketed = host.includes(':') ? `[${host.replace(/^\[|\]$/g, '')}]` : host;
  // First of all: whoever has the address may have the folder too.
  const port = await freePort(host, options.port);
  const address = `${bracketed}:${port}`;
  const disk = typeof repo === 'string' ? await openDisk(repo, { durable: options.sync ?? true }) : repo;
  const clients = createClients(tls, options.route);
  const start = performance.now();
  const replica = await createReplica(
    {
      self: { address, name },
      transport: createTransport(clients),
      clock: {
        now: () => performance.now() - start,
        after: (ms, run) => {
          const timer = setTimeout(run, ms);
          return () => clearTimeout(timer);
        },
      },
      limits: { ...LIMITS, ...options.limits },
      log,
      random: Math.random,
      newId: randomUUID,
      today: Date.now,
    },
    async (again) => {
      const store = await openStore(disk, { trial: again });
      if (store.cut > 0) log.warn({ bytes: store.cut }, 'a damaged end of the chain was cut off');
      if (store.imported > 0) log.info({ blocks: store.imported }, 'took over the blocks of a Go peer');
      return store;
    },
  ).catch((error: unknown) => {
    clients.close();
    throw error;
  });
  const methods = new Map([
    ...methodsOf(Lightpeer, lightpeerService(replica, dialled)),
    ...methodsOf(Health, healthService()),
    ...methodsOf(PeerRpc, peerService(replica, version)),
  ]);
  const bare = host.replace(/^\[|\]$/g, '');
  const listening: Listening[] = [];
  await listen(methods, { host: bare, port }, tls).then(
    (one) => listening.push(one),
    async (error: Error) => {
      await replica.stop({ leave: false });
      clients.close();
      throw taken(address, error);
    },
  );
  if (options.local === true && !LOCAL.test(host))
    await listen(methods, { host: '127.0.0.1', port }, tls).then(
      (one) => listening.push(one),
      (error: unknown) => log.warn({ error: String(error) }, 'port-forward will not reach this peer'),
    );

  const ready = (): boolean => ['leading', 'following'].includes(replica.status().mode);
  return {
    address,
    status: replica.status,
    ready,
    metrics: () => {
      const store = replica.store();
      const { head, committed, members, lost, mode, clientBlocks } = replica.status();
      return {
        ...replica.counters(),
        height: head.height,
        committed,
        bytes: store.bytes(),
        blocks: clientBlocks,
        members: members.length,
        lost: lost.length,
        leading: mode === 'leading' ? 1 : 0,
        ready: ready() ? 1 : 0,
        cutBytes: store.cut,
        importedBlocks: store.imported,
      };
    },
    persist: replica.persist,
    query: () => query(replica),
    watch: (watching = {}) => watch(replica, watching),
    join: (target, timeoutMs) => replica.join(dialled(checkAddress(target)), timeoutMs),
    leave: replica.leave,
    certify: (renewed) => {
      clients.certify(renewed);
      for (const one of listening) one.certify(renewed);
    },
    close: async (closing) => {
      await replica.stop(closing);
      clients.close();
      for (const one of listening) one.close();
    },
  };
}

/** Addresses that are on the loopback, or include it. */
const LOCAL = /^(127\.|localhost$|0\.0\.0\.0$|\[?::1?\]?$)/i;

const taken = (address: string, error: Error): PeerError =>
  new PeerError('invalid', `cannot listen on ${address}: ${error.message}`, { cause: error });

/** The port, if nobody listens on it; one that nobody listens on for 0. */
function freePort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => reject(taken(`${host}:${port}`, error)));
    server.listen(port, host.replace(/^\[|\]$/g, ''), () => {
      const { port: free } = server.address() as { port: number };
      server.close(() => resolve(free));
    });
  });
}
