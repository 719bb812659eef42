/** Bodies that are to be JSON, and what is wrong with one that is not, in the words of the API's decoder. */
import { badRequest } from './errors.js';
import type { ApiError } from './errors.js';
import { hasDuplicates, scanJson } from './json-text.js';
import { isObject } from './json.js';
import type { JsonObject } from './json.js';

/** Parses JSON text; the error is the reason in the words of the API's decoder. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new SyntaxError(scanJson(text).error ?? String(error), { cause: error });
  }
}

/**
 * What a strict reader objects to in a text that was parsed to `value`: the unknown fields and the keys that stand twice,
 * in the order of the text.
 */
export function strictProblems(text: string, value: unknown, unknown: readonly string[]): string[] {
  const told = (field: string): string => `unknown field ${JSON.stringify(field)}`;
  if (!hasDuplicates(text, value)) return unknown.map(told);
  const { duplicates, places } = scanJson(text);
  const isUnknown = new Set(unknown);
  return [
    ...unknown.map((path) => ({ at: places.get(path) ?? 0, problem: told(path) })),
    ...duplicates
      .filter(({ path }) => !isUnknown.has(path))
      .map(({ path, at }) => ({ at, problem: `duplicate field ${JSON.stringify(path)}` })),
  ]
    .sort((a, b) => a.at - b.at)
    .map(({ problem }) => problem);
}

/** First bytes of a body as an error shows them. */
export function summary(text: string): string {
  if (text === '') return '<empty>';
  const shown = text.startsWith('{') ? text : Buffer.from(text).toString('hex');
  const length = text.startsWith('{') ? 30 : 60;
  return shown.length > length ? `${shown.slice(0, length)} ...` : shown;
}

const GROUP_VERSION = /^[^/]*(\/[^/]*)?$/;
const goType = (value: unknown): string =>
  Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;

/**
 * The object in a body that is to be of `kind`; what `wrap` makes of the API's words when it is none. `null` is an empty
 * object.
 */
export function parseObject(text: string, kind: string, wrap = unrecognized): JsonObject {
  const refuse = (why: string): ApiError =>
    wrap(kind, `couldn't get version/kind; json parse error: ${why}`, text);
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
  if (value === null) return {};
  if (!isObject(value))
    throw refuse(
      `json: cannot unmarshal ${goType(value)} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`,
    );
  for (const key of ['apiVersion', 'kind'])
    if (value[key] !== undefined && value[key] !== null && typeof value[key] !== 'string')
      throw refuse(
        `json: cannot unmarshal ${goType(value[key])} into Go struct field .${key} of type string`,
      );
  const { apiVersion } = value;
  if (typeof apiVersion === 'string' && !GROUP_VERSION.test(apiVersion))
    throw wrap(kind, `unexpected GroupVersion string: ${apiVersion}`, text);
  return value;
}

/** 400 for a body in which no object of the kind is to be found. */
export const unrecognized = (kind: string, reason: string, text: string): ApiError =>
  badRequest(`the object provided is unrecognized (must be of type ${kind}): ${reason} (${summary(text)})`);
