/** SPDY/3.1 frames and sessions, over real sockets and real WebSockets. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import { constants, createDeflate } from 'node:zlib';
import t from 'tap';
import type { Test } from 'tap';
import { WebSocket, WebSocketServer } from 'ws';
import { CHANNELS_V4, CHANNELS_V5, openChannels } from '../../../kube/streams/channels.js';
import { Scope } from '../../../kube/scope.js';
import { portForward } from '../../../kube/streams/port-forward.js';
import { SPDY_DICTIONARY, SPDY_DICTIONARY_ID } from '../../../kube/streams/spdy-dictionary.js';
import { SpdyError } from '../../../kube/streams/spdy-error.js';
import { createFrameParser, frames } from '../../../kube/streams/spdy-frames.js';
import { createHeaderDecoder, createHeaderEncoder } from '../../../kube/streams/spdy-headers.js';
import { createSpdySession } from '../../../kube/streams/spdy-session.js';
import type { SessionOptions, SpdySession } from '../../../kube/streams/spdy-session.js';
import type { SpdyStream } from '../../../kube/streams/spdy-stream.js';
import { webSocketDuplex } from '../../../kube/streams/websocket-duplex.js';
import { until } from '../../helpers/eventually.js';

const MIB = 1024 * 1024;

/** Two ends of one TCP connection. */
async function socketPair(t: Test): Promise<[Socket, Socket]> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [[accepted]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [
    [Socket],
    unknown,
  ];
  t.teardown(() => {
    client.destroy();
    accepted.destroy();
    server.close();
  });
  return [client, accepted];
}

/** Two ends of one WebSocket. */
async function webSocketPair(t: Test): Promise<[WebSocket, WebSocket]> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const [[accepted]] = (await Promise.all([once(server, 'connection'), once(client, 'open')])) as [
    [WebSocket],
    unknown,
  ];
  t.teardown(() => {
    client.terminate();
    accepted.terminate();
    server.close();
  });
  return [client, accepted];
}

interface Sessions {
  client: SpdySession;
  server: SpdySession;
  /** The streams that the server got. */
  got: SpdyStream[];
}

function sessions([here, there]: [Duplex, Duplex], options: Partial<SessionOptions> = {}): Sessions {
  const got: SpdyStream[] = [];
  const client = createSpdySession(here, { role: 'client' });
  const server = createSpdySession(there, {
    role: 'server',
    onStream: (stream) => void got.push(stream),
    ...options,
  });
  return { client, server, got };
}

/** Writes so many random bytes with back-pressure, and answers their checksum. */
async function pour(into: Duplex, size: number): Promise<string> {
  const hash = createHash('sha256');
  for (let left = size; left > 0;) {
    const chunk = randomBytes(Math.min(left, 100_000));
    left -= chunk.length;
    hash.update(chunk);
    if (!into.write(chunk)) await once(into, 'drain');
  }
  into.end();
  return hash.digest('hex');
}

/** All that comes; the stream's own half stays open, other than after an iteration. */
function all(from: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  return new Promise((resolve, reject) =>
    from
      .on('data', (part: Buffer) => parts.push(part))
      .on('end', () => resolve(Buffer.concat(parts)))
      .on('error', reject),
  );
}

const textOf = async (from: Readable): Promise<string> => (await all(from)).toString();
const checksum = async (from: Readable): Promise<string> =>
  createHash('sha256')
    .update(await all(from))
    .digest('hex');

const failure = (stream: Duplex): Promise<Error> => once(stream, 'error').then(([error]) => error as Error);

