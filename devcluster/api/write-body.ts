/** From a request's body to an object of its kind: decoding, unknown fields, patches. */
import { decode, DecodeError } from './decode.js';
import { ApiError, badRequest, invalid, tooLarge } from './errors.js';
import { invalidValue, required } from './field-errors.js';
import { isObject } from './json.js';
import type { Json, JsonObject } from './json.js';
import { jsonPatch, mergePatch, PatchError } from './patch-json.js';
import type { JsonPatchOperation } from './patch-json.js';
import { goText, strategicPatch } from './patch-strategic.js';
import { parseJson, parseObject } from './body-text.js';
import type { FieldValidation } from './requests.js';
import type { Schema } from './schema.js';

/** The kind that a body is to be of. */
export interface BodyKind {
  readonly group: string;
  readonly version: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly struct: string;
}

export interface Strictness {
  readonly fieldValidation: FieldValidation;
  /** Collects the warnings of the answer. */
  readonly warnings: string[];
}

const MAX_OPERATIONS = 10_000;

const unknownFields = (fields: readonly string[]): string[] =>
  fields.map((field) => `unknown field "${field}"`);

/** Decodes a whole object; throws 400 in the API's words. */
export function decodeBody(schema: Schema, kind: BodyKind, text: string, strictness: Strictness): JsonObject {
  const raw = parseObject(text, kind.kind);
  const apiVersion = raw.apiVersion ?? kind.apiVersion;
  const name = raw.kind ?? kind.kind;
  const version = String(apiVersion).split('/').at(-1) ?? '';
  const cannot = (why: string): ApiError =>
    badRequest(`${String(name)} in version "${version}" cannot be handled as a ${kind.kind}: ${why}`);
  if (name !== kind.kind || apiVersion !== kind.apiVersion) {
    const [, group = ''] = String(apiVersion).split('/').reverse();
    throw cannot(
      schema.hasKind(group, version, String(name))
        ? `converting (${version}.${String(name)}) to (${kind.group.split('.')[0] || 'core'}.${kind.kind}): unknown conversion`
        : `no kind "${String(name)}" is registered for version "${String(apiVersion)}" in scheme "pkg/runtime/scheme.go:111"`,
    );
  }
  try {
    const { object, unknown } = decode(schema, kind.struct, raw);
    const problems = unknownFields(unknown);
    if (problems.length > 0 && strictness.fieldValidation === 'Strict')
      throw cannot(`strict decoding error: ${problems.join(', ')}`);
    if (strictness.fieldValidation === 'Warn') strictness.warnings.push(...problems);
    return { ...object, kind: kind.kind, apiVersion: kind.apiVersion };
  } catch (error) {
    if (error instanceof DecodeError) throw cannot(error.message);
    throw error;
  }
}

export const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
] as const;
export type PatchType = (typeof PATCH_TYPES)[number];

export const APPLY_TYPE = 'application/apply-patch+yaml';

export const managerRequired = (): ApiError =>
  invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [
    required('fieldManager', 'is required for apply patch'),
  ]);

