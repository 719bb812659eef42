/** Whole peers over real gRPC and real files: the wire, what it refuses, and peers of the old kind. */
import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createClients } from '../../../lightpeer/grpc/client.js';
import type { Clients } from '../../../lightpeer/grpc/client.js';
import { startPeer } from '../../../lightpeer/peer.js';
import type { Peer, StartOptions } from '../../../lightpeer/peer.js';
import { MAX_PAYLOAD_BYTES } from '../../../lightpeer/port.js';
import type { ChainBlock, WatchEvent } from '../../../lightpeer/port.js';
import { startStateSync } from '../../../lightpeer/state/sync.js';
import type { StateSyncOptions } from '../../../lightpeer/state/sync.js';
import { Health } from '../../../proto/gen/grpc/health/v1/health_pb.js';
import { Lightpeer } from '../../../proto/gen/lightpeer_pb.js';
import { Peer as PeerRpc } from '../../../proto/gen/xi/lightpeer/v1/peer_pb.js';
import { startGoLike } from './go-like.js';
import { freePort } from '../../helpers/free-port.js';
import { startTestPeer } from '../../helpers/lightpeers.js';
import type { TestPeer } from '../../helpers/lightpeers.js';
import { holdsWithin as until } from '../../helpers/eventually.js';
import { CA, PEER, STRANGER } from '../../helpers/peer-certificates.js';

t.setTimeout(120_000);
const folder = await mkdtemp(join(tmpdir(), 'xi-peer-'));
const clients = createClients();
t.teardown(async () => {
  clients.close();
  await rm(folder, { recursive: true, force: true });
});
const pem = ({ cert, key }: typeof PEER, ca = CA) => ({
  cert: Buffer.from(cert),
  key: Buffer.from(key),
  ca: Buffer.from(ca),
});
let hosts = 0;
const nextHost = (): string => `127.32.1.${++hosts}`;
const open = new Set<{ close(): unknown }>();

async function start(options: Partial<StartOptions> = {}): Promise<Peer> {
  const host = options.host ?? nextHost();
  // None is taken for dead because the machine is slow.
  const limits = { silence: 60_000, ...options.limits };
  const peer = await startPeer({ repo: join(folder, host), host, port: 9081, ...options, limits });
  open.add(peer);
  await until(() => peer.ready());
  return peer;
}

async function network(count: number): Promise<Peer[]> {
  const peers: Peer[] = [];
  for (let i = 0; i < count; i++) peers.push(await start());
  for (const peer of peers.slice(1)) await peer.join(peers[0]!.address);
  await together(peers);
  return peers;
}

const together = (peers: readonly Peer[]): Promise<boolean> =>
  until(() => {
    const all = peers.map((peer) => peer.status());
    return all.every(
      ({ head, committed, members }) =>
        head.digest === all[0]!.head.digest && committed === head.height && members.length >= peers.length,
    );
  });

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
const texts = (blocks: readonly ChainBlock[]): string[] =>
  blocks.map(({ payload }) => Buffer.from(payload).toString());
const call = { timeoutMs: 10_000 };
const { method } = Lightpeer;

t.afterEach(async () => {
  await Promise.all([...open].map((peer) => peer.close()));
  open.clear();
});

t.test('the five methods and the health check, as a program or the Go controller calls them', async (t) => {
  const [a, b] = [await start(), await start()];
  const { status } = await clients.unary({ address: a.address, method: Health.method.check, ...call }, {});
  t.equal(status, 1);
  for (let i = 0; i < 3; i++) {
    const { Result } = await clients.unary(
      { address: b.address, method: method.joinNetwork, ...call },
      { Address: a.address },
    );
    t.equal(Result, 'ok');
  }
  t.strictSame(
    a
      .status()
      .members.map(({ address }) => address)
      .sort(),
    [a.address, b.address],
    'nobody twice',
  );
  for (const [peer, text] of [
    [a, 'one'],
    [b, 'two'],
    [a, 'three'],
  ] as const)
    await clients.unary(
      { address: peer.address, method: method.persist, ...call },
      { Payload: Buffer.from(text) },
    );
  for (const peer of [a, b]) {
    const answers = await all(
      clients.stream(
        { address: peer.address, method: method.query, signal: new AbortController().signal },
        {},
      ),
    );
    t.strictSame(
      answers.map(({ Payload }) => Buffer.from(Payload).toString()),
      ['three', 'two', 'one'],
    );
  }
});

