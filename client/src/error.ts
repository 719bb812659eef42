import type { Cause, ErrorCode, FieldError, MissingRule, ObjectRef, Problem } from './functions.gen.js';

/** A code of the server, or `unreachable`: no answer came, or not all of it. */
export type XiErrorCode = ErrorCode | 'unreachable';

/** What an error is made of: a problem document, or as much of one as is known. */
export interface ProblemLike extends Partial<Omit<Problem, 'code' | 'status' | 'detail'>> {
  code: XiErrorCode;
  status: number;
  detail: string;
}

/** A call that failed. `code` is for programs, `message` for people. */
export class XiError extends Error {
  override readonly name = 'XiError';
  readonly code: XiErrorCode;
  /** The HTTP status; 0 when no answer came. */
  readonly status: number;
  /** What happened, on which object, and what to do. */
  readonly detail: string;
  /** Each bad param, for `invalid_params`. */
  readonly errors: readonly FieldError[];
  /** The API server's reasons, field by field, for `rejected_by_cluster`. */
  readonly causes: readonly Cause[];
  /** What the call was about. */
  readonly object: ObjectRef | undefined;
  /** The rule that RBAC lacks, for `permission_denied`. */
  readonly permission: MissingRule | undefined;
  readonly requestId: string | undefined;
  /** What became of a change: `unknown`, it may have happened; `done`, only the waiting failed. Absent: it did not happen. */
  readonly outcome: 'unknown' | 'done' | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    /** The problem document as it came; fields that this version does not know are in it. */
    readonly problem: ProblemLike,
    cause?: unknown,
  ) {
    super(problem.detail, cause === undefined ? undefined : { cause });
    this.code = problem.code;
    this.status = problem.status;
    this.detail = problem.detail;
    this.errors = problem.errors ?? [];
    this.causes = problem.causes ?? [];
    this.object = problem.object;
    this.permission = problem.permission;
    this.requestId = problem.request_id;
    this.outcome = problem.outcome;
    this.retryAfterSeconds = problem.retry_after_seconds;
  }
}

const isProblem = (value: unknown): value is Problem =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Partial<Problem>).code === 'string' &&
  typeof (value as Partial<Problem>).detail === 'string' &&
  typeof (value as Partial<Problem>).status === 'number';

/** Seconds of a Retry-After header, given as a number or a date. */
function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : undefined;
}

/** The error of an answer that is no success or no JSON, whoever gave it. */
export function errorOf(response: Response, text: string, mayChange: boolean): XiError {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const seconds = retryAfter(response.headers.get('retry-after'));
  const more = seconds === undefined ? {} : { retry_after_seconds: seconds };
  if (isProblem(value)) return new XiError({ ...more, ...value });
  const { url, status, statusText, ok } = response;
  return new XiError({
    ...more,
    code: 'bad_gateway',
    status,
    detail: `${url} answered ${status} ${statusText} and ${JSON.stringify(text.slice(0, 100))}: it is no xi-k8s server, or something between broke off.`,
    // Of a proxy's own failure nobody knows whether the call had gone through.
    ...(mayChange && (ok || status >= 500) ? { outcome: 'unknown' } : {}),
  });
}

/** The error of a call without an answer, or with half of one. A change may have happened all the same. */
export function lost(what: string, mayChange: boolean, cause?: unknown): XiError {
  // Fetch says "fetch failed" and has what happened as its cause.
  const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const why = reason === undefined ? '' : `: ${reason instanceof Error ? reason.message : String(reason)}`;
  return new XiError(
    { code: 'unreachable', status: 0, detail: `${what}${why}`, ...(mayChange ? { outcome: 'unknown' } : {}) },
    cause,
  );
}
