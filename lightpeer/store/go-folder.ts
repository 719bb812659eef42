/** Reads the folder of a Go peer: a file of JSON for each block, named after its id. */
import type { Block } from '../chain/block.js';
import { PeerError } from '../port.js';
import type { Disk } from './disk.js';

interface GoBlock {
  ID?: unknown;
  Payload?: unknown;
  PrevID?: unknown;
  Type?: unknown;
}

/** Read in one go, of payloads. */
const PART_BYTES = 1 << 20;
/** What a block weighs beside its payload, roughly. */
const BLOCK_BYTES = 300;

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/**
 * The ids of the longest chain that the files form, oldest first; none when there are none. What is no block is left alone: the
 * folder may hold other things. Of each file only the link is kept: the folder may be larger than the memory.
 */
export async function goChain(disk: Disk): Promise<string[]> {
  /** Id → the one before. */
  const links = new Map<string, string>();
  for (const name of await disk.list()) {
    const block = name.includes('.') ? undefined : await blockIn(disk, name);
    if (block !== undefined) links.set(name, block.prevId);
  }
  const followed = new Set(links.values());
  let longest: string[] = [];
  for (const head of links.keys()) {
    if (followed.has(head)) continue;
    const chain: string[] = [];
    const seen = new Set<string>();
    for (let at = head; links.has(at) && !seen.has(at); at = links.get(at)!) {
      seen.add(at);
      chain.push(at);
    }
    if (chain.length > longest.length) longest = chain.reverse();
  }
  return longest;
}

/** The blocks of such a chain, some at a time. */
export async function* goBlocks(disk: Disk, ids: readonly string[]): AsyncGenerator<Block[]> {
  let some: Block[] = [];
  let bytes = 0;
  for (const id of ids) {
    const block = await blockIn(disk, id);
    if (block === undefined)
      throw new PeerError('disk', `${disk.folder}/${id}: the block is gone or damaged`);
    some.push(block);
    bytes += block.payload.byteLength + BLOCK_BYTES;
    if (bytes < PART_BYTES) continue;
    yield some;
    some = [];
    bytes = 0;
  }
  if (some.length > 0) yield some;
}

const blockIn = (disk: Disk, name: string): Promise<Block | undefined> =>
  disk.text(name).then(
    (content) => parse(name, content),
    () => undefined,
  );

function parse(name: string, content: string): Block | undefined {
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch {
    return undefined;
  }
  if (typeof json !== 'object' || json === null) return undefined;
  const { ID, Payload, PrevID, Type } = json as GoBlock;
  if (text(ID) !== name) return undefined;
  return {
    id: name,
    prevId: text(PrevID),
    type: Type === 1 ? 1 : 0,
    payload: Buffer.from(text(Payload), 'base64'),
    path: '',
    deleted: false,
    at: 0,
  };
}
