/** Reads the folder of a Go peer: a file of JSON for each block, named after its id. */
import type { Block } from '../chain/block.js';
import type { Disk } from './disk.js';

interface GoBlock {
  ID?: unknown;
  Payload?: unknown;
  PrevID?: unknown;
  Type?: unknown;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/**
 * The longest chain that the files form, oldest block first; nothing when there are none. What is no block is left alone:
 * the folder may hold other things.
 */
export async function readGoFolder(disk: Disk): Promise<Block[]> {
  const blocks = new Map<string, Block>();
  for (const name of await disk.list()) {
    if (name.includes('.')) continue;
    const block = await disk.text(name).then(
      (content) => parse(name, content),
      () => undefined,
    );
    if (block !== undefined) blocks.set(block.id, block);
  }
  const followed = new Set([...blocks.values()].map(({ prevId }) => prevId));
  const heads = [...blocks.values()].filter(({ id }) => !followed.has(id));
  const chains = heads.map((head) => {
    const chain: Block[] = [];
    const seen = new Set<string>();
    for (let at: Block | undefined = head; at !== undefined && !seen.has(at.id); at = blocks.get(at.prevId)) {
      seen.add(at.id);
      chain.push(at);
    }
    return chain.reverse();
  });
  return chains.reduce((longest, chain) => (chain.length > longest.length ? chain : longest), []);
}

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
