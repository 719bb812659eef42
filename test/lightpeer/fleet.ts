/** Real peers as processes on loopback addresses, each pair with a way of its own between them. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClients } from '../../lightpeer/grpc/client.js';
import type { Clients } from '../../lightpeer/grpc/client.js';
import { createTransport } from '../../lightpeer/grpc/transport.js';
import type { Limits, Status, Transport } from '../../lightpeer/replica/ports.js';
import { Lightpeer } from '../../proto/gen/lightpeer_pb.js';
import type { PeerProcessOptions } from './peer-process.js';
import { startProxy } from './proxy.js';
import type { Proxy, Way } from './proxy.js';

const PORT = 9081;
const PROGRAM = fileURLToPath(import.meta.url).replace(/fleet\.(ts|js)$/, 'peer-process.$1');

export interface Fleet {
  readonly addresses: readonly string[];
  readonly transport: Transport;
  readonly clients: Clients;
  start(index: number): Promise<void>;
  /** Resolves when the process is gone. */
  signal(index: number, signal: NodeJS.Signals): Promise<void>;
  /** A fault that the process itself plays. */
  tell(index: number, fault: 'clock' | 'full' | 'free'): void;
  running(index: number): boolean;
  /** MiB of memory that the running process holds. */
  /** Bytes that are in use, without what is still to be collected. */
  held(index: number): Promise<number>;
  /** Sets the ways between peers of different groups. */
  partition(groups: readonly number[], way: Way): void;
  slow(index: number, delayMs: number): void;
  persist(index: number, payload: Buffer, options: { id?: string; timeoutMs?: number }): Promise<string>;
  join(index: number, to: number, timeoutMs?: number): Promise<void>;
  status(index: number): Promise<Status | undefined>;
  /** Ids of all blocks, newest first. */
  chain(index: number): Promise<string[]>;
  /** All that are wanted run and have the same chain to its end; false when that does not come in time. */
  agreed(timeoutMs: number): Promise<boolean>;
  close(): Promise<void>;
}

export interface FleetOptions {
  readonly count: number;
  /** 127.x.y: the last part is the peer's number. */
  readonly net: string;
  readonly limits?: Partial<Limits>;
  readonly verbose?: boolean;
  /** Without them peers talk directly. */
  readonly proxies?: boolean;
  readonly folder?: string;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function createFleet(options: FleetOptions): Promise<Fleet> {
  const { count, net, limits = {}, verbose = false, proxies: withProxies = true } = options;
  const folder = await mkdtemp(join(options.folder ?? tmpdir(), 'xi-fleet-'));
  const host = (index: number): string => `${net}.${index + 1}`;
  const addresses = Array.from({ length: count }, (_, i) => `${host(i)}:${PORT}`);
  const processes: (ChildProcess | undefined)[] = [];
  const ways = new Map<string, Proxy>();
  const clients = createClients();
  const transport = createTransport(clients);
  // The way from i to j: a port of j's own address for each i.
  const wayPort = (from: number): number => 20_000 + from;
  if (withProxies)
    for (let from = 0; from < count; from++)
      for (let to = 0; to < count; to++)
        if (from !== to)
          ways.set(
            `${from} ${to}`,
            await startProxy({ host: host(to), port: wayPort(from) }, { host: host(to), port: PORT }),
          );

  const fleet: Fleet = {
    addresses,
    transport,
    clients,
    start: async (index) => {
      if (processes[index] !== undefined) return;
      const routes = withProxies
        ? Object.fromEntries(
            addresses.flatMap((address, to) =>
              to === index ? [] : [[address, `${host(to)}:${wayPort(index)}`]],
            ),
          )
        : {};
      const settings: PeerProcessOptions = {
        repo: join(folder, String(index)),
        host: host(index),
        port: PORT,
        routes,
        limits,
        verbose,
      };
      const child = fork(PROGRAM, [JSON.stringify(settings)], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      processes[index] = child;
      child.once('exit', () => {
        if (processes[index] === child) processes[index] = undefined;
      });
      await new Promise<void>((resolve) => {
        child.once('message', () => resolve());
        child.once('exit', () => resolve());
      });
      clients.drop(addresses[index]!);
    },
    tell: (index, fault) => {
      const child = processes[index];
      if (child?.connected === true) child.send(fault);
    },
    running: (index) => processes[index] !== undefined,
    held: async (index) => {
      const child = processes[index]!;
      child.send('memory');
      const [answer] = (await once(child, 'message')) as [{ held: number }];
      return answer.held;
    },
    signal: async (index, signal) => {
      const child = processes[index];
      if (child === undefined) return;
      const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill(signal);
      if (signal === 'SIGKILL' || signal === 'SIGTERM') await gone;
    },
    partition: (groups, way) => {
      for (const [pair, proxy] of ways) {
        const [from, to] = pair.split(' ').map(Number);
        const together = (groups[from!] ?? 0) === (groups[to!] ?? 0);
        proxy.way = together ? 'open' : way;
        if (!together && way === 'refuse') proxy.cut();
      }
    },
    slow: (index, delayMs) => {
      for (const [pair, proxy] of ways) if (pair.split(' ').includes(String(index))) proxy.delayMs = delayMs;
    },
    persist: async (index, payload, { id = '', timeoutMs = 10_000 }) => {
      const { Response } = await clients.unary(
        { address: addresses[index]!, method: Lightpeer.method.persist, timeoutMs },
        { Payload: payload, ID: id },
      );
      return Response;
    },
    join: async (index, to, timeoutMs = 20_000) => {
      await clients.unary(
        { address: addresses[index]!, method: Lightpeer.method.joinNetwork, timeoutMs },
        { Address: addresses[to]! },
      );
    },
    status: (index) => transport.call(addresses[index]!, 'status', {}, 2000).catch(() => undefined),
    chain: async (index) => {
      const ids: string[] = [];
      const stop = new AbortController();
      for await (const { kept = [], blocks } of transport.fetch(
        addresses[index]!,
        { height: 0, digest: '' },
        stop.signal,
      )) {
        ids.push(...kept.map(({ block }) => block.id));
        ids.push(...blocks.map(({ id }) => id));
      }
      return ids.reverse();
    },
    agreed: async (timeoutMs) => {
      const end = performance.now() + timeoutMs;
      do {
        const all = await Promise.all(
          addresses.map(async (_, i) => (processes[i] === undefined ? undefined : fleet.status(i))),
        );
        const states = all.filter((_, i) => processes[i] !== undefined);
        const first = states[0];
        if (
          first !== undefined &&
          states.every(
            (status) =>
              status !== undefined &&
              (status.mode === 'leading' || status.mode === 'following') &&
              status.head.digest === first.head.digest &&
              status.committed === first.head.height &&
              status.members.length === states.length,
          )
        )
          return true;
        await pause(100);
      } while (performance.now() < end);
      return false;
    },
    close: async () => {
      await Promise.all(addresses.map((_, i) => fleet.signal(i, 'SIGKILL')));
      await Promise.all([...ways.values()].map((proxy) => proxy.close()));
      clients.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return fleet;
}
