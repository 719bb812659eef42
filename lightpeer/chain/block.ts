/** Blocks, places in a chain, and member lists: plain values, no input or output. */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** Proposals for a view are ordered by epoch, then by the address of the proposer. */
export interface Ballot {
  readonly epoch: number;
  readonly by: string;
}

/** A place in a chain: the height of a block, and a digest of all blocks up to it. Equal digests mean equal chains. */
export interface Point {
  readonly height: number;
  readonly digest: string;
}

export interface Member {
  /** `ip:port` */
  readonly address: string;
  readonly name: string;
  /** Speaks only the reference's service. */
  readonly legacy: boolean;
}

/** What a NETWORK block of ours says beside the member list. */
export interface ViewInfo {
  readonly epoch: number;
  readonly networks: readonly string[];
  readonly legacy: readonly string[];
  readonly committed: number;
  readonly left: readonly string[];
}

export const NETWORK = 0;
export const CLIENT = 1;

export interface Block {
  readonly id: string;
  readonly prevId: string;
  readonly type: typeof NETWORK | typeof CLIENT;
  readonly payload: Uint8Array;
  readonly path: string;
  readonly deleted: boolean;
  /** Milliseconds since 1970; 0 when its maker did not say. */
  readonly at: number;
  readonly view?: ViewInfo | undefined;
}

/** A block in its place. */
export interface Placed extends Point {
  readonly block: Block;
}

/** Before the first block. */
export const ORIGIN: Point = { height: 0, digest: '' };

/** The digest of a chain that ended at `previous` with one more block. */
export function digestAfter(previous: string, block: Block): string {
  const { id, type, payload, path, deleted, view } = block;
  const parts = [previous, id, type, crc32(payload), path, deleted ? 1 : 0, view?.epoch ?? 0];
  return hash('sha256', parts.join('\n'), 'hex').slice(0, 32);
}

/** Below 0 when `a` is the older. */
export const compareBallots = (a: Ballot, b: Ballot): number =>
  a.epoch - b.epoch || (a.by < b.by ? -1 : a.by > b.by ? 1 : 0);

export const samePoint = (a: Point, b: Point): boolean => a.height === b.height && a.digest === b.digest;

/** Older than every proposal. */
export const NO_BALLOT: Ballot = { epoch: 0, by: '' };

const NO_VIEW: ViewInfo = { epoch: 0, networks: [], legacy: [], committed: 0, left: [] };

/** The payload of a NETWORK block, as the reference writes it: empty fields are left out. */
export const memberPayload = (members: readonly Member[]): Uint8Array =>
  Buffer.from(
    JSON.stringify(
      members.map(({ address, name }) =>
        name === '' ? { Address: address } : { Address: address, Name: name },
      ),
    ),
  );

/** A view as its NETWORK block says it. The first of its members that is one of ours leads. */
export interface View {
  readonly ballot: Ballot;
  readonly members: readonly Member[];
  readonly networks: readonly string[];
  readonly committed: number;
  readonly left: readonly string[];
  /** Of the block that made it. */
  readonly at: Point;
}

/** Members of a NETWORK block, each address once; undefined when its payload is no member list. */
export function membersOf(block: Block): readonly Member[] | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(block.payload).toString());
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed)) return undefined;
  const members = new Map<string, Member>();
  for (const item of parsed as unknown[]) {
    const { Address: address, Name: name } = (item ?? {}) as { Address?: unknown; Name?: unknown };
    if (typeof address !== 'string' || address === '' || members.has(address)) continue;
    members.set(address, {
      address,
      name: typeof name === 'string' ? name : '',
      legacy: block.view === undefined || block.view.legacy.includes(address),
    });
  }
  return [...members.values()];
}

const views = new WeakMap<Placed, View | undefined>();

/** The view that a NETWORK block makes; undefined for those of Go peers, which lead nobody. */
export function viewOf(placed: Placed): View | undefined {
  if (placed.block.type !== NETWORK) return undefined;
  if (!views.has(placed)) views.set(placed, readView(placed));
  return views.get(placed);
}

function readView({ block, height, digest }: Placed): View | undefined {
  const members = block.view === undefined ? undefined : membersOf(block);
  const leader = members?.find(({ legacy }) => !legacy);
  if (members === undefined || leader === undefined) return undefined;
  const { epoch, networks, committed, left } = block.view ?? NO_VIEW;
  const ballot = { epoch, by: leader.address };
  return { ballot, members, networks, committed, left, at: { height, digest } };
}