t.test('bad input is refused with what is wrong', async (t) => {
  const peer = await start();
  const to = { address: peer.address, ...call };
  for (const Address of ['', 'nonsense', '10.0.0.1', '10.0.0.1:0', '10.0.0.1:99999', ':9081', 'a b:1'])
    await t.rejects(clients.unary({ ...to, method: method.joinNetwork }, { Address }), {
      code: 'invalid',
      message: /give it as ip:port/,
    });
  await t.rejects(clients.unary({ ...to, method: method.joinNetwork }, { Address: peer.address }), {
    code: 'invalid',
    message: /itself/,
  });
  await t.rejects(clients.unary({ ...to, method: method.joinNetwork }, { Address: '127.32.9.9:9081' }), {
    code: 'unreachable',
  });
  await t.rejects(
    clients.unary({ ...to, method: method.persist }, { Payload: Buffer.alloc(MAX_PAYLOAD_BYTES + 1) }),
    { code: 'invalid', message: /4128769 bytes is above the limit of 4128768 .* split it/ },
  );
  await t.rejects(clients.unary({ ...to, method: method.persist }, { ID: 'x'.repeat(201) }), {
    code: 'invalid',
  });
  await t.rejects(
    all(clients.stream({ ...to, method: method.connectNewPeer, signal: new AbortController().signal }, {})),
    {
      code: 'invalid',
    },
  );
  await t.rejects(
    clients.unary({ ...to, method: method.notifyNewBlock }, { ID: 'x', PrevID: 'nobody', Type: 1 }),
    { code: 'refused', message: /new block links to invalid parent/ },
  );
  await t.rejects(clients.unary({ ...to, method: PeerRpc.method.list }, { continue: 'x' }), {
    code: 'invalid',
  });
  await t.rejects(all(peer.watch({ cursor: 'x' })), { code: 'invalid' });
  await t.rejects(startPeer({ repo: join(folder, 'other'), host: peer.address.split(':')[0]!, port: 9081 }), {
    code: 'invalid',
    message: /cannot listen/,
  });
  // Something that is no peer at all.
  const garbage = (await import('node:net')).createServer((socket) => socket.end('what?\n'));
  await new Promise<void>((resolve) => garbage.listen(9081, '127.32.9.8', resolve));
  await t.rejects(peer.join('127.32.9.8:9081', 3000));
  garbage.close();
  const socket = connect(9081, peer.address.split(':')[0]);
  socket.end('GET / HTTP/1.1\r\n\r\n');
  socket.on('error', () => undefined);
  t.ok(peer.ready(), 'and goes on');
  t.ok(await peer.persist(Buffer.alloc(MAX_PAYLOAD_BYTES)));
});

t.test('the largest payload reaches all members, and a retry with its id is no second block', async (t) => {
  const peers = await network(3);
  const payload = Buffer.alloc(MAX_PAYLOAD_BYTES, 'x');
  for (const peer of peers) t.strictSame(await peer.persist(payload, { id: 'big' }), { id: 'big' });
  for (const peer of peers) {
    const blocks = await all(peer.query());
    t.equal(blocks.length, 1);
    t.ok(payload.equals(blocks[0]!.payload));
  }
});

