/** Messages as gRPC puts them on a stream: a byte that says whether it is compressed, four of its length, the message. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { configureTextEncoding, getTextEncoding } from '@bufbuild/protobuf/wire';
import { PeerError } from '../port.js';
import { MESSAGE_BYTES } from './session.js';

export type Method<I extends DescMessage, O extends DescMessage> = DescMethod & {
  readonly input: I;
  readonly output: O;
};

/** A message with its prefix. Those that are given as such are sent as they are: one that goes to many is encoded once. */
export type Frame = Buffer;

/** A byte order mark is a character like others: a text that lost one, as by default, gives its block another digest. */
const WHOLE = { ignoreBOM: true };
const [lenient, strict] = [
  new TextDecoder('utf-8', WHOLE),
  new TextDecoder('utf-8', { ...WHOLE, fatal: true }),
];
configureTextEncoding({
  ...getTextEncoding(),
  decodeUtf8: (bytes, isStrict) => (isStrict === true ? strict : lenient).decode(bytes),
});

const PREFIX = 5;
const NOTHING = Buffer.alloc(0);

export const pathOf = ({ parent, name }: DescMethod): string => `/${parent.typeName}/${name}`;

export function frame(message: Uint8Array): Frame {
  const framed = Buffer.allocUnsafe(PREFIX + message.byteLength);
  framed[0] = 0;
  framed.writeUInt32BE(message.byteLength, 1);
  framed.set(message, PREFIX);
  return framed;
}

export const encode = <T extends DescMessage>(schema: T, message: MessageInitShape<T> | Frame): Frame =>
  Buffer.isBuffer(message) ? message : frame(toBinary(schema, create(schema, message)));

export const decode = <T extends DescMessage>(schema: T, message: Uint8Array): MessageShape<T> =>
  fromBinary(schema, message);

/** Takes a stream's chunks and hands on each message as it is complete. Throws PeerError on what cannot be read. */
export function createUnframer(take: (message: Buffer) => void): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let held = 0;
  let needed = PREFIX;
  return (chunk) => {
    parts.push(chunk);
    held += chunk.length;
    if (held < needed) return;
    const bytes = parts.length === 1 ? chunk : Buffer.concat(parts, held);
    let at = 0;
    for (;;) {
      needed = PREFIX;
      if (bytes.length - at < PREFIX) break;
      if (bytes[at] !== 0) throw new PeerError('unimplemented', 'compressed messages are not taken');
      const length = bytes.readUInt32BE(at + 1);
      if (length > MESSAGE_BYTES)
        throw new PeerError(
          'overloaded',
          `a message of ${length} bytes is above the limit of ${MESSAGE_BYTES}`,
        );
      needed = PREFIX + length;
      if (bytes.length - at < needed) break;
      take(bytes.subarray(at + PREFIX, at + needed));
      at += needed;
    }
    held = bytes.length - at;
    parts = [held === 0 ? NOTHING : bytes.subarray(at)];
  };
}
