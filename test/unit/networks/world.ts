/** A small world of pods and peers that a plan is made for and carried out in: ours, and such as the reference's. */
import { isDoubtful, joining } from '../../../server/networks/halves.js';
import type { PeerPod } from '../../../server/networks/peer-pod.js';
import { plan } from '../../../server/networks/plan.js';
import type { Plan, Report, Situation, Step } from '../../../server/networks/plan.js';

export type Kind = 'ours' | 'go';

interface Peer {
  kind: Kind;
  /** The reference appends to this list without looking. */
  members: string[];
  blocks: number;
  /** What those of the reference have been told, newest first. */
  texts: string[];
}

interface WorldPod {
  uid: string;
  network: string;
  address: string;
  createdAt: number;
  restarts: number;
}

const mute = (found: Extract<Report, { kind: 'mute' }>['found']): Report => ({
  kind: 'mute',
  ...(found && { found }),
});

export class World {
  readonly pods = new Map<string, WorldPod>();
  readonly peers = new Map<string, Peer>();
  readonly done = new Map<string, Map<string, string>>();
  /** All that was done: `join a b`. */
  readonly log: string[] = [];
  /** Pods whose label was ever changed. */
  readonly relabelled = new Set<string>();
  /** Whether the controller saw all of that. */
  knows = true;
  /** The network that a pod's peer was last known in. */
  private homes = new Map<string, string>();
  private departed = new Map<string, PeerPod[]>();
  private clock = 0;
  private addresses = 0;
  /** When the leader is to be killed while a peer of the reference joins: before it hears of it, or before that is noted. */
  private dying: 'told' | 'joined' | undefined;

  /** @param early its pod was made before all others, and its peer comes only now. */
  add(network: string, kind: Kind, early = false): string {
    const uid = `p${this.clock}`;
    const address = `10.0.0.${++this.addresses}:9081`;
    this.pods.set(uid, {
      uid,
      network,
      address,
      createdAt: early ? -this.clock++ : this.clock++,
      restarts: 0,
    });
    this.peers.set(address, { kind, members: [address], blocks: 0, texts: [] });
    return uid;
  }

  private pod(uid: string): WorldPod {
    return this.pods.get(uid)!;
  }
  peer(uid: string): Peer {
    return this.peers.get(this.pod(uid).address)!;
  }

  /** The peer at an address is dead: the members that live drop it. */
  private dies(address: string): void {
    this.peers.delete(address);
    for (const peer of this.peers.values()) peer.members = peer.members.filter((one) => one !== address);
  }

  remove(uid: string): void {
    this.dies(this.pod(uid).address);
    this.pods.delete(uid);
  }

  /** The pod comes back under another address, with nothing. */
  readdress(uid: string): void {
    const pod = this.pod(uid);
    const { kind } = this.peer(uid);
    this.dies(pod.address);
    pod.address = `10.0.0.${++this.addresses}:9081`;
    pod.restarts++;
    this.peers.set(pod.address, { kind, members: [pod.address], blocks: 0, texts: [] });
  }

  /** The container is started anew: the others have dropped it, and the reference has forgotten them. */
  restart(uid: string): void {
    const pod = this.pod(uid);
    const peer = this.peer(uid);
    pod.restarts++;
    for (const other of this.peers.values())
      if (other !== peer) other.members = other.members.filter((one) => one !== pod.address);
    if (peer.kind === 'go') {
      peer.members = [pod.address];
      peer.texts = [];
    }
  }

  relabel(uid: string, network: string | undefined): void {
    const pod = this.pod(uid);
    const before = pod.network;
    if (before === network) return;
    this.relabelled.add(uid);
    if (network === undefined) {
      this.departed.set(before, [...(this.departed.get(before) ?? []), this.peerPod(pod)]);
      this.pods.delete(uid);
      return;
    }
    if (!this.homes.has(uid)) this.homes.set(uid, before);
    pod.network = network;
  }

  /** Those on one side no longer see those on the other, who drop them; then the way is open again. */
  split(side: ReadonlySet<string>): void {
    const inside = new Set([...side].map((uid) => this.pods.get(uid)?.address));
    for (const [address, peer] of this.peers)
      peer.members = peer.members.filter((one) => inside.has(one) === inside.has(address));
  }

  /** The controller forgets all but what it keeps in the cluster. */
  restartController(): void {
    this.knows = false;
    this.homes = new Map();
    this.departed = new Map();
  }

  /** The next join of one of the reference's peers is the leader's last act. */
  killLeader(at: 'told' | 'joined'): void {
    this.dying = at;
  }

  /** A block by the peer's own program. */
  write(uid: string): void {
    const text = `text ${this.clock++}`;
    for (const member of new Set(this.peer(uid).members)) this.peers.get(member)?.texts.unshift(text);
  }

  isNoted(uid: string): boolean {
    const pod = this.pod(uid);
    return this.done.get(pod.network)?.get(uid) === this.peerPod(pod).incarnation;
  }

