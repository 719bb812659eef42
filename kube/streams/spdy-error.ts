/** What went wrong with a SPDY session or one of its streams. */

/** `protocol`: the other side sent what SPDY/3.1 does not allow. `lost`: the connection ended first. */
export type SpdyErrorKind = 'protocol' | 'internal' | 'lost';

export class SpdyError extends Error {
  override readonly name = 'SpdyError';

  constructor(
    message: string,
    readonly kind: SpdyErrorKind = 'protocol',
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
  }
}
