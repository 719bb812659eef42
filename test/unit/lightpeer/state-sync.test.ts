/**
 * Files shared by real peers: what one program writes, all others read. Sharing runs in this very process, so what is done to a file
 * at once is seen whole; a write in two turns may be seen, and published, by its half.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import {
  appendFile,
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Test } from 'tap';
import { startPeer } from '../../../lightpeer/peer.js';
import type { Peer } from '../../../lightpeer/peer.js';
import { digestOf } from '../../../lightpeer/state/folder.js';
import { startStateSync } from '../../../lightpeer/state/sync.js';
import type { StateSync } from '../../../lightpeer/state/sync.js';
import { until } from '../../helpers/eventually.js';
import { freePort } from '../../helpers/free-port.js';

const home = await mkdtemp(join(tmpdir(), 'sync-'));
t.teardown(() => rm(home, { recursive: true, force: true }));
let made = 0;

interface Member {
  readonly peer: Peer;
  /** The shared folder. */
  readonly folder: string;
  /** The file that says what was agreed. */
  readonly memory: string;
  readonly said: string[];
  sync: StateSync;
  /** Starts sharing anew, as after a restart. */
  again(): Promise<void>;
}

/** A peer with a folder of its own. @param path what is shared of it: `/` for all. */
async function member(t: Test, path = '/', settleMs?: number, checkMs = 200): Promise<Member> {
  const nth = made++;
  const peer = await startPeer({ repo: join(home, `repo-${nth}`), host: '127.0.13.1', port: 0, sync: false });
  const folder = join(home, `shared-${nth}`);
  await mkdir(folder);
  const memory = join(home, `memory-${nth}`);
  const said: string[] = [];
  const start = () =>
    startStateSync({
      peer,
      path: folder + path,
      memory,
      log: (message) => said.push(message),
      settleMs,
      checkMs,
    });
  const own: Member = {
    peer,
    folder,
    memory,
    said,
    sync: await start(),
    async again() {
      own.sync = await start();
    },
  };
  t.teardown(async () => {
    await own.sync.close();
    await peer.close({ leave: false });
  });
  return own;
}

const content = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined);

const holds = (path: string, wanted: string | undefined) =>
  until(async () => (await content(path)) === wanted);

async function payloads(peer: Peer): Promise<string[]> {
  const all: string[] = [];
  for await (const { payload } of peer.query()) all.push(Buffer.from(payload).toString());
  return all;
}

await t.test('one file, in both directions, published once', async (t) => {
  const a = await member(t, '/index.html');
  const b = await member(t, '/index.html');
  await b.peer.join(a.peer.address);
  const [fileA, fileB] = [join(a.folder, 'index.html'), join(b.folder, 'index.html')];
  writeFileSync(fileA, 'one');
  await holds(fileB, 'one');
  writeFileSync(join(b.folder, '.draft'), 'two');
  await rename(join(b.folder, '.draft'), fileB);
  await holds(fileA, 'two');
  await until(() => a.sync.counters.received === 1);
  await delay(500);
  t.same(await payloads(a.peer), ['two', 'one'], 'what was received is no news');
  t.match(a.sync.counters, { published: 1, received: 1, failed: 0 });
  t.match(b.sync.counters, { published: 1, received: 1, failed: 0 });
  await rm(fileA);
  await holds(fileB, undefined);
});

await t.test('files are shared on when the chain could not be read for a moment', async (t) => {
  const a = await member(t);
  const b = await member(t);
  await b.peer.join(a.peer.address);
  await b.sync.close();
  let failures = 0;
  const following: boolean[] = [];
  const { peer } = b;
  b.sync = await startStateSync({
    peer: {
      ...peer,
      watch: async function* (options) {
        if (failures > 0) following.push(b.sync.following());
        for await (const event of peer.watch(options)) {
          if (event.type === 'block' && failures++ < 2) throw new Error('EIO: a read failed');
          yield event;
        }
      },
    },
    path: `${b.folder}/`,
    memory: b.memory,
    log: (message) => b.said.push(message),
    checkMs: 200,
  });
  await writeFile(join(a.folder, 'one'), '1');
  await holds(join(b.folder, 'one'), '1');
  await writeFile(join(b.folder, 'two'), '2');
  await holds(join(a.folder, 'two'), '2');
  t.strictSame([...following, b.sync.following()], [false, false, true]);
  t.equal(b.said.filter((line) => /the chain cannot be followed: EIO/.test(line)).length, 1, 'told once');
});

