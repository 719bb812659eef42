/** gRPC as peers speak it, beside @grpc/grpc-js and the generated code. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, Metadata, Server, ServerCredentials, credentials, status as codes } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import fc from 'fast-check';
import { once } from 'node:events';
import { connect, constants, createServer } from 'node:http2';
import type { IncomingHttpHeaders } from 'node:http2';
import { createServer as createSilent } from 'node:net';
import type { Socket } from 'node:net';
import t from 'tap';
import type { Block } from '../../../lightpeer/chain/block.js';
import { createClients } from '../../../lightpeer/grpc/client.js';
import {
  decodeAppend,
  decodeSynced,
  encodeAppend,
  encodeBlocks,
  encodeSynced,
} from '../../../lightpeer/grpc/codec.js';
import {
  blockFromWire,
  blockToWire,
  fetchedFromWire,
  fetchedToWire,
} from '../../../lightpeer/grpc/convert.js';
import { fromHeaders, toTrailers } from '../../../lightpeer/grpc/errors.js';
import { createUnframer, decode, encode, frame } from '../../../lightpeer/grpc/frames.js';
import { listen, methodsOf } from '../../../lightpeer/grpc/server.js';
import { keepUp, MESSAGE_BYTES } from '../../../lightpeer/grpc/session.js';
import { PeerError } from '../../../lightpeer/port.js';
import type { Append, Fetched } from '../../../lightpeer/replica/ports.js';
import { holdsWithin } from '../../helpers/eventually.js';
import { Health } from '../../../proto/gen/grpc/health/v1/health_pb.js';
import { Lightpeer } from '../../../proto/gen/lightpeer_pb.js';
import {
  FetchResponseSchema,
  ReplicateRequestSchema,
  ReplicateResponseSchema,
} from '../../../proto/gen/xi/lightpeer/v1/peer_pb.js';

const HOST = '127.33.9.1';
const PORT = 9081;
const ADDRESS = `${HOST}:${PORT}`;
const { method } = Lightpeer;

const text = fc.string({ unit: 'binary', maxLength: 300 });
const uint = fc.nat(2 ** 32 - 1);
const block: fc.Arbitrary<Block> = fc.record(
  {
    id: text,
    payload: fc.uint8Array({ maxLength: 600 }),
    prevId: text,
    type: fc.constantFrom(0 as const, 1 as const),
    path: text,
    deleted: fc.boolean(),
    at: fc.nat(2 ** 48),
    view: fc.record(
      {
        epoch: uint,
        networks: fc.array(text),
        legacy: fc.array(text),
        committed: uint,
        left: fc.array(text),
      },
      { noNullPrototype: true },
    ),
  },
  { requiredKeys: ['id', 'payload', 'prevId', 'type', 'path', 'deleted', 'at'], noNullPrototype: true },
);
const point = fc.record({ height: uint, digest: text }, { noNullPrototype: true });
const append: fc.Arbitrary<Append> = fc.record(
  {
    ballot: fc.record({ epoch: uint, by: text }, { noNullPrototype: true }),
    previous: point,
    blocks: fc.array(block, { maxLength: 5 }),
    committed: uint,
    compactTo: uint,
  },
  { noNullPrototype: true },
);
const PREFIX = 5;
/** As text, whatever kind of bytes the payloads are. */
const shown = (blocks: readonly Block[]): string =>
  fc.stringify(blocks.map((one) => ({ ...one, payload: Buffer.from(one.payload) })));

t.test("another peer's disk is never the own one: its failure is a refusal on the wire", async (t) => {
  const told = fromHeaders(toTrailers(new PeerError('disk', 'damaged')) as IncomingHttpHeaders, ADDRESS);
  t.match(told, { code: 'refused', message: /damaged/ });
});

