/** Writing answers: JSON, Status, Tables and metadata views as the Accept header asks. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError } from './errors.js';
import type { JsonObject } from './json.js';
import type { ApiResource } from './resources.js';
import { toJson, toObject } from './storage.js';
import type { Stored } from './storage.js';
import { columnsJson, tableRow } from './tables.js';
import type { IncludeObject } from './tables.js';

export type View = 'object' | 'table' | 'metadata';

/** How the client wants objects shown; throws 406 when it accepts nothing that is served. */
export function negotiate(request: IncomingMessage): View {
  const accept = request.headers.accept;
  if (accept === undefined || accept === '') return 'object';
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    if (type !== 'application/json' && type !== '*/*' && type !== 'application/*') continue;
    const as = parameters.find((item) => item.startsWith('as='))?.slice(3);
    const group = parameters.find((item) => item.startsWith('g='))?.slice(2);
    const version = parameters.find((item) => item.startsWith('v='))?.slice(2);
    if (as === undefined) return 'object';
    if (group !== 'meta.k8s.io' || version !== 'v1') continue;
    if (as === 'Table') return 'table';
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return 'metadata';
  }
  throw new ApiError({
    code: 406,
    reason: 'NotAcceptable',
    message:
      '406: Not Acceptable\n\nAvailable representations: application/json, application/json;stream=watch',
    details: {},
  });
}

export function sendJson(
  response: ServerResponse,
  code: number,
  json: string,
  headers: Record<string, string | string[]> = {},
): void {
  const body = Buffer.from(json, 'utf8');
  response.writeHead(code, {
    'cache-control': 'no-cache, private',
    'content-type': 'application/json',
    'content-length': body.length,
    ...headers,
  });
  response.end(body);
}

export function sendError(response: ServerResponse, error: ApiError): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  sendJson(response, error.code, JSON.stringify(error.status) + '\n', error.headers);
}

/** Warning headers (RFC 9110) of a write. */
export const warningHeaders = (warnings: readonly string[]): Record<string, string[]> =>
  warnings.length === 0
    ? {}
    : {
        warning: warnings.map(
          (text) => `299 - "${text.replace(/[\\"]/g, '\\$&').replace(/[^\x20-\x7e]/g, '?')}"`,
        ),
      };

/** The metadata of an object alone, as clients ask for that do not need the rest. */
export function metadataView(resource: ApiResource, stored: Stored): string {
  const { metadata } = toObject(resource, stored);
  return JSON.stringify({ kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata });
}

const table = (metadata: JsonObject, columns: string, rows: readonly string[]): string =>
  `{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":${JSON.stringify(metadata)},"columnDefinitions":${columns},"rows":[${rows.join(',')}]}\n`;

export function listJson(
  resource: ApiResource,
  view: View,
  page: { items: readonly Stored[]; metadata: JsonObject },
  include: IncludeObject,
): string {
  const { items, metadata } = page;
  if (view === 'table')
    return table(
      metadata,
      columnsJson(resource),
      items.map((stored) => tableRow(resource, stored, include)),
    );
  const head = JSON.stringify(metadata);
  if (view === 'metadata')
    return `{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":${head},"items":[${items
      .map((stored) => metadataView(resource, stored))
      .join(',')}]}\n`;
  return `{"kind":"${resource.kind}List","apiVersion":"${resource.apiVersion}","metadata":${head},"items":[${items
    .map(({ item }) => item)
    .join(',')}]}\n`;
}

/** One object, or an event's object, in this view. `columns` false leaves a Table's column definitions out. */
export function objectJson(
  resource: ApiResource,
  view: View,
  stored: Stored,
  include: IncludeObject,
  columns = true,
): string {
  if (view === 'object') return toJson(resource, stored);
  if (view === 'metadata') return metadataView(resource, stored);
  return table({ resourceVersion: String(stored.version) }, columns ? columnsJson(resource) : '[]', [
    tableRow(resource, stored, include),
  ]).trimEnd();
}
