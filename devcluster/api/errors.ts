/** Errors of the API: each is the Status object that the client gets. */
import type { FieldError } from './field-errors.js';
import type { JsonObject } from './json.js';

/** What the wording of errors needs to know of a resource. */
export interface Named {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
}

export interface StatusInit {
  code: number;
  reason?: string;
  message: string;
  details?: JsonObject;
  /** Fields of the Status' own metadata, such as a fresh continue token. */
  metadata?: JsonObject;
  headers?: Record<string, string>;
}

export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: number;
  readonly headers: Record<string, string>;
  readonly status: JsonObject;

  constructor(init: StatusInit) {
    super(init.message);
    this.code = init.code;
    this.headers = init.headers ?? {};
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: init.metadata ?? {},
      status: 'Failure',
      message: init.message,
      ...(init.reason !== undefined && { reason: init.reason }),
      ...(init.details !== undefined && { details: init.details }),
      code: init.code,
    };
  }
}

/** `deployments.apps`, or `pods` in the core group. */
export const qualified = (group: string, name: string): string => (group === '' ? name : `${name}.${group}`);

const details = (resource: Named, name?: string, more: JsonObject = {}): JsonObject => ({
  ...(name && { name }),
  ...(resource.group !== '' && { group: resource.group }),
  kind: resource.plural,
  ...more,
});

export const badRequest = (message: string): ApiError =>
  new ApiError({ code: 400, reason: 'BadRequest', message });

/** A failure that the API gives no reason for. */
export const unexplained = (message: string): ApiError => new ApiError({ code: 500, message });

/** A resource version that is no number, where the API calls that its own failure. */
export const malformedVersion = (version: string): ApiError =>
  unexplained(
    `resourceVersion: Invalid value: ${JSON.stringify(version)}: strconv.ParseUint: parsing ${JSON.stringify(version)}: invalid syntax`,
  );

export const notFound = (resource: Named, name: string): ApiError =>
  new ApiError({
    code: 404,
    reason: 'NotFound',
    message: `${qualified(resource.group, resource.plural)} "${name}" not found`,
    details: details(resource, name),
  });

/** The path names a resource or subresource that is not served. */
export const noSuchResource = (): ApiError =>
  new ApiError({
    code: 404,
    reason: 'NotFound',
    message: 'the server could not find the requested resource',
    details: {},
  });

export const alreadyExists = (resource: Named, name: string, isGoing = false): ApiError =>
  new ApiError({
    code: 409,
    reason: 'AlreadyExists',
    message: `${isGoing ? 'object is being deleted: ' : ''}${qualified(resource.group, resource.plural)} "${name}" already exists`,
    details: details(resource, name),
  });

export const conflict = (resource: Named, name: string, why: string): ApiError =>
  new ApiError({
    code: 409,
    reason: 'Conflict',
    message: `Operation cannot be fulfilled on ${qualified(resource.group, resource.plural)} "${name}": ${why}`,
    details: details(resource, name),
  });

export const MODIFIED =
  'the object has been modified; please apply your changes to the latest version and try again';

export const forbidden = (resource: Named, name: string, why: string, causes?: JsonObject[]): ApiError =>
  new ApiError({
    code: 403,
    reason: 'Forbidden',
    message: `${qualified(resource.group, resource.plural)} "${name}" is forbidden: ${why}`,
    details: details(resource, name, causes ? { causes } : {}),
  });

export const expired = (message: string, metadata: JsonObject = {}): ApiError =>
  new ApiError({ code: 410, reason: 'Expired', message, metadata });

/** A failure that is not the caller's. */
export const internalError = (message: string): ApiError =>
  new ApiError({
    code: 500,
    reason: 'InternalError',
    message: `Internal error occurred: ${message}`,
    details: { causes: [{ message }] },
  });

export const unavailable = (message: string): ApiError =>
  new ApiError({ code: 503, reason: 'ServiceUnavailable', message });

export const unsupportedMediaType = (accepted: readonly string[]): ApiError =>
  new ApiError({
    code: 415,
    reason: 'UnsupportedMediaType',
    message: `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  });

/** The media type of a patch is none of the known ones. */
export const unsupportedPatch = (): ApiError =>
  new ApiError({
    code: 415,
    reason: 'UnsupportedMediaType',
    message: '415: Unsupported Media Type',
    details: {},
  });

export const tooLarge = (message: string): ApiError =>
  new ApiError({
    code: 413,
    reason: 'RequestEntityTooLarge',
    message: `Request entity too large: ${message}`,
  });

export const methodNotAllowed = (): ApiError =>
  new ApiError({
    code: 405,
    reason: 'MethodNotAllowed',
    message: 'the server does not allow this method on the requested resource',
    details: {},
  });

/** 422 with one cause a field error, or nothing to throw when the list is empty. */
export function invalid(
  kind: { group: string; kind: string },
  name: string,
  errors: readonly FieldError[],
): ApiError {
  const texts = [...new Set(errors.map(({ field, message }) => `${field}: ${message}`))];
  const list = texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`;
  return new ApiError({
    code: 422,
    reason: 'Invalid',
    message: `${qualified(kind.group, kind.kind)} "${name}" is invalid: ${list}`,
    details: {
      ...(name !== '' && { name }),
      ...(kind.group !== '' && { group: kind.group }),
      ...(kind.kind !== '' && { kind: kind.kind }),
      causes: errors.map(({ reason, message, field }) => ({ reason, message, field })),
    },
  });
}