await t.test('a directory: folders in it, deletions, and a member that comes later', async (t) => {
  const a = await member(t);
  const b = await member(t);
  await b.peer.join(a.peer.address);
  await mkdir(join(a.folder, 'deep/er'), { recursive: true });
  writeFileSync(join(a.folder, 'deep/er/one'), '1');
  writeFileSync(join(a.folder, 'two'), '2');
  await holds(join(b.folder, 'deep/er/one'), '1');
  await holds(join(b.folder, 'two'), '2');
  writeFileSync(join(b.folder, 'deep/er/one'), 'changed');
  await rm(join(b.folder, 'two'));
  await holds(join(a.folder, 'deep/er/one'), 'changed');
  await holds(join(a.folder, 'two'), undefined);
  const late = await member(t);
  writeFileSync(join(late.folder, 'late'), 'L');
  await late.peer.join(b.peer.address);
  await holds(join(late.folder, 'deep/er/one'), 'changed');
  await holds(join(a.folder, 'late'), 'L');
  t.equal(await content(join(late.folder, 'two')), undefined);
});

await t.test('two writers at once end with the same content everywhere', async (t) => {
  const members = [await member(t), await member(t), await member(t)];
  const [a, ...others] = members;
  for (const { peer } of others) await peer.join(a!.peer.address);
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      members.map(({ folder }, nth) => writeFile(join(folder, 'both'), `round ${round} by ${nth}`)),
    );
    await delay(round * 3);
  }
  const quiet = async (): Promise<boolean> => {
    const found = await Promise.all(members.map(({ folder }) => content(join(folder, 'both'))));
    const [newest] = await payloads(a!.peer);
    return found.every((each) => each !== undefined && each === found[0] && each === newest);
  };
  // What is still on its way may change it once more; then it stays.
  await until(async () => {
    if (!(await quiet())) return false;
    await delay(600);
    return quiet();
  });
  t.match(await content(join(a!.folder, 'both')), /^round 19 by \d$/);
});

await t.test('a file is not published while it is being written', async (t) => {
  const a = await member(t, '/', 1_500);
  const b = await member(t);
  await b.peer.join(a.peer.address);
  const file = join(a.folder, 'parts');
  for (let part = 0; part < 8; part++) {
    await appendFile(file, `part ${part}\n`);
    await delay(30);
  }
  const whole = Array.from({ length: 8 }, (_, part) => `part ${part}\n`).join('');
  await holds(join(b.folder, 'parts'), whole);
  t.same(await payloads(a.peer), [whole]);
});

await t.test('after a restart both the chain’s news and the program’s are known', async (t) => {
  const a = await member(t);
  const b = await member(t);
  await b.peer.join(a.peer.address);
  for (const name of ['mine', 'theirs', 'kept', 'gone']) writeFileSync(join(a.folder, name), 'old');
  for (const name of ['mine', 'theirs', 'kept', 'gone']) await holds(join(b.folder, name), 'old');
  await a.sync.close();
  writeFileSync(join(a.folder, 'mine'), 'by a while it was down');
  await rm(join(a.folder, 'kept'));
  writeFileSync(join(b.folder, 'theirs'), 'by b meanwhile');
  await rm(join(b.folder, 'gone'));
  await until(async () => (await payloads(a.peer)).length === 6);
  await a.again();
  await holds(join(b.folder, 'mine'), 'by a while it was down');
  await holds(join(a.folder, 'theirs'), 'by b meanwhile');
  await holds(join(a.folder, 'kept'), 'old');
  await holds(join(a.folder, 'gone'), undefined);
  t.same((await readdir(b.folder)).sort(), ['kept', 'mine', 'theirs']);
  t.equal((await payloads(a.peer)).length, 7, 'one block for the one change');
});

