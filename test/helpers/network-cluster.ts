/** The controller of the networks on an embedded cluster, whose pods' addresses are real, and peers that the test starts there. */
import { pino } from 'pino';
import type { Test } from 'tap';
import { startDevcluster } from '../../devcluster/devcluster.js';
import {
  CONFIG_MAPS,
  KubeError,
  PODS,
  createKube,
  plainConnection,
  startReflector,
} from '../../kube/index.js';
import type { Kube, Pod } from '../../kube/index.js';
import { createNetworks, startController } from '../../server/networks/networks.js';
import { createMetrics } from '../../server/ops/metrics.js';
import { PeerError } from '../../server/peer-error.js';
import { straight } from '../../server/peers/clients.js';
import { createPeers } from '../../server/peers/peers.js';
import type { Networks, Peers } from '../../server/ports.js';
import { eventually } from './eventually.js';
import { startTestPeer } from './lightpeers.js';
import type { TestPeer } from './lightpeers.js';
import { runningPod } from './running-pod.js';

/** A pod with a small peer. */
export interface Member {
  readonly name: string;
  readonly peer: TestPeer;
}

export interface TestController {
  readonly metrics: { render(): string };
  readonly networks: Networks;
  leading(): boolean;
  stop(): Promise<void>;
}

interface ControllerOptions {
  readonly namespaces?: string[];
  readonly shared?: Record<string, string[]>;
  readonly kube?: Kube;
  readonly peers?: Peers;
}

export interface NetworkCluster {
  readonly kube: Kube;
  /** Makes a pod; resolves when it runs. */
  makePod(
    namespace: string,
    network: string | undefined,
    containers?: NonNullable<Pod['spec']>['containers'],
  ): Promise<{ name: string; ip: string }>;
  makeMember(namespace: string, network: string, kind?: TestPeer['kind']): Promise<Member>;
  start(options?: ControllerOptions): TestController;
  /** What is written down of a network's peers that cannot be asked. */
  written(network: string): Promise<string[]>;
  /** Resolves when it is written of so many that they joined, and of nobody else anything. */
  noted(network: string, count: number): Promise<unknown>;
  /** Resolves when all of them know each other and nobody else. */
  together(...members: Member[]): Promise<unknown>;
}

/** Whether it is written of a peer that it was told to join, and not how that ended. */
export const isOpen = (rows: readonly string[]): boolean => rows.some((row) => row.startsWith('joining '));

export const until = <T>(what: string, look: () => T | Promise<T>, holds: (seen: T) => boolean): Promise<T> =>
  eventually(look, holds, { what });

/** How often the peers were told to join. */
export const joins = (...members: Member[]): number =>
  members.flatMap(({ peer }) => peer.told).filter((told) => told.startsWith('join')).length;

/** A line of the metrics as a number. */
export const value = (metrics: { render(): string }, line: string): number =>
  Number(
    metrics
      .render()
      .split('\n')
      .find((one) => one.startsWith(`${line} `))
      ?.split(' ')[1] ?? 0,
  );

