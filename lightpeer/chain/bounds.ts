/** What a block may be that comes from elsewhere. Pure. */
import { MAX_PAYLOAD_BYTES } from '../port.js';
import { membersOf } from './block.js';
import type { Block, Member } from './block.js';

/** Characters of an id, and of the path of a state. */
const LONGEST_ID = 200;
const LONGEST_PATH = 4096;
/** Characters of a member's address or name, and members of a list. */
const LONGEST_NAME = 300;
const MOST_MEMBERS = 1000;

/** What keeps a block out of a chain: words, or undefined. */
export function blockProblem({ id, payload, path }: Block): string | undefined {
  if (payload.byteLength > MAX_PAYLOAD_BYTES)
    return `a payload of ${payload.byteLength} bytes is above the limit of ${MAX_PAYLOAD_BYTES} (4 MiB less 64 KiB): split it`;
  if (id === '' || id.length > LONGEST_ID)
    return `the id of a block has 1 to ${LONGEST_ID} characters, this one ${id.length}`;
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
