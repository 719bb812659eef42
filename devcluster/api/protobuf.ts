/**
 * Reads the protobuf bodies that kubectl's typed commands send, by the field numbers of the schema. Answers are JSON
 * always, which these clients accept too.
 */
import { badRequest } from './errors.js';
import { isObject, setField } from './json.js';
import type { Json, JsonObject } from './json.js';
import type { ProtoFields, Schema, Struct, Type } from './schema.js';

export const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf';
const MAGIC = Buffer.from('k8s\0');

interface Wire {
  readonly number: number;
  /** A varint, or the bits of a fixed field; undefined for bytes. */
  readonly value: bigint | undefined;
  readonly bytes: Buffer;
}

const malformed = (): Error => badRequest('the protobuf body of the request is cut short or malformed');

function* fields(buffer: Buffer): Generator<Wire> {
  let offset = 0;
  const varint = (): bigint => {
    let result = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = buffer[offset];
      if (byte === undefined) throw malformed();
      offset += 1;
      result |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return result;
    }
    throw malformed();
  };
  const take = (length: number): Buffer => {
    if (offset + length > buffer.length) throw malformed();
    offset += length;
    return buffer.subarray(offset - length, offset);
  };
  while (offset < buffer.length) {
    const tag = Number(varint());
    const number = tag >>> 3;
    switch (tag & 7) {
      case 0:
        yield { number, value: varint(), bytes: MAGIC };
        break;
      case 1:
        yield { number, value: 0n, bytes: take(8) };
        break;
      case 2:
        yield { number, value: undefined, bytes: take(Number(varint())) };
        break;
      case 5:
        yield { number, value: 0n, bytes: take(4) };
        break;
      default:
        throw malformed();
    }
  }
}

const signed = ({ value = 0n }: Wire): number => Number(BigInt.asIntN(64, value));

/** The value of field `number` in a message of one interesting field. */
const inner = (message: Buffer, number: number): Wire | undefined =>
  [...fields(message)].find((wire) => wire.number === number);

function time(message: Buffer, micro: boolean): Json {
  const parts = [...fields(message)];
  const part = (number: number): number => {
    const wire = parts.find((item) => item.number === number);
    return wire === undefined ? 0 : signed(wire);
  };
  if (parts.length === 0) return null;
  const iso = new Date(part(1) * 1_000).toISOString().slice(0, 19);
  return micro ? `${iso}.${String(Math.floor(part(2) / 1_000)).padStart(6, '0')}Z` : `${iso}Z`;
}

function intOrString(message: Buffer): Json {
  const kind = inner(message, 1);
  if (kind !== undefined && signed(kind) === 1) return inner(message, 3)?.bytes.toString('utf8') ?? '';
  const number = inner(message, 2);
  return number === undefined ? 0 : signed(number);
}

/** The object in a protobuf body of this struct, zero values included: the decoder drops them. */
export function decodeProtobuf(schema: Schema, structName: string, body: Buffer): JsonObject {
  const one = (type: Type, wire: Wire): Json => {
    switch (type.code) {
      case 's':
        return wire.bytes.toString('utf8');
      case 'y':
        return wire.bytes.toString('base64');
      case 'i':
      case 'l':
        return signed(wire);
      case 'b':
        return wire.value !== 0n;
      case 'd':
        return wire.bytes.readDoubleLE(0);
      case 'q':
        return inner(wire.bytes, 1)?.bytes.toString('utf8') || '0';
      case 'x':
        return intOrString(wire.bytes);
      case 't':
        return time(wire.bytes, false);
      case 'u':
        return time(wire.bytes, true);
      case 'o':
      case 'v':
        return json(inner(wire.bytes, 1)?.bytes);
      case '@': {
        const struct = schema.struct(type.name);
        const object: JsonObject = {};
        message(struct, struct.proto, wire.bytes, object);
        return object;
      }
      case '[':
        // A list inside a list or map travels as a message with the items.
        return [...fields(wire.bytes)].map((item) => one(type.item, item));
      case '{':
        throw malformed();
    }
  };

  const message = (struct: Struct, numbers: ProtoFields, bytes: Buffer, object: JsonObject): void => {
    for (const wire of fields(bytes)) {
      const name = numbers[String(wire.number)];
      if (name === undefined) continue;
      if (typeof name !== 'string') {
        message(struct, name, wire.bytes, object);
        continue;
      }
      const type = struct.fields.get(name)?.type;
      if (type === undefined) continue;
      if (type.code === '[') {
        const list = object[name];
        const item = one(type.item, wire);
        if (Array.isArray(list)) list.push(item);
        else object[name] = [item];
      } else if (type.code === '{') {
        const map = isObject(object[name]) ? object[name] : (object[name] = {});
        const key = inner(wire.bytes, 1)?.bytes.toString('utf8') ?? '';
        const value = inner(wire.bytes, 2);
        setField(map, key, one(type.item, value ?? { number: 2, value: 0n, bytes: Buffer.alloc(0) }));
      } else object[name] = one(type, wire);
    }
  };

  if (!body.subarray(0, 4).equals(MAGIC)) throw malformed();
  const typeMeta = inner(body.subarray(4), 1)?.bytes ?? Buffer.alloc(0);
  const raw = inner(body.subarray(4), 2)?.bytes ?? Buffer.alloc(0);
  const struct = schema.struct(structName);
  const object: JsonObject = {};
  const apiVersion = inner(typeMeta, 1)?.bytes.toString('utf8');
  const kind = inner(typeMeta, 2)?.bytes.toString('utf8');
  if (apiVersion) object.apiVersion = apiVersion;
  if (kind) object.kind = kind;
  message(struct, struct.proto, raw, object);
  return object;
}

function json(bytes: Buffer | undefined): Json {
  try {
    return bytes === undefined ? null : (JSON.parse(bytes.toString('utf8')) as Json);
  } catch {
    throw malformed();
  }
}
