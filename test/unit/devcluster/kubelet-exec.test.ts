import {
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  readlink,
  realpath,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import t from 'tap';
import { runBuiltin } from '../../../devcluster/kubelet/exec/exec.js';
import { END_OF_ARCHIVE, encodeHeader, paddingOf } from '../../../devcluster/kubelet/exec/tar-format.js';
import type { TarEntry } from '../../../devcluster/kubelet/exec/tar-format.js';
import { readTar } from '../../../devcluster/kubelet/exec/tar-reader.js';
import { removeTree } from '../../../devcluster/kubelet/folders/tree.js';
import type { View } from '../../../devcluster/kubelet/folders/view.js';

const base = await realpath(await mkdtemp(join(tmpdir(), 'kubelet-exec-')));
t.teardown(() => removeTree(base));

let count = 0;
const fresh = async (): Promise<View & { data: string }> => {
  const [root, data] = [join(base, `${++count}`, 'root'), join(base, `${count}`, 'data')];
  await mkdir(join(root, 'etc'), { recursive: true });
  await mkdir(join(data, 'sub'), { recursive: true });
  await writeFile(join(root, 'etc/hosts'), 'localhost\n');
  await writeFile(join(data, 'sub/f'), 'content');
  await symlink('/etc', join(data, 'out'));
  const mounts = [
    { at: '/data', folder: data, readOnly: false },
    { at: '/fixed', folder: data, readOnly: true },
  ];
  return { root, mounts, cwd: '/data', data };
};

const sink = (): { stream: Writable; bytes(): Buffer } => {
  const parts: Buffer[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      parts.push(chunk);
      // Later, as over a network.
      setImmediate(done);
    },
  });
  return { stream, bytes: () => Buffer.concat(parts) };
};

const environment = new Map([
  ['A', '1'],
  ['B', 'two words'],
]);

const run = async (
  view: View,
  command: readonly string[],
  { input, signal = new AbortController().signal }: { input?: Buffer | string; signal?: AbortSignal } = {},
): Promise<{ code: number; out: string; err: string; bytes: Buffer }> => {
  const [out, err] = [sink(), sink()];
  const stdin = input === undefined ? undefined : Readable.from([Buffer.from(input)]);
  const where = { view, environment, hostname: 'web', signal };
  const code = await runBuiltin(command, where, { stdin, stdout: out.stream, stderr: err.stream });
  return { code, out: out.bytes().toString(), err: err.bytes().toString(), bytes: out.bytes() };
};

const view = await fresh();

t.test('the commands that there are', async (t) => {
  const rows: [string[], number, string, (string | RegExp)?][] = [
    [['echo', 'a', 'b'], 0, 'a b\n'],
    [['echo', '-n', 'a'], 0, 'a'],
    [['/bin/echo', '$A'], 0, '$A\n'],
    [['/usr/bin/env'], 0, 'A=1\nB=two words\n'],
    [['env', 'sh'], 127, '', "env: 'sh': No such file or directory\n"],
    [['printenv', 'B'], 0, 'two words\n'],
    [['printenv', 'A', 'NONE'], 1, '1\n'],
    [['true'], 0, ''],
    [['false'], 1, ''],
    [['pwd'], 0, '/data\n'],
    [['hostname'], 0, 'web\n'],
    [['sleep', '0.01'], 0, ''],
    [['sleep', 'long'], 1, '', "sleep: invalid time interval 'long'\n"],
    [['sleep'], 1, '', 'sleep: missing operand\n'],
    [['cat', '/etc/hosts', 'sub/f'], 0, 'localhost\ncontent'],
    [['cat', '/none', '/etc/hosts'], 1, 'localhost\n', 'cat: /none: No such file or directory\n'],
    [['cat', '/etc'], 1, '', 'cat: /etc: Is a directory\n'],
    [['cat', 'out/hosts'], 0, 'localhost\n'],
    [['cat', 'out/passwd'], 1, '', 'cat: out/passwd: No such file or directory\n'],
    [['cat', `../../../../../..${base}/1/data/sub/f`], 1, '', /No such file/],
    [['ls'], 0, 'out\nsub\n'],
    [['ls', '-a', '/etc'], 0, '.\n..\nhosts\n'],
    [['ls', '/etc', 'sub/f'], 0, '/etc:\nhosts\nsub/f\n'],
    [['ls', '/none'], 2, '', 'ls: /none: No such file or directory\n'],
    [['ls', '-z'], 2, '', "ls: invalid option -- 'z'\n"],
    [['test', '-d', 'sub'], 0, ''],
    [['test', '-d', '/none'], 1, ''],
    [['test', '-d', '/none/deeper'], 1, ''],
    [['test', '-f', 'sub/f'], 0, ''],
    [['test', '-f', 'sub'], 1, ''],
    [['test', '-e', 'out'], 0, ''],
    [['test', '-x', 'sub'], 2, '', /^test: only/],
    [['tar', 'z'], 2, '', "tar: invalid option -- 'z'\n"],
    [['tar', 'cf', '-'], 2, '', 'tar: Cowardly refusing to create an empty archive\n'],
    [['tar', 'cf', '/tmp/x', 'sub'], 2, '', /only archives on standard/],
    [['tar', 'f', '-'], 2, '', /one of the '-cx' options/],
  ];
  for (const [command, code, out, err = ''] of rows) {
    const ran = await run(view, command);
    t.match(ran, { code, out, err }, JSON.stringify(command));
    t.equal(ran.out, out);
  }
  t.equal((await run(view, ['cat'], { input: 'in' })).out, 'in');
  const long = (await run(view, ['ls', '-la', '/data'])).out.split('\n');
  t.match(long[0], /^total \d+$/);
  t.match(long[1], /^drwx.{6} \d+ \d+ \d+ +\d+ \w{3} [ \d]\d \d\d:\d\d \.$/);
  t.match(long[3], /^lrwx.* out -> \/etc$/);
});

