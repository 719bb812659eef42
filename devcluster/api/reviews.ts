/** Access and token reviews: everything is allowed here, to everybody who reaches the server. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { UNSTORED_KINDS } from '../data/kinds.js';
import { sendJson } from './answers.js';
import { methodNotAllowed } from './errors.js';
import { objectAt, stringsAt } from './json.js';
import type { JsonObject } from './json.js';
import { parseWriteQuery, readBody } from './requests.js';
import type { ResourcePath } from './requests.js';
import type { Schema } from './schema.js';
import { decodeBody } from './write-body.js';

const USER = { username: 'embedded-admin', groups: ['system:masters', 'system:authenticated'] };
const EVERYTHING = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
  incomplete: false,
};

function statusOf(kind: string, review: JsonObject): JsonObject {
  switch (kind) {
    case 'SelfSubjectRulesReview':
      return EVERYTHING;
    case 'SelfSubjectReview':
      return { userInfo: USER };
    case 'TokenReview': {
      const audiences = stringsAt(review, 'spec', 'audiences');
      return { authenticated: true, user: USER, ...(audiences.length > 0 && { audiences }) };
    }
    default:
      return { allowed: true };
  }
}

/** Answers the request when it is for a review; true when it did. */
export type Reviews = (
  path: ResourcePath,
  request: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
) => Promise<boolean>;

export function createReviews(schema: Schema): Reviews {
  const rows = new Map(UNSTORED_KINDS.map((row) => [`${row.group}/${row.version}/${row.plural}`, row]));
  return async (path, request, response, query) => {
    const row = rows.get(`${path.group}/${path.version}/${path.plural}`);
    if (row === undefined || path.name !== undefined) return false;
    if (request.method !== 'POST') throw methodNotAllowed();
    const { fieldValidation } = parseWriteQuery(query, 'CreateOptions', '');
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
    const { kind: _kind, apiVersion, metadata, ...rest } = review;
    const answer = {
      kind,
      apiVersion,
      metadata: { ...objectAt({ metadata }, 'metadata') },
      ...rest,
      status: statusOf(kind, review),
    };
    sendJson(response, 201, JSON.stringify(answer) + '\n');
    return true;
  };
}
