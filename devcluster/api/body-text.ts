/** Bodies that are to be JSON, and what is wrong with one that is not, in the words of the API's decoder. */
import { badRequest } from './errors.js';
import type { ApiError } from './errors.js';
import { isObject } from './json.js';
import type { JsonObject } from './json.js';

/** Parses JSON text; the error is the reason in the words of the API's decoder. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new SyntaxError(jsonReason(text, error), { cause: error });
  }
}

function jsonReason(text: string, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (text.trim() === '' || /Unexpected end|Unterminated/.test(message))
    return 'unexpected end of JSON input';
  const position = Number(/position (\d+)/.exec(message)?.[1] ?? NaN);
  const character = Number.isNaN(position)
    ? (/Unexpected token '?(.)/.exec(message)?.[1] ?? '')
    : (text[position] ?? '');
  if (character === '') return 'unexpected end of JSON input';
  const quoted = character === "'" ? `'\\''` : `'${character}'`;
  const before = (Number.isNaN(position) ? '' : text.slice(0, position)).trimEnd();
  const last = before.at(-1);
  const where =
    before === ''
      ? 'looking for beginning of value'
      : last === '{'
        ? 'looking for beginning of object key string'
        : last === ',' && /["}\]\w]\s*,$/.test(before) && isInObject(before)
          ? 'looking for beginning of object key string'
          : last === ':' || last === '[' || last === ','
            ? 'looking for beginning of value'
            : isInObject(before)
              ? before.endsWith('"') && isKey(before)
                ? 'after object key'
                : 'after object key:value pair'
              : 'after array element';
  return `invalid character ${quoted} ${/[\]}"\w]/.test(last ?? '') && depth(before) === 0 ? 'after top-level value' : where}`;
}

/** The brackets that are open after this text. */
function open(text: string): string[] {
  const stack: string[] = [];
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/g)) {
    if (token === '{' || token === '[') stack.push(token);
    else if (token === '}' || token === ']') stack.pop();
  }
  return stack;
}
const depth = (text: string): number => open(text).length;
const isInObject = (text: string): boolean => open(text).at(-1) === '{';
const isKey = (text: string): boolean => /[{,]\s*"(?:[^"\\]|\\.)*"$/.test(text);

/** First bytes of a body as an error shows them. */
export function summary(text: string): string {
  if (text === '') return '<empty>';
  const shown = text.startsWith('{') ? text : Buffer.from(text).toString('hex');
  const length = text.startsWith('{') ? 30 : 60;
  return shown.length > length ? `${shown.slice(0, length)} ...` : shown;
}

/** The object in a body that is to be of `kind`; 400 in the API's words when it is none. */
export function parseObject(text: string, kind: string): JsonObject {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw unrecognized(kind, `couldn't get version/kind; json parse error: ${reason}`, text);
  }
  if (!isObject(value))
    throw unrecognized(
      kind,
      `couldn't get version/kind; json parse error: json: cannot unmarshal ${Array.isArray(value) ? 'array' : typeof value} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`,
      text,
    );
  return value;
}

const unrecognized = (kind: string, reason: string, text: string): ApiError =>
  badRequest(`the object provided is unrecognized (must be of type ${kind}): ${reason} (${summary(text)})`);
