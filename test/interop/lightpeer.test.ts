/** Our peers and Go peers, as real processes on the wire: in one network, whoever came to whom. Needs Go. */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { createClients } from '../../lightpeer/grpc/client.js';
import { runPeer } from '../../lightpeer/main.js';
import { startPeer } from '../../lightpeer/peer.js';
import type { Peer } from '../../lightpeer/peer.js';
import { Lightpeer } from '../../proto/gen/lightpeer_pb.js';
import { buildGo, hasGo } from './build.js';
import { holdsWithin as until } from '../helpers/eventually.js';
import { readGoFolder } from '../helpers/go-folder.js';

const run = promisify(execFile);
t.setTimeout(180_000);
const skip = !hasGo() && 'there is no Go here to build the other side with';
const program = skip === false ? await buildGo('lightpeer', 'lightpeer.proto') : '';
const folder = await mkdtemp(join(tmpdir(), 'xi-interop-'));
t.teardown(() => rm(folder, { recursive: true, force: true }));

interface GoPeer {
  readonly address: string;
  readonly repo: string;
  kill(): Promise<void>;
}

let hosts = 0;
const nextHost = (): string => `127.34.1.${++hosts}`;
const open: (() => Promise<unknown>)[] = [];
t.afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});

async function startGo({ statePath }: { statePath?: string } = {}): Promise<GoPeer> {
  const host = nextHost();
  const repo = join(folder, host);
  await mkdir(repo);
  const state = statePath === undefined ? [] : ['-statePath', statePath];
  const child: ChildProcess = spawn(program, ['peer', '-repo', repo, '-host', host, ...state], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = once(child, 'exit');
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await gone;
  };
  open.push(kill);
  await once(child.stdout!, 'data');
  return { address: `${host}:9081`, repo, kill };
}

async function startOurs(repo?: string): Promise<Peer> {
  const host = nextHost();
  const peer = await startPeer({ repo: repo ?? join(folder, host), host, port: 9081 });
  open.push(() => peer.close());
  await until(() => peer.ready());
  return peer;
}

/** The Go client. Answers its output; rejects with what the peer said. */
const go = async (command: 'join' | 'persist' | 'query' | 'load', ...args: string[]): Promise<string> =>
  (await run(program, [command, ...args])).stdout;
const queryByGo = async (address: string): Promise<string[]> =>
  (await go('query', address)).split('\n').slice(0, -1);

async function query(peer: Peer): Promise<string[]> {
  const texts: string[] = [];
  for await (const { payload } of peer.query()) texts.push(Buffer.from(payload).toString());
  return texts;
}

const listed = (peer: Peer): string[] => peer.status().members.map(({ address }) => address);

/** The member list of a Go peer, as its folder says it, repetitions included. */
async function listedByGo({ repo }: GoPeer): Promise<string[]> {
  const newest = (await readGoFolder(repo)).findLast(({ type }) => type === 0);
  const list = newest === undefined ? [] : JSON.parse(Buffer.from(newest.payload).toString());
  return (list as { Address: string }[]).map(({ Address }) => Address);
}

const equal = (peers: readonly Peer[]): boolean =>
  peers.every((peer) => {
    const { head, committed, mode } = peer.status();
    return (
      (mode === 'leading' || mode === 'following') &&
      head.digest === peers[0]!.status().head.digest &&
      committed === head.height
    );
  });

const same = (a: readonly string[], b: readonly string[]): boolean =>
  JSON.stringify([...a].sort()) === JSON.stringify([...b].sort());