  /** What the blocks of one tell that may have joined. */
  private found({ uid, network, address }: WorldPod): Extract<Report, { kind: 'mute' }>['found'] {
    if (!isDoubtful(this.peerPod(this.pod(uid)), this.done.get(network) ?? new Map())) return undefined;
    const contact = [...this.pods.values()].find(
      (pod) => pod.network === network && this.isNoted(pod.uid) && this.peer(pod.uid).kind === 'go',
    );
    if (contact === undefined) return undefined;
    const [mine, theirs] = [this.peers.get(address)!.texts, this.peer(contact.uid).texts];
    if (mine.length + theirs.length === 0) return undefined;
    return mine.join() === theirs.join() ? 'joined' : 'apart';
  }

  private peerPod({ uid, network, address, createdAt, restarts }: WorldPod): PeerPod {
    return {
      uid,
      namespace: 'default',
      name: uid,
      id: network,
      createdAt,
      phase: 'running',
      address,
      incarnation: `${address} ${restarts}`,
    };
  }

  networks(): string[] {
    return [
      ...new Set([...[...this.pods.values()].map(({ network }) => network), ...this.departed.keys()]),
    ].sort();
  }

  private isMoved({ uid, network }: WorldPod): boolean {
    return (this.homes.get(uid) ?? network) !== network;
  }

  situation(network: string): Situation {
    const all = [...this.pods.values()];
    const pods = all.filter((pod) => pod.network === network).map((pod) => this.peerPod(pod));
    const reports = new Map<string, Report>();
    for (const { uid, address } of pods) {
      const peer = this.peers.get(address ?? '')!;
      reports.set(
        uid,
        peer.kind === 'go'
          ? mute(this.found(this.pod(uid)))
          : {
              kind: 'status',
              self: address ?? '',
              members: [...peer.members],
              head: '',
              height: 0,
              version: '',
              blocks: peer.blocks,
            },
      );
    }
    return {
      pods,
      reports,
      done: this.done.get(network) ?? new Map(),
      elsewhere: new Map(
        all
          .filter((pod) => pod.network !== network)
          .map((pod) => [pod.address, { createdAt: pod.createdAt, moved: this.isMoved(pod) }]),
      ),
      moved: new Set(pods.filter(({ uid }) => this.isMoved(this.pod(uid))).map(({ uid }) => uid)),
      settled: new Set(pods.filter(({ uid }) => this.homes.get(uid) === network).map(({ uid }) => uid)),
      departed: this.departed.get(network) ?? [],
    };
  }

  /** A new member list for all that are in it. */
  private agree(members: string[]): void {
    for (const member of members) {
      const peer = this.peers.get(member);
      if (peer !== undefined) peer.members = [...members];
    }
  }

  /** Answers false when the leader was killed. */
  private do(network: string, step: Step): boolean {
    const { pod } = step;
    const address = pod.address ?? '';
    const peer = this.peers.get(address)!;
    this.log.push(`${step.do} ${pod.uid}`);
    if (step.do === 'leave') {
      const rest = peer.members.filter((one) => one !== address);
      this.agree(rest);
      // Some that listed it may no longer be listed by it.
      for (const other of this.peers.values())
        if (other !== peer && other.kind === 'ours')
          other.members = other.members.filter((one) => one !== address);
      peer.members = [address];
      peer.blocks = 0;
      if (this.pods.has(pod.uid)) this.homes.set(pod.uid, network);
      this.departed.delete(network);
      return true;
    }
    if (step.do === 'drop') {
      this.agree(peer.members.filter((one) => one !== step.address));
      return true;
    }
    const note = (text: string): void => {
      const kept = this.done.get(network) ?? new Map<string, string>();
      this.done.set(network, kept.set(pod.uid, text));
    };
    const dying = peer.kind === 'go' ? this.dying : undefined;
    if (peer.kind === 'go') {
      this.dying = undefined;
      note(joining(pod.incarnation));
    }
    if (dying === 'told') return false;
    const contact = step.contacts.find(({ uid }) => uid !== pod.uid);
    const host = this.peers.get(contact?.address ?? '')!;
    // The reference's peer joins alone and forgets; ours brings its half.
    const brings = peer.kind === 'go' || step.do === 'join' ? [address] : peer.members;
    const added = host.kind === 'go' ? brings : brings.filter((one) => !host.members.includes(one));
    this.agree([...host.members, ...added]);
    if (peer.kind === 'go') peer.texts = [...host.texts];
    if (dying === 'joined') return false;
    if (peer.kind === 'go') note(pod.incarnation);
    return true;
  }

  /** One pass over a network. */
  pass(network: string): Plan {
    const decided = plan(this.situation(network));
    this.done.set(network, new Map(decided.done));
    for (const step of decided.steps)
      if (!this.do(network, step)) {
        this.restartController();
        return decided;
      }
    const busy = new Set(decided.steps.map(({ pod }) => pod.uid));
    for (const { pod, state } of decided.standings)
      if (state === 'member' && !busy.has(pod.uid)) this.homes.set(pod.uid, network);
    if (decided.steps.length === 0) this.departed.delete(network);
    return decided;
  }

  /** Passes until nothing is left to do. Answers how many did something. @throws when it does not end. */
  settle(): number {
    for (let passes = 0; passes < 30; passes++) {
      const steps = this.networks().flatMap((network) => this.pass(network).steps);
      if (steps.length === 0) return passes;
    }
    throw new Error(`it does not end: ${this.log.slice(-20).join(', ')}`);
  }
}
