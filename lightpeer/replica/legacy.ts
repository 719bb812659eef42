/**
 * Members that speak only the reference's service. They are told of each block in its turn, as a Go peer would tell them;
 * one whose chain parted from ours is asked to join anew. They never hold up our own members for longer than a bound.
 */
import type { Block, Placed } from '../chain/block.js';
import type { Store } from '../store/port.js';
import { PeerError } from '../port.js';
import type { Clock, Log, Transport } from './ports.js';

export interface LegacyDeps {
  readonly self: string;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Log;
  store(): Store;
  leading(): boolean;
  /** A legacy member does not answer. */
  dead(address: string): void;
  /** A legacy member was asked to join anew. */
  rejoined(): void;
}

export interface LegacyMembers {
  /**
   * This peer leads, with these legacy members. `again`: it made the view before this one too, so what they were told by then
   * still holds.
   */
  lead(addresses: readonly string[], options: { again: boolean }): void;
  /** It leads no more. */
  rest(): void;
  /** Blocks that were just ordered. */
  appended(placed: readonly Placed[]): void;
  /** A block that a Go peer made: it tells the other Go peers itself. */
  toldByOthers(id: string): void;
  /** Resolves when each was told of the blocks up to a height, or a bound of time is over. */
  told(height: number): Promise<void>;
  /** The member is being sent the chain: it is told of what comes after when `resume` is called with its last block. */
  pause(address: string): (streamedTo: number) => void;
  tick(): void;
}

const NOTIFY_MS = 2000;
const HEALTH_MS = 500;
/**
 * When a refused block is offered again, in milliseconds. A Go peer that was just sent the chain refuses what stands on it until
 * it has read all of it, of which it does not tell.
 */
const AGAIN_MS = [50, 150, 400, 1000];

interface Told {
  height: number;
  paused: boolean;
  busy: boolean;
  joining: boolean;
  checkedAt: number;
  checking: boolean;
}

export function createLegacyMembers(deps: LegacyDeps): LegacyMembers {
  const { transport, clock, log } = deps;
  const members = new Map<string, Told>();
  /** Those whom this peer told before it rested, and may be telling still. */
  let before = new Map<string, Told>();
  const elsewhere = new Set<string>();
  let waiting: { height: number; done: () => void }[] = [];

  function settle(): void {
    const all = [...members.values()].filter(({ joining }) => !joining);
    waiting = waiting.filter(({ height, done }) => {
      const told = all.every((member) => member.height >= height);
      if (told) done();
      return !told;
    });
  }

  async function run(address: string, member: Told): Promise<void> {
    if (member.busy) return;
    member.busy = true;
    try {
      const store = deps.store();
      while (!member.paused && members.get(address) === member && deps.leading()) {
        const [next] = await store.after(member.height, Math.min(member.height + 1, store.synced().height));
        if (next === undefined) break;
        if (!elsewhere.has(next.block.id) && !(await tell(address, member, next))) break;
        member.height = Math.max(member.height, next.height);
        settle();
      }
    } catch (error) {
      log.warn({ member: address, error: String(error) }, 'a Go peer could not be told of a block');
    } finally {
      member.busy = false;
      settle();
    }
  }

  /** Tells a member of a block. Answers whether it refused; one that does not answer is judged by its health. */
  const refuses = (address: string, block: Block): Promise<boolean> =>
    transport.legacy.notify(address, block, NOTIFY_MS).then(
      () => false,
      (error: unknown) => error instanceof PeerError && error.code === 'refused',
    );

  /** False when it is not this peer's to tell any more, or not now. */
  async function tell(address: string, member: Told, { block, height }: Placed): Promise<boolean> {
    if (!(await refuses(address, block))) return true;
    // Nobody waits for it meanwhile.
    member.joining = true;
    settle();
    try {
      for (const ms of AGAIN_MS) {
        await new Promise<void>((resolve) => void clock.after(ms, resolve));
        if (member.paused || members.get(address) !== member || !deps.leading()) return false;
        // It was sent the chain meanwhile.
        if (member.height >= height) return true;
        if (!(await refuses(address, block))) return true;
      }
      // Its chain parted from ours: it takes ours anew, by calling ConnectNewPeer on us.
      log.info({ member: address }, 'a Go peer has another chain and joins anew');
      deps.rejoined();
      await transport.legacy.join(address, deps.self, 10 * NOTIFY_MS);
      return true;
    } finally {
      member.joining = false;
    }
  }

  return {
    lead: (addresses, { again }) => {
      members.clear();
      for (const address of addresses)
        members.set(
          address,
          (again ? before.get(address) : undefined) ?? {
            // Whoever led before has told the others of all but the block that made this view.
            height: deps.store().head().height - 1,
            paused: false,
            busy: false,
            joining: false,
            checkedAt: clock.now(),
            checking: false,
          },
        );
      before = new Map();
      for (const [address, member] of members) void run(address, member);
      settle();
    },
    rest: () => {
      if (members.size > 0) before = new Map(members);
      members.clear();
      settle();
    },
    appended: () => {
      for (const [address, member] of members) void run(address, member);
    },
    toldByOthers: (id) => {
      elsewhere.add(id);
      if (elsewhere.size > 10_000) elsewhere.delete(elsewhere.values().next().value!);
    },
    told: (height) => {
      if (members.size === 0) return Promise.resolve();
      return new Promise((resolve) => {
        const cancel = clock.after(NOTIFY_MS, resolve);
        waiting.push({
          height,
          done: () => {
            cancel();
            resolve();
          },
        });
        for (const [address, member] of members) void run(address, member);
        settle();
      });
    },
    pause: (address) => {
      const member = members.get(address);
      if (member !== undefined) member.paused = true;
      return (streamedTo) => {
        if (member === undefined) return;
        member.paused = false;
        member.height = Math.max(streamedTo, 0);
        void run(address, member);
      };
    },
    tick: () => {
      for (const [address, member] of members) {
        void run(address, member);
        if (member.checking || clock.now() - member.checkedAt < HEALTH_MS) continue;
        member.checking = true;
        void transport.legacy.healthy(address, NOTIFY_MS / 2).then((healthy) => {
          member.checking = false;
          member.checkedAt = clock.now();
          if (!healthy && members.get(address) === member) deps.dead(address);
        });
      }
    },
  };
}
