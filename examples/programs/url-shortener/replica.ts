/** The storage plugin's part in a network of lightpeers: what makes its replicas one store. */
import { lookup } from 'node:dns/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { startPeer } from '../../../lightpeer/peer.js';
import type { Peer } from '../../../lightpeer/peer.js';
import type { Surroundings } from '../programs.js';
import { sharedStore } from './store.js';
import type { SharedStore } from './store.js';

export interface Replica {
  readonly store: SharedStore;
  /** Leaves the network and ends. */
  close(): Promise<void>;
}

const EVERY_MS = 2_000;
const JOIN_MS = 5_000;
const FIRST_JOIN_MS = 10_000;

interface Address {
  readonly host: string;
  readonly port: string;
}

function addressesOf(list: string): Address[] {
  return list
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map((text) => {
      const [, host, port] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(text) ?? [];
      if (host === undefined || port === undefined)
        throw new Error(`PEERS: '${text}' is no address; give host:port, separated by commas`);
      return { host, port };
    });
}

/** Every address of a name: that of a headless service stands for all its pods. */
async function dialled({ host, port }: Address, { place }: Surroundings): Promise<string[]> {
  const found = await lookup(place.host(host), { all: true }).catch(() => []);
  return found.map(({ address, family }) => (family === 6 ? `[${address}]:${port}` : `${address}:${port}`));
}

/** Joins every peer that the names stand for and that is not a member yet. A failure is told once, until it is another. */
function joiner(peer: Peer, names: readonly Address[], surroundings: Surroundings): () => Promise<void> {
  const told = new Map<string, string>();
  const tell = (address: string, line: string): void => {
    if (told.get(address) !== line) surroundings.print(line);
    told.set(address, line);
  };
  const joinOne = async (address: string): Promise<void> => {
    if (peer.status().members.some((member) => member.address === address)) return;
    try {
      await peer.join(address, JOIN_MS);
      tell(address, `joined the storage at ${address}`);
    } catch (error) {
      tell(address, `the storage at ${address} is not joined: ${(error as Error).message}`);
    }
  };
  return async () => {
    for (const name of names) for (const address of await dialled(name, surroundings)) await joinOne(address);
  };
}

async function keepJoining(join: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await join();
    await delay(EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

/**
 * Starts a peer on POD_IP:9081, with its chain in STATE_PATH (/var/lib/storage), that joins those that PEERS names
 * (`host:port,…`), now and again; one that is not there is tried again. Without PEERS the operator joins it, if its pod is
 * labelled for that. Resolves when all peers were tried once, or 10 s have
 * passed, and what the chain holds is there.
 */
export async function startReplica(surroundings: Surroundings): Promise<Replica> {
  const { environment, place, print } = surroundings;
  const names = addressesOf(environment['PEERS'] ?? '');
  const peer = await startPeer({
    repo: place.path(environment['STATE_PATH'] || '/var/lib/storage'),
    host: place.host(environment['POD_IP'] || '127.0.0.1'),
    port: Number(environment['STATE_PORT'] || 9081),
    // A pod of the embedded cluster shares its 127.0.0.1 with the whole machine.
    local: place.api === undefined,
    name: environment['POD_NAME'] ?? '',
    dialled: place.address,
  });
  print(`the storage's state is shared at ${peer.address}`);
  const stopping = new AbortController();
  const join = joiner(peer, names, surroundings);
  const first = join();
  const joining = first.then(() => (names.length === 0 ? undefined : keepJoining(join, stopping.signal)));
  // Whoever asks before that would be told of codes that nobody knows. Peers that hang do not hold up the rest for ever.
  await Promise.race([first, delay(FIRST_JOIN_MS, undefined, { ref: false })]);
  const store = sharedStore(peer, stopping.signal);
  await Promise.race([store.filled, store.ended]);
  return {
    store,
    async close() {
      stopping.abort();
      await joining;
      await peer.close();
    },
  };
}
