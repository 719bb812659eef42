/** Requests on the resources of the table: one function a verb. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { listJson, negotiate, objectJson, sendJson, warningHeaders } from './answers.js';
import { apply } from './apply.js';
import { decode, DecodeError } from './decode.js';
import {
  badRequest,
  conflict,
  malformedVersion,
  methodNotAllowed,
  noSuchResource,
  unsupportedMediaType,
  unsupportedPatch,
} from './errors.js';
import { objectAt, stringAt } from './json.js';
import type { JsonObject } from './json.js';
import {
  bodyKind,
  checkIdentity,
  include,
  namedObject,
  NAMESPACE_MISMATCH,
  partOf,
  requireNamespace,
  userAgent,
} from './resource-call.js';
import type { ResourceCall, ResourceHandler } from './resource-call.js';

import type { Lister } from './lists.js';
import { timestamp } from './registry.js';
import type { At, Registry } from './registry.js';
import { parseObject } from './body-text.js';
import {
  mediaType,
  parseDeleteOptions,
  parseListQuery,
  parseWriteQuery,
  readBody,
  readText,
} from './requests.js';
import type { ListQuery } from './requests.js';
import type { ApiResource } from './resources.js';
import type { Schema } from './schema.js';
import type { Shapes } from './shapes.js';
import { keyOf } from './storage.js';
import type { Stored } from './storage.js';
import { watch } from './watch.js';
import {
  APPLY_TYPE,
  decodeBody,
  managerRequired,
  PATCH_TYPES,
  preparePatch,
  readConfiguration,
  STRATEGIC_TYPE,
} from './write-body.js';
import type { PatchType, Strictness } from './write-body.js';

export interface HandlerDeps {
  readonly schema: Schema;
  readonly shapes: Shapes;
  readonly registry: Registry;
  readonly lister: Lister;
  readonly bookmarkMs?: number | undefined;
  /** Called with the function that ends each watch that begins. */
  readonly onWatch: (end: () => void, response: ServerResponse) => void;
}

