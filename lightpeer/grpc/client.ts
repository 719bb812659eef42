/** Connections to other peers: one an address, made when first needed, and made anew when it failed. */
import { connect, constants } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { Certificates } from '../certificates.js';
import { PeerError } from '../port.js';
import { fromHeaders } from './errors.js';
import { createUnframer, decode, encode, pathOf } from './frames.js';
import type { Frame, Method } from './frames.js';
import { AHEAD_BYTES, keepUp, SESSION_OPTIONS } from './session.js';

export interface DuplexEvents {
  message(bytes: Buffer): void;
  /** There is room again, after `write` answered false. */
  drained(): void;
  /** Once; undefined when the other side ended it well. */
  over(error: PeerError | undefined): void;
}

export interface Duplex {
  /** False when the other side is slow. */
  write(message: Frame): boolean;
  cancel(): void;
}

interface StreamTo<I extends DescMessage, O extends DescMessage> {
  readonly address: string;
  readonly method: Method<I, O>;
  readonly signal: AbortSignal;
}

export interface Clients {
  unary<I extends DescMessage, O extends DescMessage>(
    to: { readonly address: string; readonly method: Method<I, O>; readonly timeoutMs: number },
    request: MessageInitShape<I> | Frame,
  ): Promise<MessageShape<O>>;
  stream<I extends DescMessage, O extends DescMessage>(
    to: StreamTo<I, O>,
    request: MessageInitShape<I>,
  ): AsyncIterable<MessageShape<O>>;
  /** As `stream`, for who reads the messages otherwise. */
  messages<I extends DescMessage, O extends DescMessage>(
    to: StreamTo<I, O>,
    request: MessageInitShape<I>,
  ): AsyncIterable<Buffer>;
  duplex(address: string, method: Method<DescMessage, DescMessage>, events: DuplexEvents): Duplex;
  /** Other certificates for the connections to come. */
  certify(tls: Certificates): void;
  /** The next call makes a new connection; what runs on the old one goes on. */
  drop(address: string): void;
  close(): void;
}

interface Connection {
  readonly session: ClientHttp2Session;
  used: number;
  /** Calls on their way. */
  calls: number;
  /** Why it broke. */
  error: Error | undefined;
}

/** A call's stream, and how it ends. */
interface Call {
  readonly stream: ClientHttp2Stream;
  /** To be asked when the stream is closed: undefined when all went well. */
  outcome(): PeerError | undefined;
  /** The connection may be cut somewhere: the next call makes a new one. */
  distrust(): void;
}

/** Connections that nobody used for so long are closed. */
const IDLE_MS = 60_000;