await t.test(
  'killed in the middle of a change, either way: news of the network are not overwritten by what was there',
  async (t) => {
    const a = await member(t);
    const b = await member(t);
    await b.peer.join(a.peer.address);
    for (const name of ['published', 'received', 'unsent']) {
      writeFileSync(join(a.folder, name), 'first');
      await holds(join(b.folder, name), 'first');
    }
    writeFileSync(join(a.folder, 'published'), 'second');
    await holds(join(b.folder, 'published'), 'second');
    writeFileSync(join(b.folder, 'received'), 'second');
    await holds(join(a.folder, 'received'), 'second');
    await a.sync.close();
    // As a kill leaves it: what was begun is written down, and its end is not.
    const lines = (await readFile(a.memory, 'utf8')).trimEnd().split('\n');
    const ends = lines.filter((line) => /^\w+ (published|received)$/u.test(line)).slice(-2);
    t.same(ends.map((line) => line.split(' ')[1]).sort(), ['published', 'received']);
    const unsent = digestOf(Buffer.from('not in the chain'));
    writeFileSync(
      a.memory,
      [...lines.filter((line) => !ends.includes(line)), `${unsent}:no-such-block unsent`, ''].join('\n'),
    );
    writeFileSync(join(a.folder, 'unsent'), 'not in the chain');
    for (const name of ['published', 'received']) writeFileSync(join(b.folder, name), 'third');
    await until(async () => (await payloads(a.peer)).length === 7);
    await a.again();
    for (const name of ['published', 'received']) await holds(join(a.folder, name), 'third');
    await holds(join(b.folder, 'unsent'), 'not in the chain');
    t.same((await payloads(a.peer)).slice(0, 3).sort(), ['not in the chain', 'third', 'third']);
    const ids: string[] = [];
    for await (const { id, path } of a.peer.query()) if (path === 'unsent') ids.push(id);
    t.equal(ids[0], 'no-such-block', 'what may have arrived elsewhere is sent with the id that it had');
    t.equal((await payloads(a.peer)).length, 8);
  },
);

await t.test('what cannot be shared is told, and the rest goes on', async (t) => {
  const a = await member(t);
  const b = await member(t);
  await b.peer.join(a.peer.address);
  writeFileSync(join(a.folder, 'large'), Buffer.alloc(5 << 20));
  await symlink('/etc/hostname', join(a.folder, 'link'));
  await b.peer.persist(Buffer.from('x'), { path: '../escaped' }).catch(() => undefined);
  await b.peer.persist(Buffer.from('no path'));
  writeFileSync(join(a.folder, 'fine'), 'fine');
  await holds(join(b.folder, 'fine'), 'fine');
  await until(() => a.said.length >= 4);
  const said = a.said.join('\n');
  t.match(said, /large has 5242880 bytes and is not shared; 4128768 are the most/);
  t.match(said, /link is a link out of the folder/);
  t.match(said, /the path '' is empty and was refused/);
  await delay(500);
  t.equal(a.said.length, new Set(a.said).size, 'each is told once');
  t.same(await readdir(b.folder), ['fine']);
  rmSync(join(a.folder, 'large'));
  writeFileSync(join(a.folder, 'large'), 'small now');
  await holds(join(b.folder, 'large'), 'small now');
});

await t.test('a link in a circle is told, and neither it nor a restart ends the sharing', async (t) => {
  const a = await member(t);
  const single = await member(t, '/f');
  const b = await member(t);
  await b.peer.join(a.peer.address);
  for (let start = 0; start < 2; start++) {
    if (start === 0) await symlink('loop', join(a.folder, 'loop'));
    if (start === 0) await symlink('f', join(single.folder, 'f'));
    await until(() => /loop cannot be looked at: ELOOP/.test(a.said.join('\n')));
    await until(() => /f cannot be looked at: ELOOP/.test(single.said.join('\n')));
    writeFileSync(join(a.folder, 'fine'), `start ${start}`);
    await holds(join(b.folder, 'fine'), `start ${start}`);
    if (start > 0) break;
    for (const each of [a, single]) {
      await each.sync.close();
      each.said.length = 0;
      await each.again();
    }
  }
  rmSync(join(single.folder, 'f'));
  writeFileSync(join(single.folder, 'f'), 'a file now');
  await until(async () => (await payloads(single.peer)).includes('a file now'));
  t.equal(single.said.length, 1);
});