t.test('what is written by hand is what the generated code writes and reads', async (t) => {
  fc.assert(
    fc.property(append, (given) => {
      const { blocks, ...rest } = given;
      const bytes = toBinary(
        ReplicateRequestSchema,
        create(ReplicateRequestSchema, { ...rest, blocks: blocks.map(blockToWire) }),
      );
      const written = encodeAppend(given);
      const { blocks: read, ...others } = decodeAppend(Buffer.from(bytes));
      t.ok(written.subarray(PREFIX).equals(bytes));
      t.equal(written.readUInt32BE(1), bytes.length);
      t.strictSame(others, rest);
      t.equal(shown(read), shown(blocks));
    }),
  );
  fc.assert(
    fc.property(point, fc.array(block), (synced, blocks) => {
      const answer = toBinary(ReplicateResponseSchema, create(ReplicateResponseSchema, { synced }));
      const fetched = fromBinary(FetchResponseSchema, encodeBlocks(blocks).subarray(PREFIX));
      t.ok(encodeSynced(synced).subarray(PREFIX).equals(answer));
      t.strictSame(decodeSynced(Buffer.from(answer)), synced);
      t.equal(shown(fetched.blocks.map(blockFromWire)), shown(blocks));
    }),
  );
});

t.test('texts that begin with a byte order mark keep it, whoever reads them', (t) => {
  const [id, path] = ['\uFEFFid', '\uFEFF'];
  const given: Block = { id, path, prevId: '', type: 1, payload: Buffer.from('x'), deleted: false, at: 0 };
  const { blocks } = decode(FetchResponseSchema, encodeBlocks([given]).subarray(PREFIX));
  t.match(blocks.map(blockFromWire), [{ id, path }]);
  t.end();
});

t.test('a chain that begins with a snapshot is handed on as it comes, each message at once', async (t) => {
  const placed = fc.record({ block, height: uint, digest: text }, { noNullPrototype: true });
  await fc.assert(
    fc.asyncProperty(
      fc.array(placed, { maxLength: 20 }),
      fc.option(placed, { nil: undefined }),
      fc.array(point, { maxLength: 5 }),
      fc.array(block, { minLength: 1, maxLength: 5 }),
      async (kept, network, waypoints, blocks) => {
        const base = { height: 7, digest: 'd' };
        const snapshot = { lightpeer: 1 as const, base, baseId: 'b', kept: kept.length, network, waypoints };
        const parts: Fetched[] = [{ snapshot, blocks: [] }, { kept, blocks: [] }, { blocks }];
        let sent = 0;
        async function* messages(): AsyncGenerator<Buffer> {
          for (const part of parts)
            for (const message of fetchedToWire(part)) {
              sent++;
              yield encode(FetchResponseSchema, message).subarray(PREFIX);
            }
        }
        const back: Fetched[] = [];
        for await (const part of fetchedFromWire(messages())) {
          back.push(part);
          // Whoever fetches gives up a peer that sends nothing: it sees each message.
          t.equal(sent, back.length);
        }
        const readBack = back.flatMap((part) => part.kept ?? []);
        t.strictSame(
          readBack.map(({ height, digest }) => ({ height, digest })),
          kept.map(({ height, digest }) => ({ height, digest })),
        );
        t.equal(shown(readBack.map((one) => one.block)), shown(kept.map((one) => one.block)));
        t.equal(shown(back.flatMap((part) => part.blocks)), shown(blocks));
        const { network: networkBack, ...rest } = back[0]!.snapshot!;
        t.strictSame(rest, { lightpeer: 1, base, baseId: 'b', kept: kept.length, waypoints });
        t.equal(
          shown(networkBack === undefined ? [] : [networkBack.block]),
          shown(network === undefined ? [] : [network.block]),
        );
      },
    ),
  );
});

t.test('fields that are not known are passed over, and bytes that end too early are refused', async (t) => {
  const known = encodeSynced({ height: 7, digest: 'abc' }).subarray(PREFIX);
  const unknown = Buffer.from([0xa0, 0x06, 0x96, 0x01, 0xaa, 0x06, 2, 1, 2, 0xa5, 0x06, 1, 2, 3, 4]);
  const wide = Buffer.from([0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8]);
  t.strictSame(decodeSynced(Buffer.concat([unknown, known, wide])), { height: 7, digest: 'abc' });
  t.equal(decodeSynced(Buffer.alloc(0)), undefined);
  for (let length = 1; length < known.length; length++)
    t.throws(() => decodeSynced(known.subarray(0, length)), RangeError);
  t.throws(() => decodeSynced(Buffer.from([0x63])), /unknown kind/);
});

