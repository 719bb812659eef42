/** The controller and Go peers, as real processes: whatever happens to the leader, they are joined once and go on working. Needs Go. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import type { Test } from 'tap';
import { cutJoins, isOpen, killedBeforeNote, networkCluster, until } from '../helpers/network-cluster.js';
import { readGoFolder } from '../helpers/go-folder.js';
import { buildGo, hasGo } from './build.js';

const run = promisify(execFile);
t.setTimeout(300_000);
const skip = !hasGo() && 'there is no Go here to build the other side with';

interface GoPeer {
  readonly pod: string;
  readonly address: string;
  readonly repo: string;
}

t.test('joins of Go peers', { skip }, async (t) => {
  const program = await buildGo('lightpeer', 'lightpeer.proto');
  const folder = await mkdtemp(join(tmpdir(), 'xi-interop-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const { kube, makePod, start, written, noted } = await networkCluster(t);

  const startGo = async (network: string): Promise<GoPeer> => {
    const { name, ip } = await makePod('default', network);
    const repo = join(folder, name);
    await mkdir(repo);
    const child = spawn(program, ['peer', '-repo', repo, '-host', ip], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const gone = once(child, 'exit');
    t.teardown(async () => {
      child.kill('SIGKILL');
      await gone;
    });
    await once(child.stdout, 'data');
    return { pod: name, address: `${ip}:9081`, repo };
  };
  /** The member list as a peer's folder says it, repetitions included. */
  const listed = async ({ repo }: GoPeer): Promise<string> => {
    const newest = (await readGoFolder(repo)).findLast(({ type }) => type === 0);
    const list: unknown = newest === undefined ? [] : JSON.parse(Buffer.from(newest.payload).toString());
    return (list as { Address: string }[])
      .map(({ Address }) => Address)
      .sort()
      .join();
  };
  const together = async (...peers: GoPeer[]): Promise<void> => {
    const all = peers.map(({ address }) => address).sort();
    for (const peer of peers)
      await until(
        `${peer.pod} knows all, once`,
        () => listed(peer),
        (seen) => seen === all.join(),
      );
  };
  /** What each of them writes, all have. */
  const works = async (t: Test, ...peers: GoPeer[]): Promise<void> => {
    for (const { address, pod } of peers) {
      await run(program, ['persist', address, `by ${pod}`]);
      for (const other of peers)
        t.match((await run(program, ['query', other.address])).stdout, new RegExp(`^by ${pod}\n`));
    }
  };

  await t.test('the leader is killed between a join and its note', async (t) => {
    const a = await startGo('killed');
    const { kube: weak, killed } = killedBeforeNote(kube);
    const first = start({ kube: weak });
    await noted('killed', 1);
    const b = await startGo('killed');
    await until('the kill', killed, (is) => is);
    await together(a, b);
    const second = start();
    const c = await startGo('killed');
    // Who comes later joins those of whom it is known that they are members.
    await until(
      'the second leads, and has joined another',
      () => written('killed'),
      (rows) => rows.length === 3 && rows.filter((row) => !row.startsWith('joining ')).length === 2,
    );
    await together(a, b, c);
    t.ok(isOpen(await written('killed')), 'without a block nothing is known');
    await works(t, a, b, c);
    await noted('killed', 3);
    await together(a, b, c);
    const d = await startGo('killed');
    await noted('killed', 4);
    await together(a, b, c, d);
    await works(t, a, b, c, d);
    await Promise.all([first.stop(), second.stop()]);
  });

  for (const [what, happened] of [
    ['has happened', true],
    ['has not happened', false],
  ] as const)
    await t.test(`a join ends without an answer, and ${what}`, async (t) => {
      const id = happened ? 'cut' : 'lost';
      const a = await startGo(id);
      const deaf = start({ peers: cutJoins(happened) });
      await noted(id, 1);
      const b = await startGo(id);
      await until('a join', () => written(id), isOpen);
      if (happened) {
        await together(a, b);
        await works(t, a, b);
      } else for (const { address } of [a, b]) await run(program, ['persist', address, `by ${address}`]);
      await deaf.stop();
      const next = start();
      const c = await startGo(id);
      await until(
        'the third is noted',
        () => written(id),
        (rows) => rows.some((row) => row.includes(c.address) && !row.startsWith('joining ')),
      );
      if (happened) await works(t, a, b, c);
      await noted(id, 3);
      await together(a, b, c);
      await works(t, a, b, c);
      await next.stop();
    });
});
