/** The API server's failures as ours: the one place that knows both. */
import { KubeError } from '../kube/errors.js';
import type { Status } from '../kube/objects.js';
import type { ErrorCode } from '../schemas/errors.js';
import { AppError } from './errors.js';
import type { ProblemDetails } from './errors.js';

/** True when the API server answered with this HTTP status. */
export const isStatus = (error: unknown, code: number): boolean =>
  error instanceof KubeError && error.is(code);

/** The API server's own words, without which call it was. */
export const statusText = (error: unknown): string =>
  (error instanceof KubeError ? error.status?.message : undefined) ?? String((error as Error).message);

/** True when somebody changed the object between reading and writing it. */
export const isConflict = (error: unknown): boolean =>
  error instanceof KubeError && error.is(409) && error.status?.reason !== 'AlreadyExists';

const BY_STATUS: Record<number, ErrorCode> = {
  400: 'invalid_params',
  404: 'not_found',
  409: 'conflict',
  410: 'gone',
  413: 'payload_too_large',
  422: 'rejected_by_cluster',
  429: 'too_many_requests',
};

/** RBAC's refusal: `deployments.apps "web" is forbidden: User "u" cannot create resource "deployments" in API group "apps" in the namespace "default"`. */
const DENIED =
  /User "(?<user>[^"]*)" cannot (?<verb>\w+) resource "(?<resource>[^"]*)" in API group "(?<group>[^"]*)"(?: in the namespace "(?<namespace>[^"]*)")?/;

function refused(status: Status | undefined, message: string): AppError | undefined {
  const rule = DENIED.exec(message)?.groups;
  if (rule === undefined) return undefined;
  const namespace = rule['namespace'];
  const name = status?.details?.name;
  const where = namespace === undefined ? 'in the whole cluster' : `in namespace ${namespace}`;
  return new AppError(
    'permission_denied',
    `The cluster lets ${rule['user']} not ${rule['verb']} ${rule['resource']}${rule['group'] === '' ? '' : `.${rule['group']}`} ${where}. Grant it this rule by a Role.`,
    {
      permission: {
        group: rule['group'] ?? '',
        resource: rule['resource'] ?? '',
        verb: rule['verb'] ?? '',
        ...(namespace === undefined ? {} : { namespace }),
        ...(name === undefined ? {} : { name }),
      },
    },
  );
}

/** The object of a 404, as the server names it: it may be another than the call's, its namespace for one. */
function missingObject({ code, status }: KubeError): ProblemDetails {
  const { kind, group, name } = status?.details ?? {};
  if (code !== 404 || kind === undefined) return {};
  return { object: { resource: group ? `${kind}.${group}` : kind, ...(name === undefined ? {} : { name }) } };
}

function fromStatus(error: KubeError): AppError {
  const { status, code = 500 } = error;
  const message = status?.message ?? error.message;
  const causes = status?.details?.causes?.map(({ field, message, reason }) => ({
    ...(field === undefined ? {} : { field }),
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
  }));
  const details: ProblemDetails = {
    ...(causes === undefined || causes.length === 0 ? {} : { causes }),
    ...(error.retryAfterSeconds === undefined ? {} : { retry_after_seconds: error.retryAfterSeconds }),
  };
  if (code === 401)
    return new AppError('bad_gateway', `The cluster does not accept the operator's credentials: ${message}`);
  if (code === 403) {
    const terminating = causes?.some(({ reason }) => reason === 'NamespaceTerminating') === true;
    return (
      refused(status, message) ??
      new AppError(terminating ? 'conflict' : 'rejected_by_cluster', message, details)
    );
  }
  if (code === 409 && status?.reason === 'AlreadyExists')
    return new AppError('already_exists', `${message}. Delete it first, or choose another name.`, details);
  if (code === 503 && error.outcome !== 'unknown')
    return new AppError('cluster_unavailable', `The API server is not ready: ${message}`, {
      retry_after_seconds: 1,
      ...details,
    });
  const known = BY_STATUS[code];
  if (known !== undefined) return new AppError(known, message, { ...details, ...missingObject(error) });
  // What the API server says when its storage did not answer in time: the change may have been stored.
  return new AppError('bad_gateway', `The API server failed (${code}): ${message}`, {
    ...details,
    ...(error.outcome === 'unknown' ? { outcome: 'unknown' as const } : {}),
  });
}

/** What a caller must know whose change was sent and never answered. */
const CHANGE_LOST = 'The change may or may not have happened: look before you send it again.';

/** Translates what a Kube port threw; anything else comes back as it is. */
export function fromKube(error: unknown): unknown {
  if (!(error instanceof KubeError)) return error;
  const unknown: ProblemDetails = error.outcome === 'unknown' ? { outcome: 'unknown' } : {};
  const lost = error.outcome === 'unknown' ? ` ${CHANGE_LOST}` : '';
  switch (error.reason) {
    case 'status':
      return fromStatus(error);
    case 'unreachable':
      return error.outcome === 'unknown'
        ? new AppError(
            'bad_gateway',
            `The connection to the API server broke: ${error.message}.${lost}`,
            unknown,
            error,
          )
        : new AppError(
            'cluster_unavailable',
            `The API server cannot be reached: ${error.message}.`,
            { retry_after_seconds: 1 },
            error,
          );
    case 'deadline':
      return new AppError(
        'deadline_exceeded',
        `The API server did not answer in time.${lost}`,
        unknown,
        error,
      );
    case 'cancelled':
      return new AppError('overloaded', `The call was cancelled.${lost}`, unknown, error);
    case 'bad_answer':
      return new AppError(
        'bad_gateway',
        `The API server's answer makes no sense: ${error.message}.${lost}`,
        unknown,
        error,
      );
    default:
      return new AppError('invalid_params', error.message, {}, error);
  }
}

/**
 * The failure of a call that was ended from outside: what ended it, with what became of a change; or the function's own
 * word, when it said more about the same end.
 */
export function endedBy(reason: AppError, thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown.code === reason.code ? thrown : reason;
  const failure = fromKube(thrown);
  return failure instanceof AppError && failure.details.outcome === 'unknown'
    ? new AppError(reason.code, `${reason.message} ${CHANGE_LOST}`, { ...reason.details, outcome: 'unknown' })
    : reason;
}
