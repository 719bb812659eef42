/** The networks as the rest of the server sees them: what functions ask, and the controller behind its election. */
import { fromPeer } from '../peer-error.js';
import { isStatus } from '../kube-errors.js';
import { LEASES, PODS, startElection } from '../ports.js';
import type { Kube, Log, Metrics, Networks, PeerIo, Peers, Reflect } from '../ports.js';
import { createAsk } from './ask.js';
import { control } from './controller.js';
import { createLedger } from './ledger.js';
import { networkOf } from './network-key.js';
import type { NetworkRef, SharedNetworks } from './network-key.js';
import { createNetworkMetrics } from './network-metrics.js';
import { NETWORK_LABEL, peerPodOf } from './peer-pod.js';
import type { PeerPod } from './peer-pod.js';
import { plan } from './plan.js';
import type { Report, Stranger } from './plan.js';

export interface NetworksOptions {
  readonly kube: Kube;
  readonly peers: Peers;
  readonly log: Log;
  readonly shared: SharedNetworks;
  /** Where the operator's own objects are. */
  readonly ownNamespace: string;
  readonly peerImage: string | undefined;
}

/** The names of the operator's own objects. */
const LEDGER = 'xi-k8s-networks';
const LEASE = 'xi-k8s';
/** A Lease that was not renewed for so long, in milliseconds, is of one that is no more, however clocks differ. */
const ABANDONED_MS = 60_000;

/** What functions see; any replica, leading or not. */
export function createNetworks({ kube, peers, shared, ownNamespace, peerImage }: NetworksOptions): Networks {
  const ask = createAsk(peers);
  const ledger = createLedger(kube, { namespace: ownNamespace, name: LEDGER });

  /** The pods of other networks, if any of these peers is with somebody whose pod is not here. */
  const strangers = async (
    network: NetworkRef,
    mine: readonly PeerPod[],
    reports: ReadonlyMap<string, Report>,
    io: PeerIo | undefined,
  ): Promise<Map<string, Stranger>> => {
    const here = new Set(mine.map(({ address }) => address));
    const found = new Map<string, Stranger>();
    const known = [...reports.values()].every(
      (report) => report.kind !== 'status' || report.members.every((member) => here.has(member)),
    );
    if (known) return found;
    for (const namespace of network.namespaces) {
      let next: string | undefined;
      do {
        const query = { labelSelector: NETWORK_LABEL, limit: 500, continue: next };
        const page = await kube.list(PODS, namespace, query, { signal: io?.signal, project: peerPodOf });
        for (const pod of page.items)
          if (pod?.phase === 'running' && pod.address !== undefined && !here.has(pod.address))
            found.set(pod.address, { createdAt: pod.createdAt, moved: false });
        next = page.metadata.continue;
      } while (next);
    }
    return found;
  };

  const isLed = async (io: PeerIo | undefined): Promise<boolean> => {
    const at = { namespace: ownNamespace, name: LEASE };
    try {
      const { spec } = await kube.get(LEASES, at, { signal: io?.signal });
      return !!spec?.holderIdentity && Date.now() - Date.parse(spec.renewTime ?? '') < ABANDONED_MS;
    } catch (error) {
      return !isStatus(error, 404);
    }
  };

  return {
    peers,
    peerImage,
    whyIdle: async (io) =>
      (await isLed(io))
        ? undefined
        : `no controller of networks holds the Lease ${ownNamespace}/${LEASE}: unless one leads from another namespace, nobody joins them`,
    networkOf: (namespace, id) => networkOf(shared, namespace, id),
    async survey(network, pods, io, moved = new Set()) {
      const mine = [...pods].filter(
        ({ namespace, id }) => networkOf(shared, namespace, id).key === network.key,
      );
      try {
        const reports = await ask(mine, io);
        const mute = [...reports.values()].some(({ kind }) => kind === 'mute');
        const done = mute ? await ledger.read(network.key, io?.signal) : new Map<string, string>();
        const elsewhere = await strangers(network, mine, reports, io);
        return plan({ pods: mine, reports, done, elsewhere, moved, settled: new Set(), departed: [] });
      } catch (error) {
        throw fromPeer(error);
      }
    },
  };
}

export interface ControllerSettings {
  readonly namespaces: readonly string[];
  readonly healthMs: number;
  /** The name of this process; no two may have the same. */
  readonly identity: string;
}

/** Takes part in the election, and controls the networks while it leads. */
export function startController(
  options: NetworksOptions & { readonly reflect: Reflect; readonly metrics: Metrics },
  settings: ControllerSettings,
) {
  const { kube, peers, reflect, shared, ownNamespace } = options;
  const log = options.log.child({ part: 'networks' });
  const metrics = createNetworkMetrics(options.metrics);
  const ask = createAsk(peers);
  const election = startElection({
    kube,
    namespace: ownNamespace,
    name: LEASE,
    identity: settings.identity,
    log,
    lead: (leadership) =>
      control(leadership, {
        ...settings,
        kube,
        reflect,
        peers,
        ask,
        log,
        metrics,
        shared,
        ledger: { namespace: ownNamespace, name: LEDGER },
      }),
  });
  metrics.leads(() => election.leading());
  return election;
}
