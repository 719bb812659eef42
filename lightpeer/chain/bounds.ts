/** What a block may be that comes from elsewhere. Pure. */
import { MAX_PAYLOAD_BYTES } from '../port.js';
import { membersOf } from './block.js';
import type { Block, Member } from './block.js';

/**
 * What a caller may call a block. The reference keeps each in a file of that name, so it leads nowhere else and is none that is
 * hidden; and a folder of blocks is known by names without '.', as other files have one.
 */
const BLOCK_ID = /^[A-Za-z0-9][A-Za-z0-9_:-]{0,199}$/;
/** Characters of the path of a state. */
const LONGEST_PATH = 4096;
/** Characters of a member's address or name, and members of a list. */
const LONGEST_NAME = 300;
const MOST_MEMBERS = 1000;

/** What keeps a block from being made with an id: words, or undefined. */
export const idProblem = (id: string): string | undefined =>
  BLOCK_ID.test(id)
    ? undefined
    : `the id of a block has 1 to 200 of the characters A-Z a-z 0-9 _ : - and begins with a letter or a digit, unlike ${JSON.stringify(id.slice(0, 100))}`;

/** What keeps a block out of a chain: words, or undefined. One that a chain holds already may have any id. */
export function blockProblem({ payload, path }: Pick<Block, 'payload' | 'path'>): string | undefined {
  if (payload.byteLength > MAX_PAYLOAD_BYTES)
    return `a payload of ${payload.byteLength} bytes is above the limit of ${MAX_PAYLOAD_BYTES} (4 MiB less 64 KiB): split it`;
  return path.length > LONGEST_PATH
    ? `the path of a state has at most ${LONGEST_PATH} characters`
    : undefined;
}

/** What keeps a member out of a list, which is told to everybody: words, or undefined. */
export function memberProblem({ address, name }: Pick<Member, 'address' | 'name'>): string | undefined {
  const longest = Math.max(address.length, name.length);
  return longest > LONGEST_NAME
    ? `the address or name of a member has ${longest} characters: at most ${LONGEST_NAME} are taken`
    : undefined;
}

/** What is wrong with the member list that a NETWORK block holds: words, or undefined. */
export function listProblem(block: Block): string | undefined {
  const members = membersOf(block);
  if (members === undefined) return 'a NETWORK block holds a member list, and this one does not';
  if (members.length > MOST_MEMBERS)
    return `the member list names ${members.length}: at most ${MOST_MEMBERS} are taken`;
  return members.map(memberProblem).find((problem) => problem !== undefined);
}
