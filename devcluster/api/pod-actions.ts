/** What is posted to pods: binding to a Kubernetes node. */
import { sendJson } from './answers.js';
import { required } from './field-errors.js';
import { conflict, methodNotAllowed, unexplained } from './errors.js';
import { objectAt, objectsAt, stringAt } from './json.js';
import type { JsonObject } from './json.js';
import { timestamp } from './registry.js';
import { parseWriteQuery, readBody } from './requests.js';
import { namedObject, userAgent } from './resource-call.js';
import type { ResourceCall, ResourceHandler } from './resource-call.js';
import type { SubresourceDeps } from './subresources.js';
import { oneOf } from './validation/fields.js';
import { decodeBody } from './write-body.js';

export const SUCCESS = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };

/** The body of a POST to a subresource, of this group, version and kind. */
export async function postedBody(
  { schema }: SubresourceDeps,
  { request, query }: ResourceCall,
  [group, version, kind]: [string, string, string],
): Promise<JsonObject> {
  if (request.method !== 'POST') throw methodNotAllowed();
  const { fieldValidation } = parseWriteQuery(query, 'CreateOptions', userAgent(request));
  const apiVersion = group === '' ? version : `${group}/${version}`;
  const struct = `${group === '' ? 'core' : group}.${version}.${kind}`;
  const text = await readBody(request, schema, struct);
  return decodeBody(schema, { group, version, apiVersion, kind, struct }, text, {
    fieldValidation,
    warnings: [],
  });
}

/** POST of a Binding: what a scheduler sends. */
export const createBindingHandler =
  (deps: SubresourceDeps): ResourceHandler =>
  async (call) => {
    const at = namedObject(call);
    const binding = await postedBody(deps, call, ['', 'v1', 'Binding']);
    const node = stringAt(binding, 'target', 'name') ?? '';
    const kind = stringAt(binding, 'target', 'kind') ?? '';
    const wrong = [
      ...(kind === '' ? [] : oneOf(kind, 'target.kind', ['Node', '<empty>'])),
      ...(node === '' ? [required('target.name')] : []),
    ].map(({ field, message }) => `${field}: ${message}`);
    if (wrong.length > 0) throw unexplained(wrong.length === 1 ? wrong.join() : `[${wrong.join(', ')}]`);
    const options = parseWriteQuery(call.query, 'CreateOptions', userAgent(call.request));
    deps.registry.update(
      at,
      'binding',
      (pod) => {
        const bound = stringAt(pod, 'spec', 'nodeName');
        if (bound)
          throw conflict(
            { group: '', plural: 'pods/binding', kind: 'Pod' },
            at.name,
            `pod ${at.name} is already assigned to node "${bound}"`,
          );
        const others = objectsAt(pod, 'status', 'conditions').filter(({ type }) => type !== 'PodScheduled');
        const scheduled = {
          type: 'PodScheduled',
          status: 'True',
          lastProbeTime: null,
          lastTransitionTime: timestamp(),
        };
        return {
          ...pod,
          spec: { ...objectAt(pod, 'spec'), nodeName: node },
          status: { ...objectAt(pod, 'status'), conditions: [...others, scheduled] },
        };
      },
      // Nobody comes to own what a binding sets.
      { ...options, record: () => undefined },
    );
    sendJson(call.response, 201, JSON.stringify(SUCCESS) + '\n');
  };
