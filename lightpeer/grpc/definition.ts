/** From the generated descriptors to what @grpc/grpc-js wants. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type {
  DescMessage,
  DescMethod,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';

export const pathOf = ({ parent, name }: DescMethod): string => `/${parent.typeName}/${name}`;

const bytes = (data: Uint8Array): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

/** A message that is already bytes passes as it is: one that goes to many is encoded once. */
export const encode =
  <T extends DescMessage>(schema: T) =>
  (message: MessageInitShape<T> | Buffer): Buffer =>
    Buffer.isBuffer(message) ? message : bytes(toBinary(schema, create(schema, message)));

export const decode =
  <T extends DescMessage>(schema: T) =>
  (data: Buffer): MessageShape<T> =>
    fromBinary(schema, data);

/** A service with all its methods. */
export function definitionOf(service: DescService): ServiceDefinition {
  return Object.fromEntries(
    service.methods.map((method): [string, MethodDefinition<unknown, unknown>] => [
      method.name,
      {
        path: pathOf(method),
        requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
        responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
        requestSerialize: encode(method.input) as (value: unknown) => Buffer,
        requestDeserialize: decode(method.input),
        responseSerialize: encode(method.output) as (value: unknown) => Buffer,
        responseDeserialize: decode(method.output),
      },
    ]),
  );
}
