/** A world of simulated time: peers that run the real code on a network, disks and clocks that a seed decides. */
import { createReplica } from '../../../../lightpeer/replica/replica.js';
import type { Replica } from '../../../../lightpeer/replica/replica.js';
import { LIMITS } from '../../../../lightpeer/replica/ports.js';
import type { Clock, Limits } from '../../../../lightpeer/replica/ports.js';
import { openStore } from '../../../../lightpeer/store/store.js';
import { memoryDisk } from './memory-disk.js';
import type { MemoryDisk } from './memory-disk.js';
import { transportOf } from './network.js';

/** Numbers from 0 to below 1, the same for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Event {
  readonly time: number;
  readonly order: number;
  run: (() => void) | undefined;
}

export interface Node {
  readonly address: string;
  readonly disk: MemoryDisk;
  replica: Replica | undefined;
  /** Grows with each start: what an earlier process began is void. */
  life: number;
  alive: boolean;
  paused: boolean;
  backlog: (() => void)[];
  /** Ends of its streams, for when it dies. */
  readonly onDeath: Set<() => void>;
}

export interface World {
  readonly nodes: readonly Node[];
  readonly random: () => number;
  now(): number;
  after(ms: number, run: () => void): () => void;
  /** As `after`, for a process: void when it dies, late when it is paused. */
  at(node: Node, ms: number, run: () => void): () => void;
  /** Whether messages pass between two peers. */
  connected(a: Node, b: Node): boolean;
  onHeal(run: () => void): void;
  node(address: string): Node | undefined;
  start(node: Node): Promise<void>;
  crash(node: Node): void;
  pause(node: Node): void;
  resume(node: Node): void;
  /** Peers of different groups cannot reach each other. */
  partition(groups: readonly number[]): void;
  heal(): void;
  run(ms: number): Promise<void>;
  /** Runs until a condition holds; false when it does not within so much simulated time. */
  until(condition: () => boolean, ms: number): Promise<boolean>;
  readonly log: string[];
  /** How much longer each part of a fetched chain takes than another message. */
  fetchMs: number;
  onStart(node: Node, replica: Replica): void;
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export function createWorld(count: number, seed: number, limits: Partial<Limits> = {}): World {
  const random = randomOf(seed);
  const heap: Event[] = [];
  const healed: (() => void)[] = [];
  const log: string[] = [];
  let time = 0;
  let order = 0;
  let ids = 0;
  let groups: readonly number[] = [];

  const before = (a: Event, b: Event): boolean => a.time < b.time || (a.time === b.time && a.order < b.order);

  function push(event: Event): void {
    let i = heap.push(event) - 1;
    for (let up = (i - 1) >> 1; i > 0 && before(event, heap[up]!); up = (i - 1) >> 1) {
      heap[i] = heap[up]!;
      i = up;
    }
    heap[i] = event;
  }

  function pop(): Event | undefined {
    const top = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = i * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return top;
  }

  function after(ms: number, run: () => void): () => void {
    const event: Event = { time: time + Math.max(0, ms), order: order++, run };
    push(event);
    return () => void (event.run = undefined);
  }

  function at(node: Node, ms: number, run: () => void): () => void {
    const { life } = node;
    let live = true;
    const go = (): void => {
      if (!live || node.life !== life) return;
      if (node.paused) node.backlog.push(go);
      else run();
    };
    after(ms, go);
    return () => void (live = false);
  }

  const clockOf = (node: Node): Clock => ({ now: () => time, after: (ms, run) => at(node, ms, run) });

  const nodes = Array.from({ length: count }, (_, i): Node => {
    const node: Node = {
      address: `127.0.0.${i + 1}:9081`,
      disk: undefined as unknown as MemoryDisk,
      replica: undefined,
      life: 0,
      alive: false,
      paused: false,
      backlog: [],
      onDeath: new Set(),
    };
    return Object.assign(node, { disk: memoryDisk((ms, run) => at(node, ms, run), random) });
  });

  const world: World = {
    nodes,
    random,
    log,
    fetchMs: 0,
    onStart: () => undefined,
    now: () => time,
    after,
    at,
    node: (address) => nodes.find((node) => node.address === address),
    connected: (a, b) => (groups[nodes.indexOf(a)] ?? 0) === (groups[nodes.indexOf(b)] ?? 0),
    onHeal: (run) => healed.push(run),
    start: async (node) => {
      if (node.alive) return;
      node.life++;
      node.alive = true;
      node.paused = false;
      node.backlog = [];
      const { life } = node;
      const say = (what: object, message: string): void =>
        void log.push(`${Math.round(time)} ${node.address} ${message} ${JSON.stringify(what)}`);
      const replica = await createReplica(
        {
          self: { address: node.address, name: '' },
          transport: transportOf(world, node),
          clock: clockOf(node),
          limits: { ...LIMITS, ...limits },
          log: { info: say, warn: say },
          random,
          newId: () => `id-${ids++}`,
          today: () => 1_700_000_000_000 + time,
        },
        (again) => openStore(node.disk.mount(), { trial: again }),
      ).catch(() => undefined);
      if (node.life !== life) return;
      // A process that cannot start ends, and is started again by whoever runs it.
      if (replica === undefined) return world.crash(node);
      node.replica = replica;
      world.onStart(node, replica);
    },
    crash: (node) => {
      if (!node.alive) return;
      node.life++;
      node.alive = false;
      node.paused = false;
      node.backlog = [];
      node.replica = undefined;
      node.disk.crash();
      for (const run of [...node.onDeath]) run();
      node.onDeath.clear();
    },
    pause: (node) => void (node.paused = node.alive),
    resume: (node) => {
      node.paused = false;
      const { backlog } = node;
      node.backlog = [];
      for (const run of backlog) run();
    },
    partition: (given) => void (groups = given),
    heal: () => {
      groups = [];
      for (const run of healed.splice(0)) run();
    },
    run: async (ms) => void (await world.until(() => false, ms)),
    until: async (condition, ms) => {
      const end = time + ms;
      await settle();
      for (let check = 0; ;) {
        if (time >= check) {
          if (condition()) return true;
          check = time + 50;
        }
        if (heap.length === 0 || heap[0]!.time > end) break;
        const event = pop()!;
        time = event.time;
        if (event.run === undefined) continue;
        event.run();
        await settle();
      }
      time = end;
      return condition();
    },
  };
  return world;
}
