/** What a call to a lightpeer fails with, and what a caller of a function is told of it. */
import { AppError } from './errors.js';

/**
 * - `unreachable`: no connection, or it broke; `deadline`: no answer in time.
 * - `foreign`: something answers, but not as a lightpeer does.
 * - `refused`: the peer answered that it will not; its own words are in the message.
 * - `unsupported`: the peer speaks the reference's protocol only.
 * - `cancelled`: the caller's signal fired.
 */
export type PeerFault = 'unreachable' | 'deadline' | 'foreign' | 'refused' | 'unsupported' | 'cancelled';

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

/** Translates what a Peers port threw; anything else comes back as it is. `changing`: the call would have changed something. */
export function fromPeer(error: unknown, changing = false): unknown {
  if (!(error instanceof PeerError)) return error;
  const { fault, message } = error;
  if (fault === 'refused') return new AppError('conflict', message, {}, error);
  const sent = changing && (fault === 'deadline' || fault === 'unreachable');
  return new AppError(
    fault === 'deadline' ? 'deadline_exceeded' : 'bad_gateway',
    sent ? `${message} The change may or may not have happened: look before you send it again.` : message,
    sent ? { outcome: 'unknown' } : {},
    error,
  );
}
