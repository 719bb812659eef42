/** From a request's body to an object of its kind: decoding, unknown fields, patches. */
import { decode, DecodeError } from './decode.js';
import { ApiError, badRequest, invalid, tooLarge } from './errors.js';
import { invalidValue, required } from './field-errors.js';
import { isObject, stringAt } from './json.js';
import type { Json, JsonObject } from './json.js';
import { jsonPatch, mergePatch, PatchError } from './patch-json.js';
import type { JsonPatchOperation } from './patch-json.js';
import { goText, strategicPatch } from './patch-strategic.js';
import { parseJson, parseObject, strictProblems, summary } from './body-text.js';
import type { FieldValidation } from './requests.js';
import type { Schema } from './schema.js';
import { typedError } from './typed.js';
import { parseYaml } from './yaml.js';

/** The kind that a body is to be of. */
export interface BodyKind {
  readonly group: string;
  readonly version: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly struct: string;
  /** Custom kinds are checked in words of their own. */
  readonly isCustom?: boolean;
}

export interface Strictness {
  readonly fieldValidation: FieldValidation;
  /** Collects the warnings of the answer. */
  readonly warnings: string[];
  /** Keys that a YAML body has twice. */
  readonly yaml?: readonly string[];
}

const MAX_OPERATIONS = 10_000;
/** A version of a kind before its first stable one. */
const EARLIER = /^v1(alpha|beta)\d+$/;

/** Decodes a whole object; throws 400 in the API's words. */
export function decodeBody(schema: Schema, kind: BodyKind, text: string, strictness: Strictness): JsonObject {
  const raw = parseObject(text, kind.kind);
  if (kind.isCustom === true) checkCustomKind(kind, raw, text);
  const apiVersion = raw.apiVersion ?? kind.apiVersion;
  const name = raw.kind ?? kind.kind;
  const version = String(apiVersion).split('/').at(-1) ?? '';
  const cannot = (why: string): ApiError =>
    badRequest(`${String(name)} in version "${version}" cannot be handled as a ${kind.kind}: ${why}`);
  if (name !== kind.kind || apiVersion !== kind.apiVersion) {
    const [, group = ''] = String(apiVersion).split('/').reverse();
    if (name === kind.kind && group === kind.group && EARLIER.test(version))
      throw badRequest(
        `the API version in the data (${String(apiVersion)}) does not match the expected API version (${kind.apiVersion})`,
      );
    throw cannot(
      schema.hasKind(group, version, String(name))
        ? `converting (${version}.${String(name)}) to (${kind.group.split('.')[0] || 'core'}.${kind.kind}): unknown conversion`
        : `no kind "${String(name)}" is registered for version "${String(apiVersion)}" in scheme "pkg/runtime/scheme.go:111"`,
    );
  }
  try {
    const { object, unknown } = decode(schema, kind.struct, raw);
    const { fieldValidation, warnings, yaml = [] } = strictness;
    const problems = fieldValidation === 'Ignore' ? [] : strictProblems(text, raw, unknown);
    if (fieldValidation === 'Strict' && problems.length + yaml.length > 0)
      throw cannot(
        `strict decoding error: ${[
          ...(yaml.length > 0 ? [`yaml: unmarshal errors:\n  ${yaml.join('\n  ')}`] : []),
          ...problems,
        ].join(', ')}`,
      );
    if (fieldValidation === 'Warn') warnings.push(...yaml, ...problems);
    return { ...object, kind: kind.kind, apiVersion: kind.apiVersion };
  } catch (error) {
    if (error instanceof DecodeError) throw cannot(error.message);
    throw error;
  }
}

function checkCustomKind(kind: BodyKind, raw: JsonObject, text: string): void {
  if (!raw.kind)
    throw badRequest(
      `the object provided is unrecognized (must be of type ${kind.kind}): Object 'Kind' is missing in '${text}' (${summary(text)})`,
    );
  if (raw.apiVersion !== kind.apiVersion)
    throw badRequest(
      `the API version in the data (${String(raw.apiVersion ?? '')}) does not match the expected API version (${kind.apiVersion})`,
    );
  if (raw.kind !== kind.kind)
    throw invalid({ group: kind.group, kind: String(raw.kind) }, stringAt(raw, 'metadata', 'name') ?? '', [
      invalidValue('kind', raw.kind, `must be ${kind.kind}`),
    ]);
}

export const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
] as const;
export const STRATEGIC_TYPE = 'application/strategic-merge-patch+json';
export type PatchType = (typeof PATCH_TYPES)[number];

export const APPLY_TYPE = 'application/apply-patch+yaml';

export const managerRequired = (): ApiError =>
  invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [
    required('fieldManager', 'is required for apply patch'),
  ]);

