/** Which pods belong to which network by their labels, kept up by the changes of pods. */
import type { Change } from '../ports.js';
import { byAge } from './halves.js';
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
  of(key: string): Pick<Situation, 'pods' | 'elsewhere' | 'moved' | 'settled' | 'departed'>;
  /** A pod's peer is in the network rightly, or empty and about to join it. */
  arrived(key: string, uid: string): void;
  /** A pod that departed was seen off. */
  seenOff(key: string, uid: string): void;
}

interface Network {
  readonly pods: Map<string, PeerPod>;
  readonly departed: Map<string, PeerPod>;
}

export function createRoster(shared: SharedNetworks): Roster {
  const networks = new Map<string, Network>();
  /** Running peers by address; of two with one address the younger, which was given it last. */
  const addresses = new Map<string, PeerPod>();
  /** The others, by address and uid: with a watch that lags two pods have one address for a while. */
  const outdated = new Map<string, Map<string, PeerPod>>();
  /** uid → the network that a pod's peer was last known in, whatever its label says since. */
  const homes = new Map<string, string>();

  const at = (key: string): Network => {
    let network = networks.get(key);
    if (network === undefined) {
      network = { pods: new Map(), departed: new Map() };
      networks.set(key, network);
    }
    return network;
  };
  const occupy = (address: string, pod: PeerPod): void => {
    const known = addresses.get(address);
    const isYounger = known === undefined || known.uid === pod.uid || byAge(known, pod) < 0;
    const [younger, older] = isYounger ? [pod, known] : [known, pod];
    addresses.set(address, younger);
    if (older === undefined || older.uid === younger.uid) return;
    const others = outdated.get(address) ?? new Map<string, PeerPod>();
    outdated.set(address, others.set(older.uid, older));
  };
  const vacate = (address: string, { uid }: PeerPod): void => {
    const others = outdated.get(address);
    others?.delete(uid);
    if (addresses.get(address)?.uid === uid) {
      addresses.delete(address);
      outdated.delete(address);
      for (const pod of others?.values() ?? []) occupy(address, pod);
    } else if (others?.size === 0) outdated.delete(address);
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
        if (now?.key !== key && !homes.has(pod.uid)) homes.set(pod.uid, key);
        if (pod.address !== undefined) vacate(pod.address, pod);
        if (now === undefined && pod.phase !== 'running') homes.delete(pod.uid);
        else if (now === undefined) {
          // It runs on without the label, as far as one can see.
          const home = homes.get(pod.uid) ?? key;
          at(home).departed.set(pod.uid, pod);
          keys.add(home);
        }
      }
      if (now !== undefined) {
        const { key, pod } = now;
        const network = at(key);
        keys.add(key);
        network.pods.set(pod.uid, pod);
        // One that comes back under another label leaves by its move.
        networks.get(homes.get(pod.uid) ?? key)?.departed.delete(pod.uid);
        if (pod.phase === 'running' && pod.address !== undefined) occupy(pod.address, pod);
      }
      for (const key of keys) tidy(key);
      return [...keys];
    },
    keys: () => networks.keys(),
    size: () => addresses.size,
    of(key) {
      const network = networks.get(key);
      const pods = [...(network?.pods.values() ?? [])];
      const uids = pods.map(({ uid }) => uid).filter((uid) => homes.has(uid));
      return {
        pods,
        elsewhere: {
          get(address) {
            const known = addresses.get(address);
            const labelled = known && keyOf(known);
            if (known === undefined || labelled === key) return undefined;
            return { createdAt: known.createdAt, moved: (homes.get(known.uid) ?? labelled) !== labelled };
          },
        },
        moved: new Set(uids.filter((uid) => homes.get(uid) !== key)),
        settled: new Set(uids.filter((uid) => homes.get(uid) === key)),
        departed: [...(network?.departed.values() ?? [])],
      };
    },
    arrived(key, uid) {
      if (networks.get(key)?.pods.has(uid) === true) homes.set(uid, key);
    },
    seenOff(key, uid) {
      if (networks.get(key)?.departed.delete(uid) === true) homes.delete(uid);
      tidy(key);
    },
  };
}
