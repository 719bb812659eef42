/** Errors of peers as gRPC's status codes, and back. */
import { status } from '@grpc/grpc-js';
import { PeerError } from '../port.js';
import type { PeerErrorCode } from '../port.js';

const CODES: Record<PeerErrorCode, status> = {
  invalid: status.INVALID_ARGUMENT,
  timeout: status.DEADLINE_EXCEEDED,
  disk: status.INTERNAL,
  closed: status.FAILED_PRECONDITION,
  unreachable: status.UNAVAILABLE,
  unimplemented: status.UNIMPLEMENTED,
  overloaded: status.RESOURCE_EXHAUSTED,
  refused: status.FAILED_PRECONDITION,
  fenced: status.ABORTED,
};

const MEANINGS: Partial<Record<status, PeerErrorCode>> = {
  [status.INVALID_ARGUMENT]: 'invalid',
  [status.DEADLINE_EXCEEDED]: 'timeout',
  [status.INTERNAL]: 'disk',
  [status.UNAVAILABLE]: 'unreachable',
  [status.UNIMPLEMENTED]: 'unimplemented',
  [status.RESOURCE_EXHAUSTED]: 'overloaded',
  [status.ABORTED]: 'fenced',
  [status.CANCELLED]: 'closed',
};

export interface GrpcStatus {
  readonly code: status;
  readonly details: string;
}

export function toStatus(error: unknown): GrpcStatus {
  if (error instanceof PeerError) return { code: CODES[error.code], details: error.message };
  return { code: status.UNKNOWN, details: error instanceof Error ? error.message : String(error) };
}

/** Errors of an application that is no peer of ours (UNKNOWN) count as refusals. */
export function fromStatus(error: unknown, address: string): PeerError {
  if (error instanceof PeerError) return error;
  const { code, details, message } = error as { code?: status; details?: string; message?: string };
  const meaning = code === undefined ? undefined : MEANINGS[code];
  return new PeerError(meaning ?? 'refused', `${address}: ${details ?? message ?? 'failed'}`, {
    cause: error,
  });
}
