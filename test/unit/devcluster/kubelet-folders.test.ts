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
import t from 'tap';
import { writeAtomically } from '../../../devcluster/kubelet/folders/atomic-folder.js';
import { createPodFolders } from '../../../devcluster/kubelet/folders/pod-folders.js';
import { removeTree } from '../../../devcluster/kubelet/folders/tree.js';
import { find, leadsOut } from '../../../devcluster/kubelet/folders/view.js';
import type { View } from '../../../devcluster/kubelet/folders/view.js';
import { volumeFiles } from '../../../devcluster/kubelet/folders/volume-files.js';
import type { FileSources, Volume } from '../../../devcluster/kubelet/folders/volume-files.js';
import { within } from '../../../devcluster/kubelet/folders/within.js';
import type { Container, Pod } from '../../../kube/index.js';

const base = await realpath(await mkdtemp(join(tmpdir(), 'kubelet-folders-')));
t.teardown(() => removeTree(base));

let count = 0;
const fresh = async (): Promise<string> => {
  const folder = join(base, String(++count));
  await mkdir(folder);
  return folder;
};

const file = (text: string, mode = 0o644) => ({ data: Buffer.from(text), mode });

t.test('files change all at once', async (t) => {
  const folder = join(await fresh(), 'v');
  await writeAtomically(
    folder,
    new Map([
      ['a', file('1', 0o400)],
      ['deep/b', file('2')],
    ]),
  );
  t.equal(await readFile(join(folder, 'a'), 'utf8'), '1');
  t.equal(await readFile(join(folder, 'deep/b'), 'utf8'), '2');
  t.equal((await stat(join(folder, 'a'))).mode & 0o777, 0o400);
  t.equal((await stat(join(folder, 'deep'))).mode & 0o777, 0o555, 'folders are read-only');
  t.match(await readlink(join(folder, '..data')), /^\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\./);
  t.equal(await readlink(join(folder, 'a')), '..data/a');
  const before = await readlink(join(folder, '..data'));
  await writeAtomically(
    folder,
    new Map([
      ['a', file('3')],
      ['c', file('4')],
    ]),
  );
  t.not(await readlink(join(folder, '..data')), before);
  t.same((await readdir(folder)).filter((name) => !/^\.\.\d/.test(name)).sort(), ['..data', 'a', 'c']);
  t.equal((await readdir(folder)).filter((name) => /^\.\.\d/.test(name)).length, 1, 'the old files are gone');
  t.equal(await readFile(join(folder, 'a'), 'utf8'), '3');
  await writeAtomically(folder, new Map());
  t.equal((await readdir(folder)).filter((name) => !name.startsWith('..')).length, 0);
});

const sources = (more: Partial<FileSources> = {}): FileSources => ({
  pod: { metadata: { name: 'web', namespace: 'team', labels: { app: 'x' } }, spec: { containers: [] } },
  ip: '127.64.0.1',
  configs: {
    configMap: (_namespace, name) =>
      name === 'm' ? { metadata: { name }, data: { a: '1', b: '2' }, binaryData: { c: 'AAE=' } } : undefined,
    secret: (_namespace, name) =>
      name === 's' ? { metadata: { name }, data: { key: 'aGlkZGVu' } } : undefined,
  },
  token: ({ audience }) => Promise.resolve(`token for ${audience ?? 'the API'}`),
  ...more,
});

const shown = async (volume: Omit<Volume, 'name'>): Promise<Record<string, string> | undefined> => {
  const files = await volumeFiles({ name: 'v', ...volume }, sources());
  return (
    files &&
    Object.fromEntries(
      [...files].map(([path, { data, mode }]) => [
        path,
        `${Buffer.from(data).toString('latin1')} ${mode.toString(8)}`,
      ]),
    )
  );
};