t.test('what is not there', async (t) => {
  for (const command of [['sh', '-c', 'id'], ['node', '-e', '1'], ['xi-k8s', 'serve'], ['toString'], ['']]) {
    const missing = `exec: ${JSON.stringify(command[0])}: executable file not found in $PATH: unknown`;
    await t.rejects(run(view, command), {
      message: new RegExp(
        `^failed to exec in container: failed to start exec "[0-9a-f]{64}": OCI runtime exec failed: exec failed: unable to start container process: ${missing.replace(/[$"()\\]/g, '\\$&')}$`,
      ),
    });
  }
  await t.rejects(run(view, ['/opt/x']), {
    message: /exec: "\/opt\/x": stat \/opt\/x: no such file or directory: unknown$/,
  });
  await t.rejects(run(view, []), { message: /exec: "": executable file not found/ });
});

t.test('a command ends at the signal, and when its reader is gone', async (t) => {
  const leaving = new AbortController();
  const sleeping = run(view, ['sleep', '1000'], { signal: leaving.signal });
  leaving.abort();
  await t.rejects(sleeping);
  const stuck = new AbortController();
  const full = new PassThrough({ highWaterMark: 1 });
  const where = { view, environment, hostname: 'web', signal: stuck.signal };
  const echo = runBuiltin(['echo', 'x'.repeat(100_000)], where, {
    stdin: undefined,
    stdout: full,
    stderr: undefined,
  });
  stuck.abort();
  await t.rejects(echo);
  const broken = new Writable({ write: (_chunk, _encoding, done) => done(new Error('gone')) });
  broken.on('error', () => undefined);
  const streams = { stdin: undefined, stdout: broken, stderr: undefined };
  const alive = { ...where, signal: new AbortController().signal };
  t.equal(await runBuiltin(['echo', 'x'], alive, streams), 1);
});

const entry = (path: string, more: Partial<TarEntry> = {}): TarEntry => ({
  path,
  type: 'file',
  mode: 0o644,
  size: 0,
  mtime: 0,
  target: '',
  ...more,
});
const archive = (...entries: [TarEntry, string?][]): Buffer =>
  Buffer.concat([
    ...entries.flatMap(([each, text = '']) => [
      encodeHeader({ ...each, size: text.length }),
      Buffer.from(text),
      Buffer.alloc(paddingOf(text.length)),
    ]),
    END_OF_ARCHIVE,
  ]);

t.test('archives, there and back', async (t) => {
  const from = await fresh();
  const deep = `${'long-name-'.repeat(9)}/${'deeper-'.repeat(20)}`;
  await mkdir(join(from.data, deep), { recursive: true });
  const big = Buffer.alloc(300_000, 'abc');
  await writeFile(join(from.data, deep, 'big'), big, { mode: 0o600 });
  await symlink('sub/f', join(from.data, 'link'));
  await writeFile(join(from.data, 'empty'), '');
  const packed = await run(from, ['tar', 'cf', '-', '/data']);
  t.equal(packed.code, 0);
  t.equal(packed.err, "tar: Removing leading `/' from member names\n");
  t.equal(packed.bytes.length % 512, 0);

  const to = await fresh();
  const chunks = Array.from({ length: Math.ceil(packed.bytes.length / 1000) }, (_, at) =>
    packed.bytes.subarray(at * 1000, at * 1000 + 1000),
  );
  const err = sink();
  const where = { view: to, environment, hostname: 'web', signal: new AbortController().signal };
  const stdin = Readable.from(chunks);
  const code = await runBuiltin(['tar', '-xmf', '-', '-C', '/etc'], where, {
    stdin,
    stdout: undefined,
    stderr: err.stream,
  });
  t.equal(
    err.bytes().toString(),
    "tar: data/out: Cannot create symlink to '/etc': it might lead out of the folder\n",
  );
  t.equal(code, 2, 'as one link was refused');
  const out = join(to.root, 'etc/data');
  t.ok((await readFile(join(out, deep, 'big'))).equals(big));
  t.equal((await stat(join(out, deep, 'big'))).mode & 0o777, 0o600);
  t.equal(await readlink(join(out, 'link')), 'sub/f');
  t.equal(await readFile(join(out, 'sub/f'), 'utf8'), 'content');
  t.equal((await stat(join(out, 'empty'))).size, 0);
  t.equal(
    (await run(from, ['tar', 'cf', '-', '/none'])).err.split('\n')[1],
    'tar: /none: Cannot stat: No such file or directory',
  );
});