t.test('our peers join a network of Go peers', { skip }, async (t) => {
  const [one, two] = [await startGo(), await startGo()];
  await go('persist', one.address, 'first');
  await go('join', two.address, one.address);
  const [a, b] = [await startOurs(), await startOurs()];
  await a.persist(Buffer.from('brought'));
  await a.join(two.address);
  await b.join(a.address);
  t.ok(await until(() => same(listed(b), [one.address, two.address, a.address, b.address])));
  t.ok(await until(() => equal([a, b])));
  const all = ['brought', 'first'];
  t.strictSame(await query(a), all);
  t.strictSame(await query(b), all);
  for (const { address } of [one, two]) t.ok(await until(async () => same(await queryByGo(address), all)));
  // A block that a Go peer makes before it has heard of the newest member is refused, as among Go peers.
  const everybody = [one.address, two.address, a.address, b.address];
  for (const peer of [one, two]) t.ok(await until(async () => same(await listedByGo(peer), everybody)));

  for (const [i, { address }] of [one, a, two, b].entries()) {
    all.unshift(`from ${i}`);
    await go('persist', address, `from ${i}`);
    for (const other of [one.address, two.address, a.address, b.address])
      t.ok(await until(async () => JSON.stringify(await queryByGo(other)) === JSON.stringify(all)), other);
  }
  t.ok(equal([a, b]));
  for (const peer of [one, two])
    t.ok(
      same(await listedByGo(peer), [one.address, two.address, a.address, b.address]),
      'each is listed once',
    );
});

t.test('a Go peer joins a network of ours, as often as the Go controller likes', { skip }, async (t) => {
  const [a, b] = [await startOurs(), await startOurs()];
  await b.join(a.address);
  await go('persist', b.address, 'first');
  const [one, two] = [await startGo(), await startGo()];
  await go('join', one.address, b.address);
  t.strictSame(await queryByGo(one.address), ['first'], 'by one that follows');
  await go('join', two.address, one.address);
  const all = [a.address, b.address, one.address, two.address];
  t.ok(await until(() => same(listed(a), all) && same(listed(b), all)), 'also by another Go peer');
  t.strictSame(
    a.status().members.filter(({ legacy }) => legacy).length,
    2,
    'and are known for what they speak',
  );
  for (let i = 0; i < 5; i++) {
    await go('join', one.address, a.address);
    await go('join', a.address, one.address);
    await go('join', b.address, a.address);
  }
  t.ok(await until(() => equal([a, b])));
  t.ok(same(listed(a), all) && same(listed(b), all), 'nobody is listed twice');
  await go('persist', a.address, 'second');
  await go('persist', two.address, 'third');
  for (const address of all)
    t.ok(await until(async () => (await queryByGo(address)).join() === 'third,second,first'), address);
});

t.test('state files, shared by the flags of the Go sidecar', { skip }, async (t) => {
  const files = [join(folder, 'state-of-go.html'), join(folder, 'state-of-ours.html')] as const;
  const theirs = await startGo({ statePath: files[0] });
  const host = nextHost();
  const ours = await runPeer(
    ['-repo', join(folder, host), '-host', host, '-port', '9081', '-statePath', files[1], '-ops-port', '0'],
    { environment: {}, version: 'test', write: () => undefined },
  );
  open.push(() => ours.close());
  await until(async () => (await go('query', ours.address)) === '');
  await go('join', ours.address, theirs.address);
  const holds = (file: string, wanted: string): Promise<boolean> =>
    until(async () => (await readFile(file, 'utf8').catch(() => '')) === wanted);
  await writeFile(files[1], 'written by ours');
  t.ok(await holds(files[0], 'written by ours'));
  await writeFile(files[0], 'written by Go');
  t.ok(await holds(files[1], 'written by Go'));
  await new Promise((resolve) => setTimeout(resolve, 2500));
  t.strictSame(await queryByGo(ours.address), ['written by Go', 'written by ours'], 'nothing comes back');
});

t.test('who dies is dropped, and who leaves', { skip }, async (t) => {
  const [one, two, a, b] = [await startGo(), await startGo(), await startOurs(), await startOurs()];
  await go('join', two.address, one.address);
  await a.join(one.address);
  await b.join(a.address);
  t.ok(await until(() => listed(a).length === 4 && equal([a, b])));
  await two.kill();
  t.ok(await until(() => same(listed(a), [one.address, a.address, b.address]) && equal([a, b])));
  await go('persist', a.address, 'goes on');
  t.ok(await until(async () => (await queryByGo(one.address)).join() === 'goes on'));
  await b.leave({ forget: true });
  t.ok(await until(async () => same(await listedByGo(one), [one.address, a.address])));
  await a.leave({ forget: true });
  t.ok(await until(async () => same(await listedByGo(one), [one.address])), 'the last of ours too');
  await go('persist', one.address, 'alone');
  t.strictSame([await query(a), await query(b)], [[], []]);
  t.strictSame(listed(a), [a.address]);
});

