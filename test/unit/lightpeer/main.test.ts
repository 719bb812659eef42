/** The sidecar as a program. */
import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { StartError, runPeer } from '../../../lightpeer/main.js';

const folder = await mkdtemp(join(tmpdir(), 'xi-k8s-peer-main-'));
t.teardown(() => rm(folder, { recursive: true, force: true }));

const start = async (repo: string, statePath: string): Promise<void> => {
  const place = '-host 127.74.1.1 -port 9081 -ops-port 0'.split(' ');
  const deps = { environment: {}, version: 'test', write: () => undefined };
  const peer = await runPeer([...place, '-repo', repo, '-statePath', statePath], deps);
  await peer.close();
};

t.test('a chain that lies in the shared folder is refused', async (t) => {
  const shared = join(folder, 'shared');
  await mkdir(join(shared, 'made'), { recursive: true });
  await symlink(shared, join(folder, 'link'));
  for (const [repo, statePath] of [
    [join(shared, 'chain'), shared],
    [join(shared, 'made'), `${shared}/`],
    [shared, shared],
    [join(folder, 'link', 'a', 'chain'), shared],
    [join(shared, 'chain'), join(folder, 'link')],
    [join(folder, 'new', 'chain'), join(folder, 'new')],
  ] as const)
    await t.rejects(start(repo, statePath), { constructor: StartError, message: /share its own chain/ });
  t.strictSame(await readdir(shared), ['made'], 'and nothing is written there');
});

t.test('folders beside each other, and a hidden one, are as good as ever', async (t) => {
  const shared = join(folder, 'fine');
  await mkdir(shared);
  for (const [repo, statePath] of [
    [`${shared}-chain`, shared],
    [join(shared, '.chain'), shared],
    [join(shared, '..chain'), shared],
    [shared, join(shared, 'index.html')],
  ] as const)
    await t.resolves(start(repo, statePath), `${repo} ${statePath}`);
});
