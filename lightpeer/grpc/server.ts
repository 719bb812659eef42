/** Handlers as plain functions and generators, put behind @grpc/grpc-js. */
import { setImmediate } from 'node:timers/promises';
import type { DescMethod, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { ServerInterceptingCall } from '@grpc/grpc-js';
import type {
  handleServerStreamingCall,
  handleUnaryCall,
  Server,
  ServerInterceptor,
  ServerWritableStream,
  UntypedHandleCall,
} from '@grpc/grpc-js';
import { PeerError } from '../port.js';
import { definitionOf, encode } from './definition.js';
import { toStatus } from './errors.js';

export interface CallContext {
  /** Aborted when the caller is gone. */
  readonly signal: AbortSignal;
  /** Milliseconds until the caller gives up; undefined when it waits for ever. */
  readonly timeoutMs: number | undefined;
}

type Input<M extends DescMethod> = MessageShape<M['input']>;
type Output<M extends DescMethod> = MessageInitShape<M['output']>;

type HandlerOf<M extends DescMethod> = M['methodKind'] extends 'unary'
  ? (request: Input<M>, context: CallContext) => Promise<Output<M>>
  : M['methodKind'] extends 'server_streaming'
    ? (request: Input<M>, context: CallContext) => AsyncIterable<Output<M> | readonly (Output<M> | Buffer)[]>
    : UntypedHandleCall;

/**
 * A handler for each method. One that streams may give several messages at once, also as bytes. Those of two-way streams are given as
 * grpc-js wants them.
 */
export type ServiceHandlers<S extends DescService> = {
  readonly [K in keyof S['method']]: HandlerOf<S['method'][K]>;
};

function contextOf(call: {
  getDeadline(): Date | number;
  on(event: 'cancelled', run: () => void): unknown;
}): CallContext {
  let controller: AbortController | undefined;
  return {
    // Made only where it is wanted: most calls are short.
    get signal() {
      if (controller === undefined) {
        const made = (controller = new AbortController());
        call.on('cancelled', () => made.abort());
      }
      return controller.signal;
    },
    get timeoutMs() {
      const deadline = call.getDeadline();
      const left = (typeof deadline === 'number' ? deadline : deadline.getTime()) - Date.now();
      return Number.isFinite(left) ? Math.max(1, left) : undefined;
    },
  };
}

const unary =
  (run: (request: unknown, context: CallContext) => Promise<unknown>): handleUnaryCall<unknown, unknown> =>
  (call, callback) => {
    run(call.request, contextOf(call)).then(
      (answer) => callback(null, answer),
      (error: unknown) => callback(toStatus(error)),
    );
  };

/** Bytes of messages that wait for the other side. Many small ones go out together; of large ones only a few are held. */
const AHEAD_BYTES = 256 << 10;
/** After so many bytes others get their turn, and what was written goes out. */
const TURN_BYTES = 16 << 10;

const streaming =
  (
    run: (request: unknown, context: CallContext) => AsyncIterable<unknown>,
    toBytes: (message: never) => Buffer,
  ): handleServerStreamingCall<unknown, unknown> =>
  (call) => {
    const context = contextOf(call);
    sendAll(call, { messages: run(call.request, context), toBytes, signal: context.signal }).then(
      () => call.end(),
      (error: unknown) => call.emit('error', toStatus(error)),
    );
  };

/** In order, and not much faster than the other side takes them. */
async function sendAll(
  call: ServerWritableStream<unknown, unknown>,
  {
    messages,
    toBytes,
    signal,
  }: { messages: AsyncIterable<unknown>; toBytes: (message: never) => Buffer; signal: AbortSignal },
): Promise<void> {
  let ahead = 0;
  let turn = 0;
  let go: () => void = () => undefined;
  signal.addEventListener('abort', () => go());
  for await (const some of messages) {
    for (const message of Array.isArray(some) ? some : [some]) {
      const bytes = toBytes(message as never);
      ahead += bytes.length;
      turn += bytes.length;
      call.write(bytes, () => {
        ahead -= bytes.length;
        if (ahead < AHEAD_BYTES / 2) go();
      });
    }
    while (ahead > AHEAD_BYTES && !signal.aborted)
      await new Promise<void>((resolve) => {
        go = resolve;
      });
    if (turn > TURN_BYTES) {
      turn = 0;
      await setImmediate();
    }
    if (signal.aborted) return;
  }
}

/**
 * grpc-js writes a message when the one before has left the process: a system call for each. Here the next one follows at
 * once, up to a bound of bytes, and HTTP/2 sends many together.
 */
class WritesAhead extends ServerInterceptingCall {
  #ahead = 0;

  override sendMessage(message: unknown, callback: () => void): void {
    const bytes = Buffer.isBuffer(message) ? message.length : 0;
    const waits = (this.#ahead += bytes) > AHEAD_BYTES || bytes === 0;
    super.sendMessage(message, () => {
      this.#ahead -= bytes;
      if (waits) callback();
    });
    if (!waits) callback();
  }
}

/** For the options of a server. */
export const writesAhead: ServerInterceptor = (_, call) => new WritesAhead(call);

export function addService<S extends DescService>(
  server: Server,
  service: S,
  handlers: ServiceHandlers<S>,
): void {
  const implementation: Record<string, UntypedHandleCall> = {};
  for (const method of service.methods) {
    const handler = handlers[method.localName as keyof S['method']] as unknown;
    if (typeof handler !== 'function') throw new PeerError('unimplemented', `no handler for ${method.name}`);
    implementation[method.name] =
      method.methodKind === 'unary'
        ? (unary(handler as never) as UntypedHandleCall)
        : method.methodKind === 'server_streaming'
          ? (streaming(handler as never, encode(method.output)) as UntypedHandleCall)
          : (handler as UntypedHandleCall);
  }
  server.addService(definitionOf(service), implementation);
}