t.test('Go peers that fork their chain do not break ours', { skip }, async (t) => {
  const [one, two] = [await startGo(), await startGo()];
  const ours = [await startOurs(), await startOurs(), await startOurs()];
  const [a, b] = [ours[0]!, ours[1]!];
  for (const peer of ours.slice(1)) await peer.join(a.address);
  await go('join', one.address, a.address);
  await go('join', two.address, one.address);
  t.ok(await until(() => equal(ours) && listed(b).length === 5));
  const acknowledged: string[] = [];
  // As many as they can at once: theirs fail sooner or later, and keep failing.
  const storms = [one, two].map(({ address }) => go('load', address, '2', '2', '20').catch(() => 'failed'));
  const end = performance.now() + 2000;
  for (let i = 0; performance.now() < end; i++) {
    await ours[i % 3]!.persist(Buffer.from(`ours ${i}`));
    acknowledged.push(`ours ${i}`);
  }
  const forks = ours.reduce((sum, peer) => sum + peer.metrics().refused, 0);
  t.comment(
    `Go peers: ${(await Promise.all(storms)).map((line) => line.trim()).join(', ')}; ${forks} blocks of them refused, ${acknowledged.length} of ours`,
  );
  t.ok(forks > 0, 'there were forks');
  t.ok(await until(() => equal(ours)), 'ours have one chain');
  for (const peer of ours) {
    const found = (await query(peer)).filter((text) => text.startsWith('ours'));
    t.strictSame(found.reverse(), acknowledged, 'with all that was acknowledged, once, in order');
  }
  await go('persist', b.address, 'afterwards');
  for (const { address } of [one, two])
    t.ok(
      await until(async () => (await queryByGo(address))[0] === 'afterwards'),
      'the Go peers are back in line',
    );
});

t.test('what a Go peer acknowledges while ours persist too is in every chain', { skip }, async (t) => {
  const [theirs, ours] = [await startGo(), await startOurs()];
  await ours.join(theirs.address);
  t.ok(await until(() => listed(ours).length === 2 && equal([ours])));
  const clients = createClients();
  open.push(() => Promise.resolve(clients.close()));
  const acknowledged: string[] = [];
  let failed = 0;
  const write = async (address: string, name: string): Promise<void> => {
    for (let i = 0; i < 150; i++)
      await clients
        .unary(
          { address, method: Lightpeer.method.persist, timeoutMs: 8000 },
          { Payload: Buffer.from(`${name} ${i}`) },
        )
        .then(
          () => acknowledged.push(`${name} ${i}`),
          () => failed++,
        );
  };
  await Promise.all([write(theirs.address, 'theirs'), write(ours.address, 'ours')]);
  t.comment(`${acknowledged.length} acknowledged, ${failed} refused`);
  t.ok(ours.metrics().refused > 0, 'blocks crossed');
  const missing = (chain: readonly string[]): string[] =>
    acknowledged.filter((text) => !chain.includes(text));
  t.ok(await until(async () => missing(await queryByGo(theirs.address)).length === 0), 'theirs');
  t.strictSame(missing(await query(ours)), [], 'ours');
});

t.test('the folder of a Go peer is taken over', { skip }, async (t) => {
  const theirs = await startGo();
  for (const text of ['one', 'two', 'three']) await go('persist', theirs.address, text);
  await theirs.kill();
  const ours = await startOurs(theirs.repo);
  t.strictSame(await query(ours), ['three', 'two', 'one']);
  t.equal(ours.metrics().importedBlocks, 4);
  t.strictSame(listed(ours), [ours.address]);
  const another = await startGo();
  await go('join', another.address, ours.address);
  await go('persist', another.address, 'four');
  t.ok(await until(async () => (await query(ours)).join() === 'four,three,two,one'));
});
