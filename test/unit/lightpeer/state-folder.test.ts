/** The shared folder: what is read, what is written, and what never leaves or enters it. */
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import t from 'tap';
import { openBaseLog } from '../../../lightpeer/state/base-log.js';
import { openFolder } from '../../../lightpeer/state/folder.js';
import { sameLook } from '../../../lightpeer/state/look.js';
import { isPassing, pathProblem } from '../../../lightpeer/state/paths.js';
import { repeated } from '../../../lightpeer/state/repeat.js';
import { until } from '../../helpers/eventually.js';

const home = await mkdtemp(join(tmpdir(), 'state-'));
t.teardown(() => rm(home, { recursive: true, force: true }));
let made = 0;
async function folder(options: { mostBytes?: number; mostFiles?: number } = {}) {
  const path = join(home, `folder-${made++}`);
  await mkdir(path);
  return { path, states: await openFolder({ path, mostBytes: 1_000, ...options }) };
}
const text = async (path: string): Promise<string> => readFile(path, 'utf8');

await t.test('paths that are states, and paths that are not', async (t) => {
  for (const path of ['a', 'index.html', 'a/b/c.txt', 'ä ö', 'a..b', '…'])
    t.equal(pathProblem(path), undefined, path);
  const refused: [string, RegExp][] = [
    ['', /empty/],
    ['/etc/passwd', /absolute/],
    ['C:/x', /absolute/],
    ['../x', /holds '\.\.'/],
    ['a/../../x', /holds '\.\.'/],
    ['a/./b', /holds '\.'/],
    ['a//b', /empty part/],
    ['a/', /empty part/],
    ['a\0b', /no file name/],
    ['a\\b', /no file name/],
    ['x'.repeat(300), /longer than 255/],
    [Array.from({ length: 600 }, () => 'ab').join('/'), /more than 1024/],
    ['.hidden', /not shared/],
    ['a/.git/config', /not shared/],
    ['draft.tmp', /not shared/],
  ];
  for (const [path, problem] of refused) t.match(pathProblem(path), problem, path);
  for (const name of ['.x', 'x~', 'x.tmp', 'x.swp', 'x.PART']) t.ok(isPassing(name), name);
  for (const name of ['x', 'x.html', 'tmp', 'x.tmp.html']) t.notOk(isPassing(name), name);
});

await t.test('no path of the network leads out of the folder', async (t) => {
  const { path, states } = await folder();
  const parts = fc.constantFrom('a', '..', '.', '', '/', 'b.txt', '~', '\0', 'etc');
  await fc.assert(
    fc.asyncProperty(fc.array(parts, { minLength: 1, maxLength: 6 }), async (list) => {
      const given = list.join('/');
      let state: string;
      try {
        state = states.stateOf(given);
      } catch {
        return;
      }
      await states.write(state, Buffer.from('x')).catch(() => undefined);
    }),
    { numRuns: 300 },
  );
  const outside = (await readdir(home)).filter((name) => !name.startsWith('folder-'));
  t.same(outside, []);
  t.ok((await readdir(path)).length > 0);
});

await t.test('a folder is read and written', async (t) => {
  const { path, states } = await folder();
  await writeFile(join(path, 'one'), '1');
  await mkdir(join(path, 'deep', 'er'), { recursive: true });
  await writeFile(join(path, 'deep', 'er', 'two'), '22');
  await writeFile(join(path, '.draft'), 'x');
  t.same([...(await states.scan()).states.keys()].sort(), ['deep/er/two', 'one']);
  t.equal(String(await states.read('deep/er/two')), '22');
  t.equal(await states.read('none'), undefined);
  t.equal(await states.look('none'), undefined);

  const before = await states.look('one');
  await states.write('one', Buffer.from('new'));
  await states.write('new/folder/three', Buffer.from('333'));
  t.equal(await text(join(path, 'one')), 'new');
  t.equal(await text(join(path, 'new/folder/three')), '333');
  t.notOk(sameLook(before, await states.look('one')));
  await chmod(join(path, 'one'), 0o640);
  await states.write('one', Buffer.from('again'));
  t.equal((await lstat(join(path, 'one'))).mode & 0o777, 0o640, 'it keeps its mode');
  t.equal((await lstat(join(path, 'new/folder/three'))).mode & 0o777, 0o666);
  await states.remove('one');
  await states.remove('one');
  t.same((await readdir(path)).sort(), ['.draft', 'deep', 'new'], 'no draft of ours is left');
  t.equal(states.pathOf('deep/er/two'), 'deep/er/two');
});

