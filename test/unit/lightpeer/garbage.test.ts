/** What a peer is told that no peer should tell: it is refused, and the network goes on. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import t from 'tap';
import { createClients } from '../../../lightpeer/grpc/client.js';
import { startPeer } from '../../../lightpeer/peer.js';
import type { Peer } from '../../../lightpeer/peer.js';
import { MAX_PAYLOAD_BYTES } from '../../../lightpeer/port.js';
import { Lightpeer } from '../../../proto/gen/lightpeer_pb.js';
import type { LightblockSchema } from '../../../proto/gen/lightpeer_pb.js';
import { Peer as PeerRpc } from '../../../proto/gen/xi/lightpeer/v1/peer_pb.js';
import { persist_to_network } from '../../../schemas/networks.js';
import { holdsWithin } from '../../helpers/eventually.js';
import { startGoLike } from './go-like.js';

t.setTimeout(120_000);
const folder = await mkdtemp(join(tmpdir(), 'xi-peer-'));
const clients = createClients();
const open = new Set<{ close(): unknown }>();
let hosts = 0;
const nextHost = (): string => `127.32.4.${++hosts}`;

async function start(): Promise<Peer> {
  const host = nextHost();
  // None is taken for dead because the machine is slow.
  const limits = { silence: 60_000 };
  const peer = await startPeer({ repo: join(folder, host), host, port: 9081, sync: false, limits });
  open.add(peer);
  await holdsWithin(() => peer.ready());
  return peer;
}
/** Two in one network, the one that leads first. */
async function pair(): Promise<[Peer, Peer]> {
  const [a, b] = [await start(), await start()];
  await b.join(a.address);
  await holdsWithin(() => a.status().members.length === 2 && b.status().members.length === 2);
  return a.status().mode === 'leading' ? [a, b] : [b, a];
}
const notify = (to: Peer, block: MessageInitShape<typeof LightblockSchema>): Promise<unknown> =>
  clients.unary(
    { address: to.address, method: Lightpeer.method.notifyNewBlock, timeoutMs: 10_000 },
    { ID: 'a-block', PrevID: to.status().headId, Type: 1, ...block },
  );
const list = (...members: unknown[]): Uint8Array => Buffer.from(JSON.stringify(members));

t.afterEach(async () => {
  await Promise.all([...open].map((one) => one.close()));
  open.clear();
});
t.teardown(async () => {
  clients.close();
  await rm(folder, { recursive: true, force: true });
});

t.test('a time that no date can say is none', async (t) => {
  const [leader, follower] = await pair();
  const times = [
    { seconds: 9_000_000_000_000_000n, nanos: 0 },
    { seconds: -9_000_000_000_000_000n, nanos: 0 },
    { seconds: -1n, nanos: 0 },
  ];
  for (const [i, lastUpdated] of times.entries()) {
    await notify(leader, { ID: `time-${i}`, Payload: Buffer.from(`${i}`), lastUpdated });
    await follower.persist(Buffer.from('more'));
    t.strictSame([leader.status().mode, leader.metrics().diskFailures], ['leading', 0]);
  }
  const found: number[] = [];
  for await (const { id, at } of follower.query()) if (id.startsWith('time-')) found.push(at.getTime());
  t.strictSame(found, [0, 0, 0]);
});

t.test('blocks that no peer could pass on are refused, by whoever is told', async (t) => {
  const peers = await pair();
  const cases: [MessageInitShape<typeof LightblockSchema>, RegExp][] = [
    [{ Payload: Buffer.alloc(MAX_PAYLOAD_BYTES + 1) }, /4128769 bytes is above the limit of 4128768/],
    [{ Payload: Buffer.alloc((16 << 20) - 100) }, /is above the limit/],
    [{ ID: '' }, /1 to 200 of the characters/],
    [{ ID: '../state/index.html' }, /unlike "\.\.\/state\/index\.html"/],
    [{ Path: 'x'.repeat(4097) }, /at most 4096 characters/],
    [{ Type: 0, Payload: Buffer.from('nobody') }, /holds a member list, and this one does not/],
    [{ Type: 0, Payload: list({ Address: '127.0.0.1:1', Name: 'x'.repeat(301) }) }, /has 301 characters/],
    [
      { Type: 0, Payload: list(...Array.from({ length: 1001 }, (_, i) => ({ Address: `127.0.0.1:${i}` }))) },
      /names 1001: at most 1000/,
    ],
  ];
  const before = peers[0].status().head.height;
  for (const peer of peers)
    for (const [block, message] of cases) await t.rejects(notify(peer, block), { code: 'refused', message });
  t.equal(peers[0].status().head.height, before);
  const member = { address: '127.32.4.250:9081', name: 'x'.repeat(301) };
  await t.rejects(
    clients.unary({ address: peers[0].address, method: PeerRpc.method.admit, timeoutMs: 10_000 }, { member }),
    { code: 'invalid', message: /has 301 characters/ },
  );
  await notify(peers[0], { ID: 'largest', Payload: Buffer.alloc(MAX_PAYLOAD_BYTES) });
  for (const peer of peers) await peer.persist(Buffer.from('goes on'));
  t.strictSame(
    peers.map((peer) => [peer.status().members.length, peer.metrics().removed]),
    [
      [2, 0],
      [2, 0],
    ],
  );
});

t.test('an id is a name that every peer can keep a block under', async (t) => {
  const peer = await start();
  const persist = (ID: string): Promise<unknown> =>
    clients.unary({ address: peer.address, method: Lightpeer.method.persist, timeoutMs: 10_000 }, { ID });
  const pattern = new RegExp(persist_to_network.params.properties.id.pattern ?? '', 'u');
  for (const [id, taken] of [
    ['1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed', true],
    ['order_42:b', true],
    ['x'.repeat(200), true],
    ['x'.repeat(201), false],
    ['order/42', false],
    ['../state/index.html', false],
    ['..', false],
    ['chain.log', false],
    ['-x', false],
    ['a b', false],
    ['ä', false],
    ['a\0', false],
    ['a\n', false],
  ] as const) {
    const found = await persist(id).then(
      () => true,
      ({ code }: { code: string }) => code,
    );
    t.equal(found, taken || 'invalid', JSON.stringify(id));
    t.equal(pattern.test(id), taken, 'as the function has it');
  }
});

t.test('a chain of Go peers with a block that is too large is not taken over', async (t) => {
  const go = await startGoLike(nextHost());
  open.add(go);
  await go.persist('x'.repeat(MAX_PAYLOAD_BYTES + 1));
  const peer = await start();
  await peer.persist(Buffer.from('mine'));
  await t.rejects(peer.join(go.address), {
    code: 'invalid',
    message: /cannot be taken over: a payload of 4128769 bytes/,
  });
  t.ok(peer.ready());
  const own: string[] = [];
  for await (const { payload } of peer.query()) own.push(Buffer.from(payload).toString());
  t.strictSame(own, ['mine']);
});