t.test('an id that the chain has is no other block, whoever is asked', async (t) => {
  const peers = await network(2);
  const id = 'same';
  const given = { id, path: 'a.txt' };
  await peers[0]!.persist(Buffer.from('x'), given);
  for (const peer of peers) {
    t.strictSame(await peer.persist(Buffer.from('x'), given), { id }, 'a retry');
    const other = { code: 'exists', message: /another block with the id same/ };
    await t.rejects(peer.persist(Buffer.from('y'), given), other);
    await t.rejects(peer.persist(Buffer.from('x'), { id, path: 'b.txt' }), other);
    await t.rejects(peer.persist(Buffer.from(''), { ...given, deleted: true }), other);
    t.strictSame(texts(await all(peer.query())), ['x']);
  }
  const both = await Promise.allSettled(
    peers.map((peer, i) => peer.persist(Buffer.from(String(i)), { id: 'at-once' })),
  );
  t.strictSame(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
});

t.test('sixteen writers at ten peers: one order, each block once', async (t) => {
  const peers = await network(10);
  await Promise.all(
    Array.from({ length: 16 }, async (_, writer) => {
      for (let i = 0; i < 8; i++) await peers[(writer + i) % 10]!.persist(Buffer.from(`${writer} ${i}`));
    }),
  );
  t.ok(await together(peers));
  const first = texts(await all(peers[0]!.query()));
  t.equal(new Set(first).size, 128);
  for (const peer of peers) t.strictSame(texts(await all(peer.query())), first);
});

t.test('a peer that starts again has its chain, and is in its network again', async (t) => {
  const peers = await network(3);
  await peers[0]!.persist(Buffer.from('before'));
  const host = peers[1]!.address.split(':')[0]!;
  await peers[1]!.close({ leave: false });
  open.delete(peers[1]!);
  await peers[2]!.persist(Buffer.from('meanwhile'));
  const again = await start({ host });
  t.ok(await together([peers[0]!, again, peers[2]!]));
  t.strictSame(texts(await all(again.query())), ['meanwhile', 'before']);
});

t.test('a watch gives each block once in the order of the chain, and goes on where it was', async (t) => {
  const peers = await network(2);
  const stop = new AbortController();
  const events: WatchEvent[] = [];
  await peers[0]!.persist(Buffer.from('0'), { path: 'a/b' });
  const watching = (async () => {
    for await (const event of peers[1]!.watch({ signal: stop.signal })) events.push(event);
  })();
  t.ok(await until(() => events.some(({ type }) => type === 'live')));
  for (let i = 1; i < 20; i++) await peers[i % 2]!.persist(Buffer.from(String(i)));
  const blocks = () => events.flatMap((event) => (event.type === 'block' ? [event] : []));
  t.ok(await until(() => blocks().length === 20));
  t.strictSame(
    blocks().map(({ block }) => Buffer.from(block.payload).toString()),
    Array.from({ length: 20 }, (_, i) => String(i)),
  );
  t.match(blocks()[0], { block: { path: 'a/b', deleted: false }, height: Number });
  stop.abort();
  await watching;
  // The other peer has the same chain: the cursor is good there too.
  const rest: string[] = [];
  const more = new AbortController();
  for await (const message of clients.stream(
    { address: peers[0]!.address, method: PeerRpc.method.watch, signal: more.signal },
    { cursor: blocks()[16]!.cursor },
  )) {
    if (message.live) break;
    rest.push(Buffer.from(message.block!.Payload).toString());
  }
  more.abort();
  t.strictSame(rest, ['17', '18', '19']);
  const [first] = await all(
    (async function* () {
      const end = new AbortController();
      for await (const event of peers[0]!.watch({ cursor: '5-ffff', signal: end.signal })) {
        yield event;
        end.abort();
      }
    })(),
  );
  t.match(first, { type: 'rewound', cursor: '0-' }, 'a cursor of another chain begins anew');
});

t.test('a watch is live when it gave what was acknowledged before, by whichever peer', async (t) => {
  const peers = await network(3);
  for (let round = 0; round < 20; round++) {
    await peers[round % 3]!.persist(Buffer.from(`block ${round}`));
    const last = await Promise.all(
      peers.map(async (peer) => {
        let block = '';
        for await (const event of peer.watch())
          if (event.type === 'block') block = Buffer.from(event.block.payload).toString();
          else if (event.type === 'live') break;
        return block;
      }),
    );
    t.same(last, Array(3).fill(`block ${round}`));
  }
});

t.test('after two halves became one a watch is live again when it gave all of the one chain', async (t) => {
  const [a, b, c] = (await network(3)) as [Peer, Peer, Peer];
  for (let nth = 0; nth < 4; nth++) await a.persist(Buffer.from(`common ${nth}`));
  await c.leave();
  for (let nth = 0; nth < 40; nth++) await a.persist(Buffer.from(`theirs ${nth}`));
  for (let nth = 0; nth < 4; nth++) await c.persist(Buffer.from(`own ${nth}`));
  const seen: string[] = [];
  const leaving = new AbortController();
  const watching = (async () => {
    for await (const event of c.watch({ signal: leaving.signal }))
      seen.push(event.type === 'block' ? Buffer.from(event.block.payload).toString() : event.type);
  })();
  t.ok(await until(() => seen.includes('live')));
  await c.join(b.address);
  t.ok(await until(() => seen.includes('rewound') && seen.at(-1) === 'live'));
  leaving.abort();
  await watching;
  const after = seen.slice(seen.lastIndexOf('rewound') + 1);
  t.equal(after.indexOf('live'), after.length - 1, 'it is the last');
  t.equal(after.filter((word) => word.startsWith('theirs')).length, 40);
  t.equal(after.filter((word) => word.startsWith('own')).length, 4);
});

t.test('a watch begins anew when what a compacted chain keeps is compacted again under it', async (t) => {
  const peer = await start({ limits: { compactBlocks: 10, keepBlocks: 1 } });
  const paths = Array.from({ length: 12 }, (_, nth) => `state-${nth}`);
  // Two of them are more than is read in one go.
  const write = async (text: string): Promise<void> => {
    for (const path of paths) await peer.persist(Buffer.alloc(600_000, text), { path });
  };
  await write('a');
  t.ok(await until(() => peer.metrics().compactions > 0));
  let seen: string[] = [];
  let rewinds = 0;
  for await (const event of peer.watch()) {
    if (event.type === 'live') break;
    if (event.type === 'rewound') {
      rewinds++;
      seen = [];
      continue;
    }
    const { payload, path } = event.block;
    seen.push(`${path} ${Buffer.from(payload.subarray(0, 1)).toString()}`);
    if (seen.length > 1 || rewinds > 0) continue;
    const { compactions } = peer.metrics();
    await write('b');
    t.ok(await until(() => peer.metrics().compactions > compactions));
  }
  t.ok(rewinds > 0);
  const now = paths.map((path) => `${path} b`);
  t.strictSame(seen.slice(-now.length), now, 'each state as it is now comes last');
  t.equal(new Set(seen).size, seen.length, 'and nothing twice');
});

t.test('who follows refuses what is too much to wait, as who orders does', async (t) => {
  const a = await start({ limits: { queueBytes: 1 << 20 } });
  const b = await start({ limits: { queueBytes: 1 << 20 } });
  await b.join(a.address);
  await together([a, b]);
  for (const peer of [a, b]) {
    const tries = Array.from({ length: 40 }, (_, nth) =>
      peer.persist(Buffer.alloc(200_000), { path: `${peer.address}/${nth}` }),
    );
    const results = await Promise.allSettled(tries);
    const refused = results.filter(({ status }) => status === 'rejected');
    t.ok(refused.length > 0 && refused.length < 40, `${refused.length} are refused`);
    t.ok(
      refused.every((each) => 'reason' in each && (each.reason as { code: string }).code === 'overloaded'),
    );
    t.ok(await peer.persist(Buffer.from('after')), 'and the next is taken');
  }
});

t.test('a query gives payloads of every size', async (t) => {
  const a = await start();
  const sizes = [0, 1, 127, 128, 300, 16_383, 16_384, 100_000, 2_100_000];
  for (const size of sizes) await a.persist(Buffer.alloc(size, size % 251));
  const { signal } = new AbortController();
  const answers = clients.stream({ address: a.address, method: method.query, signal }, {});
  const payloads = (await all(answers)).map(({ Payload }) => Buffer.from(Payload)).reverse();
  t.strictSame(
    payloads.map(({ length }) => length),
    sizes,
  );
  t.ok(payloads.every((payload, i) => payload.equals(Buffer.alloc(sizes[i]!, sizes[i]! % 251))));
});

t.test('pages of blocks, newest first', async (t) => {
  const peer = await start();
  for (let i = 0; i < 25; i++) await peer.persist(Buffer.from(String(i)));
  const seen: string[] = [];
  let from = '';
  let pages = 0;
  do {
    const page = await clients.unary(
      { address: peer.address, method: PeerRpc.method.list, ...call },
      { limit: 10, continue: from },
    );
    seen.push(...page.blocks.map(({ block }) => Buffer.from(block!.Payload).toString()));
    from = page.continue;
    pages++;
  } while (from !== '');
  t.equal(pages, 3);
  t.strictSame(
    seen,
    Array.from({ length: 25 }, (_, i) => String(24 - i)),
  );
});

t.test('a long chain is streamed to a new peer while the others go on', async (t) => {
  const [a, b] = (await network(2)) as [Peer, Peer];
  await Promise.all(
    Array.from({ length: 3000 }, (_, i) =>
      a.persist(Buffer.alloc(1024, String(i % 10)), { timeoutMs: 60_000 }),
    ),
  );
  const c = await start();
  let slowest = 0;
  let joined = false;
  const joining = c.join(a.address).then(() => (joined = true));
  while (!joined) {
    const begin = performance.now();
    await b.persist(Buffer.from('meanwhile'));
    slowest = Math.max(slowest, performance.now() - begin);
  }
  await joining;
  t.ok(await together([a, b, c]));
  t.equal(c.metrics().blocks, a.metrics().blocks);
  t.comment(`slowest persist while a peer joined: ${Math.round(slowest)} ms`);
});

t.test('with certificates peers speak TLS, and nothing else', async (t) => {
  const tls = pem(PEER);
  const local = { host: '127.0.0.1', tls };
  const [a, b] = [
    await start({ ...local, port: await freePort(), repo: join(folder, 'tls a') }),
    await start({ ...local, port: await freePort(), repo: join(folder, 'tls b') }),
  ];
  await b.join(a.address);
  await b.persist(Buffer.from('secret'));
  t.strictSame(texts(await all(a.query())), ['secret']);
  const block = { Payload: Buffer.from('x') };
  const ask = (from: Clients) =>
    from.unary({ address: a.address, method: method.persist, timeoutMs: 2000 }, block);
  await t.rejects(ask(clients), 'in the clear');
  for (const [what, theirs] of [
    ['with a certificate of its own making', pem(STRANGER)],
    ['with one that does not trust ours', pem(PEER, STRANGER.cert)],
  ] as const) {
    const stranger = createClients(theirs);
    await t.rejects(ask(stranger), what);
    stranger.close();
  }
  t.strictSame(texts(await all(a.query())), ['secret']);
});

t.test('certificates are renewed while peers run', async (t) => {
  // The other certificate stands for itself, so that nothing of the first is good any more.
  const startHere = async (repo: string): Promise<Peer> =>
    start({ host: '127.0.0.1', port: await freePort(), tls: pem(PEER), repo: join(folder, repo) });
  const a = await startHere('renewed a');
  const renewed = pem(STRANGER, STRANGER.cert);
  a.certify(renewed);
  const b = await startHere('renewed b');
  await t.rejects(b.join(a.address, 2000), 'its certificate is not what the others know');
  b.certify(renewed);
  await b.join(a.address);
  await b.persist(Buffer.from('after'));
  t.strictSame(texts(await all(a.query())), ['after']);
});

t.test(
  'a Go peer joins our network: it is listed once, has the chain, and is told of each block',
  async (t) => {
    const peers = await network(3);
    await peers[0]!.persist(Buffer.from('before'));
    const go = await startGoLike(nextHost());
    open.add(go);
    // Ours that leads, and one that follows.
    for (const peer of peers) await go.join(peer.address);
    t.ok(
      await until(() =>
        peers.every((peer) => peer.status().members.filter(({ legacy }) => legacy).length === 1),
      ),
    );
    await peers[1]!.persist(Buffer.from('after'));
    await peers[2]!.persist(Buffer.from('again'));
    t.ok(await until(() => go.payloads().join() === 'again,after,before'), go.payloads().join());
    t.equal(new Set(go.members()).size, 4);
    t.equal(go.members().length, 4);
    await go.persist('by the Go peer');
    for (const peer of peers) t.equal(texts(await all(peer.query()))[0], 'by the Go peer');
    await peers[0]!.persist(Buffer.from('on top'));
    t.ok(await until(() => go.payloads()[0] === 'on top'));
    t.ok(await together(peers));
    // It dies: in a while it is no member.
    go.close();
    t.ok(await until(() => peers[0]!.status().members.length === 3));
  },
);

t.test(
  'each change of members is told to the Go peers that are there: none is made to join again',
  async (t) => {
    const peers = await network(3);
    const follower = peers.find((peer) => peer.status().mode === 'following')!;
    const joined: TestPeer[] = [];
    t.teardown(() => joined.forEach((peer) => peer.stop()));
    for (let i = 0; i < 12; i++) {
      const peer = await startTestPeer(`${nextHost()}:9081`, 'reference', { healthMs: 600_000 });
      joined.push(peer);
      await clients.unary(
        { address: peer.address, method: method.joinNetwork, ...call },
        { Address: follower.address },
      );
    }
    await follower.persist(Buffer.from('to all'));
    const everybody = [...peers, ...joined].map(({ address }) => address).sort();
    t.ok(await until(() => joined.every((peer) => peer.members().sort().join() === everybody.join())));
    t.same(
      joined.map(({ told }) => told),
      joined.map(() => [`join ${follower.address}`]),
    );
    t.equal(
      peers.reduce((sum, peer) => sum + peer.metrics().rejoins, 0),
      0,
    );
  },
);

t.test('our peers join a network of Go peers, and take in each other there', async (t) => {
  const go = [await startGoLike(nextHost()), await startGoLike(nextHost())];
  for (const one of go) open.add(one);
  await go[1]!.join(go[0]!.address);
  await go[0]!.persist('by Go');
  const a = await start();
  await a.persist(Buffer.from('mine'));
  await a.join(go[0]!.address);
  t.strictSame(texts(await all(a.query())).sort(), ['by Go', 'mine']);
  t.ok(await until(() => go.every((one) => one.payloads().includes('mine'))));
  const b = await start();
  await b.join(a.address);
  await b.persist(Buffer.from('by b'));
  t.ok(await until(() => go.every((one) => one.payloads().includes('by b'))));
  t.ok(await until(() => a.status().members.length === 4));
  t.ok(await together([a, b]));
  await a.join(go[0]!.address);
  t.equal(a.status().members.length, 4, 'again is nothing new');
});

t.test('a Go peer whose chain parted from ours takes ours anew', async (t) => {
  const [a, b] = (await network(2)) as [Peer, Peer];
  const go = await startGoLike(nextHost(), { healthChecks: false });
  open.add(go);
  await go.join(a.address);
  // Both at once: the reference forks here for good.
  const both = await Promise.allSettled([
    ...Array.from({ length: 20 }, (_, i) => a.persist(Buffer.from(`a${i}`))),
    ...Array.from({ length: 20 }, (_, i) => go.persist(`go${i}`)),
    ...Array.from({ length: 20 }, (_, i) => b.persist(Buffer.from(`b${i}`))),
  ]);
  for (const i of [...Array(20).keys(), ...Array.from({ length: 20 }, (_, j) => 40 + j)])
    t.equal(both[i]!.status, 'fulfilled', 'ours are all persisted');
  t.ok(await together([a, b]));
  await a.persist(Buffer.from('last'));
  t.ok(
    await until(async () => go.payloads().join() === texts(await all(a.query())).join(), 30_000),
    'it has our chain again',
  );
});

const own = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ internal, family }) => !internal && family === 'IPv4')?.address;