t.test('what volumes hold', async (t) => {
  t.same(await shown({ configMap: { name: 'm' } }), { a: '1 644', b: '2 644', c: '\0\x01 644' });
  t.same(
    await shown({
      configMap: {
        name: 'm',
        defaultMode: 0o600,
        items: [
          { key: 'a', path: 'x/y' },
          { key: 'b', path: 'z', mode: 0o400 },
        ],
      },
    }),
    { 'x/y': '1 600', z: '2 400' },
  );
  t.same(await shown({ secret: { secretName: 's' } }), { key: 'hidden 644' });
  t.same(await shown({ secret: { secretName: 'none', optional: true } }), {});
  t.same(
    await shown({ downwardAPI: { items: [{ path: 'l', fieldRef: { fieldPath: 'metadata.labels' } }] } }),
    {
      l: 'app="x" 644',
    },
  );
  t.same(
    await shown({
      projected: {
        defaultMode: 0o440,
        sources: [
          { configMap: { name: 'm', items: [{ key: 'a', path: 'a' }] } },
          { secret: { name: 's' } },
          { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
          { serviceAccountToken: { path: 'token', audience: 'vault' } },
        ],
      },
    }),
    { a: '1 440', key: 'hidden 440', namespace: 'team 440', token: 'token for vault 440' },
  );
  t.equal(await shown({ emptyDir: {} }), undefined);
  const refused: [Omit<Volume, 'name'>, RegExp][] = [
    [{ configMap: { name: 'none' } }, /^configmap "none" not found$/],
    [
      { configMap: { name: 'm', items: [{ key: 'no', path: 'x' }] } },
      /^configmap references non-existent config key: no$/,
    ],
    [
      { secret: { secretName: 's', items: [{ key: 'no', path: 'x' }] } },
      /^references non-existent secret key: no$/,
    ],
    ...['../x', 'a/../../x', '/etc/x', '..data', 'a//b'].map((path): [Omit<Volume, 'name'>, RegExp] => [
      { configMap: { name: 'm', items: [{ key: 'a', path }] } },
      /leads out of the volume/,
    ]),
    [{ projected: { sources: [{ clusterTrustBundle: { path: 'x' } }] } }, /projects no clusterTrustBundle/],
  ];
  for (const [volume, message] of refused)
    await t.rejects(shown(volume), { message }, JSON.stringify(volume));
});

t.test('paths that must stay below a folder', async (t) => {
  const folder = await fresh();
  await mkdir(join(folder, 'in'));
  await symlink('/etc', join(folder, 'out'));
  await symlink('in', join(folder, 'alias'));
  await symlink('..', join(folder, 'in/up'));
  t.equal(await within(folder, 'in'), join(folder, 'in'));
  t.equal(await within(folder, 'new/deep'), join(folder, 'new/deep'), 'missing folders are made');
  t.ok((await stat(join(folder, 'new/deep'))).isDirectory());
  t.equal(await within(folder, 'alias/x'), join(folder, 'in/x'));
  t.equal(await within(folder, 'in/up'), folder);
  for (const path of ['out', 'out/passwd', '..', 'in/..', 'in/up/out/x', 'a/../../b'])
    t.equal(await within(folder, path), undefined, path);
});

t.test("a container's view leads nowhere else", async (t) => {
  const [root, data] = [await fresh(), await fresh()];
  await mkdir(join(root, 'etc'));
  await writeFile(join(root, 'etc/passwd'), 'mine');
  await writeFile(join(data, 'f'), '');
  const links: [string, string][] = [
    [join(data, 'abs'), '/etc'],
    [join(data, 'rel'), '../../../../../../../etc'],
    [join(data, 'self'), 'self'],
    [join(data, 'here'), 'f'],
    [join(root, 'to-data'), '/data'],
    // As it stands for programs that know nothing of mounts.
    [join(root, 'data'), data],
  ];
  for (const [path, target] of links) await symlink(target, path);
  const view: View = { root, mounts: [{ at: '/data', folder: data, readOnly: true }], cwd: '/etc' };
  const rows: [string, string][] = [
    ['/etc/passwd', join(root, 'etc/passwd')],
    ['passwd', join(root, 'etc/passwd')],
    ['../../../../etc/passwd', join(root, 'etc/passwd')],
    ['/data', data],
    ['/data/f', join(data, 'f')],
    ['/data/here', join(data, 'f')],
    ['/to-data/f', join(data, 'f')],
    ['/data/abs/passwd', join(root, 'etc/passwd')],
    ['/data/rel/passwd', join(root, 'etc/passwd')],
    ['/data/../etc/passwd', join(root, 'etc/passwd')],
  ];
  for (const [path, expected] of rows) t.equal((await find(view, path)).real, expected, path);
  t.equal((await find(view, '/data/abs', { follow: false })).real, join(data, 'abs'));
  t.equal((await find(view, '/data/f')).readOnly, true);
  t.equal((await find(view, '/etc/none')).stats, undefined);
  await t.rejects(find(view, '/data/self'), { message: 'Too many levels of symbolic links' });
  await t.rejects(find(view, '/none/x'), { message: 'No such file or directory' });
  await t.rejects(find(view, '/etc/passwd/x'), { message: 'Not a directory' });
  await t.rejects(find(view, 'a\0b'), { message: 'Invalid argument' });
});

t.test('links that might lead out', async (t) => {
  const rows: [string, number, boolean][] = [
    ['f', 0, false],
    ['a/b/../c', 0, true],
    ['..', 0, true],
    ['..', 1, false],
    ['../x', 1, false],
    ['../../x', 1, true],
    ['../x/..', 1, true],
    ['./../x', 1, false],
    ['/etc', 5, true],
  ];
  for (const [target, depth, expected] of rows)
    t.equal(leadsOut(target, depth), expected, `${target} ${depth}`);
});

t.test("a pod's folders", async (t) => {
  const folder = join(await fresh(), 'pod');
  const claimed = await fresh();
  const folders = createPodFolders({ folder, claim: () => Promise.resolve(claimed) });
  const volumes: Volume[] = [
    { name: 'scratch', emptyDir: {} },
    { name: 'map', configMap: { name: 'm' } },
    { name: 'disk', persistentVolumeClaim: { claimName: 'd' } },
    { name: 'host', hostPath: { path: '/' } },
  ];
  const pod: Pod = { metadata: { name: 'web', namespace: 'team' }, spec: { containers: [], volumes } };
  const container = (mounts: NonNullable<Container['volumeMounts']>, name = 'c'): Container => ({
    name,
    volumeMounts: mounts,
  });
  const all = container([
    { name: 'scratch', mountPath: '/tmp/scratch' },
    { name: 'map', mountPath: '/etc/map/' },
    { name: 'disk', mountPath: '/disk', readOnly: true },
    { name: 'scratch', mountPath: '/part', subPath: 'deep/part' },
    { name: 'map', mountPath: '/etc/single', subPath: 'a' },
    { name: 'scratch', mountPath: '/mine', subPathExpr: '$(WHO)' },
  ]);
  t.same(await folders.sync(sources({ pod }), [all]), [], 'a volume that is not mounted does no harm');
  const view = await folders.prepare(all, new Map([['WHO', 'me']]));
  const real = async (path: string): Promise<string> => realpath(join(view.root, path));
  t.equal(await real('tmp/scratch'), join(folder, 'volumes/scratch'));
  t.equal(await real('disk'), claimed);
  t.equal(await real('part'), join(folder, 'volumes/scratch/deep/part'));
  t.equal(await real('mine'), join(folder, 'volumes/scratch/me'));
  t.equal(await readFile(join(view.root, 'etc/map/b'), 'utf8'), '2');
  t.equal(await readFile(join(view.root, 'etc/single'), 'utf8'), '1');
  t.equal(await readFile(join(view.root, 'dev/termination-log'), 'utf8'), '');
  t.same(
    view.mounts.map(({ at, readOnly }) => `${at} ${readOnly}`),
    ['/tmp/scratch false', '/etc/map true', '/disk true', '/part false', '/mine false'],
  );

  await writeFile(join(view.root, 'left'), '');
  const again = await folders.prepare(all, new Map([['WHO', 'me']]));
  t.notOk((await readdir(again.root)).includes('left'), 'a new life has a new root');

  await symlink('/etc', join(folder, 'volumes/scratch/out'));
  const refused: [NonNullable<Container['volumeMounts']>, RegExp][] = [
    [
      [{ name: 'scratch', mountPath: '/x', subPath: 'out' }],
      /failed to prepare subPath for volumeMount "scratch" of container "c"/,
    ],
    [[{ name: 'scratch', mountPath: '/x', subPath: '../..' }], /failed to prepare subPath/],
    [[{ name: 'map', mountPath: '/x', subPath: '../../..' }], /failed to prepare subPath/],
    [[{ name: 'scratch', mountPath: '/' }], /cannot be mounted at \//],
    [[{ name: 'scratch', mountPath: '/..' }], /cannot be mounted at \//],
    [
      [
        { name: 'scratch', mountPath: '/a' },
        { name: 'map', mountPath: '/a/b' },
      ],
      /as another is mounted at \/a$/,
    ],
  ];
  for (const [mounts, message] of refused)
    await t.rejects(folders.prepare(container(mounts), new Map()), { message }, JSON.stringify(mounts));
  t.match(await folders.sync(sources({ pod }), [container([{ name: 'host', mountPath: '/h' }])]), [
    /^MountVolume.SetUp failed for volume "host" : the embedded cluster gives its own programs no hostPath volume; use emptyDir,/,
  ]);
  await folders.remove();
  await t.rejects(stat(folder));
  t.ok((await stat(claimed)).isDirectory(), 'what is claimed stays');
  t.ok((await stat('/etc')).isDirectory());
});
