/** Connections to other peers: one an address, made when first needed, and made anew when it failed. */
import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { ChannelCredentials, ClientDuplexStream } from '@grpc/grpc-js';
import { decode, encode, pathOf } from './definition.js';
import { fromStatus } from './errors.js';

type Method<I extends DescMessage, O extends DescMessage> = DescMethod & {
  readonly input: I;
  readonly output: O;
};

export interface Clients {
  unary<I extends DescMessage, O extends DescMessage>(
    to: { readonly address: string; readonly method: Method<I, O>; readonly timeoutMs: number },
    request: MessageInitShape<I>,
  ): Promise<MessageShape<O>>;
  stream<I extends DescMessage, O extends DescMessage>(
    to: { readonly address: string; readonly method: Method<I, O>; readonly signal: AbortSignal },
    request: MessageInitShape<I>,
  ): AsyncIterable<MessageShape<O>>;
  duplex<I extends DescMessage, O extends DescMessage>(
    address: string,
    method: Method<I, O>,
  ): ClientDuplexStream<MessageInitShape<I> | Buffer, MessageShape<O>>;
  /** The next call makes a new connection; what runs on the old one goes on. */
  drop(address: string): void;
  close(): void;
}

/** Largest message between our peers. */
export const MESSAGE_BYTES = 16 << 20;

const OPTIONS = {
  'grpc.max_receive_message_length': MESSAGE_BYTES,
  'grpc.max_send_message_length': MESSAGE_BYTES,
  // A connection of its own, so that dropping it means something.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc.enable_http_proxy': 0,
  // Retrying is the callers' affair.
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
};
/** Connections that nobody used for so long are closed. */
const IDLE_MS = 60_000;

/** `route` says where to connect to reach an address. */
export function createClients(
  tls: ChannelCredentials = credentials.createInsecure(),
  route: (address: string) => string = (address) => address,
): Clients {
  const clients = new Map<string, { client: Client; used: number }>();
  const clean = setInterval(() => {
    for (const [address, { used }] of clients) if (Date.now() - used > IDLE_MS) drop(address);
  }, IDLE_MS).unref();

  function clientOf(address: string): Client {
    let known = clients.get(address);
    if (known === undefined) {
      known = { client: new Client(route(address), tls, OPTIONS), used: 0 };
      clients.set(address, known);
    }
    known.used = Date.now();
    return known.client;
  }

  function drop(address: string): void {
    const known = clients.get(address);
    clients.delete(address);
    known?.client.close();
  }

  /** A connection that failed, or may be cut somewhere, is not used again. */
  function failed(error: unknown, address: string, client: Client) {
    const known = fromStatus(error, address);
    if ((known.code === 'unreachable' || known.code === 'timeout') && clients.get(address)?.client === client)
      drop(address);
    return known;
  }

  return {
    unary: <I extends DescMessage, O extends DescMessage>(
      { address, method, timeoutMs }: { address: string; method: Method<I, O>; timeoutMs: number },
      request: MessageInitShape<I>,
    ) =>
      new Promise<MessageShape<O>>((resolve, reject) => {
        const client = clientOf(address);
        client.makeUnaryRequest(
          pathOf(method),
          encode<I>(method.input),
          decode<O>(method.output),
          request,
          new Metadata(),
          { deadline: Date.now() + timeoutMs },
          (error, answer) => {
            if (error !== null) reject(failed(error, address, client));
            else resolve(answer!);
          },
        );
      }),
    stream: async function* <I extends DescMessage, O extends DescMessage>(
      { address, method, signal }: { address: string; method: Method<I, O>; signal: AbortSignal },
      request: MessageInitShape<I>,
    ) {
      const client = clientOf(address);
      const call = client.makeServerStreamRequest(
        pathOf(method),
        encode<I>(method.input),
        decode<O>(method.output),
        request,
        new Metadata(),
      );
      const cancel = (): void => call.cancel();
      signal.addEventListener('abort', cancel);
      try {
        for await (const message of call) yield message as MessageShape<O>;
      } catch (error) {
        throw failed(error, address, client);
      } finally {
        signal.removeEventListener('abort', cancel);
        call.cancel();
      }
    },
    duplex: <I extends DescMessage, O extends DescMessage>(address: string, method: Method<I, O>) =>
      clientOf(address).makeBidiStreamRequest(
        pathOf(method),
        encode<I>(method.input),
        decode<O>(method.output),
        new Metadata(),
      ),
    drop,
    close: () => {
      clearInterval(clean);
      for (const address of [...clients.keys()]) drop(address);
    },
  };
}
