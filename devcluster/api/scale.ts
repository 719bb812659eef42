/** The `scale` subresource: replicas of a workload as an autoscaling/v1 Scale. */
import { sendJson, warningHeaders } from './answers.js';
import { invalid, methodNotAllowed, unsupportedPatch } from './errors.js';
import { invalidValue } from './field-errors.js';
import { at, isObject, numberAt, objectAt, objectsAt, stringAt, stringsAt } from './json.js';
import type { Json, JsonObject } from './json.js';
import { mediaType, parseWriteQuery, readBody, readText } from './requests.js';
import { checkIdentity, namedObject, userAgent } from './resource-call.js';
import type { ResourceHandler } from './resource-call.js';
import type { ScalePaths } from './resources.js';
import type { SubresourceDeps } from './subresources.js';
import { decodeBody, PATCH_TYPES, preparePatch } from './write-body.js';
import type { PatchType, Strictness } from './write-body.js';

const KIND = {
  group: 'autoscaling',
  version: 'v1',
  apiVersion: 'autoscaling/v1',
  kind: 'Scale',
  struct: 'autoscaling.v1.Scale',
} as const;

const OPERATORS: Record<string, string> = { In: 'in', NotIn: 'notin' };

/** A label selector object as the text that list queries take. */
export function selectorText(selector: JsonObject | undefined): string {
  const labels = Object.entries(objectAt(selector, 'matchLabels') ?? {}).map(
    ([key, value]) => `${key}=${String(value)}`,
  );
  const expressions = objectsAt(selector, 'matchExpressions').map((expression) => {
    const key = stringAt(expression, 'key') ?? '';
    const operator = stringAt(expression, 'operator') ?? '';
    if (operator === 'Exists') return key;
    if (operator === 'DoesNotExist') return `!${key}`;
    return `${key} ${OPERATORS[operator] ?? operator} (${stringsAt(expression, 'values').sort().join(',')})`;
  });
  return [...labels, ...expressions].sort().join(',');
}

/** Where the kinds of the API keep their replicas. */
const BUILT_IN: ScalePaths = {
  spec: ['spec', 'replicas'],
  status: ['status', 'replicas'],
  selector: ['spec', 'selector'],
};

/** The object with a value under these field names. */
function withValue(object: JsonObject, [key = '', ...path]: readonly string[], value: Json): JsonObject {
  return {
    ...object,
    [key]: path.length === 0 ? value : withValue(objectAt(object, key) ?? {}, path, value),
  };
}

function scaleOf(object: JsonObject, paths: ScalePaths): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = objectAt(object, 'metadata') ?? {};
  const replicas = numberAt(object, ...paths.spec) ?? 0;
  const selected = at(object, ...(paths.selector ?? []));
  const selector =
    typeof selected === 'string'
      ? selected
      : isObject(selected) && paths.selector
        ? selectorText(selected)
        : '';
  return {
    kind: KIND.kind,
    apiVersion: KIND.apiVersion,
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: replicas === 0 ? {} : { replicas },
    status: { replicas: numberAt(object, ...paths.status) ?? 0, ...(selector !== '' && { selector }) },
  };
}

export const createScaleHandler =
  ({ schema, registry }: SubresourceDeps): ResourceHandler =>
  async (call) => {
    const { request, response } = call;
    const target = namedObject(call);
    const paths = call.resource.custom?.scale ?? BUILT_IN;
    if (request.method === 'GET') {
      sendJson(response, 200, JSON.stringify(scaleOf(registry.read(target), paths)) + '\n');
      return;
    }
    const isPatch = request.method === 'PATCH';
    if (!isPatch && request.method !== 'PUT') throw methodNotAllowed();
    const type = mediaType(request);
    if (isPatch && !(PATCH_TYPES as readonly string[]).includes(type)) throw unsupportedPatch();
    const text = isPatch ? await readText(request) : await readBody(request, schema, KIND.struct);
    const options = parseWriteQuery(
      call.query,
      isPatch ? 'PatchOptions' : 'UpdateOptions',
      userAgent(request),
    );
    const strictness: Strictness = { fieldValidation: options.fieldValidation, warnings: [] };
    const change = isPatch
      ? preparePatch(schema, KIND, { type: type as PatchType, text }, strictness)
      : () => decodeBody(schema, KIND, text, strictness);
    const updated = registry.update(
      target,
      'main',
      (object) => {
        const scale = change(scaleOf(object, paths));
        checkIdentity(scale, target);
        const replicas = numberAt(scale, 'spec', 'replicas') ?? 0;
        if (replicas < 0)
          throw invalid(KIND, target.name, [
            invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'),
          ]);
        const metadata = objectAt(scale, 'metadata');
        return {
          ...withValue(object, paths.spec, replicas),
          metadata: {
            ...objectAt(object, 'metadata'),
            ...(metadata?.uid !== undefined && { uid: metadata.uid }),
            ...(metadata?.resourceVersion !== undefined && { resourceVersion: metadata.resourceVersion }),
          },
        };
      },
      { ...options, subresource: 'scale' },
    );
    sendJson(
      response,
      200,
      JSON.stringify(scaleOf(updated, paths)) + '\n',
      warningHeaders(strictness.warnings),
    );
  };
