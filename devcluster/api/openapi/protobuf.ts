/**
 * The version 2 document in protobuf, as kubectl asks for it: the message openapi.v2.Document of gnostic, whose field
 * numbers the tables below hold as far as our documents have the fields.
 */
import { isObject } from '../json.js';
import type { Json, JsonObject } from '../json.js';

/** Writes a value as the field of this number. */
type Write = (number: number, value: Json) => Buffer;
type Message = Readonly<Record<string, readonly [number, Write]>>;

const varint = (value: number): Buffer => {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
};
const tagged = (number: number, wire: number, ...parts: Buffer[]): Buffer =>
  Buffer.concat([varint(number * 8 + wire), ...parts]);
const block = (number: number, content: Buffer): Buffer => tagged(number, 2, varint(content.length), content);

const string: Write = (number, value) => block(number, Buffer.from(String(value)));
const bool: Write = (number, value) => (value === true ? tagged(number, 0, varint(1)) : Buffer.alloc(0));
const int: Write = (number, value) => tagged(number, 0, varint(Number(value)));
const double: Write = (number, value) => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(Number(value));
  return tagged(number, 1, bytes);
};
/** Any value as YAML, of which JSON is a part. */
const any: Write = (number, value) => block(number, string(2, JSON.stringify(value)));

const repeated =
  (write: Write): Write =>
  (number, value) =>
    Buffer.concat((Array.isArray(value) ? value : [value]).map((item) => write(number, item)));

/** A message by its table; fields that begin with `x-` are its vendor extensions. */
const message =
  (table: () => Message, extension: number): Write =>
  (number, value) =>
    block(number, content(table(), extension, value));

/** A field an entry: a message of name and value. */
const entries =
  (write: Write): Write =>
  (number, value) =>
    Buffer.concat(
      Object.entries(isObject(value) ? value : {}).map(([name, item]) =>
        block(number, Buffer.concat([string(1, name), write(2, item ?? null)])),
      ),
    );

/** The value as field `inner` of a message of its own. */
const inside =
  (inner: number, write: Write): Write =>
  (number, value) =>
    block(number, write(inner, value));

function content(table: Message, extension: number, value: Json): Buffer {
  const parts: Buffer[] = [];
  const extensions: JsonObject = {};
  for (const [key, item] of Object.entries(isObject(value) ? value : {})) {
    const field = Object.hasOwn(table, key) ? table[key] : undefined;
    if (field !== undefined && item !== undefined) parts.push(field[1](field[0], item));
    else if (key.startsWith('x-')) extensions[key] = item;
  }
  return Buffer.concat([...parts, entries(any)(extension, extensions)]);
}

const schema = message(() => SCHEMA, 31);
const SCHEMA: Message = {
  $ref: [1, string],
  format: [2, string],
  title: [3, string],
  description: [4, string],
  default: [5, any],
  multipleOf: [6, double],
  maximum: [7, double],
  exclusiveMaximum: [8, bool],
  minimum: [9, double],
  exclusiveMinimum: [10, bool],
  maxLength: [11, int],
  minLength: [12, int],
  pattern: [13, string],
  maxItems: [14, int],
  minItems: [15, int],
  uniqueItems: [16, bool],
  maxProperties: [17, int],
  minProperties: [18, int],
  required: [19, repeated(string)],
  enum: [20, repeated(any)],
  additionalProperties: [
    21,
    (number, value) =>
      inside(typeof value === 'boolean' ? 2 : 1, typeof value === 'boolean' ? bool : schema)(number, value),
  ],
  type: [22, inside(1, repeated(string))],
  items: [23, inside(1, schema)],
  allOf: [24, repeated(schema)],
  properties: [25, inside(1, entries(schema))],
};

const BODY: Message = {
  description: [1, string],
  name: [2, string],
  in: [3, string],
  required: [4, bool],
  schema: [5, schema],
};
const QUERY: Message = {
  required: [1, bool],
  in: [2, string],
  description: [3, string],
  name: [4, string],
  type: [6, string],
  uniqueItems: [20, bool],
};
const PATH: Message = {
  required: [1, bool],
  in: [2, string],
  description: [3, string],
  name: [4, string],
  type: [5, string],
  uniqueItems: [19, bool],
};
const body = inside(
  1,
  inside(
    1,
    message(() => BODY, 6),
  ),
);
const query = inside(
  1,
  inside(
    2,
    inside(
      3,
      message(() => QUERY, 23),
    ),
  ),
);
const path = inside(
  1,
  inside(
    2,
    inside(
      4,
      message(() => PATH, 22),
    ),
  ),
);
const parameter: Write = (number, value) => {
  const place = isObject(value) ? value.in : undefined;
  return (place === 'body' ? body : place === 'path' ? path : query)(number, value);
};

const RESPONSE: Message = { description: [1, string], schema: [2, inside(1, schema)] };
const responses = inside(
  1,
  entries(
    inside(
      1,
      message(() => RESPONSE, 5),
    ),
  ),
);
const OPERATION: Message = {
  operationId: [5, string],
  produces: [6, repeated(string)],
  consumes: [7, repeated(string)],
  parameters: [8, repeated(parameter)],
  responses: [9, responses],
};
const operation = message(() => OPERATION, 13);
const PATH_ITEM: Message = {
  get: [2, operation],
  put: [3, operation],
  post: [4, operation],
  delete: [5, operation],
  patch: [8, operation],
  parameters: [9, repeated(parameter)],
};

const DOCUMENT: Message = {
  swagger: [1, string],
  info: [2, message(() => ({ title: [1, string], version: [2, string] }), 7)],
  paths: [8, inside(2, entries(message(() => PATH_ITEM, 9)))],
  definitions: [9, inside(1, entries(schema))],
};

/** A document of openapi/documents.ts in protobuf. */
export const documentV2Protobuf = (document: JsonObject): Buffer => content(DOCUMENT, 16, document);