/** Reads an applied configuration, which is YAML: what was written and nothing else. */
export function readConfiguration(
  schema: Schema,
  kind: BodyKind,
  text: string,
  strictness: Strictness,
): JsonObject {
  const raw = parseConfiguration(text, strictness);
  if (raw.apiVersion !== kind.apiVersion || raw.kind !== kind.kind) {
    const [version = '', group = ''] = String(raw.apiVersion ?? '')
      .split('/')
      .reverse();
    throw badRequest(`invalid object type: ${group}/${version}, Kind=${String(raw.kind ?? '')}`);
  }
  const metadata = isObject(raw.metadata) ? raw.metadata : {};
  if (metadata.managedFields !== undefined && metadata.managedFields !== null)
    throw badRequest('metadata.managedFields must be nil');
  const wrong = typedError(schema, kind.struct, raw);
  if (wrong !== undefined) throw untyped(kind, metadata, wrong);
  try {
    return decode(schema, kind.struct, raw, 'sparse').object;
  } catch (error) {
    if (error instanceof DecodeError) throw untyped(kind, metadata, error.message);
    throw error;
  }
}

function parseConfiguration(text: string, { fieldValidation, warnings }: Strictness): JsonObject {
  let raw: unknown;
  try {
    // JSON is YAML too, and the usual case.
    raw = text.startsWith('{') ? (JSON.parse(text) as unknown) : undefined;
  } catch {
    raw = undefined;
  }
  if (raw === undefined)
    try {
      const { value, duplicates } = parseYaml(text);
      if (fieldValidation === 'Strict' && duplicates.length > 0)
        throw badRequest(
          `error strict decoding YAML: error converting YAML to JSON: ${duplicates.join(', ')}`,
        );
      if (fieldValidation === 'Warn') warnings.push(...duplicates);
      raw = value ?? {};
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw badRequest(`error decoding YAML: error converting YAML to JSON: ${error.message}`);
    }
  if (isObject(raw)) return raw;
  const seen = Array.isArray(raw) ? 'array' : typeof raw === 'boolean' ? 'bool' : typeof raw;
  throw badRequest(
    `error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ${seen} into Go value of type map[string]interface {}`,
  );
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
  const isOperations = type === 'application/json-patch+json';
  const duplicates =
    strictness.fieldValidation === 'Ignore'
      ? []
      : strictProblems(text, body, []).map((problem) => (isOperations ? `json patch ${problem}` : problem));
  return (current) => {
    const patched = change(current);
    if (!isObject(patched)) throw badRequest(`the patch leaves no object of kind ${kind.kind}`);
    const isStrategic = type === STRATEGIC_TYPE;
    const refuse = (value: string | JsonObject, why: string): ApiError =>
      invalid({ group: '', kind: '' }, '', [invalidValue('patch', value, why)]);
    const shown = isStrategic ? goText(body as Json) : JSON.stringify(patched);
    try {
      const { object, unknown } = decode(schema, kind.struct, patched);
      const problems = [...duplicates, ...strictProblems('', {}, [...unknown].sort())];
      if (problems.length > 0 && strictness.fieldValidation === 'Strict')
        throw refuse(shown, `strict decoding error: ${problems.join(', ')}`);
      if (strictness.fieldValidation === 'Warn') strictness.warnings.push(...problems);
      return { ...object, kind: kind.kind, apiVersion: kind.apiVersion };
    } catch (error) {
      if (error instanceof DecodeError) throw refuse(shown, isStrategic ? error.converted : error.message);
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
        throw error instanceof PatchError ? rejected() : error;
      }
    };
  }
  if (body === null) {
    if (type !== STRATEGIC_TYPE) throw badRequest('Invalid JSON Patch');
    return (current) => current;
  }
  if (!isObject(body)) {
    const seen = Array.isArray(body) ? 'array' : typeof body;
    throw badRequest(
      `${type === 'application/merge-patch+json' ? 'error decoding patch: ' : ''}json: cannot unmarshal ${seen} into Go value of type map[string]interface {}`,
    );
  }
  return type === 'application/merge-patch+json'
    ? (current) => mergePatch(current, body)
    : (current) => strategicPatch(schema, kind.struct, current, body);
}

const rejected = (): ApiError =>
  new ApiError({
    code: 422,
    reason: 'Invalid',
    message: 'the server rejected our request due to an error in our request',
    details: {},
  });

function toOperations(body: unknown): JsonPatchOperation[] {
  if (!Array.isArray(body))
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${body === null ? 'null' : typeof body} into Go value of type []handlers.jsonPatchOp`,
    );
  if (body.length > MAX_OPERATIONS)
    throw tooLarge(`The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${body.length}`);
  return body.map((operation: unknown) => {
    if (!isObject(operation))
      throw badRequest(
        `error decoding patch: json: cannot unmarshal ${Array.isArray(operation) ? 'array' : typeof operation} into Go value of type handlers.jsonPatchOp`,
      );
    if (typeof operation.op !== 'string' || typeof operation.path !== 'string') throw rejected();
    return operation as unknown as JsonPatchOperation;
  });
}

const untyped = (kind: BodyKind, metadata: JsonObject, why: string): ApiError =>
  new ApiError({
    code: 500,
    message: `failed to create typed patch object (${String(metadata.namespace ?? '')}/${String(metadata.name ?? '')}; ${kind.group}/${kind.version}, Kind=${kind.kind}): ${why}`,
  });
