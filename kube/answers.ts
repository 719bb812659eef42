/** What an HTTP answer means: objects, and errors in the API's own words. */
import { KubeError } from './errors.js';
import type { Outcome } from './errors.js';
import type { Status } from './objects.js';

/** Characters that are kept of an error body that is no Status. */
const EXCERPT = 500;

export function parseObject<T>(what: () => string, body: Buffer, changed: boolean): T {
  try {
    const value = JSON.parse(body.toString('utf8')) as unknown;
    if (typeof value === 'object' && value !== null) return value as T;
  } catch {
    // Told below, with an excerpt.
  }
  throw new KubeError(`${what()}: the answer is not JSON of an object: ${excerpt(body)}`, {
    reason: 'bad_answer',
    outcome: changed ? 'unknown' : 'not_sent',
  });
}

/** Turns an answer that is no success into a KubeError. */
export function statusError(
  what: string,
  answer: { code: number; retryAfter?: string | string[] | undefined; body: Buffer },
  change: boolean,
): KubeError {
  const status = parseStatus(answer.body);
  const text = status?.message || excerpt(answer.body) || 'no text';
  const header = Number.parseInt(String(answer.retryAfter), 10);
  return new KubeError(`${what}: ${answer.code}: ${text}`, {
    reason: 'status',
    // A 5xx comes from proxies and time-outs too, behind which a change may have been made.
    outcome: (change && answer.code >= 500 ? 'unknown' : 'refused') satisfies Outcome,
    code: answer.code,
    status,
    retryAfterSeconds: header >= 0 ? header : status?.details?.retryAfterSeconds,
  });
}

/** The error that an ERROR event of a watch carries. */
export function watchError(what: string, object: unknown): KubeError {
  const status = asStatus(object);
  return new KubeError(`${what}: ${status?.message || JSON.stringify(object)?.slice(0, EXCERPT)}`, {
    reason: 'status',
    outcome: 'refused',
    code: status?.code ?? 500,
    status,
    retryAfterSeconds: status?.details?.retryAfterSeconds,
  });
}

function parseStatus(body: Buffer): Status | undefined {
  try {
    return asStatus(JSON.parse(body.toString('utf8')));
  } catch {
    return undefined;
  }
}

const asStatus = (value: unknown): Status | undefined =>
  typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'Status'
    ? value
    : undefined;

const excerpt = (body: Buffer) => body.toString('utf8').trim().slice(0, EXCERPT);