export function createResourceHandler(deps: HandlerDeps): ResourceHandler {
  const { schema, shapes, registry, lister } = deps;

  /** Answers with the object as it is now stored, or as a dry run would have stored it. */
  const sendObject = (
    call: ResourceCall,
    code: number,
    object: JsonObject,
    given: Record<string, string | string[]> = {},
  ): void => {
    const view = negotiate(call.request);
    const isWrite = call.request.method !== 'DELETE';
    const told = isWrite ? (registry.strategy(call.resource).warnings?.(object) ?? []) : [];
    const warning = [call.response.getHeader('warning'), warningHeaders(told).warning, given.warning]
      .flat()
      .filter((text) => typeof text === 'string');
    const headers = { ...given, ...(warning.length > 0 && { warning }) };
    if (view === 'object') {
      const { kind: _kind, apiVersion: _version, metadata, ...rest } = object;
      const { resource } = call;
      sendJson(
        call.response,
        code,
        JSON.stringify({ kind: resource.kind, apiVersion: resource.apiVersion, metadata, ...rest }) + '\n',
        headers,
      );
      return;
    }
    const stored = transient(call.resource, object);
    sendJson(
      call.response,
      code,
      objectJson(call.resource, view, stored, include(call.query)) + '\n',
      headers,
    );
  };

  const get: ResourceHandler = async (call) => {
    const version = call.query.get('resourceVersion') ?? '';
    if (!/^\d*$/.test(version)) throw malformedVersion(version);
    const stored = registry.get(namedObject(call));
    const view = negotiate(call.request);
    sendJson(call.response, 200, objectJson(call.resource, view, stored, include(call.query)) + '\n');
  };

  const list: ResourceHandler = async (call) => {
    const query = parseListQuery(call.query);
    if (query.watch) return startWatch(call, query);
    const page = lister.page(registry.storage(call.resource), call.path.namespace, query);
    sendJson(call.response, 200, listJson(call.resource, negotiate(call.request), page, include(call.query)));
  };

  const startWatch = (call: ResourceCall, query: ListQuery): void => {
    const view = negotiate(call.request);
    let columns = true;
    const { resources } = registry;
    // A custom kind may change under a watch, and goes with its watches.
    const { group, version, plural } = call.resource;
    const current = (): ApiResource | undefined => resources.find(group, version, plural);
    const shape = (stored: Stored): string => {
      const json = objectJson(current() ?? call.resource, view, stored, include(call.query), columns);
      columns = false;
      return json;
    };
    const { bookmarkMs } = deps;
    const end = watch(
      {
        clock: registry.clock,
        storage: registry.storage(call.resource),
        shape,
        ...(bookmarkMs !== undefined && { bookmarkMs }),
      },
      { namespace: call.path.namespace, query },
      call.response,
    );
    const unsubscribe = resources.subscribe(() => {
      if (current() === undefined) end();
    });
    call.response.once('close', unsubscribe);
    deps.onWatch(end, call.response);
  };

  const create: ResourceHandler = async (call) => {
    const { resource, path, request } = call;
    if (resource.namespaced && path.namespace === undefined) throw methodNotAllowed();
    const kind = bodyKind(schema, resource);
    const yaml: string[] = [];
    const text = await readBody(request, schema, kind.struct, yaml);
    const query = parseWriteQuery(call.query, 'CreateOptions', userAgent(request));
    const strictness: Strictness = { fieldValidation: query.fieldValidation, warnings: [], yaml };
    const object = decodeBody(schema, kind, text, strictness);
    warn(call, strictness.warnings);
    const namespace = path.namespace ?? '';
    const own = stringAt(object, 'metadata', 'namespace') ?? '';
    if (own !== '' && own !== namespace) throw badRequest(NAMESPACE_MISMATCH);
    const { name, generateName } = objectAt(object, 'metadata') ?? {};
    requireNamespace(registry, resource, namespace, String(name ?? generateName ?? ''));
    await registry.strategy(resource).admit?.(object, namespace);
    const created = registry.create(resource, namespace, object, query);
    sendObject(call, 201, created);
  };

  const replace: ResourceHandler = async (call) => {
    const { resource, request } = call;
    const at = namedObject(call);
    const kind = bodyKind(schema, resource);
    const yaml: string[] = [];
    const text = await readBody(request, schema, kind.struct, yaml);
    const query = parseWriteQuery(call.query, 'UpdateOptions', userAgent(request));
    const strictness: Strictness = { fieldValidation: query.fieldValidation, warnings: [], yaml };
    const object = decodeBody(schema, kind, text, strictness);
    warn(call, strictness.warnings);
    checkIdentity(object, at);
    const isNew =
      resource.createOnUpdate === true &&
      registry.storage(resource).get(keyOf(resource, at.namespace, at.name)) === undefined;
    if (isNew) requireNamespace(registry, resource, at.namespace, at.name);
    const updated = isNew
      ? registry.create(resource, at.namespace, object, query)
      : registry.update(at, partOf(call), () => object, { ...query, isReplaced: true });
    sendObject(call, isNew ? 201 : 200, updated);
  };

  const patch: ResourceHandler = async (call) => {
    const { resource, request } = call;
    const at = namedObject(call);
    const type = mediaType(request);
    if (type === APPLY_TYPE) return applyPatch(call, at);
    if (!(PATCH_TYPES as readonly string[]).includes(type)) throw unsupportedPatch();
    if (resource.custom !== undefined && type === STRATEGIC_TYPE)
      throw unsupportedMediaType([...PATCH_TYPES.filter((known) => known !== type), APPLY_TYPE]);
    const text = await readText(request);
    const query = parseWriteQuery(call.query, 'PatchOptions', userAgent(request));
    const strictness: Strictness = { fieldValidation: query.fieldValidation, warnings: [] };
    const kind = bodyKind(schema, resource);
    const change = preparePatch(schema, kind, { type: type as PatchType, text }, strictness);
    const updated = registry.update(at, partOf(call), (current) => checked(change(current), at), query);
    warn(call, strictness.warnings);
    sendObject(call, 200, updated);
  };

  const applyPatch = async (call: ResourceCall, at: At): Promise<void> => {
    const { resource, request } = call;
    const text = await readText(request);
    const query = parseWriteQuery(call.query, 'PatchOptions', '', true);
    if (!call.query.get('fieldManager')) throw managerRequired();
    const kind = bodyKind(schema, resource);
    const part = partOf(call);
    const strictness: Strictness = { fieldValidation: query.fieldValidation, warnings: [] };
    const config = readConfiguration(schema, kind, text, strictness);
    warn(call, strictness.warnings);
    checkIdentity(config, at);
    if (part === 'main' && resource.subresources?.includes('status') === true) delete config.status;
    const isNew = registry.storage(resource).get(keyOf(resource, at.namespace, at.name)) === undefined;
    if (isNew && stringAt(config, 'metadata', 'uid'))
      throw conflict(
        resource,
        at.name,
        `uid mismatch: the provided object specified uid ${stringAt(config, 'metadata', 'uid') ?? ''}, and no existing object was found`,
      );
    if (isNew) {
      requireNamespace(registry, resource, at.namespace, at.name);
      await registry.strategy(resource).admit?.(config, at.namespace);
    }
    const by = {
      manager: query.fieldManager,
      apiVersion: resource.apiVersion,
      subresource: part === 'main' ? '' : part,
      time: timestamp(),
      force: query.force,
    };
    const current = isNew ? shapes.empty(resource) : registry.read(at);
    const applied = apply(schema, shapes.shape(resource), current, config, by);
    const { object } = decode(schema, kind.struct, applied.object);
    const options = { ...query, record: applied.record };
    const result = isNew
      ? registry.create(resource, at.namespace, object, options)
      : registry.update(at, part, () => object, options);
    sendObject(call, isNew ? 201 : 200, result);
  };

  const remove: ResourceHandler = async (call) => {
    const at = namedObject(call);
    const options = parseDeleteOptions(call.query, await deleteBody(call.request, schema));
    const { object, gone } = registry.delete(at, options);
    if (!gone || at.resource.returnsDeleted === true) return sendObject(call, 200, object);
    sendJson(call.response, 200, JSON.stringify(deletedStatus(at, object)) + '\n');
  };

  const removeAll: ResourceHandler = async (call) => {
    const { resource, path } = call;
    if (resource.namespaced && path.namespace === undefined) throw methodNotAllowed();
    if (resource.deleteCollection === false) throw methodNotAllowed();
    const options = parseDeleteOptions(call.query, await deleteBody(call.request, schema));
    const query = parseListQuery(call.query);
    const page = lister.page(registry.storage(resource), path.namespace, query);
    for (const { namespace, name } of page.items) registry.delete({ resource, namespace, name }, options);
    sendJson(call.response, 200, listJson(resource, negotiate(call.request), page, include(call.query)));
  };

  return async (call) => {
    const { method } = call.request;
    const { name } = call.path;
    if (call.path.namespace !== undefined && !call.resource.namespaced) throw noSuchResource();
    if (method === 'GET') {
      if (name === undefined) return list(call);
      return get(call);
    }
    if (method === 'POST' && name === undefined) return create(call);
    if (method === 'PUT' && name !== undefined) return replace(call);
    if (method === 'PATCH' && name !== undefined) return patch(call);
    if (method === 'DELETE') return name === undefined ? removeAll(call) : remove(call);
    throw methodNotAllowed();
  };
}