/** Reads an applied configuration: what was written and nothing else. It is to be JSON, which is YAML too. */
export function readConfiguration(schema: Schema, kind: BodyKind, text: string): JsonObject {
  let raw: unknown;
  try {
    raw = parseJson(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw badRequest(
      `error decoding YAML: ${reason} (the embedded cluster reads configurations as JSON only)`,
    );
  }
  if (!isObject(raw)) throw badRequest('error decoding YAML: the configuration is not an object');
  if (raw.apiVersion !== kind.apiVersion || raw.kind !== kind.kind) {
    const [version = '', group = ''] = String(raw.apiVersion ?? '')
      .split('/')
      .reverse();
    throw badRequest(`invalid object type: ${group}/${version}, Kind=${String(raw.kind ?? '')}`);
  }
  const metadata = isObject(raw.metadata) ? raw.metadata : {};
  if (metadata.managedFields !== undefined && metadata.managedFields !== null)
    throw badRequest('metadata.managedFields must be nil');
  try {
    const { object, unknown } = decode(schema, kind.struct, raw, 'sparse');
    if (unknown.length > 0)
      throw untyped(kind, metadata, `.${unknown[0] ?? ''}: field not declared in schema`);
    return object;
  } catch (error) {
    if (error instanceof DecodeError) throw untyped(kind, metadata, error.message);
    throw error;
  }
}

/** Reads a patch body; answers the function that makes the new object from the current one. */
export function preparePatch(
  schema: Schema,
  kind: BodyKind,
  patch: { type: PatchType; text: string },
  strictness: Strictness,
): (current: JsonObject) => JsonObject {
  const { type, text } = patch;
  let body: unknown;
  try {
    body = parseJson(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw badRequest(
      type === 'application/strategic-merge-patch+json' ? reason : `error decoding patch: ${reason}`,
    );
  }
  const change = patcher(schema, kind, type, body);
  return (current) => {
    const patched = change(current);
    if (!isObject(patched)) throw badRequest(`the patch leaves no object of kind ${kind.kind}`);
    const refuse = (value: string | JsonObject, why: string): ApiError =>
      invalid({ group: '', kind: '' }, '', [invalidValue('patch', value, why)]);
    const shown =
      type === 'application/strategic-merge-patch+json' ? goText(body as Json) : JSON.stringify(patched);
    try {
      const { object, unknown } = decode(schema, kind.struct, patched);
      const problems = unknownFields(unknown);
      if (problems.length > 0 && strictness.fieldValidation === 'Strict')
        throw refuse(shown, `strict decoding error: ${problems.join(', ')}`);
      if (strictness.fieldValidation === 'Warn') strictness.warnings.push(...problems);
      return { ...object, kind: kind.kind, apiVersion: kind.apiVersion };
    } catch (error) {
      if (error instanceof DecodeError) throw refuse(shown, error.message);
      throw error;
    }
  };
}

function patcher(
  schema: Schema,
  kind: BodyKind,
  type: PatchType,
  body: unknown,
): (current: JsonObject) => Json {
  if (type === 'application/json-patch+json') {
    const operations = toOperations(body);
    return (current) => {
      try {
        return jsonPatch(current, operations);
      } catch (error) {
        if (!(error instanceof PatchError)) throw error;
        throw new ApiError({
          code: 422,
          reason: 'Invalid',
          message: 'the server rejected our request due to an error in our request',
          details: {},
        });
      }
    };
  }
  if (!isObject(body)) {
    const seen = Array.isArray(body) ? 'array' : body === null ? 'null' : typeof body;
    throw badRequest(
      `${type === 'application/merge-patch+json' ? 'error decoding patch: ' : ''}json: cannot unmarshal ${seen} into Go value of type map[string]interface {}`,
    );
  }
  return type === 'application/merge-patch+json'
    ? (current) => mergePatch(current, body)
    : (current) => strategicPatch(schema, kind.struct, current, body);
}

function toOperations(body: unknown): JsonPatchOperation[] {
  if (!Array.isArray(body))
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${body === null ? 'null' : typeof body} into Go value of type []handlers.jsonPatchOp`,
    );
  if (body.length > MAX_OPERATIONS)
    throw tooLarge(`The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${body.length}`);
  return body.map((operation: unknown) => {
    if (!isObject(operation) || typeof operation.op !== 'string' || typeof operation.path !== 'string')
      throw badRequest('error decoding patch: an operation of a JSON patch has op and path, both strings');
    return operation as unknown as JsonPatchOperation;
  });
}

const untyped = (kind: BodyKind, metadata: JsonObject, why: string): ApiError =>
  new ApiError({
    code: 500,
    message: `failed to create typed patch object (${String(metadata.namespace ?? '')}/${String(metadata.name ?? '')}; ${kind.apiVersion}, Kind=${kind.kind}): ${why}`,
  });
