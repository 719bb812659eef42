/** One request on a resource: what it names, and the checks that all verbs share. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError, badRequest, noSuchResource, notFound } from './errors.js';
import { stringAt } from './json.js';
import type { JsonObject } from './json.js';
import type { At, Registry } from './registry.js';
import type { ResourcePath } from './requests.js';
import type { ApiResource } from './resources.js';
import type { Schema } from './schema.js';
import type { Upgrade } from './streams/upgrade.js';
import type { IncludeObject } from './tables.js';
import type { BodyKind } from './write-body.js';

/** One request on one resource. */
export interface ResourceCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly resource: ApiResource;
  readonly path: ResourcePath;
  readonly query: URLSearchParams;
  /** The connection, when the request asks for another protocol. */
  readonly upgrade?: Upgrade | undefined;
}

/** The kind that bodies about this resource are of. */
export const bodyKind = (schema: Schema, resource: ApiResource): BodyKind => ({
  group: resource.group,
  version: resource.version,
  apiVersion: resource.apiVersion,
  kind: resource.kind,
  struct: schema.structOf(resource.group, resource.version, resource.kind),
  isCustom: resource.custom !== undefined,
});

export const userAgent = (request: IncomingMessage): string => request.headers['user-agent'] ?? '';

/** The object that a call names; 404 where the path lacks the namespace of a namespaced kind. */
export function namedObject({ resource, path }: ResourceCall): At {
  if (path.name === undefined || resource.namespaced !== (path.namespace !== undefined))
    throw noSuchResource();
  return { resource, namespace: path.namespace ?? '', name: path.name };
}

/** Throws when the namespace of a new object is missing or goes. */
export function requireNamespace(
  registry: Registry,
  resource: ApiResource,
  namespace: string,
  name: string,
): void {
  if (!resource.namespaced) return;
  const namespaces = registry.resources.find('', 'v1', 'namespaces');
  if (namespaces === undefined) return;
  const stored = registry.storage(namespaces).get(namespace);
  if (stored === undefined) throw notFound(namespaces, namespace);
  if (stored.fields['status.phase'] === 'Terminating')
    throw new ApiError({
      code: 403,
      reason: 'Forbidden',
      message: `${resource.groupResource} "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
      details: {
        name,
        ...(resource.group !== '' && { group: resource.group }),
        kind: resource.plural,
        causes: [
          {
            reason: 'NamespaceTerminating',
            message: `namespace ${namespace} is being terminated`,
            field: 'metadata.namespace',
          },
        ],
      },
    });
}

export const NAMESPACE_MISMATCH =
  'the namespace of the provided object does not match the namespace sent on the request';

/** Checks that a body is about the object that the path names. */
export function checkIdentity(object: JsonObject, { namespace, name, resource }: At): void {
  const ownName = stringAt(object, 'metadata', 'name') ?? '';
  const ownNamespace = stringAt(object, 'metadata', 'namespace') ?? '';
  if (ownName === '')
    throw badRequest(
      `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
    );
  if (ownName !== name)
    throw badRequest(`the name of the object (${ownName}) does not match the name on the URL (${name})`);
  if (resource.namespaced && ownNamespace !== '' && ownNamespace !== namespace)
    throw badRequest(NAMESPACE_MISMATCH);
}

/** Which part of the object the path names. */
export const partOf = ({ path }: ResourceCall): 'main' | 'status' | 'finalize' =>
  path.subresource === 'status' || path.subresource === 'finalize' ? path.subresource : 'main';

/** What a Table's rows are to hold of their objects. */
export function include(query: URLSearchParams): IncludeObject {
  const value = query.get('includeObject') ?? 'Metadata';
  if (value === 'None' || value === 'Metadata' || value === 'Object') return value;
  throw badRequest(
    `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(value)}: must be 'Metadata', 'Object', 'None', or empty`,
  );
}

export type ResourceHandler = (call: ResourceCall) => Promise<void>;