/** Adds warnings to the answer, whatever it will be. */
function warn({ response }: ResourceCall, texts: readonly string[]): void {
  for (const text of warningHeaders(texts).warning ?? []) response.appendHeader('warning', text);
}

function checked(object: JsonObject, at: At): JsonObject {
  checkIdentity(object, at);
  return object;
}

async function deleteBody(request: IncomingMessage, schema: Schema): Promise<JsonObject> {
  const text = await readBody(request, schema, 'meta.v1.DeleteOptions');
  if (text === '') return {};
  try {
    const options = parseObject(text, 'DeleteOptions', (_, why) => badRequest(why));
    const { apiVersion = 'v1', kind = 'DeleteOptions' } = options;
    if (kind !== 'DeleteOptions')
      throw badRequest(
        `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in scheme "pkg/runtime/scheme.go:111"`,
      );
    return decode(schema, 'meta.v1.DeleteOptions', options, 'sparse').object;
  } catch (error) {
    if (error instanceof DecodeError) throw badRequest(error.message);
    throw error;
  }
}

const deletedStatus = ({ resource, name }: At, object: JsonObject): JsonObject => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Success',
  details: {
    name,
    ...(resource.group !== '' && { group: resource.group }),
    kind: resource.plural,
    uid: stringAt(object, 'metadata', 'uid') ?? '',
  },
});

/** An object that is shown but not stored. */
const transient = (resource: ApiResource, object: JsonObject): Stored => {
  const metadata = objectAt(object, 'metadata') ?? {};
  const namespace = stringAt(metadata, 'namespace') ?? '';
  const name = stringAt(metadata, 'name') ?? '';
  return {
    key: keyOf(resource, namespace, name),
    namespace,
    name,
    uid: stringAt(metadata, 'uid') ?? '',
    version: Number(stringAt(metadata, 'resourceVersion') ?? 0),
    labels: undefined,
    fields: {},
    item: Buffer.from(JSON.stringify({ metadata, ...object, kind: undefined, apiVersion: undefined })),
  };
};