t.test('headers', async (t) => {
  const headers = { streamtype: 'data', port: '8080', 'x-any': 'ä\0b' };
  const encode = createHeaderEncoder();
  const decode = createHeaderDecoder();
  for (const one of [headers, {}, { a: '' }, headers]) t.same(decode(encode(one)), one);

  // What zlib makes of them with the dictionary, in one stream, as other implementations send them.
  const zlib = createDeflate({ dictionary: SPDY_DICTIONARY, level: 9 });
  const deflated = async (block: Buffer): Promise<Buffer> => {
    const parts: Buffer[] = [];
    zlib.on('data', (part: Buffer) => parts.push(part));
    zlib.write(block);
    await new Promise<void>((resolve) => zlib.flush(constants.Z_SYNC_FLUSH, resolve));
    zlib.removeAllListeners('data');
    return Buffer.concat(parts);
  };
  const block = Buffer.concat([
    Buffer.from([0, 0, 0, 1, 0, 0, 0, 4]),
    Buffer.from('port'),
    Buffer.from([0, 0, 0, 4]),
    Buffer.from('8080'),
  ]);
  const theirs = createHeaderDecoder();
  const first = await deflated(block);
  t.equal(first.readUInt32BE(2), SPDY_DICTIONARY_ID, 'zlib knows the dictionary by this checksum');
  t.same(theirs(first), { port: '8080' });
  for (let i = 0; i < 3; i++) t.same(theirs(await deflated(block)), { port: '8080' }, 'and looks back');

  const bad: [string, Buffer, RegExp][] = [
    ['nothing', Buffer.alloc(0), /no zlib stream/],
    ['no zlib', Buffer.from('hello'), /no zlib stream/],
    ['another dictionary', Buffer.from([0x78, 0xf9, 1, 2, 3, 4]), /another dictionary/],
    ['broken deflate', Buffer.from([0x78, 0x01, 0xff, 0xff]), /cannot be inflated/],
  ];
  for (const [what, bytes, message] of bad)
    t.throws(() => createHeaderDecoder()(bytes), { name: 'SpdyError', message }, what);
  const stored = (block: Buffer): Buffer => {
    const head = Buffer.from([0x78, 0x01, 0, 0, 0, 0, 0]);
    head.writeUInt16LE(block.length, 3);
    head.writeUInt16LE(~block.length & 0xffff, 5);
    return Buffer.concat([head, block]);
  };
  const blocks: [string, number[], RegExp][] = [
    ['cut count', [0, 0], /cut short/],
    ['cut name', [0, 0, 0, 1, 0, 0, 0, 9, 97], /cut short/],
    ['huge name', [0, 0, 0, 1, 255, 255, 255, 255, 97], /cut short/],
    ['too many', [0, 1, 0, 0], /65536 headers/],
    ['upper case', [0, 0, 0, 1, 0, 0, 0, 1, 65, 0, 0, 0, 0], /"A".*lower case/],
    ['no name', [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], /empty/],
    ['twice', [0, 0, 0, 2, 0, 0, 0, 1, 97, 0, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 0, 0], /twice/],
    ['more than headers', [0, 0, 0, 0, 1], /longer/],
  ];
  for (const [what, bytes, message] of blocks)
    t.throws(() => createHeaderDecoder()(stored(Buffer.from(bytes))), { name: 'SpdyError', message }, what);
  const bomb = await deflated(Buffer.alloc(10 * MIB));
  t.throws(
    () => theirs(bomb),
    { name: 'SpdyError', message: /cannot be inflated/ },
    'a bomb is not unpacked',
  );
  t.throws(() => encode({ a: 'x'.repeat(70_000) }), SpdyError);
});

