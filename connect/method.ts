/** Methods with their implementations, as `createHandler` takes them. */
import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  Message,
  MessageShape,
} from '@bufbuild/protobuf';
import type { CallContext, Handler, StreamImplementation, UnaryImplementation } from './types.js';

/** A message as an implementation gives it: whole, or the fields to make it of. */
export type Init = Message | Record<string, unknown>;

type Unary = (request: Message, context: CallContext) => Init | Promise<Init>;
type Stream = (request: Message, context: CallContext) => AsyncIterable<Init>;

/** A unary method, with its types forgotten. */
export class UnaryMethod implements Handler {
  readonly kind = 'unary';
  constructor(
    readonly path: string,
    readonly schemas: { readonly input: DescMessage; readonly output: DescMessage },
    readonly call: Unary,
  ) {}
}

/** A server-streaming method, with its types forgotten. */
export class StreamMethod implements Handler {
  readonly kind = 'server_streaming';
  constructor(
    readonly path: string,
    readonly schemas: { readonly input: DescMessage; readonly output: DescMessage },
    readonly call: Stream,
  ) {}
}

/** `/package.Service/Method` */
export function pathOf(method: DescMethodUnary | DescMethodServerStreaming): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/**
 * A unary method with what it does. An implementation that answers without a promise is answered in the same turn, which
 * is the fastest. What it throws is answered as an error: a ConnectError as it is, anything else as `internal`.
 */
export function unary<M extends DescMethodUnary>(method: M, implementation: UnaryImplementation<M>): Handler {
  return new UnaryMethod(pathOf(method), method, (request, context) =>
    implementation(request as MessageShape<M['input']>, context),
  );
}

/**
 * A server-streaming method with what it does. Each message is asked for when the one before it was taken; the iteration is
 * ended (`return`) when the caller leaves, its deadline passes or the server stops, and `context.signal` fires then.
 */
export function serverStream<M extends DescMethodServerStreaming>(
  method: M,
  implementation: StreamImplementation<M>,
): Handler {
  return new StreamMethod(
    pathOf(method),
    method,
    (request, context) => implementation(request as MessageShape<M['input']>, context) as AsyncIterable<Init>,
  );
}
