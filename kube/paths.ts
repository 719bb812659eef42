/** The API's URLs. No name can leave its place in a path. */
import { KubeError } from './errors.js';
import type { At } from './kube.js';
import type { Resource } from './objects.js';

export type Query = Record<string, string | number | boolean | undefined>;

const refuse = (message: string) => new KubeError(message, { reason: 'invalid_name', outcome: 'not_sent' });

function encode(what: string, value: string | number | boolean): string {
  try {
    return encodeURIComponent(value);
  } catch {
    throw refuse(`${JSON.stringify(value)} cannot be a ${what}: it is not Unicode text.`);
  }
}

function segment(what: string, value: string): string {
  if (value === '' || value === '.' || value === '..' || /[/%]/.test(value)) {
    throw refuse(
      `${JSON.stringify(value)} cannot be a ${what}: it is empty, "." or "..", or holds "/" or "%".`,
    );
  }
  return encode(what, value);
}

/** Path of a collection. Without a namespace: that of all namespaces. */
export function collectionPath(resource: Resource, namespace: string | undefined): string {
  const root =
    resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const within =
    resource.namespaced && namespace !== undefined ? `/namespaces/${segment('namespace', namespace)}` : '';
  return `${root}${within}/${resource.plural}`;
}

/** Path of the collection that an object is created in, which for namespaced kinds is one namespace's. */
export function homePath(resource: Resource, namespace: string | undefined): string {
  if (resource.namespaced && namespace === undefined) {
    throw refuse(`A ${resource.kind} lives in a namespace, and none was given.`);
  }
  return collectionPath(resource, namespace);
}

export function objectPath(resource: Resource, at: At, subresource?: string): string {
  const path = `${homePath(resource, at.namespace)}/${segment(`${resource.kind}'s name`, at.name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

export function withQuery(path: string, query: Query): string {
  let text = '';
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined) text += `${text === '' ? '?' : '&'}${key}=${encode(key, value)}`;
  }
  return path + text;
}
