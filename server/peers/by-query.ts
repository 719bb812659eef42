/**
 * Pages and watches of a peer that has nothing but Query: all payloads of its chain, newest first. Where a block stands is known
 * by how many are older, which is known at the end; so the chain is read with a guess of its length, and again where that was
 * wrong. Of what is read only what is wanted is held.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { PeerError } from '../peer-error.js';
import type { PeerIo, Peers } from '../ports.js';

type Page = Awaited<ReturnType<Peers['list']>>;
type Read = (io: PeerIo | undefined) => AsyncIterable<Uint8Array>;

/** A page ends when it weighs so much. */
const PAGE_BYTES = 3 << 20;
/** Blocks of a watch that are held at a time, in bytes; and blocks beyond those that the guess lets expect, at first. */
const HELD_BYTES = 8 << 20;
const SLACK = 256;
/** Reads of a chain that grows all the time. */
const TRIES = 5;
/** How often a watch reads, in milliseconds, and how long that may take. */
const POLL_MS = 1_000;
const READ_MS = 30_000;

const TOKEN = /^query:(\d{1,10}):(\d{1,10})$/;

export const isQueryToken = (token: string | undefined): token is string =>
  token?.startsWith('query:') === true;

/** @param what names the peer. */
export async function listByQuery(
  what: string,
  read: Read,
  page: Parameters<Peers['list']>[1],
  io?: PeerIo,
): Promise<Page> {
  const { limit, continue: token } = page;
  const [, older, length] = TOKEN.exec(token ?? '') ?? [];
  if (token !== undefined && older === undefined && !/^\d{1,10}$/.test(token))
    throw new PeerError('invalid', `'${token}' is no page of ${what}: give what the page before said.`);
  const gone = (): PeerError =>
    new PeerError('refused', `${what} does not have the page ${token ?? ''} (any more); start again.`);
  if (token !== undefined && older === undefined) throw gone();
  /** So many blocks are not on the pages before; all on the first. */
  const below = older === undefined ? undefined : Number(older);
  let guess = Number(length ?? 0);
  for (let tries = 0; tries < TRIES; tries++) {
    const from = below === undefined ? 0 : guess - below;
    const payloads: Uint8Array[] = [];
    let bytes = 0;
    let isFull = false;
    let total = 0;
    for await (const payload of read(io)) {
      if (total++ < from || isFull) continue;
      isFull = payloads.length === limit || (payloads.length > 0 && bytes + payload.byteLength > PAGE_BYTES);
      if (isFull) continue;
      payloads.push(payload);
      bytes += payload.byteLength;
    }
    if (below !== undefined && below > total) throw gone();
    if (below === undefined || total === guess) {
      const left = (below ?? total) - payloads.length;
      return {
        blocks: payloads.map((payload) => ({ payload })),
        ...(left > 0 ? { next: `query:${left}:${total}` } : {}),
      };
    }
    guess = total;
  }
  throw new PeerError('overloaded', `${what} gets new blocks all the time: try again later.`);
}

/** What came after the `known` oldest blocks, oldest first, as far as it may be held; and how many are known then. */
async function newer(
  read: Read,
  known: number,
  io: PeerIo,
): Promise<{ payloads: Uint8Array[]; known: number; left: number } | undefined> {
  for (let guess = known, slack = SLACK; ; slack *= 2) {
    /** Newest first, after `dropped` newer ones. */
    const held: Uint8Array[] = [];
    let dropped = 0;
    let bytes = 0;
    let slackBytes = 0;
    let total = 0;
    for await (const payload of read(io)) {
      const at = total++;
      if (at < guess - known) {
        held.push(payload);
        bytes += payload.byteLength;
        while (bytes > HELD_BYTES && held.length > 1) {
          bytes -= held.shift()!.byteLength;
          dropped++;
        }
      } else if (at === dropped + held.length && at < guess - known + slack && slackBytes < HELD_BYTES) {
        held.push(payload);
        slackBytes += payload.byteLength;
      }
    }
    if (total < known) return undefined;
    const count = total - known;
    if (count <= dropped + held.length) {
      const left = Math.min(dropped, count);
      return { payloads: held.slice(0, count - left).reverse(), known: total - left, left };
    }
    guess = total;
  }
}

export async function* watchByQuery(
  what: string,
  read: Read,
  cursor: string | undefined,
  io?: PeerIo,
): ReturnType<Peers['watch']> {
  if (cursor !== undefined)
    throw new PeerError('refused', `${what} cannot go on from a cursor: it speaks the reference's protocol.`);
  let known = 0;
  for (let isLive = false; ;) {
    const found = await newer(read, known, { signal: io?.signal, timeoutMs: READ_MS });
    if (found === undefined) {
      known = 0;
      yield { type: 'rewound' };
      continue;
    }
    for (const payload of found.payloads) yield { type: 'block', block: { payload } };
    known = found.known;
    if (found.left > 0) continue;
    if (!isLive) yield { type: 'live' };
    isLive = true;
    await delay(POLL_MS, undefined, { signal: io?.signal }).catch(() => {
      throw new PeerError('cancelled', `The watch of ${what} was cancelled.`);
    });
  }
}
