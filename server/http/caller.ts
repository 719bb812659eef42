/** What a request says about the call: who, until when, whether for real. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../errors.js';
import type { CallOptions } from '../library/library.js';
import type { Caller } from '../library/implementation.js';
import { Ender } from '../library/signals.js';
import type { Ending } from '../library/signals.js';

/** Why a call ends whose client left; nobody reads it but the audit. */
export const callerLeft = (): AppError => new AppError('overloaded', 'The caller left.');

/** Fires when the client leaves before the answer is complete. */
export function callerSignal({ raw }: FastifyReply): Ending {
  const ender = new Ender();
  raw.once('close', () => {
    if (!raw.writableFinished) ender.abort(callerLeft());
  });
  return ender;
}

const MAX_TIMEOUT_SECONDS = 86_400;

function timeoutOf(request: FastifyRequest): number | undefined {
  const text = request.headers['x-timeout-seconds'];
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (typeof text === 'string' && text !== '' && seconds > 0 && seconds <= MAX_TIMEOUT_SECONDS)
    return seconds;
  throw new AppError(
    'invalid_params',
    `The header X-Timeout-Seconds must be a number above 0, at most ${MAX_TIMEOUT_SECONDS}, and is ${JSON.stringify(text)}.`,
  );
}

/** The query options of a function call; any other is refused. */
function dryRunOf(request: FastifyRequest): boolean {
  const query = request.query as Record<string, unknown>;
  for (const [key, value] of Object.entries(query)) {
    if (key !== 'dry_run')
      throw new AppError('invalid_params', `The query option ${key} is not known; there is only dry_run.`);
    if (value !== 'true' && value !== 'false')
      throw new AppError('invalid_params', `dry_run must be true or false, and is ${JSON.stringify(value)}.`);
  }
  return query['dry_run'] === 'true';
}

/** Callers of the loopback listener act as the operator: RBAC on pods/portforward let them in. */
const LOOPBACK_CALLER = 'loopback';

export const callOptions = (
  request: FastifyRequest,
  reply: FastifyReply,
  face: Caller['face'],
): CallOptions => ({
  caller: { name: LOOPBACK_CALLER, face },
  requestId: request.id,
  signal: callerSignal(reply),
  timeoutSeconds: timeoutOf(request),
  dryRun: dryRunOf(request),
});