t.test('messages come whole, however the stream is cut', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array()), fc.array(fc.nat(20)), (messages, cuts) => {
      const all = Buffer.concat(messages.map(frame));
      const found: Buffer[] = [];
      const unframe = createUnframer((message) => found.push(message));
      let at = 0;
      for (const cut of cuts) unframe(all.subarray(at, (at += cut)));
      unframe(all.subarray(at));
      return found.length === messages.length && found.every((message, i) => message.equals(messages[i]!));
    }),
  );
  const unframe = createUnframer(() => undefined);
  t.throws(() => unframe(Buffer.from([1, 0, 0, 0, 0])), { code: 'unimplemented' });
  const large = frame(Buffer.alloc(0));
  large.writeUInt32BE(MESSAGE_BYTES + 1, 1);
  t.throws(() => createUnframer(() => undefined)(large), { code: 'overloaded' });
});

t.test('@grpc/grpc-js calls our server', async (t) => {
  let given: number | undefined;
  let gone = false;
  const server = await listen(
    methodsOf(Lightpeer, {
      joinNetwork: async ({ Address }) => {
        throw new PeerError('refused', Address);
      },
      connectNewPeer: async function* (_, { signal }) {
        signal.addEventListener('abort', () => (gone = true));
        for (let i = 0; ; i++) {
          yield { ID: String(i), Payload: Buffer.alloc(100_000) };
          if (signal.aborted) return;
        }
      },
      persist: async ({ Payload }, { timeoutMs }) => {
        given = timeoutMs;
        return { Response: String(Payload.byteLength) };
      },
      query: async function* () {
        yield [{ Payload: Buffer.from('a') }, { Payload: Buffer.alloc(0) }];
        yield { Payload: Buffer.from('b') };
        throw new PeerError('disk', 'no more');
      },
      notifyNewBlock: async () => ({ Response: 'ok' }),
    }),
    { host: HOST, port: PORT },
  );
  const client = new Client(ADDRESS, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
  t.teardown(() => {
    client.close();
    server.close();
  });
  const path = (name: string): string => `/Lightpeer/${name}`;
  const unary = (name: string, request: Buffer, headers: Record<string, string> = {}): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const metadata = new Metadata();
      for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
      client.makeUnaryRequest(
        path(name),
        (bytes: Buffer) => bytes,
        (bytes) => bytes,
        request,
        metadata,
        { deadline: Date.now() + 10_000 },
        (error, answer) => (error === null ? resolve(answer!) : reject(error)),
      );
    });
  const bytesOf = (I: typeof method.persist.input, Payload: Uint8Array): Buffer =>
    Buffer.from(toBinary(I, create(I, { Payload })));

  for (const size of [0, 1, 20_000, 4_000_000]) {
    const answer = await unary('Persist', bytesOf(method.persist.input, Buffer.alloc(size, 1)));
    t.equal(fromBinary(method.persist.output, answer).Response, String(size));
  }
  t.ok(given! > 5000 && given! <= 10_000, 'the time that the caller has');
  const odd = 'nonsense: 100 % “odd”\nlines';
  const join = toBinary(method.joinNetwork.input, create(method.joinNetwork.input, { Address: odd }));
  await t.rejects(unary('JoinNetwork', Buffer.from(join)), {
    code: codes.FAILED_PRECONDITION,
    details: odd,
  });
  await t.rejects(unary('Persist', Buffer.from([0xff])), { code: codes.INVALID_ARGUMENT });
  await t.rejects(unary('Nothing', Buffer.alloc(0)), { code: codes.UNIMPLEMENTED });

  const streamed = (name: string) =>
    client.makeServerStreamRequest(
      path(name),
      (bytes: Buffer) => bytes,
      (bytes) => bytes,
      Buffer.alloc(0),
      new Metadata(),
    );
  const payloads: string[] = [];
  const failure = await new Promise<ServiceError>((resolve) => {
    const call = streamed('Query');
    call.on('data', (bytes: Buffer) =>
      payloads.push(Buffer.from(fromBinary(method.query.output, bytes).Payload).toString()),
    );
    call.on('error', resolve);
  });
  t.strictSame(payloads, ['a', '', 'b']);
  t.match(failure, { code: codes.INTERNAL, details: 'no more' });

  const endless = streamed('ConnectNewPeer');
  endless.on('error', () => undefined);
  await new Promise((resolve) => endless.once('data', resolve));
  endless.cancel();
  t.ok(await holdsWithin(() => gone), 'a caller that goes away is noticed');

  const session = connect(`http://${ADDRESS}`);
  const statusOf = (headers: Record<string, string>, body = Buffer.alloc(0)) =>
    new Promise<Record<string, unknown>>((resolve, reject) => {
      const stream = session.request({ ':method': 'POST', ':path': path('Persist'), ...headers });
      stream.on('response', resolve);
      stream.on('error', reject);
      stream.end(body);
    });
  t.match(await statusOf({ 'content-type': 'text/plain' }), { ':status': 415 });
  const grpc = { 'content-type': 'application/grpc' };
  t.match(await statusOf(grpc), { 'grpc-status': String(codes.INVALID_ARGUMENT) }, 'no message');
  const packed = Buffer.from([1, 0, 0, 0, 0]);
  t.match(await statusOf(grpc, packed), { 'grpc-status': String(codes.UNIMPLEMENTED) }, 'compressed');
  session.destroy();
});

