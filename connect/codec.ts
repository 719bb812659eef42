/** Messages to bytes and back, in the protocol's two encodings. */
import { isUtf8 } from 'node:buffer';
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { create, fromBinary, fromJsonString, toBinary, toJson } from '@bufbuild/protobuf';
import { ConnectError } from './error.js';

export type Encoding = 'json' | 'proto';

const TOLERANT = { ignoreUnknownFields: true };

/**
 * A message out of its bytes. JSON fields that the message does not have are ignored.
 * @throws ConnectError invalid_argument when the bytes are not the message.
 */
export function decode<M extends DescMessage>(schema: M, encoding: Encoding, bytes: Buffer): MessageShape<M> {
  try {
    return encoding === 'json' ? decodeJson(schema, bytes) : fromBinary(schema, bytes);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `the message is no ${schema.typeName} in ${encoding === 'json' ? 'JSON' : 'binary'}: ${why}`;
    throw new ConnectError('invalid_argument', message, { cause });
  }
}

function decodeJson<M extends DescMessage>(schema: M, bytes: Buffer): MessageShape<M> {
  if (!isUtf8(bytes)) throw new Error('it is not UTF-8');
  return fromJsonString(schema, bytes.toString('utf8'), TOLERANT);
}

/** The JSON text of a message. */
export function encodeJson<M extends DescMessage>(schema: M, init: MessageInitShape<M>): string {
  return JSON.stringify(toJson(schema, create(schema, init)));
}

/** The binary bytes of a message. */
export function encodeBinary<M extends DescMessage>(schema: M, init: MessageInitShape<M>): Buffer {
  const bytes = toBinary(schema, create(schema, init));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A message's bytes in either encoding. */
export function encode<M extends DescMessage>(
  schema: M,
  encoding: Encoding,
  init: MessageInitShape<M>,
): Buffer {
  return encoding === 'json' ? Buffer.from(encodeJson(schema, init)) : encodeBinary(schema, init);
}
