/**
 * The OpenAPI v3 documents: enough for kubectl to learn that the server checks fields itself. Which operations a kind has
 * follows from the table.
 */
import type { JsonObject } from './json.js';
import type { ApiResource, Resources } from './resources.js';
import type { Schema } from './schema.js';

const parameter = (name: string): JsonObject => ({
  name,
  in: 'query',
  schema: { type: 'string', uniqueItems: true },
});

function paths(resource: ApiResource): JsonObject {
  const base = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.apiVersion}`;
  const collection = `${base}/${resource.namespaced ? 'namespaces/{namespace}/' : ''}${resource.plural}`;
  const operation = (action: string, parameters: string[]): JsonObject => ({
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': {
      group: resource.group,
      version: resource.version,
      kind: resource.kind,
    },
    parameters: parameters.map(parameter),
    responses: { 200: { description: 'OK' } },
  });
  const write = ['dryRun', 'fieldManager', 'fieldValidation'];
  return {
    [collection]: {
      get: operation('list', ['labelSelector', 'fieldSelector']),
      post: operation('post', write),
    },
    [`${collection}/{name}`]: {
      get: operation('get', []),
      put: operation('put', write),
      patch: operation('patch', [...write, 'force']),
      delete: operation('delete', ['dryRun']),
    },
  };
}

/** Answers the document of a path below /openapi, or undefined. */
export function openApi(resources: Resources, _schema: Schema): (path: string) => JsonObject | undefined {
  const prefix = (resource: ApiResource): string =>
    resource.group === '' ? `api/${resource.version}` : `apis/${resource.apiVersion}`;
  const versions = [...new Set(resources.all.map(prefix))];
  return (path) => {
    if (path === '/openapi/v3')
      return {
        paths: Object.fromEntries(
          versions.map((name) => [name, { serverRelativeURL: `/openapi/v3/${name}` }]),
        ),
      };
    const name = versions.find((version) => path === `/openapi/v3/${version}`);
    if (name === undefined) return undefined;
    return {
      openapi: '3.0.0',
      info: { title: 'Kubernetes', version: 'v1.35.4+xi-k8s.embedded' },
      paths: Object.assign(
        {},
        ...resources.all.filter((resource) => prefix(resource) === name).map(paths),
      ) as JsonObject,
      components: { schemas: {} },
    };
  };
}