t.test('our client calls @grpc/grpc-js', async (t) => {
  const server = new Server();
  const raw = {
    requestStream: false,
    requestSerialize: (bytes: Buffer) => bytes,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes: Buffer) => bytes,
  };
  const service = {
    persist: { ...raw, path: '/Lightpeer/Persist', responseStream: false },
    query: { ...raw, path: '/Lightpeer/Query', responseStream: true },
    joinNetwork: { ...raw, path: '/Lightpeer/JoinNetwork', responseStream: false },
  };
  let cancelled = false;
  server.addService(service, {
    persist: (_: unknown, answer: (error: null, bytes: Buffer) => void) =>
      answer(
        null,
        Buffer.from(toBinary(method.persist.output, create(method.persist.output, { Response: 'ö' }))),
      ),
    joinNetwork: (call: { request: Buffer }, answer: (error: object) => void) => {
      const { Address } = fromBinary(method.joinNetwork.input, call.request);
      if (Address !== 'late') answer({ code: Number(Address), details: 'what “it” says' });
    },
    query: (call: { write(bytes: Buffer): void; on(event: string, run: () => void): void }) => {
      for (let i = 0; i < 5; i++)
        call.write(
          Buffer.from(
            toBinary(method.query.output, create(method.query.output, { Payload: Buffer.alloc(i) })),
          ),
        );
      call.on('cancelled', () => (cancelled = true));
    },
  });
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(ADDRESS, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    ),
  );
  const clients = createClients();
  t.teardown(() => {
    clients.close();
    server.forceShutdown();
  });
  const to = { address: ADDRESS, timeoutMs: 5000 };
  t.match(await clients.unary({ ...to, method: method.persist }, {}), { Response: 'ö' });
  for (const [status, code] of [
    [codes.UNKNOWN, 'refused'],
    [codes.UNAVAILABLE, 'unreachable'],
    [codes.ABORTED, 'fenced'],
    [codes.INVALID_ARGUMENT, 'invalid'],
  ] as const)
    await t.rejects(clients.unary({ ...to, method: method.joinNetwork }, { Address: String(status) }), {
      code,
      message: /what “it” says/,
    });
  await t.rejects(
    clients.unary({ address: ADDRESS, timeoutMs: 50, method: method.joinNetwork }, { Address: 'late' }),
    { code: 'timeout' },
  );
  await t.rejects(clients.unary({ ...to, method: method.notifyNewBlock }, {}), { code: 'unimplemented' });
  const sizes: number[] = [];
  for await (const { Payload } of clients.stream(
    { address: ADDRESS, method: method.query, signal: new AbortController().signal },
    {},
  )) {
    sizes.push(Payload.byteLength);
    if (sizes.length === 5) break;
  }
  t.strictSame(sizes, [0, 1, 2, 3, 4]);
  t.ok(await holdsWithin(() => cancelled), 'a stream that nobody reads further is ended');
  server.forceShutdown();
  await t.rejects(clients.unary({ ...to, method: method.persist }, {}), { code: 'unreachable' });
});

