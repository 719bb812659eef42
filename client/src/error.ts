import type { Cause, ErrorCode, FieldError, Problem } from './functions.gen.js';

/** A code of the server, or `unreachable`: no answer came. */
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

/** The error of an answer that is not a success, whoever gave it. */
export async function errorOf(response: Response): Promise<XiError> {
  const text = await response.text().catch(() => '');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const seconds = retryAfter(response.headers.get('retry-after'));
  const more = seconds === undefined ? {} : { retry_after_seconds: seconds };
  if (isProblem(value)) return new XiError({ ...more, ...value });
  return new XiError({
    ...more,
    code: 'bad_gateway',
    status: response.status,
    detail: `${response.url} answered ${response.status} ${response.statusText} without a problem document: it is no xi-k8s server, or something between broke off.`,
  });
}