await t.test('what the sidecar makes is for everybody to change, whatever the umask', async (t) => {
  const before = process.umask(0o027);
  t.teardown(() => process.umask(before));
  const mode = async (path: string): Promise<number> => (await lstat(path)).mode & 0o7777;
  const path = join(home, `folder-${made++}`);
  const states = await openFolder({ path: `${path}/in/`, mostBytes: 1_000 });
  for (const each of [path, join(path, 'in')]) t.equal(await mode(each), 0o777, 'the shared folder itself');
  await states.write('new/er/state', Buffer.from('x'));
  for (const each of ['new', 'new/er']) t.equal(await mode(join(path, 'in', each)), 0o777, each);
  await mkdir(join(path, 'in/theirs'));
  await chmod(join(path, 'in/theirs'), 0o2750);
  await states.write('theirs/new/state', Buffer.from('x'));
  t.equal(await mode(join(path, 'in/theirs')), 0o2750, 'what others made stays as they made it');
  t.equal(await mode(join(path, 'in/theirs/new')), 0o2777, 'and what is in it has its group');
});

await t.test('folders are found, empty ones too, and told from others of their names', async (t) => {
  const { path, states } = await folder();
  await mkdir(join(path, 'deep/empty'), { recursive: true });
  await mkdir(join(path, '.hidden'));
  const first = (await states.scan()).folders;
  t.same([...first.keys()].sort(), ['', 'deep', 'deep/empty']);
  await writeFile(join(path, 'deep/file'), 'x');
  t.same((await states.scan()).folders, first, 'what is in them is no matter');
  await rm(join(path, 'deep'), { recursive: true });
  await mkdir(join(path, 'deep'));
  const second = (await states.scan()).folders;
  t.equal(second.get(''), first.get(''));
  t.not(second.get('deep'), first.get('deep'));
});

await t.test('links that lead out are no states, and nothing is written through them', async (t) => {
  const { path, states } = await folder();
  const secret = join(home, 'folder-secret');
  await mkdir(secret);
  await writeFile(join(secret, 'key'), 'secret');
  await symlink(join(secret, 'key'), join(path, 'link'));
  await symlink(secret, join(path, 'way'));
  await writeFile(join(path, 'real'), 'inside');
  await symlink('real', join(path, 'alias'));
  const problems: string[] = [];
  t.same([...(await states.scan((_, message) => problems.push(message))).states.keys()].sort(), [
    'alias',
    'real',
  ]);
  t.match(problems.sort(), [/link is a link out of the folder/, /way is a link out/]);
  t.equal(String(await states.read('alias')), 'inside');
  await t.rejects(states.read('link'), /copy the file instead/);
  await t.rejects(states.read('way/key'), /link out/);
  await t.rejects(states.write('way/planted', Buffer.from('x')), /leads out of the folder/);
  await t.rejects(states.write('way/new/planted', Buffer.from('x')), /leads out of the folder/);
  t.same(await readdir(secret), ['key'], 'nor is a folder made there');
  await states.remove('way/key');
  t.equal(await text(join(secret, 'key')), 'secret');
  await states.write('link', Buffer.from('mine'));
  t.equal(await text(join(secret, 'key')), 'secret', 'the link is replaced, not what it leads to');
  t.equal(await text(join(path, 'link')), 'mine');
});

await t.test('what is too large, too many, or no file', async (t) => {
  const { path, states } = await folder({ mostFiles: 3 });
  await writeFile(join(path, 'large'), 'x'.repeat(1_001));
  await t.rejects(states.read('large'), /large has 1001 bytes and is not shared; 1000 are the most/);
  await mkdir(join(path, 'folder'));
  await mkdir(join(path, 'folder/.git'));
  await writeFile(join(path, 'folder/.git/config'), 'x');
  await t.rejects(states.write('folder', Buffer.from('x')), /is a folder here/);
  t.equal(await states.look('folder'), undefined);
  await rm(join(path, 'folder/.git/config'));
  await states.write('folder', Buffer.from('x'));
  t.equal(await text(join(path, 'folder')), 'x', 'in the place of empty folders');
  await rm(join(path, 'folder'));
  await t.rejects(states.write('large/x', Buffer.from('x')), /cannot be written: (EEXIST|ENOTDIR)/);
  for (const name of ['a', 'b', 'c']) await link(join(path, 'large'), join(path, name));
  await t.rejects(states.scan(), /more than 3 files/);
});

