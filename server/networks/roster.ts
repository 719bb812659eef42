/** Which pods belong to which network by their labels, kept up by the changes of pods. */
import type { Change } from '../ports.js';
import { networkOf } from './network-key.js';
import type { SharedNetworks } from './network-key.js';
import type { LabelledPod, PeerPod } from './peer-pod.js';
import type { Situation } from './plan.js';

export interface Roster {
  /** Takes a change in; answers the keys of the networks that it concerns. */
  change(change: Change<LabelledPod>): string[];
  keys(): Iterable<string>;
  /** How many pods run. */
  size(): number;
  /** What is known of a network but for what its peers say. */
  of(key: string): Pick<Situation, 'pods' | 'elsewhere' | 'moved' | 'departed'>;
  /** A pod that moved has arrived. */
  arrived(key: string, uid: string): void;
  /** A pod that departed was seen off. */
  seenOff(key: string, uid: string): void;
}

interface Network {
  readonly pods: Map<string, PeerPod>;
  readonly moved: Set<string>;
  readonly departed: Map<string, PeerPod>;
}

export function createRoster(shared: SharedNetworks): Roster {
  const networks = new Map<string, Network>();
  /** Running peers by address. */
  const addresses = new Map<string, PeerPod>();

  const at = (key: string): Network => {
    let network = networks.get(key);
    if (network === undefined) {
      network = { pods: new Map(), moved: new Set(), departed: new Map() };
      networks.set(key, network);
    }
    return network;
  };
  const tidy = (key: string): void => {
    const network = networks.get(key);
    if (network?.pods.size === 0 && network.departed.size === 0) networks.delete(key);
  };
  const keyOf = ({ namespace, id }: PeerPod): string => networkOf(shared, namespace, id).key;
  const placed = (object: LabelledPod | undefined): { key: string; pod: PeerPod } | undefined =>
    object?.peer && { key: keyOf(object.peer), pod: object.peer };

  return {
    change({ type, object, previous }) {
      const before = placed(type === 'deleted' ? object : previous);
      const now = type === 'deleted' ? undefined : placed(object);
      const keys = new Set<string>();
      if (before !== undefined) {
        const { key, pod } = before;
        const network = at(key);
        keys.add(key);
        network.pods.delete(pod.uid);
        if (now?.key !== key) network.moved.delete(pod.uid);
        const known = pod.address === undefined ? undefined : addresses.get(pod.address);
        if (known?.uid === pod.uid && pod.address !== undefined) addresses.delete(pod.address);
        // It runs on without the label, as far as one can see.
        if (now === undefined && pod.phase === 'running') network.departed.set(pod.uid, pod);
      }
      if (now !== undefined) {
        const { key, pod } = now;
        const network = at(key);
        keys.add(key);
        network.pods.set(pod.uid, pod);
        network.departed.delete(pod.uid);
        if (pod.phase === 'running' && pod.address !== undefined) addresses.set(pod.address, pod);
        if (before !== undefined && before.key !== key) network.moved.add(pod.uid);
      }
      for (const key of keys) tidy(key);
      return [...keys];
    },
    keys: () => networks.keys(),
    size: () => addresses.size,
    of(key) {
      const network = networks.get(key);
      const other = (address: string): PeerPod | undefined => {
        const known = addresses.get(address);
        return known === undefined || keyOf(known) === key ? undefined : known;
      };
      return {
        pods: [...(network?.pods.values() ?? [])],
        elsewhere: {
          has: (address) => other(address) !== undefined,
          get: (address) => other(address)?.createdAt,
        },
        moved: network?.moved ?? new Set(),
        departed: [...(network?.departed.values() ?? [])],
      };
    },
    arrived: (key, uid) => void networks.get(key)?.moved.delete(uid),
    seenOff(key, uid) {
      networks.get(key)?.departed.delete(uid);
      tidy(key);
    },
  };
}
