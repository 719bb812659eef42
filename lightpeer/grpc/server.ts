/** Services as plain functions and generators, served as gRPC over HTTP/2. */
import { constants, createSecureServer, createServer } from 'node:http2';
import type {
  IncomingHttpHeaders,
  OutgoingHttpHeaders,
  ServerHttp2Session,
  ServerHttp2Stream,
} from 'node:http2';
import { Server as TlsServer } from 'node:tls';
import type {
  DescMessage,
  DescMethod,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import type { Certificates } from '../certificates.js';
import { PeerError } from '../port.js';
import { DONE, toTrailers } from './errors.js';
import { createUnframer, decode, encode, pathOf } from './frames.js';
import type { Frame } from './frames.js';
import { AHEAD_BYTES, keepUp, SESSION_OPTIONS } from './session.js';

export interface CallContext {
  /** Aborted when the caller is gone. */
  readonly signal: AbortSignal;
  /** Milliseconds until the caller gives up; undefined when it waits for ever. */
  readonly timeoutMs: number | undefined;
}

/** A two-way stream as its handler sees it. */
export interface TwoWay {
  write(message: Frame): void;
  /** Ends the call with an error. */
  fail(error: unknown): void;
}

export interface TwoWayEvents {
  message(bytes: Buffer): void;
  /** Once: the caller ended it or is gone. */
  closed(): void;
}

type Input<M extends DescMethod> = MessageShape<M['input']>;
type Output<M extends DescMethod> = MessageInitShape<M['output']>;

type HandlerOf<M extends DescMethod> = M['methodKind'] extends 'unary'
  ? (request: Input<M>, context: CallContext) => Promise<Output<M>>
  : M['methodKind'] extends 'server_streaming'
    ? (
        request: Input<M>,
        context: CallContext,
      ) => AsyncIterable<Output<M> | Frame | readonly (Output<M> | Frame)[]>
    : (call: TwoWay) => TwoWayEvents;

/** A handler for each method. One that streams may give several messages at once, also as frames. */
export type ServiceHandlers<S extends DescService> = {
  readonly [K in keyof S['method']]: HandlerOf<S['method'][K]>;
};

/** Answers a call. */
type Serve = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

export type Methods = ReadonlyMap<string, Serve>;

export interface Listening {
  /** Other certificates for the connections to come. */
  certify(tls: Certificates): void;
  /** Ends all calls and connections now. */
  close(): void;
}

/** With `ca` callers must be certified by it. */
const secured = ({ cert, key, ca }: Certificates) => ({ cert, key, ...(ca !== undefined && { ca }) });

const HEADERS: OutgoingHttpHeaders = { ':status': 200, 'content-type': 'application/grpc' };

/** Of gRPC's grpc-timeout, in milliseconds. */
const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

function contextOf(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): CallContext {
  const [, digits, unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(String(headers['grpc-timeout'])) ?? [];
  let controller: AbortController | undefined;
  return {
    // Made only where it is wanted: most calls are short.
    get signal() {
      if (controller === undefined) {
        const made = (controller = new AbortController());
        if (stream.destroyed) made.abort();
        else stream.once('close', () => made.abort());
      }
      return controller.signal;
    },
    timeoutMs: digits === undefined ? undefined : Math.max(1, Number(digits) * UNITS[unit]!),
  };
}

function fail(stream: ServerHttp2Stream, error: unknown): void {
  if (stream.destroyed || stream.closed) return;
  if (!stream.headersSent) stream.respond({ ...HEADERS, ...toTrailers(error) }, { endStream: true });
  else finish(stream, toTrailers(error));
}

function open(stream: ServerHttp2Stream): void {
  stream.respond(HEADERS, { waitForTrailers: true });
}

function finish(stream: ServerHttp2Stream, trailers: OutgoingHttpHeaders, last?: Buffer): void {
  stream.once('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end(last);
}

/** How long a caller that was refused may take to read that and to end its side. */
const CUT_MS = 1_000;

/** Hands on the caller's messages, and ends a call whose messages cannot be read: what still comes of it is let go. */
function read(stream: ServerHttp2Stream, take: (message: Buffer) => void): void {
  const unframe = createUnframer(take);
  const hear = (chunk: Buffer): void => {
    try {
      unframe(chunk);
    } catch (error) {
      stream.off('data', hear).resume();
      const cut = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), CUT_MS).unref();
      stream.once('close', () => clearTimeout(cut));
      fail(stream, error instanceof PeerError ? error : new PeerError('invalid', String(error)));
    }
  };
  stream.on('data', hear);
}

/** The only message of a call that has one. */
function readOne(stream: ServerHttp2Stream, take: (message: Buffer) => void): void {
  let taken = false;
  read(stream, (message) => {
    if (taken) throw new PeerError('invalid', 'the call has more than one message');
    taken = true;
    take(message);
  });
  stream.on('end', () => {
    if (!taken) fail(stream, new PeerError('invalid', 'the call has no message'));
  });
}

const unary =
  (
    { input, output }: DescMethod,
    run: (request: MessageShape<DescMessage>, context: CallContext) => Promise<MessageInitShape<DescMessage>>,
  ): Serve =>
  (stream, headers) => {
    readOne(stream, (message) => {
      run(decode(input, message), contextOf(stream, headers)).then(
        (answer) => {
          if (stream.destroyed || stream.closed) return;
          open(stream);
          finish(stream, DONE, encode(output, answer));
        },
        (error: unknown) => fail(stream, error),
      );
    });
  };

const streaming =
  (
    { input, output }: DescMethod,
    run: (request: MessageShape<DescMessage>, context: CallContext) => AsyncIterable<unknown>,
  ): Serve =>
  (stream, headers) => {
    const send = async (request: MessageShape<DescMessage>): Promise<void> => {
      const context = contextOf(stream, headers);
      const gone = new Promise<void>((resolve) => stream.once('close', resolve));
      open(stream);
      for await (const some of run(request, context)) {
        let frames: Buffer[] = [];
        let bytes = 0;
        /** In order, and not much faster than the other side takes them. */
        const write = async (): Promise<void> => {
          const room =
            stream.destroyed ||
            stream.write(Buffer.concat(frames, bytes)) ||
            stream.writableLength < AHEAD_BYTES;
          frames = [];
          bytes = 0;
          if (!room)
            await Promise.race([gone, new Promise<void>((resolve) => stream.once('drain', resolve))]);
        };
        for (const message of Array.isArray(some) ? some : [some]) {
          const bytesOf = encode(output, message as MessageInitShape<DescMessage>);
          frames.push(bytesOf);
          bytes += bytesOf.length;
          if (bytes >= AHEAD_BYTES) await write();
        }
        if (bytes > 0) await write();
        if (stream.destroyed || stream.closed) return;
      }
    };
    readOne(stream, (message) => {
      send(decode(input, message)).then(
        () => {
          if (!stream.destroyed && !stream.closed) finish(stream, DONE);
        },
        (error: unknown) => fail(stream, error),
      );
    });
  };

const twoWay =
  (run: (call: TwoWay) => TwoWayEvents): Serve =>
  (stream) => {
    open(stream);
    const { message, closed } = run({
      write: (frame) => {
        if (stream.writable) stream.write(frame);
      },
      fail: (error) => fail(stream, error),
    });
    read(stream, message);
    stream.on('end', () => {
      if (stream.writable) finish(stream, DONE);
    });
    stream.on('close', closed);
  };

/** The methods of a service, each with its handler. */
export function methodsOf<S extends DescService>(service: S, handlers: ServiceHandlers<S>): Methods {
  const methods = new Map<string, Serve>();
  for (const method of service.methods) {
    const handler = handlers[method.localName as keyof S['method']] as never;
    const kinds = { unary, server_streaming: streaming, bidi_streaming: () => twoWay(handler) };
    const serve = kinds[method.methodKind as keyof typeof kinds](method, handler);
    methods.set(pathOf(method), serve);
  }
  return methods;
}

function answer(methods: Methods, stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  // Told by 'close', which comes after it.
  stream.on('error', () => undefined);
  const type = headers['content-type'] ?? '';
  if (headers[':method'] !== 'POST' || !/^application\/grpc($|[+;])/.test(type))
    return stream.respond({ ':status': 415 }, { endStream: true });
  const serve = methods.get(headers[':path'] ?? '');
  if (serve === undefined)
    return fail(stream, new PeerError('unimplemented', `there is no method ${headers[':path']}`));
  serve(stream, headers);
}

/** Serves methods at an address. Rejects when it cannot be listened on. */
export function listen(
  methods: Methods,
  { host, port }: { readonly host: string; readonly port: number },
  tls?: Certificates,
): Promise<Listening> {
  const sessions = new Set<ServerHttp2Session>();
  const server =
    tls === undefined
      ? createServer(SESSION_OPTIONS)
      : createSecureServer({
          ...SESSION_OPTIONS,
          ...secured(tls),
          ...(tls.ca !== undefined && { requestCert: true, rejectUnauthorized: true }),
        });
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    keepUp(session, () => true);
  });
  // A connection that broke is no error of this peer's.
  server.on('sessionError', () => undefined);
  server.on('stream', (stream, headers) => answer(methods, stream, headers));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () =>
      resolve({
        certify: (renewed) => {
          if (server instanceof TlsServer) server.setSecureContext(secured(renewed));
        },
        close: () => {
          server.close();
          for (const session of sessions) session.destroy(undefined, constants.NGHTTP2_NO_ERROR);
        },
      }),
    );
  });
}
