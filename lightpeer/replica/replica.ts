/** One peer: its part in the network, driven by what others ask, by what its users want, and by the passing of time. */
import type { Block, Member, Point } from '../chain/block.js';
import { PeerError } from '../port.js';
import type { PersistOptions } from '../port.js';
import type { Store } from '../store/port.js';
import { createChanges } from './changes.js';
import { droppable, dropUpTo } from './dropping.js';
import { createHandlers } from './handlers.js';
import { createLegacyMembers } from './legacy.js';
import { connectLegacy, notified } from './legacy-network.js';
import { createJoin, goAway, leave } from './membership.js';
import { moveTo } from './move.js';
import { createPersist } from './persist.js';
import { changeView, findPlace } from './place.js';
import type { Handlers, Status } from './ports.js';
import { seekLost } from './seek.js';
import { diskFailed, loosen, rememberLost, sameBallot, statusOf, viewBallot } from './state.js';
import type { Counters, ReplicaDeps, State } from './state.js';

export interface Replica {
  readonly handlers: Handlers;
  status(): Status;
  counters(): Counters;
  persist(payload: Uint8Array, options?: PersistOptions): Promise<{ id: string }>;
  /** A Go peer connects: it becomes a member and gets the chain, newest block first. */
  connectLegacy(member: Member, signal: AbortSignal): AsyncIterable<Block>;
  /** A Go peer tells of a block. */
  notified(block: Block): Promise<void>;
  /** Both peers are in one network when it resolves. */
  join(address: string, timeoutMs?: number): Promise<void>;
  /** Out of the network, for good: alone with the chain as it is, or with a new one (`forget`). */
  leave(options?: { forget?: boolean }): Promise<void>;
  store(): Store;
  /** Calls back when the mode, the view, the chain or what is everywhere may have changed. */
  onChange(listener: () => void): () => void;
  onRewound(listener: (left: Point) => void): () => void;
  /** Leaves the network, unless told not to, and stops. */
  stop(options?: { leave?: boolean }): Promise<void>;
  readonly state: State;
}

const TICK_MS = 100;
const DISK_RETRY_MS = 2000;
/** A disk that refuses again so soon after it was taken for well is taken so later each time, up to as long. */
const DISK_CALM_MS = 60_000;
const COMPACT_EVERY_MS = 5000;