t.test('a call whose message is too large is answered, and goes no further', async (t) => {
  const server = await listen(methodsOf(Health, { check: async () => ({}), watch: async function* () {} }), {
    host: HOST,
    port: PORT,
  });
  const session = connect(`http://${ADDRESS}`);
  t.teardown(() => {
    session.destroy();
    server.close();
  });
  const large = frame(Buffer.alloc(100));
  large.writeUInt32BE(MESSAGE_BYTES + 1, 1);
  const headers = { ':method': 'POST', 'content-type': 'application/grpc' };
  for (const name of ['Check', 'Watch']) {
    const call = session.request({ ...headers, ':path': `/grpc.health.v1.Health/${name}` });
    call.on('error', () => undefined);
    call.write(large);
    const [answer] = (await once(call, 'response')) as [Record<string, string>];
    t.match(answer, { 'grpc-status': String(codes.RESOURCE_EXHAUSTED), 'grpc-message': /above the limit/ });
    // It never says that it has ended.
    call.resume();
    await once(call, 'close');
    t.equal(call.rstCode, constants.NGHTTP2_NO_ERROR);
  }
});

t.test('who does not read holds up who writes', async (t) => {
  const bytes = 100_000;
  let made = 0;
  const server = await listen(
    methodsOf(Health, {
      check: async () => ({}),
      watch: async function* () {
        for (; ; made++) yield frame(Buffer.alloc(bytes));
      },
    }),
    { host: HOST, port: PORT },
  );
  const clients = createClients();
  t.teardown(() => {
    clients.close();
    server.close();
  });
  const stop = new AbortController();
  const to = { address: ADDRESS, method: Health.method.watch, signal: stop.signal };
  const messages = clients.messages(to, {})[Symbol.asyncIterator]();
  const next = messages.next();
  let before = -1;
  // It stands still in the end, or makes messages until the memory is full.
  while (made !== before || made === 0) {
    before = made;
    await new Promise((resolve) => setTimeout(resolve, 100));
    t.ok(made * bytes < 50e6, 'it stops');
  }
  stop.abort();
  await next.catch(() => undefined);
  await messages.return?.(undefined);
});

t.test('a connection is pinged while it has calls, and ended when nobody answers', async (t) => {
  let pings = 0;
  const server = createServer();
  server.on('session', (session) => session.on('ping', () => pings++));
  server.listen(PORT, HOST);
  await once(server, 'listening');
  const session = connect(`http://${ADDRESS}`);
  await once(session, 'connect');
  let asked = 0;
  let busy = false;
  await new Promise<void>((resolve) => {
    const isBusy = (): boolean => {
      if (++asked === 5) resolve();
      return busy;
    };
    keepUp(session, isBusy, { everyMs: 20, answerMs: 5000 });
  });
  await new Promise((resolve) => session.ping(resolve));
  t.equal(pings, 1, 'the one that shows that all before it would have come');
  busy = true;
  t.ok(await holdsWithin(() => pings > 3));
  t.notOk(session.destroyed, 'they are answered');
  session.destroy();
  await new Promise((resolve) => server.close(resolve));

  const sockets: Socket[] = [];
  const silent = createSilent((socket) => sockets.push(socket));
  silent.listen(PORT, HOST);
  await once(silent, 'listening');
  const unanswered = connect(`http://${ADDRESS}`);
  unanswered.on('error', () => undefined);
  await once(unanswered, 'connect');
  keepUp(unanswered, () => true, { everyMs: 20, answerMs: 20 });
  await once(unanswered, 'close');
  t.ok(unanswered.destroyed);
  for (const socket of sockets) socket.destroy();
  silent.close();
});
