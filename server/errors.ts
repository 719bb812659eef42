/** The one error of the server: what a caller is told, whichever face they came through. */
import { ERRORS, statusOf } from '../schemas/errors.js';
import type { ErrorCode, Problem } from '../schemas/errors.js';

/** What a problem document says beside its code and detail. */
export type ProblemDetails = Partial<
  Omit<Problem, 'type' | 'title' | 'status' | 'code' | 'detail' | 'request_id'>
>;

export class AppError extends Error {
  override readonly name = 'AppError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: ProblemDetails = {},
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
  }

  get status(): number {
    return statusOf(this.code);
  }

  /** The same error with more details. */
  with(details: ProblemDetails): AppError {
    return new AppError(this.code, this.message, { ...this.details, ...details }, this.cause);
  }

  /** The same error with a sentence more, and `details` over what it says already. */
  adding(sentence: string, details: ProblemDetails): AppError {
    return new AppError(
      this.code,
      `${this.message} ${sentence}`,
      { ...this.details, ...details },
      this.cause,
    );
  }
}

/** Any failure as an AppError. What is not known is `internal`: its message may hold anything, so callers don't see it. */
export function asAppError(error: unknown): AppError {
  return error instanceof AppError
    ? error
    : new AppError(
        'internal',
        'The server failed in a way that it does not know; its log says more under this request id.',
        {},
        error,
      );
}

/** The problem document (RFC 9457) of an error. */
export function toProblem(error: AppError, requestId?: string): Problem {
  return {
    type: `urn:xi-k8s:error:${error.code}`,
    title: ERRORS[error.code][1],
    status: error.status,
    code: error.code,
    detail: error.message,
    ...(requestId === undefined ? {} : { request_id: requestId }),
    ...error.details,
  };
}

export type FieldError = NonNullable<Problem['errors']>[number];

/** An `invalid_params` that names each bad field of a function's params. */
export function invalidParams(functionName: string, errors: FieldError[]): AppError {
  const said = errors
    .map(({ field, message }) => `${field === '' ? 'the params' : field} ${message}`)
    .join('; ');
  return new AppError('invalid_params', `${functionName}: ${said}.`, { errors });
}
