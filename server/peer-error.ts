/** What a call to a lightpeer fails with, and what a caller of a function is told of it. */
import { AppError } from './errors.js';

/**
 * - `unreachable`: no connection, or it broke; `deadline`: no answer in time.
 * - `foreign`: something answers, but not as a lightpeer does.
 * - `refused`: the peer answered that it will not; its own words are in the message.
 * - `overloaded`: it has no room for more now; `broken`: its disk refuses; `invalid`: what was asked makes no sense to it.
 * - `exists`: it has something else under that id.
 * - `unsupported`: the peer speaks the reference's protocol only.
 * - `cancelled`: the caller's signal fired.
 */
export type PeerFault =
  | 'unreachable'
  | 'deadline'
  | 'foreign'
  | 'refused'
  | 'overloaded'
  | 'broken'
  | 'invalid'
  | 'exists'
  | 'unsupported'
  | 'cancelled';

export class PeerError extends Error {
  override readonly name = 'PeerError';

  constructor(
    readonly fault: PeerFault,
    message: string,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
  }
}

/** Whether what was asked may have happened all the same. */
export const mayHaveHappened = ({ fault }: PeerError): boolean =>
  ['deadline', 'unreachable', 'broken'].includes(fault);

/** Translates what a Peers port threw; anything else comes back as it is. `changing`: the call would have changed something. */
export function fromPeer(error: unknown, changing = false): unknown {
  if (!(error instanceof PeerError)) return error;
  const { fault, message } = error;
  if (fault === 'refused') return new AppError('conflict', message, {}, error);
  if (fault === 'invalid') return new AppError('invalid_params', message, {}, error);
  if (fault === 'exists') return new AppError('already_exists', message, {}, error);
  if (fault === 'overloaded') return new AppError('overloaded', message, {}, error);
  const sent = changing && mayHaveHappened(error);
  return new AppError(
    fault === 'deadline' ? 'deadline_exceeded' : 'bad_gateway',
    sent ? `${message} The change may or may not have happened: look before you send it again.` : message,
    sent ? { outcome: 'unknown' } : {},
    error,
  );
}