/** @param openStore told whether the disk refused before. */
export async function createReplica(
  deps: ReplicaDeps,
  openStore: (again: boolean) => Promise<Store>,
): Promise<Replica> {
  const { clock, self, transport, limits, log } = deps;
  const changes = createChanges(clock);
  const rewinds = new Set<(left: Point) => void>();
  let last: Promise<unknown> = Promise.resolve();
  let running = 0;
  let nextTry = 0;
  let failures = 0;
  let nextCompact = clock.now();
  let reopening = false;
  let reopens = 0;
  let reopenedAt = -Infinity;
  let nextReopen = -Infinity;
  let cancelTick: () => void = () => undefined;
  const store = await openStore(false);

  const state: State = {
    ...deps,
    store,
    mode: 'loose',
    promised: { epoch: 0, by: '' },
    seenEpoch: 0,
    committed: Math.max(store.committed(), store.base().height),
    leader: undefined,
    followed: undefined,
    heardAt: clock.now(),
    brokenSince: undefined,
    // Long ago: a peer that starts waits for nobody.
    looseSince: -Infinity,
    promisedAt: -Infinity,
    move: undefined,
    dropAgainAt: -Infinity,
    closing: false,
    lost: new Map(),
    suspects: new Map(),
    legacy: createLegacyMembers({
      self: self.address,
      transport,
      clock,
      log,
      store: () => state.store,
      leading: () => state.mode === 'leading',
      dead: (address) => state.suspects.set(address, 'dead'),
      rejoined: () => state.counters.rejoins++,
    }),
    counters: {
      persisted: 0,
      views: 0,
      moves: 0,
      removed: 0,
      rewinds: 0,
      notified: 0,
      refused: 0,
      rejoins: 0,
      compactions: 0,
      diskFailures: 0,
    },
    transition: (run) => {
      running++;
      const result = last.then(run).finally(() => {
        running--;
      });
      last = result.catch(() => undefined);
      return result;
    },
    transitions: () => running,
    changed: changes.tell,
    rewound: (left) => {
      for (const listener of [...rewinds]) listener(left);
    },
  };
  state.promised = viewBallot(state);
  await rememberLost(state);
  const handlers = createHandlers(state);

  /** One try; what went wrong waits longer each time. */
  function attempt(run: () => Promise<unknown>): void {
    if (running > 0 || clock.now() < nextTry) return;
    state.transition(run).then(
      () => {
        failures = 0;
        nextTry = 0;
      },
      (error: unknown) => {
        failures = Math.min(failures + 1, 5);
        nextTry = clock.now() + 100 * 2 ** failures * (0.5 + state.random());
        if (error instanceof PeerError && error.code === 'disk') diskFailed(state, error);
        log.info({ error: String(error) }, 'not yet in a network');
      },
    );
  }

  function tick(): void {
    cancelTick = clock.after(TICK_MS, tick);
    // Nobody may append for long: what a reader came upon is not to wait for that.
    const broken = state.store.broken();
    if (broken !== undefined) diskFailed(state, broken);
    if (state.mode === 'failed') return void (clock.now() >= Math.max(nextTry, nextReopen) && reopen());
    if (state.mode === 'leading') lead();
    else if (state.mode === 'following') watchLeader();
    else if (clock.now() - Math.max(state.looseSince, state.promisedAt) > patience()) {
      const since = Math.max(state.looseSince, state.promisedAt) + patience();
      attempt(() => (state.mode === 'loose' ? findPlace(state, since) : Promise.resolve()));
    }
  }

  /**
   * A peer that promised to follow somebody waits for it a while; after a try of its own that failed, not for long. One that
   * belongs nowhere for long waits less: those that it gives promises to may not be able to keep theirs.
   */
  function patience(): number {
    if (state.promised.by === self.address || sameBallot(state.promised, viewBallot(state))) return 200;
    return clock.now() - state.looseSince > limits.silence * 2 ? 400 : limits.silence;
  }

  function watchLeader(): void {
    const now = clock.now();
    const { brokenSince, heardAt } = state;
    // A stream that ended is a leader that died or a connection that broke; it gets a moment to come back.
    const since =
      brokenSince !== undefined
        ? brokenSince + 200
        : now - heardAt > limits.silence
          ? heardAt + limits.silence
          : now + 1;
    if (since <= now)
      attempt(() => (state.mode === 'following' ? findPlace(state, since) : Promise.resolve()));
  }

  function lead(): void {
    state.leader?.tick();
    state.legacy.tick();
    if (state.suspects.size > 0) {
      const why = new Map(state.suspects);
      const by = (...reasons: string[]): string[] =>
        [...why].filter(([, reason]) => reasons.includes(reason)).map(([address]) => address);
      attempt(async () => {
        if (state.mode !== 'leading') return;
        log.info({ members: Object.fromEntries(why) }, 'members no longer do their part');
        await changeView(state, { dead: by('dead', 'slow'), silent: by('silent') });
      });
    }
    attemptSeek();
    if (clock.now() >= nextCompact) {
      nextCompact = clock.now() + COMPACT_EVERY_MS;
      compact().catch((error: unknown) => diskFailed(state, error));
    }
  }

  let seeking = false;
  function attemptSeek(): void {
    if (seeking || state.lost.size === 0) return;
    seeking = true;
    seekLost(state)
      .then((target) => {
        if (target !== undefined) attempt(() => moveTo(state, target));
      })
      .catch((error: unknown) => log.info({ error: String(error) }, 'looking for lost members failed'))
      .finally(() => (seeking = false));
  }

  /** Everybody has what is dropped: it is told only up to what is everywhere. */
  async function compact(): Promise<void> {
    const to = await droppable(state);
    if (to === undefined || state.leader === undefined) return;
    state.leader.compact(to);
    await dropUpTo(state, to);
  }

  function reopen(): void {
    if (reopening) return;
    reopening = true;
    nextTry = clock.now() + DISK_RETRY_MS;
    state.store
      .close()
      .catch(() => undefined)
      .then(() => openStore(true))
      .then(
        async (opened) => {
          const now = clock.now();
          reopens = now - reopenedAt > DISK_CALM_MS ? 1 : reopens + 1;
          reopenedAt = now;
          nextReopen = now + Math.min(500 * 2 ** reopens, DISK_CALM_MS);
          state.store = opened;
          const head = opened.head();
          if (state.committed > head.height) {
            // Damage was cut off: readers were further.
            state.committed = head.height;
            state.counters.rewinds++;
            state.rewound(head);
          }
          state.mode = 'loose';
          state.looseSince = state.promisedAt = -Infinity;
          nextTry = 0;
          log.info({}, 'the disk writes again');
          state.changed();
          if (opened.cut > 0) await rememberLost(state);
        },
        (error: unknown) => log.info({ error: String(error) }, 'the disk still refuses'),
      )
      .catch((error: unknown) =>
        log.info({ error: String(error) }, 'lost members were not found in the chain'),
      )
      .finally(() => (reopening = false));
  }

  tick();
  const replica: Replica = {
    handlers,
    state,
    status: () => statusOf(state),
    counters: () => ({ ...state.counters }),
    persist: createPersist(state, changes),
    connectLegacy: (member, signal) => connectLegacy(state, member, signal),
    notified: (block) => notified(state, block),
    join: createJoin(state, changes),
    leave: (leaving) => state.transition(() => leave(state, leaving)),
    store: () => state.store,
    onChange: changes.listen,
    onRewound: (listener) => {
      rewinds.add(listener);
      return () => rewinds.delete(listener);
    },
    stop: async ({ leave = true } = {}) => {
      if (leave) await goAway(state);
      state.closing = true;
      cancelTick();
      loosen(state, 'this peer is being stopped');
      state.changed();
      await last;
      await state.store.close();
    },
  };
  return replica;
}