await t.test('what is in a folder that cannot be read is unknown, and not deleted', async (t) => {
  const folder = join(home, 'of-another-user');
  await mkdir(join(folder, 'state/secret'), { recursive: true });
  writeFileSync(join(folder, 'state/secret/one'), '1');
  // Whoever is root reads every folder.
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  if (nobody.uid !== undefined) {
    await chmod(home, 0o755);
    for (const path of ['', 'state', 'state/secret', 'state/secret/one'])
      await chown(join(folder, path), nobody.uid, nobody.gid);
  }
  const port = String(await freePort());
  const command = fileURLToPath(new URL('../../../cli/xi-k8s.js', import.meta.url));
  const flags = `-host 127.0.0.1 -port ${port} -ops-port 0 -sync false -repo ${folder}/repo -statePath ${folder}/state/`;
  const child = spawn(process.execPath, [command, 'lightpeer', ...flags.split(' ')], {
    env: { TMPDIR: home },
    stdio: ['ignore', 'pipe', 'inherit'],
    ...nobody,
  });
  const ended = once(child, 'exit');
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  await until(() => said.includes('lightpeer listens'));
  const b = await member(t);
  await b.peer.join(`127.0.0.1:${port}`);
  await holds(join(b.folder, 'secret/one'), '1');
  await chmod(join(folder, 'state/secret'), 0);
  await until(() => said.includes('secret cannot be read: EACCES'));
  writeFileSync(join(b.folder, 'other'), 'goes on');
  await holds(join(folder, 'state/other'), 'goes on');
  await delay(1_500);
  t.equal(await content(join(b.folder, 'secret/one')), '1');
  await chmod(join(folder, 'state/secret'), 0o777);
  writeFileSync(join(folder, 'state/secret/one'), 'seen again');
  await holds(join(b.folder, 'secret/one'), 'seen again');
  t.equal(child.exitCode, null);
});

await t.test('a file becomes a folder, and a file again, also while nobody looks', async (t) => {
  const a = await member(t);
  const b = await member(t);
  await b.peer.join(a.peer.address);
  const become = (folder: string, content: string): void => {
    rmSync(join(folder, 'sw'), { recursive: true, force: true });
    if (content === 'folder') mkdirSync(join(folder, 'sw/deep'), { recursive: true });
    writeFileSync(join(folder, content === 'folder' ? 'sw/deep/in' : 'sw'), content);
  };
  become(a.folder, 'file');
  await holds(join(b.folder, 'sw'), 'file');
  become(a.folder, 'folder');
  await holds(join(b.folder, 'sw/deep/in'), 'folder');
  t.match(a.said, ['sw is a folder here: as a file it counts as removed']);
  become(a.folder, 'file again');
  await holds(join(b.folder, 'sw'), 'file again');
  await until(
    () => a.sync.counters.published === 5 && a.peer.status().committed === a.peer.status().head.height,
  );
  await a.sync.close();
  become(a.folder, 'folder');
  await a.again();
  await holds(join(b.folder, 'sw/deep/in'), 'folder');
  t.equal(await content(join(a.folder, 'sw/deep/in')), 'folder');
});

await t.test('one file: a folder in its place removes it once, and not what came later', async (t) => {
  const a = await member(t, '/f');
  const b = await member(t, '/f');
  await b.peer.join(a.peer.address);
  const [fileA, fileB] = [join(a.folder, 'f'), join(b.folder, 'f')];
  writeFileSync(fileA, 'from a');
  await holds(fileB, 'from a');
  rmSync(fileA);
  mkdirSync(fileA);
  writeFileSync(join(fileA, 'inner'), 'x');
  await holds(fileB, undefined);
  writeFileSync(fileB, 'from b');
  await until(async () => (await payloads(a.peer)).includes('from b'));
  await delay(1_000);
  t.same(a.said, ['f is a folder here: as a file it counts as removed']);
  await rm(fileA, { recursive: true });
  await holds(fileA, 'from b');
  t.equal(await content(fileB), 'from b');
});