/** Starts the cluster; all ends with the test. */
export async function networkCluster(t: Pick<Test, 'teardown'>): Promise<NetworkCluster> {
  const cluster = await startDevcluster({ podStartMillis: [1, 5] });
  const kube = createKube(plainConnection({ url: cluster.url, how: 'embedded' }));
  const running = new Set<TestPeer>();
  const controllers = new Set<TestController>();
  let names = 0;
  t.teardown(async () => {
    await Promise.all([...controllers].map((controller) => controller.stop()));
    for (const peer of running) peer.stop();
    await kube.close();
    await cluster.close();
  });

  const makePod: NetworkCluster['makePod'] = async (
    namespace,
    network,
    containers = [{ name: 'klightpeer', image: 'peer' }],
  ) => {
    const name = `pod-${++names}`;
    const labels: Record<string, string> = network === undefined ? {} : { 'klight.networkId': network };
    const metadata = { name, namespace, labels };
    await kube.create(PODS, namespace, { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers } });
    const { ip } = await runningPod(kube, namespace, name);
    return { name, ip };
  };

  const written = async (network: string): Promise<string[]> => {
    const query = { fieldSelector: 'metadata.name=xi-k8s-networks' };
    const { items } = await kube.list(CONFIG_MAPS, 'default', query);
    const text = items[0]?.data?.[`default_${network}`] ?? '{}';
    return Object.values(JSON.parse(text) as Record<string, string>);
  };

  return {
    kube,
    makePod,
    written,
    noted: (network, count) =>
      until(
        `${count} noted`,
        () => written(network),
        (rows) => rows.length === count && !isOpen(rows),
      ),
    async makeMember(namespace, network, kind = 'ours') {
      const { name, ip } = await makePod(namespace, network);
      const peer = await startTestPeer(`${ip}:9081`, kind);
      running.add(peer);
      return { name, peer };
    },
    start(options = {}) {
      const metrics = createMetrics();
      const peers = options.peers ?? createPeers(straight);
      const used = options.kube ?? kube;
      const common = {
        kube: used,
        peers,
        log: pino({ level: 'silent' }),
        shared: options.shared ?? {},
        ownNamespace: 'default',
        peerImage: undefined,
      };
      const election = startController(
        { ...common, metrics, reflect: (asked) => startReflector({ ...asked, kube: used }) },
        { namespaces: options.namespaces ?? [], healthMs: 500, identity: `test-${++names}` },
      );
      const controller: TestController = {
        metrics,
        networks: createNetworks(common),
        leading: () => election.leading(),
        async stop() {
          controllers.delete(controller);
          await election.stop();
          await peers.close();
        },
      };
      controllers.add(controller);
      return controller;
    },
    together: (...members) =>
      until(
        `network of ${members.map(({ name }) => name).join()}`,
        () => members.map(({ peer }) => peer.members().sort()),
        (lists) => {
          const all = members.map(({ peer }) => peer.address).sort();
          return lists.every((list) => list.join() === all.join());
        },
      ),
  };
}

/** A Kube whose every call fails from a moment on, as for a process that is cut off. */
export function cuttable(kube: Kube): { kube: Kube; cut(): void } {
  let off = false;
  const cutOff = () =>
    Promise.reject(new KubeError('cut off', { reason: 'unreachable', outcome: 'not_sent' }));
  return {
    kube: new Proxy(kube, {
      get: (target, name, receiver) => {
        const found: unknown = Reflect.get(target, name, receiver);
        return typeof found === 'function' && off && name !== 'watch' ? cutOff : found;
      },
    }),
    cut: () => void (off = true),
  };
}

/** A Kube for a controller that is killed between the first join of a peer that cannot be asked and its note. */
export function killedBeforeNote(kube: Kube): { kube: Kube; killed(): boolean } {
  const { kube: weak, cut } = cuttable(kube);
  let told = false;
  let killed = false;
  const patch: Kube['patch'] = (resource, at, change, io) => {
    const begins = JSON.stringify(change).includes('joining ');
    if (resource.plural === 'configmaps' && told && !begins) {
      killed = true;
      cut();
    }
    told ||= begins;
    return weak.patch(resource, at, change, io);
  };
  return {
    kube: new Proxy(weak, {
      get: (target, name, receiver) =>
        name === 'patch' ? patch : (Reflect.get(target, name, receiver) as unknown),
    }),
    killed: () => killed,
  };
}

/** Peers whose joins end without an answer: before the peer heard of it, or after it has joined. */
export function cutJoins(happen: boolean): Peers {
  const peers = createPeers(straight);
  return {
    ...peers,
    async join(...args) {
      if (happen) await peers.join(...args);
      throw new PeerError('deadline', 'it did not answer in time');
    },
  };
}
