/** The block that somebody wants to add to a network, checked as far as its contract cannot say it. */
import type { Contracts } from '../../schemas/index.js';
import { MAX_PAYLOAD_BYTES } from '../../schemas/networks.js';
import { AppError, invalidParams } from '../errors.js';
import type { Filled } from '../library/implementation.js';

type Params = Filled<Contracts['persist_to_network']>;

/** A part of a surrogate pair, of which there is no UTF-8: it would be kept as U+FFFD. */
const LONE_SURROGATE = /\p{Surrogate}/u;
/** What a peer takes for a file of its folder, beside the contract's pattern: lightpeer/state/paths.ts. */
const LONGEST_PATH = 1_024;
const LONGEST_PART_BYTES = 255;

const refuse = (field: string, message: string): AppError =>
  invalidParams('persist_to_network', [{ field, message }]);

/** What is wrong with a path of the contract's pattern; undefined when nothing is. */
export function pathFault(path: string): string | undefined {
  if (path.length > LONGEST_PATH) return `must not have more than ${LONGEST_PATH} characters`;
  if (LONE_SURROGATE.test(path) || path.includes('\uFFFD'))
    return 'must be Unicode: it holds a lone surrogate, or U+FFFD, which stands for what is none';
  return path.split('/').some((part) => Buffer.byteLength(part) > LONGEST_PART_BYTES)
    ? `must not have a part longer than ${LONGEST_PART_BYTES} bytes as UTF-8`
    : undefined;
}

/** The payload. @throws AppError when the block cannot be, or no peer could write it. */
export function payloadOf({ payload, payload_base64: base64, deleted, path }: Params): Buffer {
  const given = Object.entries({ payload, payload_base64: base64, deleted: deleted || undefined }).filter(
    ([, value]) => value !== undefined,
  );
  if (given.length !== 1)
    throw refuse(
      '',
      `need exactly one of payload, payload_base64, deleted, and have ${given.map(([key]) => key).join(' and ') || 'none'}`,
    );
  if (deleted === true && path === undefined)
    throw refuse('path', 'is required with deleted: it names the file that is gone');
  const fault = path === undefined ? undefined : pathFault(path);
  if (fault !== undefined) throw refuse('path', fault);
  if (payload !== undefined && LONE_SURROGATE.test(payload))
    throw refuse(
      'payload',
      'must be Unicode, and holds a lone surrogate: give other bytes as payload_base64',
    );
  if (base64 !== undefined && base64.length % 4 !== 0)
    throw refuse('payload_base64', 'must be base64, whose length is a multiple of 4');
  const bytes = base64 === undefined ? Buffer.from(payload ?? '', 'utf8') : Buffer.from(base64, 'base64');
  if (bytes.byteLength > MAX_PAYLOAD_BYTES)
    throw new AppError(
      'payload_too_large',
      `The payload has ${bytes.byteLength} bytes; a block holds at most ${MAX_PAYLOAD_BYTES}.`,
    );
  return bytes;
}