t.test(
  'port-forward, which dials 127.0.0.1, reaches a peer of a pod',
  { skip: own === undefined && 'only a loopback here' },
  async (t) => {
    const warned: string[] = [];
    const log = { info: () => undefined, warn: (_: object, message: string) => void warned.push(message) };
    const host = own!;
    const port = await freePort();
    const peer = await start({ host, port, local: true });
    const { address } = await clients.unary(
      { address: `127.0.0.1:${port}`, method: PeerRpc.method.status, ...call },
      {},
    );
    t.equal(address, peer.address);
    await peer.close();
    const blocker = createServer().listen(port, '127.0.0.1');
    open.add(blocker);
    const again = await start({ host, port, local: true, log });
    t.equal(again.address, peer.address, 'one that cannot have it starts all the same');
    t.strictSame(warned, ['port-forward will not reach this peer']);
  },
);

t.test(
  'files stay as they are when their peer forgets its network, and go nowhere until they change',
  async (t) => {
    const [a, b, c] = [await start(), await start(), await start()];
    await b.join(a.address);
    const shared = async (peer: Peer): Promise<{ file: string; options: StateSyncOptions }> => {
      const path = join(folder, `files-${peer.address}`);
      await mkdir(path);
      return { file: join(path, 'x'), options: { peer, path, memory: `${path}.log`, checkMs: 100 } };
    };
    const holds = (file: string, wanted: string): Promise<boolean> =>
      until(async () => (await readFile(file, 'utf8').catch(() => '')) === wanted);
    const [atA, atB, atC] = [await shared(a), await shared(b), await shared(c)];
    const syncs = await Promise.all([atA, atB, atC].map(({ options }) => startStateSync(options)));
    for (const sync of syncs) open.add(sync);
    writeFileSync(atA.file, 'old');
    t.ok(await holds(atB.file, 'old'));

    await clients.unary({ address: b.address, method: PeerRpc.method.leave, ...call }, { forget: true });
    t.strictSame(texts(await all(b.query())), []);
    t.strictSame(b.status().members, [{ address: b.address, name: '', legacy: false }]);
    await b.join(c.address);
    writeFileSync(join(atC.file, '../y'), 'new');
    t.ok(await holds(join(atB.file, '../y'), 'new'));
    open.delete(syncs[1]!);
    await syncs[1]!.close();
    open.add(await startStateSync(atB.options));
    writeFileSync(join(atC.file, '../y'), 'newer');
    t.ok(await holds(join(atB.file, '../y'), 'newer'));
    await new Promise((resolve) => setTimeout(resolve, 500));
    t.equal(await readFile(atB.file, 'utf8'), 'old');
    t.strictSame(texts(await all(c.query())), ['newer', 'new'], 'also after a restart');

    writeFileSync(atB.file, 'changed');
    t.ok(await holds(atC.file, 'changed'));
    t.equal(await readFile(atA.file, 'utf8'), 'old');
    await t.rejects(
      clients.unary(
        { address: b.address, method: PeerRpc.method.leave, ...call },
        { address: c.address, forget: true },
      ),
      /only a peer that leaves itself forgets/,
    );
  },
);
