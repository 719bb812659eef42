/**
 * The paths of OpenAPI documents: which operations a kind has follows from its row. kubectl asks them for the kind of a
 * resource and for `fieldValidation`, by which it knows that the server checks fields itself.
 */
import type { Json, JsonObject } from '../json.js';
import type { ApiResource } from '../resources.js';
import type { OpenApiVersion } from './definitions.js';
import { definitionName } from './names.js';

const JSON_TYPE = 'application/json';
/** By these kubectl decides how it patches. */
const patchTypes = ({ custom }: ApiResource): string[] => [
  'application/json-patch+json',
  'application/merge-patch+json',
  ...(custom === undefined ? ['application/strategic-merge-patch+json'] : []),
  'application/apply-patch+yaml',
];
const INTEGERS = new Set(['limit', 'timeoutSeconds', 'gracePeriodSeconds']);
const BOOLEANS = new Set(['allowWatchBookmarks', 'sendInitialEvents', 'watch', 'force', 'orphanDependents']);

const LIST = [
  'allowWatchBookmarks',
  'continue',
  'fieldSelector',
  'labelSelector',
  'limit',
  'resourceVersion',
  'resourceVersionMatch',
  'sendInitialEvents',
  'timeoutSeconds',
  'watch',
];
const WRITE = ['dryRun', 'fieldManager', 'fieldValidation'];
const DELETE = ['dryRun', 'gracePeriodSeconds', 'orphanDependents', 'propagationPolicy'];

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

interface Operation {
  readonly method: Method;
  readonly action: string;
  readonly query: readonly string[];
  /** The struct of the body; PATCH has one of its own. */
  readonly body?: string;
  readonly answer: string;
  readonly isList?: boolean;
}

const typeOf = (name: string): string =>
  INTEGERS.has(name) ? 'integer' : BOOLEANS.has(name) ? 'boolean' : 'string';