t.test('frames in chunks of any size', async (t) => {
  const encode = createHeaderEncoder();
  const bytes = Buffer.concat([
    frames.open(1, encode({ a: 'b' })),
    frames.reply(1, encode({})),
    frames.data(1, Buffer.from('hello'), false),
    frames.data(1, Buffer.alloc(0), true),
    frames.reset(1, 5),
    frames.ping(7),
    frames.goAway(1, 0),
    // SETTINGS of one value and WINDOW_UPDATE.
    Buffer.from([0x80, 3, 0, 4, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 7, 0, 1, 0, 0]),
    Buffer.from([0x80, 3, 0, 9, 0, 0, 0, 8, 0, 0, 0, 1, 0, 1, 0, 0]),
    frames.data(3, Buffer.from('x'), true),
  ]);
  for (let size = 1; size <= bytes.length; size++) {
    const told: unknown[] = [];
    let text = '';
    const parse = createFrameParser({
      open: (...args) => told.push(['open', ...args]),
      reply: (...args) => told.push(['reply', ...args]),
      data(id, part, fin) {
        text += part.toString();
        if (fin) told.push(['fin', id, text]);
      },
      headers: (...args) => told.push(['headers', ...args]),
      reset: (...args) => told.push(['reset', ...args]),
      ping: (id) => told.push(['ping', id]),
      goAway: () => told.push(['goAway']),
    });
    for (let at = 0; at < bytes.length; at += size) parse(bytes.subarray(at, at + size));
    const expected = [
      ['open', 1, { a: 'b' }, false],
      ['reply', 1, false],
      ['fin', 1, 'hello'],
      ['reset', 1, 5],
      ['ping', 7],
      ['goAway'],
      ['fin', 3, 'hellox'],
    ];
    if (JSON.stringify(told) !== JSON.stringify(expected)) t.same(told, expected, `chunks of ${size}`);
  }
  t.pass('all sizes');
});

t.test('malformed frames end the session with a reason', async (t) => {
  const headers = createHeaderEncoder()({});
  const cases: [string, Buffer, RegExp][] = [
    ['another version', Buffer.from([0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1]), /SPDY version 2/],
    ['an unknown type', Buffer.from([0x80, 3, 0, 99, 0, 0, 0, 0]), /unknown type 99/],
    ['a long control frame', Buffer.from([0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff]), /16777215 bytes/],
    ['a short SYN_STREAM', Buffer.from([0x80, 3, 0, 1, 0, 0, 0, 2, 0, 0]), /type 1 has 2 bytes/],
    ['a long PING', Buffer.from([0x80, 3, 0, 6, 0, 0, 0, 5, 0, 0, 0, 1, 0]), /type 6 has 5 bytes/],
    ['settings that lie', Buffer.from([0x80, 3, 0, 4, 0, 0, 0, 4, 0, 0, 0, 9]), /type 4 has 4 bytes/],
    ['data on stream 0', Buffer.from([0, 0, 0, 0, 0, 0, 0, 0]), /stream 0/],
    ['a stream 0', frames.open(0, headers), /stream 0/],
    ["a stream that is the server's", frames.open(2, headers), /stream 2 was opened/],
    [
      'an id that falls',
      Buffer.concat([frames.open(5, headers), frames.open(3, headers)]),
      /stream 3|inflated/,
    ],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(9)), /./],
  ];
  for (const [what, bytes, message] of cases) {
    const [here, there] = await socketPair(t);
    const session = createSpdySession(there, { role: 'server', onStream: () => undefined });
    here.resume().end(bytes);
    const [error] = await Promise.all([session.closed, once(here, 'close')]);
    if (what === 'HTTP') t.pass('HTTP is no SPDY, and ends');
    else t.match(error, { name: 'SpdyError', kind: 'protocol', message }, what);
  }
});

t.test('many streams, both ways, over a socket and a WebSocket', async (t) => {
  for (const over of ['socket', 'WebSocket'] as const) {
    const ends: [Duplex, Duplex] =
      over === 'socket'
        ? await socketPair(t)
        : ((await webSocketPair(t)).map(webSocketDuplex) as [Duplex, Duplex]);
    const { client, server, got } = sessions(ends, { onStream: (stream) => void stream.pipe(stream) });
    t.equal(got.length, 0);
    const round = async (size: number, name: string): Promise<void> => {
      const stream = await client.open({ name });
      const [sent, received] = await Promise.all([pour(stream, size), checksum(stream)]);
      if (sent !== received) t.fail(`${over} ${name}: ${size} bytes came back as others`);
    };
    await Promise.all(Array.from({ length: 20 }, (_, i) => round(i * 50_000 + i, `s${i}`)));
    await round(20 * MIB, 'big');
    client.close();
    t.equal(await client.closed, undefined, `${over}: ends in peace`);
    t.equal(await server.closed, undefined);
    await t.rejects(client.open({}), { name: 'SpdyError', message: /no more streams/ });
  }
});