await t.test('what was not seen for a time and is gone then comes back as the network has it', async (t) => {
  const a = await member(t);
  const b = await member(t);
  await b.peer.join(a.peer.address);
  for (const name of ['newer', 'same', 'back', 'large']) {
    writeFileSync(join(a.folder, name), 'old');
    await holds(join(b.folder, name), 'old');
  }
  for (const name of ['newer', 'same', 'back']) {
    rmSync(join(a.folder, name));
    symlinkSync('/etc/hostname', join(a.folder, name));
  }
  writeFileSync(join(a.folder, 'large'), Buffer.alloc(5 << 20));
  const told = (...names: string[]) =>
    until(() => names.every((name) => a.said.some((message) => message.startsWith(`${name} `))));
  await told('newer', 'same', 'back', 'large');
  await a.sync.close();
  a.said.length = 0;
  await a.again();
  for (const name of ['newer', 'back', 'large']) writeFileSync(join(b.folder, name), 'from b');
  await until(async () => (await payloads(a.peer)).length === 7);
  await told('newer', 'same', 'back', 'large');
  for (const name of ['newer', 'same', 'large']) await rm(join(a.folder, name));
  writeFileSync(join(a.folder, '.old'), 'old');
  await rename(join(a.folder, '.old'), join(a.folder, 'back'));
  for (const name of ['newer', 'back', 'large']) await holds(join(a.folder, name), 'from b');
  await holds(join(a.folder, 'same'), 'old');
  t.equal((await payloads(b.peer)).length, 7, 'nothing was published');
  await until(() => a.sync.counters.received >= 4);
  await delay(300);
  rmSync(join(a.folder, 'same'));
  symlinkSync('/etc/hostname', join(a.folder, 'same'));
  await until(() => a.said.filter((message) => message.startsWith('same ')).length === 2);
  await rm(join(a.folder, 'same'));
  await holds(join(a.folder, 'same'), 'old');
  t.equal((await payloads(b.peer)).length, 7, 'nor now');
});

await t.test(
  'events tell of all folders: new ones, empty ones, and those in the place of others',
  async (t) => {
    const never = 3_600_000;
    const a = await member(t, '/', undefined, never);
    const b = await member(t);
    await b.peer.join(a.peer.address);
    writeFileSync(join(a.folder, 'first'), 'first');
    await holds(join(b.folder, 'first'), 'first');
    await mkdir(join(a.folder, 'd/e'), { recursive: true });
    await delay(300);
    writeFileSync(join(a.folder, 'd/e/x'), 'in what was empty');
    await holds(join(b.folder, 'd/e/x'), 'in what was empty');
    for (let round = 0; round < 5; round++) {
      // At once, so that nobody sees it gone.
      rmSync(join(a.folder, 'd'), { recursive: true });
      mkdirSync(join(a.folder, 'd/e'), { recursive: true });
      if (round % 2 === 1) await delay(300);
      writeFileSync(join(a.folder, 'd/e/x'), `round ${round}`);
      await holds(join(b.folder, 'd/e/x'), `round ${round}`);
      writeFileSync(join(a.folder, 'd/e/x'), `once more in ${round}`);
      await holds(join(b.folder, 'd/e/x'), `once more in ${round}`);
    }
  },
);

await t.test('many files at once are no leak', async (t) => {
  const warnings: string[] = [];
  const note = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', note);
  t.teardown(() => process.off('warning', note));
  const a = await member(t);
  for (let i = 0; i < 15; i++) writeFileSync(join(a.folder, `m${i}`), String(i));
  await until(() => a.sync.counters.published === 15);
  t.same(warnings, []);
  await a.sync.close();
  t.equal((await content(a.memory))?.split('\n').length, 31, 'all is written down when it is closed');
});