function parameter(name: string, place: 'query' | 'path', version: OpenApiVersion): JsonObject {
  const type = { type: typeOf(name), uniqueItems: true };
  const head = { name, in: place, ...(place === 'path' && { required: true }) };
  return version === 2 ? { ...head, ...type } : { ...head, schema: type };
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** What a resource's operations are called: `patchAppsV1NamespacedDeployment`. */
function operationId(resource: ApiResource, { action, isList }: Operation, suffix: string): string {
  const verbs: Record<string, string> = { get: 'read', post: 'create', put: 'replace' };
  const group = (resource.group.split('.')[0] || 'core').split('-').map(capital).join('');
  const scope = resource.namespaced ? 'Namespaced' : '';
  const verb = isList === true && action === 'delete' ? 'deleteCollection' : (verbs[action] ?? action);
  return verb + group + capital(resource.version) + scope + resource.kind + suffix;
}

function operationJson(
  resource: ApiResource,
  operation: Operation,
  at: { version: OpenApiVersion; suffix: string },
): JsonObject {
  const { version, suffix } = at;
  const { method, action, query, body, answer, isList } = operation;
  const prefix = version === 2 ? '#/definitions/' : '#/components/schemas/';
  const ref = (struct: string, list = false): JsonObject => ({
    $ref: prefix + definitionName(struct) + (list ? 'List' : ''),
  });
  const schema = ref(answer, isList === true && action === 'list');
  const parameters: Json[] = query.map((name) => parameter(name, 'query', version));
  const types = method === 'patch' ? patchTypes(resource) : [JSON_TYPE];
  if (body !== undefined && version === 2)
    parameters.unshift({ name: 'body', in: 'body', required: true, schema: ref(body) });
  return {
    operationId: operationId(resource, operation, suffix),
    ...(version === 2 && { consumes: body === undefined ? ['*/*'] : types, produces: [JSON_TYPE] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined &&
      version === 3 && {
        requestBody: {
          content: Object.fromEntries(types.map((type) => [type, { schema: ref(body) }])),
          ...(method !== 'delete' && { required: true }),
        },
      }),
    responses: {
      200: {
        description: 'OK',
        ...(version === 2 ? { schema } : { content: { [JSON_TYPE]: { schema } } }),
      },
    },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': {
      group: resource.group,
      version: resource.version,
      kind: resource.kind,
    },
  };
}

const STATUS = 'meta.v1.Status';
const DELETE_OPTIONS = 'meta.v1.DeleteOptions';
const PATCH = 'meta.v1.Patch';

const write = (struct: string): Operation[] => [
  { method: 'get', action: 'get', query: [], answer: struct },
  { method: 'put', action: 'put', query: WRITE, body: struct, answer: struct },
  { method: 'patch', action: 'patch', query: [...WRITE, 'force'], body: PATCH, answer: struct },
];

/** The structs of subresources whose body is not the object; undefined where the answer is no object. */
const BODIES: Readonly<Record<string, { struct: string; method: Method }>> = {
  binding: { struct: 'core.v1.Binding', method: 'post' },
  eviction: { struct: 'policy.v1.Eviction', method: 'post' },
  token: { struct: 'authentication.v1.TokenRequest', method: 'post' },
};
export const SCALE = 'autoscaling.v1.Scale';

/** The structs that operations refer to beside the kinds themselves. */
export const OPERATION_STRUCTS = [STATUS, DELETE_OPTIONS, PATCH];

/** The struct of a subresource's body. */
export function subresourceStruct(resource: { struct: string }, subresource: string): string | undefined {
  if (subresource === 'status' || subresource === 'finalize') return resource.struct;
  return subresource === 'scale' ? SCALE : BODIES[subresource]?.struct;
}

const subresourceOperations = (struct: string, subresource: string): Operation[] => {
  const own = BODIES[subresource];
  if (own !== undefined)
    return [{ method: own.method, action: own.method, query: WRITE, body: own.struct, answer: own.struct }];
  const operations = write(struct);
  return subresource === 'finalize' ? operations.filter(({ method }) => method === 'put') : operations;
};

/** The path items of one stored resource whose objects are of this struct. */
export function resourcePaths(resource: ApiResource, struct: string, version: OpenApiVersion): JsonObject {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.apiVersion}`;
  const place = resource.namespaced ? ['namespace'] : [];
  const collection = `${root}/${resource.namespaced ? 'namespaces/{namespace}/' : ''}${resource.plural}`;
  const item = (operations: readonly Operation[], path: string[], suffix = ''): JsonObject => ({
    ...Object.fromEntries(
      operations.map((operation) => [
        operation.method,
        operationJson(resource, operation, { version, suffix }),
      ]),
    ),
    ...(path.length > 0 && { parameters: path.map((name) => parameter(name, 'path', version)) }),
  });
  const list: Operation = { method: 'get', action: 'list', query: LIST, answer: struct, isList: true };
  const paths: JsonObject = {
    [collection]: item(
      [
        list,
        { method: 'post', action: 'post', query: WRITE, body: struct, answer: struct },
        {
          method: 'delete',
          action: 'deletecollection',
          query: [...DELETE, ...LIST.filter((name) => name !== 'watch' && name !== 'allowWatchBookmarks')],
          body: DELETE_OPTIONS,
          answer: STATUS,
        },
      ],
      place,
    ),
    [`${collection}/{name}`]: item(
      [
        ...write(struct),
        { method: 'delete', action: 'delete', query: DELETE, body: DELETE_OPTIONS, answer: STATUS },
      ],
      [...place, 'name'],
    ),
  };
  if (resource.namespaced) paths[`${root}/${resource.plural}`] = item([list], [], 'ForAllNamespaces');
  for (const subresource of resource.subresources ?? []) {
    const body = subresourceStruct({ struct }, subresource);
    if (body === undefined) continue;
    paths[`${collection}/{name}/${subresource}`] = item(
      subresourceOperations(body, subresource),
      [...place, 'name'],
      capital(subresource),
    );
  }
  return paths;
}
