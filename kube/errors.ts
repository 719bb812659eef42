/** The one error that this folder throws. */
import type { Status } from './objects.js';

/**
 * Why a call failed.
 * - `status`: the API server answered with an error; `status` holds its Status object and `code` the HTTP code.
 * - `unreachable`: no answer (refused, reset, TLS, DNS, credentials that cannot be had).
 * - `deadline`: the call's time is over.
 * - `cancelled`: the caller's signal fired, or the client was closed.
 * - `bad_answer`: the server's answer is not what the API promises (not JSON, cut short).
 * - `invalid_name`: a name or namespace cannot be a segment of a path, or a selector is no text; nothing was sent.
 */
export type KubeErrorReason =
  'status' | 'unreachable' | 'deadline' | 'cancelled' | 'bad_answer' | 'invalid_name';

/**
 * What became of a change. `not_sent`: no byte of it left, so it did not happen and may be sent again. `unknown`: bytes
 * left and no answer came, or one that does not tell (5xx). `refused`: the server answered that it did not do it. Reads
 * are always `not_sent` or `refused`.
 */
export type Outcome = 'not_sent' | 'unknown' | 'refused';

export interface KubeErrorInit {
  reason: KubeErrorReason;
  outcome: Outcome;
  /** HTTP status of the API server's answer. */
  code?: number | undefined;
  status?: Status | undefined;
  retryAfterSeconds?: number | undefined;
  cause?: unknown;
}

export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly reason: KubeErrorReason;
  readonly outcome: Outcome;
  readonly code: number | undefined;
  readonly status: Status | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(message: string, init: KubeErrorInit) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.reason = init.reason;
    this.outcome = init.outcome;
    this.code = init.code;
    this.status = init.status;
    this.retryAfterSeconds = init.retryAfterSeconds;
  }

  /** True for an answer of the API server with this HTTP code. */
  is(code: number): boolean {
    return this.reason === 'status' && this.code === code;
  }
}

/** For all that goes wrong before a connection can be tried: files, settings, credentials. */
export const cannotConnect = (message: string, cause?: unknown): KubeError =>
  new KubeError(message, { reason: 'unreachable', outcome: 'not_sent', cause });
