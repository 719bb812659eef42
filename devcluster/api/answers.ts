/** Writing answers: JSON, Status, Tables and metadata views as the Accept header asks. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError } from './errors.js';
import type { JsonObject } from './json.js';
import type { ApiResource } from './resources.js';
import { toItem, toJson, toObject } from './storage.js';
import type { Stored } from './storage.js';
import { columnsJson, tableRow } from './tables.js';
import type { IncludeObject } from './tables.js';
import { toYaml } from './yaml.js';

const JSON_TYPES = ['application/json', '*/*', 'application/*'];
const YAML_TYPE = 'application/yaml';

/** None of the media types that a client takes is one that is written. */
export const NOT_ACCEPTABLE =
  '406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf';

export type View = 'object' | 'table' | 'metadata';

/** How the client wants objects shown; throws 406 when it accepts nothing that is served. */
export function negotiate(request: IncomingMessage): View {
  const accept = request.headers.accept;
  if (accept === undefined || accept === '') return 'object';
  /** It takes a media type that is served, but as a kind that is not. */
  let wantsOther = false;
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    if (!JSON_TYPES.includes(type) && type !== YAML_TYPE) continue;
    const as = parameters.find((item) => item.startsWith('as='))?.slice(3);
    const group = parameters.find((item) => item.startsWith('g='))?.slice(2);
    const version = parameters.find((item) => item.startsWith('v='))?.slice(2);
    if (as === undefined) return 'object';
    wantsOther = true;
    if (group !== 'meta.k8s.io' || version !== 'v1') continue;
    if (as === 'Table') return 'table';
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return 'metadata';
  }
  if (wantsOther)
    throw new ApiError({
      code: 406,
      reason: 'NotAcceptable',
      message:
        'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf',
    });
  throw new ApiError({
    code: 406,
    reason: 'NotAcceptable',
    message: NOT_ACCEPTABLE,
    details: {},
  });
}

/** True where the first media type that is served is YAML. */
function wantsYaml(accept: string | undefined): boolean {
  if (accept === undefined || !accept.includes(YAML_TYPE)) return false;
  const types = accept.split(',').map((range) => range.split(';')[0]?.trim() ?? '');
  return types.find((type) => type === YAML_TYPE || JSON_TYPES.includes(type)) === YAML_TYPE;
}

export function sendJson(
  response: ServerResponse,
  code: number,
  json: string | Buffer,
  headers: Record<string, string | string[]> = {},
): void {
  const isYaml = wantsYaml(response.req.headers.accept);
  const shown = isYaml ? toYaml(json.toString()) : json;
  const body = typeof shown === 'string' ? Buffer.from(shown) : shown;
  response.writeHead(code, {
    'cache-control': 'no-cache, private',
    'content-type': isYaml ? YAML_TYPE : 'application/json',
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
          (text) =>
            `299 - "${Buffer.from(text.replace(/[\\"]/g, '\\$&').replace(/\p{Cc}/gu, '?')).toString('latin1')}"`,
        ),
      };

/** The metadata of an object alone, as clients ask for that do not need the rest. */
export function metadataView(resource: ApiResource, stored: Stored): string {
  const { metadata } = toObject(resource, stored);
  return JSON.stringify({ kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata });
}

const table = (metadata: JsonObject, columns: string, rows: readonly string[]): string =>
  `{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":${JSON.stringify(metadata)},"columnDefinitions":${columns},"rows":[${rows.join(',')}]}\n`;

const COMMA = Buffer.from(',');
const END = Buffer.from(']}\n');

export function listJson(
  resource: ApiResource,
  view: View,
  page: { items: readonly Stored[]; metadata: JsonObject },
  include: IncludeObject,
): string | Buffer {
  const { items, metadata } = page;
  if (view === 'table')
    return table(
      metadata,
      columnsJson(resource),
      items.map((stored) => tableRow(resource, stored, include)),
    );
  const head = JSON.stringify(metadata);
  if (view === 'metadata')
    return `{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":${head},"items":${
      items.length === 0 ? 'null' : `[${items.map((stored) => metadataView(resource, stored)).join(',')}]`
    }}\n`;
  const { custom } = resource;
  const kind = custom?.listKind ?? `${resource.kind}List`;
  const shown = custom === undefined ? head : JSON.stringify({ continue: '', ...metadata });
  const pieces: Buffer[] = [
    Buffer.from(`{"kind":"${kind}","apiVersion":"${resource.apiVersion}","metadata":${shown},"items":[`),
  ];
  for (const stored of items) pieces.push(toItem(resource, stored), COMMA);
  if (items.length > 0) pieces.pop();
  return Buffer.concat([...pieces, END]);
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
  const metadata = stored.version === 0 ? {} : { resourceVersion: String(stored.version) };
  return table(metadata, columns ? columnsJson(resource) : 'null', [
    tableRow(resource, stored, include),
  ]).trimEnd();
}
