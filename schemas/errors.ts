/** The failures that a caller can meet: one stable code each, its HTTP status, and the problem document (RFC 9457). */
import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import { oneOf } from './common.js';

/** code → [HTTP status, title, what it means]. */
export const ERRORS = {
  invalid_json: [400, 'Invalid JSON', 'The body is not JSON.'],
  invalid_params: [
    400,
    'Invalid params',
    'A param is unknown, missing, of the wrong type, or out of bounds; `errors` names each.',
  ],
  unauthenticated: [401, 'Unauthenticated', 'The caller did not say who they are.'],
  permission_denied: [
    403,
    'Permission denied',
    'RBAC or policy refuses the call; `permission` is the missing rule where it is known.',
  ],
  forbidden_origin: [
    403,
    'Forbidden origin',
    'The Host, Origin or Sec-Fetch-Site header is that of another site.',
  ],
  unknown_function: [404, 'Unknown function', 'There is no function, page or value of that name.'],
  not_found: [404, 'Not found', 'The object does not exist.'],
  method_not_allowed: [405, 'Method not allowed', 'The path exists, but not for this method.'],
  not_acceptable: [406, 'Not acceptable', 'The function cannot answer in a media type of the Accept header.'],
  already_exists: [409, 'Already exists', 'An object of that name exists already.'],
  conflict: [
    409,
    'Conflict',
    "The object's state does not allow it, or somebody changed the object meanwhile.",
  ],
  gone: [410, 'Gone', 'A continue token or a resume point is too old: start again.'],
  payload_too_large: [413, 'Payload too large', 'The body is larger than the server takes.'],
  unsupported_media_type: [415, 'Unsupported media type', 'The body is not application/json.'],
  rejected_by_cluster: [
    422,
    'Rejected by the cluster',
    'The API server finds the object invalid; `causes` says why, field by field.',
  ],
  too_many_requests: [429, 'Too many requests', 'The API server asks for patience; see Retry-After.'],
  internal: [500, 'Internal error', 'A fault of this server; the log has it under the request id.'],
  bad_gateway: [
    502,
    'Bad gateway',
    'The API server broke off or answered nonsense. With `outcome: "unknown"` a change may or may not have happened.',
  ],
  cluster_unavailable: [
    503,
    'Cluster unavailable',
    'The API server cannot be reached; nothing was sent. See Retry-After.',
  ],
  overloaded: [503, 'Overloaded', 'The server is stopping or has too much to do; see Retry-After.'],
  deadline_exceeded: [504, 'Deadline exceeded', 'The time for the call is over.'],
} as const satisfies Record<string, readonly [number, string, string]>;

export type ErrorCode = keyof typeof ERRORS;
export const ERROR_CODES = Object.keys(ERRORS) as ErrorCode[];
export const statusOf = (code: ErrorCode): number => ERRORS[code][0];

export const FieldError = Type.Object(
  {
    field: Type.String({ description: 'Where: `ports[0].container_port`; empty for the params as a whole.' }),
    message: Type.String({ description: 'What is wrong, and what is allowed.' }),
    suggestion: Type.Optional(Type.String({ description: 'The known name that comes nearest.' })),
  },
  { title: 'FieldError' },
);

export const Cause = Type.Object(
  {
    field: Type.Optional(Type.String({ description: "The API server's path of the field." })),
    reason: Type.Optional(
      Type.String({ description: "The API server's word for it: `FieldValueInvalid`, …" }),
    ),
    message: Type.Optional(Type.String({ description: 'What is wrong.' })),
  },
  { title: 'Cause' },
);

export const MissingRule = Type.Object(
  {
    group: Type.String({ description: "API group; '' is the core group." }),
    resource: Type.String({ description: 'Resource, with its subresource after a slash.' }),
    verb: Type.String(),
    namespace: Type.Optional(Type.String()),
    name: Type.Optional(Type.String()),
  },
  { title: 'MissingRule' },
);

export const ObjectRef = Type.Object(
  {
    resource: Type.String({ description: 'Its kind, as RBAC names it: `deployments.apps`.' }),
    namespace: Type.Optional(Type.String({ description: 'Its namespace, where it has one.' })),
    name: Type.Optional(Type.String({ description: 'Its name.' })),
  },
  { title: 'ObjectRef' },
);

export type ObjectRef = Static<typeof ObjectRef>;

export const Problem = Type.Object(
  {
    type: Type.String({ description: 'A URI that stands for the code.' }),
    title: Type.String({ description: 'The code in words.' }),
    status: Type.Integer({ description: 'The HTTP status.' }),
    code: oneOf(ERROR_CODES, { description: 'The stable code for programs.' }),
    detail: Type.String({ description: 'What happened, on which object, and what to do.' }),
    request_id: Type.Optional(Type.String({ description: 'The X-Request-Id of the call.' })),
    errors: Type.Optional(Type.Array(FieldError, { description: 'Each bad param.' })),
    causes: Type.Optional(Type.Array(Cause, { description: "The API server's reasons, field by field." })),
    permission: Type.Optional(MissingRule),
    object: Type.Optional(ObjectRef),
    outcome: Type.Optional(
      oneOf(['unknown', 'done'], {
        description:
          'What became of a change that failed late: it may have happened, as a whole or in part, or it has and only the waiting failed.',
      }),
    ),
    retry_after_seconds: Type.Optional(Type.Integer({ description: 'When to try again.' })),
    suggestion: Type.Optional(Type.String({ description: 'The known name that comes nearest.' })),
  },
  { title: 'Problem', description: 'A problem document (RFC 9457).' },
);
export type Problem = Static<typeof Problem>;
