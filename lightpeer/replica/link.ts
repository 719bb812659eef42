/** The leader's side of one member: brings it to the head of the chain and keeps it there. */
import { ORIGIN, samePoint } from '../chain/block.js';
import type { Ballot, Placed, Point } from '../chain/block.js';
import { PeerError } from '../port.js';
import type { Store } from '../store/port.js';
import type { Append, AppendStream, Clock, Limits, Transport } from './ports.js';

export type Suspicion = 'dead' | 'silent' | 'slow' | 'fenced' | 'parted';

export interface LinkDeps {
  readonly address: string;
  readonly ballot: Ballot;
  readonly store: Store;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly limits: Limits;
  committed(): number;
  compactTo(): number;
  advanced(): void;
  /** The member no longer does its part; said again until the leader is stopped. */
  suspect(why: Suspicion): void;
}

export interface Link {
  /** Highest block that the member has on disk. */
  acked(): number;
  /** Sends blocks that were just appended; `append` is made once for all members. */
  broadcast(append: Append): void;
  /** Tells what is everywhere, unless a message with it was sent. */
  tell(): void;
  tick(): void;
  close(): void;
}

/** Between two tries of a connection that broke though the peer lives. */
const RETRY_MS = 100;

export function createLink(deps: LinkDeps): Link {
  const { address, ballot, store, transport, clock, limits } = deps;
  let stream: AppendStream | undefined;
  let ready = false;
  let checking = false;
  let blocked = false;
  let pumping = false;
  let closed = false;
  let acked = 0;
  let sent = 0;
  let told = 0;
  let lastSent = 0;
  let lastHeard = clock.now();
  /** Since when the member owes an acknowledgement. */
  let owingSince: number | undefined;

  function send(append: Append): void {
    if (stream === undefined) return;
    told = append.committed;
    lastSent = clock.now();
    if (append.blocks.length > 0) owingSince ??= lastSent;
    if (!stream.send(append)) blocked = true;
  }

  const message = (previous: Point, blocks: Append['blocks']): Append => ({
    ballot,
    previous,
    blocks,
    committed: deps.committed(),
    compactTo: deps.compactTo(),
  });

  async function pump(): Promise<void> {
    if (pumping) return;
    pumping = true;
    try {
      while (ready && !blocked && !closed && sent < store.head().height) {
        const from = sent;
        const of = stream;
        const previous = await placeAt(from);
        const placed = await store.after(from, store.head().height);
        if (of !== stream || closed || sent !== from || previous === undefined) return;
        sent = placed.at(-1)!.height;
        send(
          message(
            previous,
            placed.map(({ block }) => block),
          ),
        );
      }
    } catch {
      // The chain was compacted past what the member has, or the disk fails: the leader's own trouble comes up elsewhere.
      deps.suspect('parted');
    } finally {
      pumping = false;
    }
  }

  async function placeAt(height: number): Promise<Point | undefined> {
    const base = store.base();
    if (height === base.height) return base;
    return height === 0 ? ORIGIN : store.at(height);
  }

  async function check(of: AppendStream, point: Point): Promise<void> {
    checking = true;
    const own = await placeAt(point.height).finally(() => (checking = false));
    if (of !== stream || closed) return;
    if (own === undefined || !samePoint(own, point)) return deps.suspect('parted');
    ready = true;
    acked = sent = point.height;
    deps.advanced();
    await pump();
  }

  function connect(): void {
    if (closed) return;
    ready = false;
    blocked = false;
    owingSince = undefined;
    const opened: AppendStream = transport.replicate(address, {
      synced: (point) => {
        if (opened !== stream || closed) return;
        lastHeard = clock.now();
        if (!ready) {
          if (!checking) check(opened, point).catch(() => deps.suspect('parted'));
          return;
        }
        if (point.height > acked) {
          acked = point.height;
          owingSince = acked < sent ? lastHeard : undefined;
          deps.advanced();
        }
      },
      drained: () => {
        blocked = false;
        void pump();
      },
      closed: (error) => {
        if (opened !== stream || closed) return;
        stream = undefined;
        ready = false;
        const code = error instanceof PeerError ? error.code : undefined;
        if (code === 'fenced') deps.suspect('fenced');
        else if (code === 'refused' || code === 'disk' || code === 'closed') deps.suspect('parted');
        else void isDead().then((dead) => (dead ? deps.suspect('dead') : retry()));
      },
    });
    stream = opened;
    send(message(ORIGIN, []));
  }

  const retry = (): void => void clock.after(RETRY_MS, connect);

  /** A connection can break without its peer; one that nobody listens for is a peer that died. */
  async function isDead(): Promise<boolean> {
    if (closed) return false;
    transport.drop(address);
    return transport.call(address, 'status', {}, limits.ask).then(
      () => false,
      (error: unknown) => error instanceof PeerError && error.code === 'unreachable',
    );
  }

  connect();
  return {
    acked: () => acked,
    broadcast: (append) => {
      if (ready && !blocked && !pumping && append.previous.height === sent) {
        sent += append.blocks.length;
        send(append);
      } else void pump();
    },
    tell: () => {
      if (ready && told < deps.committed()) send(message(ORIGIN, []));
    },
    tick: () => {
      const now = clock.now();
      if (now - lastHeard > limits.silence) deps.suspect('silent');
      else if (owingSince !== undefined && now - owingSince > limits.silence) deps.suspect('slow');
      else if (now - lastSent >= limits.heartbeat) send(message(ORIGIN, []));
      void pump();
    },
    close: () => {
      closed = true;
      stream?.close();
    },
  };
}

/** The message for blocks that were just appended after `previous`. */
export const appendOf = (
  placed: readonly Placed[],
  { ballot, previous, committed, compactTo }: Omit<Append, 'blocks'>,
): Append => ({ ballot, previous, blocks: placed.map(({ block }) => block), committed, compactTo });