t.test('each half ends by itself', async (t) => {
  const { client, got } = sessions(await socketPair(t));
  const ours = await client.open({ a: 'b' });
  const [theirs] = got as [SpdyStream];
  t.same(theirs.headers, { a: 'b' });
  t.equal(theirs.id, 1);
  ours.end('question');
  t.equal(await textOf(theirs), 'question');
  theirs.end('answer');
  t.equal(await textOf(ours), 'answer');
  t.notOk(ours.wasReset);
});

t.test('a slow reader holds up the writer, and nothing is kept in between', async (t) => {
  for (const over of ['socket', 'WebSocket'] as const) {
    const ends: [Duplex, Duplex] =
      over === 'socket'
        ? await socketPair(t)
        : ((await webSocketPair(t)).map(webSocketDuplex) as [Duplex, Duplex]);
    const { client, got } = sessions(ends);
    const stream = await client.open({});
    const total = 32 * MIB;
    let written = 0;
    const chunk = Buffer.alloc(64 * 1024);
    const writing = (async () => {
      for (; written < total; written += chunk.length) if (!stream.write(chunk)) await once(stream, 'drain');
      stream.end();
    })();
    // It stands still when all that lies between is full, long before the end.
    let before = -1;
    while (before !== written) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    t.ok(written < total / 2, `${over}: ${written} bytes were taken, and no more`);
    let read = 0;
    for await (const part of got[0] as AsyncIterable<Buffer>) read += part.length;
    await writing;
    t.equal(read, total);
  }
});

t.test('resets, refusals and losses', async (t) => {
  const refusing = sessions(await socketPair(t), {
    onStream() {
      throw new Error('no');
    },
  });
  await t.rejects(refusing.client.open({}), { name: 'SpdyError', message: /refused/ });
  const bare = sessions(await socketPair(t), { onStream: undefined });
  await t.rejects(bare.client.open({}), { message: /refused/ }, 'nobody takes streams');
  const few = sessions(await socketPair(t), { maxStreams: 2 });
  const two = await Promise.all([few.client.open({}), few.client.open({})]);
  await t.rejects(few.client.open({}), { message: /refused/ }, 'a third');
  const halves = [...two, ...few.got];
  const closed = halves.map((stream) => once(stream, 'close'));
  for (const stream of halves) stream.resume().end();
  await Promise.all(closed);
  t.ok(await few.client.open({}), 'there is room again');

  const { client, got, server } = sessions(await socketPair(t));
  const ours = await client.open({});
  const [theirs] = got as [SpdyStream];
  theirs.write('last words');
  theirs.destroy();
  await once(ours, 'reset');
  t.ok(ours.wasReset);
  ours.write('dropped');
  t.equal(await textOf(ours), 'last words', 'what came before the reset is read');

  const open = await client.open({});
  const lost = failure(open);
  const waiting = client.open({});
  server.destroy(new Error('gone'));
  t.match(await lost, { name: 'SpdyError', kind: 'lost' });
  await waiting.catch(() => undefined);
  await t.rejects(client.open({}), { name: 'SpdyError' });
  await client.closed;
});

t.test('a session that is closed lets its streams end', async (t) => {
  const { client, server, got } = sessions(await socketPair(t));
  const ours = await client.open({});
  client.close();
  await t.rejects(client.open({}), { message: /no more streams/ });
  const [theirs] = got as [SpdyStream];
  theirs.resume();
  const [sent, received] = await Promise.all([pour(theirs, MIB), checksum(ours)]);
  t.equal(sent, received);
  ours.end();
  t.equal(await client.closed, undefined);
  t.equal(await server.closed, undefined);
});