t.test('hostile archives stay in their folder', async (t) => {
  const target = await fresh();
  const evil = archive(
    [entry('../../escaped'), 'x'],
    [entry('/etc/absolute'), 'x'],
    [entry('up', { type: 'symlink', target: '../../..' })],
    [entry('deep/up', { type: 'symlink', target: '..' })],
    [entry('deep/up/../../escaped'), 'x'],
    [entry('chain', { type: 'symlink', target: 'deep/up/..' })],
    [entry('hard', { type: 'link', target: '/etc/passwd' })],
    [entry('out/planted'), 'x'],
    [entry('sub', { type: 'symlink', target: '/etc' })],
    [entry('device', { type: 'other' })],
    [entry('fine'), 'x'],
  );
  const ran = await run(target, ['tar', 'xmf', '-', '-C', '/data'], { input: evil });
  t.equal(ran.code, 2);
  t.same(ran.err.trimEnd().split('\n'), [
    "tar: ../../escaped: Member name contains '..', skipping",
    "tar: up: Cannot create symlink to '../../..': it might lead out of the folder",
    "tar: deep/up/../../escaped: Member name contains '..', skipping",
    "tar: chain: Cannot create symlink to 'deep/up/..': it might lead out of the folder",
    'tar: hard: No such file or directory',
    'tar: sub: Cannot open: File exists',
  ]);
  t.same((await readdir(target.data)).sort(), ['deep', 'device', 'etc', 'fine', 'out', 'sub']);
  t.equal(
    await readFile(join(target.data, 'etc/absolute'), 'utf8'),
    'x',
    'an absolute name is a relative one',
  );
  t.equal(
    await readFile(join(target.root, 'etc/planted'), 'utf8'),
    'x',
    "a link leads within the container's root",
  );
  t.same(
    (await readdir(base)).filter((name) => name.includes('escaped')),
    [],
  );

  const fixed = await run(target, ['tar', 'xf', '-', '-C', '/fixed'], {
    input: archive([entry('x'), 'x'], [entry('d/x'), 'x']),
  });
  t.match(fixed, {
    code: 2,
    err: /x: Cannot open: Read-only file system\n.*Cannot mkdir: Read-only file system/,
  });
  const broken: [Buffer, RegExp][] = [
    [Buffer.alloc(700, 'x'), /does not look like a tar archive/],
    [archive([entry('a'), 'x'.repeat(600)]).subarray(0, 800), /Unexpected EOF in archive/],
    [archive([entry('a')]).subarray(0, 100), /Unexpected EOF in archive/],
  ];
  for (const [input, err] of broken)
    t.match(await run(target, ['tar', 'xf', '-'], { input }), { code: 2, err }, String(err));
});

t.test("other programs' archives are understood", async (t) => {
  const names = async (bytes: Buffer): Promise<string[]> => {
    const found: string[] = [];
    for await (const each of readTar(Readable.from([bytes])))
      found.push(`${each.type} ${each.path} ${each.size}`);
    return found;
  };
  const long = 'n'.repeat(150);
  const gnu = encodeHeader(entry('././@LongLink', { size: long.length + 1 }));
  gnu.write('L', 156);
  // The checksum is over the letter too.
  const fixChecksum = (block: Buffer): void => {
    block.fill(' ', 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  };
  fixChecksum(gnu);
  const body = Buffer.alloc(512);
  body.write(long);
  t.same(await names(Buffer.concat([gnu, body, archive([entry('short'), 'abc'])])), [`file ${long} 3`]);
  const old = encodeHeader(entry('folder/'));
  t.same(await names(Buffer.concat([old, END_OF_ARCHIVE])), ['directory folder/ 0']);
  t.same(await names(Buffer.alloc(0)), []);
});
