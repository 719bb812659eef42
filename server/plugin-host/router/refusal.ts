/** What a call is answered with when it is not the plugin that answers. */
import type { Code } from '../../../connect/types.js';

/** An answer of the router's own. */
export type Answered = Pick<Refusal, 'status' | 'code' | 'message'> & { readonly notSent?: boolean };

/** Tells the caller that no plugin has seen any of the call, so that it may be made again. Plugins cannot say it. */
export const NOT_SENT = 'x-plugin-not-sent';

/** A call that the router answers itself: the HTTP status and the Connect error of the answer. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  constructor(
    readonly status: number,
    readonly code: Code,
    message: string,
    /** Whether it is sure that nothing was sent to a plugin. */
    readonly notSent = false,
  ) {
    super(message);
  }
}

export const badRequest = (message: string): Refusal => new Refusal(400, 'invalid_argument', message);