/** `route` says where to connect to reach an address. */
export function createClients(
  tls?: Certificates,
  route: (address: string) => string = (address) => address,
): Clients {
  const connections = new Map<string, Connection>();
  const clean = setInterval(() => {
    for (const [address, { used }] of connections) if (Date.now() - used > IDLE_MS) drop(address);
  }, IDLE_MS).unref();

  function connectionTo(address: string): Connection {
    let known = connections.get(address);
    if (known === undefined || known.session.closed || known.session.destroyed) {
      const session =
        tls === undefined
          ? connect(`http://${route(address)}`, SESSION_OPTIONS)
          : connect(`https://${route(address)}`, {
              ...SESSION_OPTIONS,
              ...tls,
              ca: tls.ca ?? tls.cert,
              // A pod's address is another each time: whom the CA certified is a peer, whatever it is called.
              checkServerIdentity: () => undefined,
            });
      const made: Connection = (known = { session, used: 0, calls: 0, error: undefined });
      // Each call waits for the connection by a listener.
      session.setMaxListeners(0);
      session.once('connect', () => keepUp(session, () => made.calls > 0));
      session.on('error', (error: Error) => {
        made.error = error;
      });
      connections.set(address, made);
    }
    known.used = Date.now();
    return known;
  }

  function drop(address: string): void {
    const known = connections.get(address);
    connections.delete(address);
    known?.session.close();
  }

  function begin(address: string, path: string, timeoutMs?: number): Call {
    const connection = connectionTo(address);
    const { session } = connection;
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      // At most eight digits.
      ...(timeoutMs !== undefined && { 'grpc-timeout': `${Math.min(Math.ceil(timeoutMs), 99_999_999)}m` }),
    });
    let said: PeerError | undefined;
    let answered = false;
    const hear = (headers: Parameters<typeof fromHeaders>[0]): void => {
      said ??= fromHeaders(headers, address);
      if (headers['grpc-status'] !== undefined) answered = true;
    };
    stream.on('response', hear);
    stream.on('trailers', hear);
    connection.calls++;
    stream.once('close', () => connection.calls--);
    // What went wrong is asked for when the stream is closed.
    stream.on('error', () => undefined);
    const distrust = (): void => {
      if (connections.get(address) === connection) drop(address);
    };
    return {
      stream,
      distrust,
      outcome: () => {
        if (said !== undefined || answered) return said;
        const gone = session.destroyed || stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
        if (gone) distrust();
        const why = connection.error?.message ?? `the call was cut off with code ${stream.rstCode}`;
        return new PeerError(gone ? 'unreachable' : 'refused', `${address}: ${why}`, {
          cause: connection.error,
        });
      },
    };
  }

  async function* messages<I extends DescMessage, O extends DescMessage>(
    { address, method, signal }: StreamTo<I, O>,
    request: MessageInitShape<I>,
  ): AsyncGenerator<Buffer> {
    const { stream, outcome } = begin(address, pathOf(method));
    const cancel = (): void => stream.close(constants.NGHTTP2_CANCEL);
    signal.addEventListener('abort', cancel);
    stream.end(encode(method.input, request));
    let whole: Buffer[] = [];
    const unframe = createUnframer((message) => whole.push(message));
    try {
      for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
        unframe(chunk as Buffer);
        const some = whole;
        whole = [];
        yield* some;
      }
    } catch (error) {
      if (error instanceof PeerError) throw error;
    } finally {
      signal.removeEventListener('abort', cancel);
      cancel();
    }
    if (signal.aborted) throw new PeerError('closed', `${address}: the call was given up`);
    const error = outcome();
    if (error !== undefined) throw error;
  }

  return {
    unary: <I extends DescMessage, O extends DescMessage>(
      { address, method, timeoutMs }: { address: string; method: Method<I, O>; timeoutMs: number },
      request: MessageInitShape<I> | Frame,
    ) =>
      new Promise<MessageShape<O>>((resolve, reject) => {
        const { stream, outcome, distrust } = begin(address, pathOf(method), timeoutMs);
        let answer: Buffer | undefined;
        let broken: PeerError | undefined;
        const cancel = (error: PeerError): void => {
          broken ??= error;
          stream.close(constants.NGHTTP2_CANCEL);
        };
        const late = setTimeout(() => {
          cancel(new PeerError('timeout', `${address}: no answer within ${timeoutMs} ms`));
          distrust();
        }, timeoutMs);
        const unframe = createUnframer((message) => (answer = message));
        stream.on('data', (chunk: Buffer) => {
          try {
            unframe(chunk);
          } catch (error) {
            cancel(error as PeerError);
          }
        });
        stream.on('close', () => {
          clearTimeout(late);
          const error = broken ?? outcome();
          if (error !== undefined) return reject(error);
          if (answer === undefined) return reject(new PeerError('refused', `${address}: no answer`));
          try {
            resolve(decode(method.output, answer));
          } catch (cause) {
            reject(new PeerError('refused', `${address}: an answer that cannot be read`, { cause }));
          }
        });
        stream.end(encode(method.input, request));
      }),
    stream: async function* (to, request) {
      for await (const message of messages(to, request)) yield decode(to.method.output, message);
    },
    messages,
    duplex: (address, method, events) => {
      const { stream, outcome } = begin(address, pathOf(method));
      const unframe = createUnframer(events.message);
      let broken: PeerError | undefined;
      stream.on('data', (chunk: Buffer) => {
        try {
          unframe(chunk);
        } catch (error) {
          broken ??= error instanceof PeerError ? error : new PeerError('refused', String(error));
          stream.close(constants.NGHTTP2_CANCEL);
        }
      });
      stream.on('drain', events.drained);
      stream.on('close', () => events.over(broken ?? outcome()));
      return {
        write: (message) => stream.writable && (stream.write(message) || stream.writableLength < AHEAD_BYTES),
        cancel: () => stream.close(constants.NGHTTP2_CANCEL),
      };
    },
    drop,
    certify: (renewed) => {
      tls = renewed;
    },
    close: () => {
      clearInterval(clean);
      for (const { session } of connections.values()) session.destroy();
      connections.clear();
    },
  };
}
