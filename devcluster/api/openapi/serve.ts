/** Answers requests below /openapi. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Resources } from '../resources.js';
import type { Schema } from '../schema.js';
import { createDocuments } from './documents.js';
import type { Document } from './documents.js';

const PROTOBUF = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';

/** Which representation of the version 2 document a client takes first; undefined for none of them. */
function format(accept: string | undefined): 'json' | 'protobuf' | undefined {
  for (const range of (accept || '*/*').split(',')) {
    const type = range.split(';')[0]?.trim();
    if (type === PROTOBUF || type === PROTOBUF.replace('@', '.')) return 'protobuf';
    if (type === 'application/json' || type === 'application/*' || type === '*/*') return 'json';
  }
  return undefined;
}

export type ServeOpenApi = (path: string, request: IncomingMessage, response: ServerResponse) => boolean;

/** Answers true when the path was one of a document. */
export function createOpenApi(resources: Resources, schema: Schema): ServeOpenApi {
  const documents = createDocuments(resources, schema);

  const send = (request: IncomingMessage, response: ServerResponse, type: string, of: Document): void => {
    const etag = `"${of.hash}"`;
    const head = { 'cache-control': 'no-cache, private', etag, vary: 'Accept' };
    const isKnown = (request.headers['if-none-match'] ?? '')
      .split(',')
      .some((tag) => tag.trim().replace(/^W\//, '') === etag);
    if (isKnown) {
      response.writeHead(304, head).end();
      return;
    }
    const body = of.body();
    response.writeHead(200, { ...head, 'content-type': type, 'content-length': body.length });
    response.end(request.method === 'HEAD' ? undefined : body);
  };
  return (path, request, response) => {
    if (path === '/openapi/v2') {
      const as = format(request.headers.accept);
      if (as === undefined) response.writeHead(406, { 'content-length': 0 }).end();
      else
        send(
          request,
          response,
          as === 'json' ? 'application/json' : PROTOBUF.replace('@', '.'),
          documents.v2(as),
        );
      return true;
    }
    if (path === '/openapi/v3') {
      send(request, response, 'text/plain; charset=utf-8', documents.index());
      return true;
    }
    const name = path.replace('/openapi/v3/', '');
    const document = name === path ? undefined : documents.v3(name);
    if (document === undefined) return false;
    const hash = new URL(request.url ?? '/', 'http://localhost').searchParams.get('hash');
    if (hash !== null && hash !== document.hash) {
      const location = `/openapi/v3/${name}?hash=${document.hash}`;
      response.writeHead(301, { location, 'content-length': 0 }).end();
      return true;
    }
    send(request, response, 'application/json', document);
    return true;
  };
}
