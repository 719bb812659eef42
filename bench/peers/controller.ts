/**
 * The networks controller in a process of its own, on a real API, with peers that are played: each says at once how it is, and
 * takes so long to join as it is told. What is left is the controller's own work.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { createKube, kubeconfigConnection, startReflector } from '../../kube/index.js';
import { startController } from '../../server/networks/networks.js';
import { createMetrics } from '../../server/ops/metrics.js';
import type { PeerAt, PeerStatus, Peers } from '../../server/ports.js';
import { serveMessages } from './peer.js';

export interface ControllerSetup {
  readonly kubeconfig: string;
  /** Whose pods it joins, and where its Lease is. */
  readonly namespace: string;
  readonly joinMs: number;
}
export type ControllerMessage =
  | ControllerSetup
  /** Starts the controller; answers, in milliseconds, when so many pods are in networks of `size`. */
  | { readonly join: number; readonly size: number }
  /** The same joins one after another, as the reference makes them. */
  | { readonly oneByOne: number };

/** Peers in memory: address → the members that it knows. */
function playedPeers(joinMs: number) {
  const lists = new Map<string, readonly string[]>();
  const membersOf = (address: string): readonly string[] => lists.get(address) ?? [address];
  const unused = (): never => {
    throw new Error('this is not asked of played peers');
  };
  const peers: Peers = {
    status: ({ address }): Promise<PeerStatus> =>
      Promise.resolve({
        self: address,
        members: membersOf(address),
        head: 'head',
        height: 1,
        blocks: 0,
        version: 'played',
      }),
    async join({ address }, contact) {
      await delay(joinMs);
      const members = [...membersOf(contact), address];
      for (const member of members) lists.set(member, members);
    },
    merge: unused,
    leave: unused,
    persist: unused,
    list: unused,
    payloads: unused,
    watch: unused,
    close: () => Promise.resolve(),
  };
  return { peers, lists };
}

let begin: ((count: number, size: number) => Promise<number>) | undefined;
let joinMs = 0;

async function setUp(setup: ControllerSetup): Promise<void> {
  const environment = { KUBECONFIG: setup.kubeconfig };
  const kube = createKube(await kubeconfigConnection({ paths: [setup.kubeconfig], env: environment }));
  const { peers, lists } = playedPeers(setup.joinMs);
  ({ joinMs } = setup);
  begin = async (count, size) => {
    const began = performance.now();
    startController(
      {
        kube,
        peers,
        log: pino({ level: 'silent' }),
        shared: {},
        ownNamespace: setup.namespace,
        peerImage: undefined,
        reflect: (options) => startReflector({ ...options, kube }),
        metrics: createMetrics(),
      },
      { namespaces: [setup.namespace], healthMs: 10_000, identity: 'bench' },
    );
    const joined = (): number => [...lists.values()].filter((members) => members.length === size).length;
    while (joined() < count) await delay(20);
    return performance.now() - began;
  };
}

serveMessages(async (message: ControllerMessage) => {
  if ('kubeconfig' in message) return setUp(message);
  if ('join' in message) return begin?.(message.join, message.size);
  const { peers } = playedPeers(joinMs);
  const at = (nth: number): PeerAt => ({ namespace: 'bench', pod: `pod-${nth}`, address: `${nth}` });
  const began = performance.now();
  for (let nth = 1; nth <= message.oneByOne; nth++) await peers.join(at(nth), at(0).address);
  return performance.now() - began;
});
