/** Access and token reviews: everything is allowed here, to everybody who reaches the server. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { UNSTORED_KINDS } from '../data/kinds.js';
import type { KindRow } from '../data/kinds.js';
import { sendJson } from './answers.js';
import { badRequest, invalid, methodNotAllowed } from './errors.js';
import { invalidValue } from './field-errors.js';
import type { FieldError } from './field-errors.js';
import { objectAt, stringAt, stringsAt } from './json.js';
import type { JsonObject } from './json.js';
import { parseWriteQuery, readBody } from './requests.js';
import type { ResourcePath } from './requests.js';
import { recordUpdate } from './managed-fields.js';
import { timestamp } from './registry.js';
import { userAgent } from './resource-call.js';
import type { Schema } from './schema.js';
import type { Shapes } from './shapes.js';
import { ISSUER } from './tokens.js';
import type { Tokens } from './tokens.js';
import { decodeBody } from './write-body.js';

const USER = { username: 'embedded-admin', groups: ['system:masters', 'system:authenticated'] };
/** What an admin may: everything, and what everybody may beside. */
const EVERYTHING = {
  resourceRules: [
    { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
    {
      verbs: ['create'],
      apiGroups: ['authorization.k8s.io'],
      resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
    },
    { verbs: ['create'], apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'] },
  ],
  nonResourceRules: [
    { verbs: ['*'], nonResourceURLs: ['*'] },
    { verbs: ['get'], nonResourceURLs: ['/healthz', '/livez', '/readyz', '/version', '/version/'] },
    {
      verbs: ['get'],
      nonResourceURLs: [
        '/api',
        '/api/*',
        '/apis',
        '/apis/*',
        '/healthz',
        '/livez',
        '/openapi',
        '/openapi/*',
        '/readyz',
        '/version',
        '/version/',
      ],
    },
  ],
  incomplete: false,
};

/** The status of a ServiceAccount's token; `wanted` are the audiences that the asker is one of. */
function reviewed(tokens: Tokens, token: string, wanted: readonly string[]): JsonObject {
  try {
    const { username, uid, groups, extra, audiences } = tokens.verify(token);
    const targets = wanted.length === 0 ? [ISSUER] : wanted;
    const shared = audiences.filter((item) => targets.includes(item));
    if (shared.length === 0)
      return {
        user: {},
        error: `[invalid bearer token, token audiences ${JSON.stringify(audiences)} is invalid for the target audiences ${JSON.stringify(targets)}]`,
      };
    return {
      authenticated: true,
      user: {
        username,
        uid,
        groups: [...groups],
        extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])),
      },
      audiences: shared,
    };
  } catch (error) {
    return {
      user: {},
      error: `[invalid bearer token, ${error instanceof Error ? error.message : String(error)}]`,
    };
  }
}

function statusOf(kind: string, review: JsonObject, tokens: Tokens): JsonObject {
  switch (kind) {
    case 'SelfSubjectRulesReview':
      return EVERYTHING;
    case 'SelfSubjectReview':
      return { userInfo: USER };
    case 'TokenReview': {
      const token = stringAt(review, 'spec', 'token') ?? '';
      const audiences = stringsAt(review, 'spec', 'audiences');
      if (tokens.isOwn(token)) return reviewed(tokens, token, audiences);
      return { authenticated: true, user: USER, ...(audiences.length > 0 && { audiences }) };
    }
    default:
      return { allowed: true };
  }
}

/** Throws for a question that is none. */
function check({ group, kind }: KindRow, review: JsonObject, path: ResourcePath): void {
  const spec = objectAt(review, 'spec') ?? {};
  const metadata = objectAt(review, 'metadata') ?? {};
  if (kind === 'SelfSubjectRulesReview') {
    if (!spec.namespace) throw badRequest('no namespace on request');
    return;
  }
  if (!kind.endsWith('SubjectAccessReview')) return;
  const { resourceAttributes, nonResourceAttributes } = spec;
  const errors: FieldError[] = [];
  if (nonResourceAttributes !== undefined && resourceAttributes !== undefined) {
    const { path: Path, verb: Verb } = nonResourceAttributes as JsonObject;
    errors.push(
      invalidValue(
        'spec.nonResourceAttributes',
        { Path: Path ?? '', Verb: Verb ?? '' },
        'cannot be specified in combination with resourceAttributes',
      ),
    );
  }
  if (nonResourceAttributes === undefined && resourceAttributes === undefined)
    errors.push(
      invalidValue(
        'spec.resourceAttributes',
        null,
        'exactly one of nonResourceAttributes or resourceAttributes must be specified',
      ),
    );
  if (!kind.startsWith('Self') && !spec.user && stringsAt(spec, 'groups').length === 0)
    errors.push(invalidValue('spec.user', '', 'at least one of user or group must be specified'));
  const { managedFields: _managed, namespace: _namespace, ...named } = metadata;
  if (Object.keys(named).length > 0)
    errors.push(
      invalidValue(
        'metadata',
        metadata,
        kind.startsWith('Local') ? 'must be empty except for namespace' : 'must be empty',
      ),
    );
  const namespace = stringAt(spec, 'resourceAttributes', 'namespace') ?? '';
  if (kind.startsWith('Local') && namespace !== path.namespace)
    errors.push(
      invalidValue('spec.resourceAttributes.namespace', namespace, 'must match metadata.namespace'),
    );
  if (errors.length > 0) throw invalid({ group, kind: '' }, '', errors);
}

/** Answers the request when it is for a review; true when it did. */
export type Reviews = (
  path: ResourcePath,
  request: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
) => Promise<boolean>;

export function createReviews(schema: Schema, shapes: Shapes, tokens: Tokens): Reviews {
  const rows = new Map(UNSTORED_KINDS.map((row) => [`${row.group}/${row.version}/${row.plural}`, row]));
  return async (path, request, response, query) => {
    const row = rows.get(`${path.group}/${path.version}/${path.plural}`);
    if (row === undefined || path.name !== undefined) return false;
    if (request.method !== 'POST') throw methodNotAllowed();
    const { fieldValidation, fieldManager } = parseWriteQuery(query, 'CreateOptions', userAgent(request));
    const { group, version, kind } = row;
    const struct = schema.structOf(group, version, kind);
    const text = await readBody(request, schema, struct);
    const review = decodeBody(
      schema,
      {
        group,
        version,
        kind,
        apiVersion: `${group}/${version}`,
        struct,
      },
      text,
      { fieldValidation, warnings: [] },
    );
    const resource = { ...row, apiVersion: `${group}/${version}`, groupResource: `${row.plural}.${group}` };
    recordUpdate(schema, shapes.shape(resource), shapes.empty(resource), review, {
      manager: fieldManager,
      apiVersion: resource.apiVersion,
      subresource: '',
      time: timestamp(),
    });
    check(row, review, path);
    const named = objectAt(review, 'metadata');
    if (row.namespaced && named !== undefined) named.namespace = path.namespace;
    // What may be done is told without the question.
    if (kind === 'SelfSubjectRulesReview') {
      review.spec = {};
      delete objectAt(review, 'metadata')?.managedFields;
    }
    const { kind: _kind, apiVersion, metadata, ...rest } = review;
    const answer = {
      kind,
      apiVersion,
      metadata: { ...objectAt({ metadata }, 'metadata') },
      ...rest,
      status: statusOf(kind, review, tokens),
    };
    sendJson(response, 201, JSON.stringify(answer) + '\n');
    return true;
  };
}
