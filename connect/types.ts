/**
 * The Connect protocol (https://connectrpc.com/docs/protocol) on Node's own HTTP: unary calls and server streams, JSON and
 * binary, over HTTP/1.1 and h2c. What the plugin host and the plugin SDK share.
 */
import type {
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';

/** The protocol's codes. */
export type Code =
  | 'canceled'
  | 'unknown'
  | 'invalid_argument'
  | 'deadline_exceeded'
  | 'not_found'
  | 'already_exists'
  | 'permission_denied'
  | 'resource_exhausted'
  | 'failed_precondition'
  | 'aborted'
  | 'out_of_range'
  | 'unimplemented'
  | 'internal'
  | 'unavailable'
  | 'data_loss'
  | 'unauthenticated';

/** What a handler knows of its call. */
export interface CallContext {
  /** A request header by its lower-case name; several of one name are joined by ", ", as Node does. */
  header(name: string): string | undefined;
  /** Fires when the caller leaves or its deadline (Connect-Timeout-Ms) passes. */
  readonly signal: AbortSignal;
  /** The address that the call came from. */
  readonly remoteAddress: string;
}

/** One method with its implementation; made by `unary` and `serverStream`. */
export interface Handler {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly kind: 'unary' | 'server_streaming';
}

export type UnaryImplementation<M extends DescMethodUnary> = (
  request: MessageShape<M['input']>,
  context: CallContext,
) => MessageInitShape<M['output']> | Promise<MessageInitShape<M['output']>>;

export type StreamImplementation<M extends DescMethodServerStreaming> = (
  request: MessageShape<M['input']>,
  context: CallContext,
) => AsyncIterable<MessageInitShape<M['output']>>;

/** How a client's call is bounded. */
export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds; the client's own when absent. Sent along, so that the other side stops too. */
  readonly timeoutMs?: number | undefined;
}

/** Calls to one base URL over pooled connections. Everything that fails is a ConnectError. */
export interface ConnectClient {
  unary<M extends DescMethodUnary>(
    method: M,
    request: MessageInitShape<M['input']>,
    options?: CallOptions,
  ): Promise<MessageShape<M['output']>>;
  /** Ends with the stream; leaving the loop cancels the call. No deadline unless one is given. */
  stream<M extends DescMethodServerStreaming>(
    method: M,
    request: MessageInitShape<M['input']>,
    options?: CallOptions,
  ): AsyncIterable<MessageShape<M['output']>>;
  close(): Promise<void>;
}