t.test('pings', async (t) => {
  const [here, there] = await socketPair(t);
  const session = createSpdySession(there, { role: 'server' });
  const told: number[] = [];
  const parse = createFrameParser({
    open: () => undefined,
    reply: () => undefined,
    data: () => undefined,
    headers: () => undefined,
    reset: () => undefined,
    ping: (id) => told.push(id),
    goAway: () => undefined,
  });
  here.on('data', parse);
  here.write(frames.ping(11));
  await until(() => told.length === 1);
  session.ping();
  session.ping();
  here.write(frames.ping(13));
  await until(() => told.includes(13));
  t.same(told, [11, 2, 13], 'theirs are answered; of ours one waits at a time');
  here.write(frames.ping(2));
  here.write(frames.ping(15));
  await until(() => told.includes(15));
  session.ping();
  await until(() => told.includes(4));
  t.pass('the next goes out when the last was answered');
});

t.test('a WebSocket as a byte stream', async (t) => {
  const [text, binary] = await webSocketPair(t);
  const refused = failure(webSocketDuplex(binary));
  text.send('text');
  t.match((await refused).message, /text message/);
  const [bad, other] = await webSocketPair(t);
  const failed = failure(webSocketDuplex(other));
  bad.close(1011, 'oh no');
  t.match((await failed).message, /1011 oh no/);
  const [cut, left] = await webSocketPair(t);
  const lost = failure(webSocketDuplex(left));
  cut.terminate();
  t.match((await lost).message, /1006/, 'a connection that is cut is no end');
});

t.test('a connection to a port ends as its error stream says, which may come after its data', async (t) => {
  for (const [said, ended] of [
    ['connection refused', 'KubeError: pod, port 9: connection refused'],
    ['', 'an end'],
  ] as const) {
    const [socket, there] = await webSocketPair(t);
    const streams = new Map<string, SpdyStream>();
    createSpdySession(webSocketDuplex(there), {
      role: 'server',
      onStream: (stream) => {
        streams.set(stream.headers['streamtype'] ?? '', stream);
        if (streams.size < 2) return;
        setTimeout(() => streams.get('data')?.end(), 10);
        setTimeout(() => streams.get('error')?.end(said), 50);
      },
    });
    const scope = new Scope(60_000, undefined, new Set());
    const opener = { open: () => Promise.resolve({ what: 'pod', socket, scope }), close: () => undefined };
    const stream = await portForward(opener, { at: { namespace: 'n', name: 'web' }, port: 9 });
    const end = new Promise<string>((resolve) => {
      stream.on('error', (error) => resolve(String(error))).on('end', () => resolve('an end'));
    });
    stream.resume().write('x');
    t.equal(await end, ended);
  }
});

t.test('channels', async (t) => {
  const [here, there] = await webSocketPair(t);
  const client = openChannels(here, CHANNELS_V5);
  const server = openChannels(there, CHANNELS_V5);
  const [stdin, out, other] = [server.readable(0), client.readable(1), client.readable(3)];
  const input = client.writable(0, { signalsEnd: true });
  input.write('a');
  input.end('b');
  t.equal(await textOf(stdin), 'ab', 'the close signal ends the input');
  server.writable(1).write('out');
  server.writable(3).write('status');
  server.writable(2).write('nobody reads this');
  server.close();
  t.same(await Promise.all([textOf(out), textOf(other)]), ['out', 'status']);
  t.same(await Promise.all([client.closed, server.closed]), [undefined, undefined]);
  server.writable(1).write('late');

  for (const [protocol, message] of [
    [CHANNELS_V5, Buffer.from([255])],
    [CHANNELS_V5, Buffer.from([255, 9])],
    [CHANNELS_V5, 'text'],
  ] as const) {
    const [bad, good] = await webSocketPair(t);
    const channels = openChannels(good, protocol);
    bad.send(message);
    t.type(await channels.closed, Error, `${JSON.stringify(message)} is refused`);
  }
  const [old, v4] = await webSocketPair(t);
  const channels = openChannels(v4, CHANNELS_V4);
  const reader = channels.readable(0);
  old.send(Buffer.from([255, 0]));
  old.send(Buffer.from([0, 120]));
  old.close();
  t.equal(await textOf(reader), 'x', 'v4 has no close signal');
});