await t.test('names that no other peer would take are told', async (t) => {
  const { path, states } = await folder();
  for (const name of ['c:foo', 'a\\b', 'fine']) await writeFile(join(path, name), 'x');
  await writeFile(Buffer.concat([Buffer.from(`${path}/bad`), Buffer.from([0xff])]), 'x');
  const problems: string[] = [];
  t.same([...(await states.scan((_, message) => problems.push(message))).states.keys()], ['fine']);
  t.match(problems.sort(), [/'a\\b' holds a character/, /'bad\ufffd' is not UTF-8/, /'c:foo' is absolute/]);
});

await t.test('work that is asked for while it is done is done once more, at any moment', async (t) => {
  const stop = new AbortController();
  let [asked, done] = [0, 0];
  const look = repeated(async () => {
    const before = asked;
    await Promise.resolve();
    done = before;
  }, stop.signal);
  // Each a microtask later than the one before, so that one comes in the very moment in which the work ends.
  for (let turns = 0; turns < 12; turns++) {
    asked += 1;
    const first = look();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    asked += 1;
    await Promise.all([first, look()]);
    t.equal(done, asked, `${turns} turns later`);
  }
  stop.abort();
  await look();
  t.equal(done, asked);
});

await t.test('one file', async (t) => {
  const { path } = await folder();
  const file = join(path, 'new', 'index.html');
  const states = await openFolder({ path: file, mostBytes: 1_000 });
  t.equal(states.stateOf(''), 'index.html');
  t.equal(states.stateOf('index.html'), 'index.html');
  t.throws(() => states.stateOf('other'), /another state than the one file/);
  t.equal(states.pathOf('index.html'), '', 'Go peers know no paths');
  await states.write('index.html', Buffer.from('hello'));
  await writeFile(join(path, 'new', 'beside'), 'x');
  t.same([...(await states.scan()).states.keys()], ['index.html']);
  t.equal(await text(file), 'hello');
  await t.rejects(openFolder({ path: '/dev/null', mostBytes: 1 }), /neither a file nor a folder/);
  await t.rejects(openFolder({ path: `${file}/x/y`, mostBytes: 1 }), /cannot be (made|used)|ENOTDIR/);
});

await t.test('a file that a program answers to at once is told from the one that was written', async (t) => {
  const { path, states } = await folder();
  const file = join(path, 'one');
  await writeFile(file, 'B-');
  // It writes in place, as many bytes, within the same tick of the file system's clock.
  const program = new Worker(
    `const { readFileSync, writeFileSync } = require('node:fs');
     const { workerData: file } = require('node:worker_threads');
     for (;;) {
       const text = readFileSync(file, 'utf8');
       if (text === 'end') break;
       if (text.startsWith('A')) writeFileSync(file, text.replace('A', 'B'));
     }`,
    { eval: true, workerData: file },
  );
  const ended = once(program, 'exit');
  for (let nth = 0; nth < 60; nth++) {
    const written = await states.write('one', Buffer.from(`A${nth}`));
    await until(async () => (await text(file)) === `B${nth}`);
    t.notOk(written !== undefined && sameLook(written, await states.look('one')), `answer ${nth}`);
  }
  await states.write('one', Buffer.from('end'));
  await ended;
});

await t.test('what the files held is known after a restart', async (t) => {
  const file = join(home, 'folder-log');
  const log = await openBaseLog(file);
  log.set('a b', 'one');
  log.set('a b', 'two');
  log.set('gone', 'x');
  log.set('gone', '');
  await log.expect('begun', { digest: 'three', id: 'block' });
  await log.expect('a b', { digest: '', id: '' });
  for (let i = 0; i < 1_200; i++) log.set('often', String(i));
  log.set('done', 'four');
  await log.expect('done', { digest: 'five', id: 'block' });
  log.set('done', 'five');
  await log.written();
  const again = await openBaseLog(file);
  t.strictSame(Object.fromEntries(again.bases), {
    'a b': { digest: 'two', next: { digest: '', id: '' } },
    begun: { digest: '', next: { digest: 'three', id: 'block' } },
    often: { digest: '1199' },
    done: { digest: 'five' },
  });
  t.ok((await text(file)).split('\n').length < 1_100, 'it does not grow for ever');
});
