/** `xi-k8s devcluster` as a user starts it: what it prints, what it starts with, how it refuses and stops. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { kubeconfigConnection, createKube, NODES } from '../../kube/index.js';
import type { Kube } from '../../kube/index.js';

const command = fileURLToPath(new URL('../../cli/xi-k8s.js', import.meta.url));
const home = await mkdtemp(join(tmpdir(), 'devcluster-'));
t.teardown(() => rm(home, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[], input = '') {
  // Its temporary folders come into a place that can be looked at.
  const child = spawn(process.execPath, [command, 'devcluster', ...args], { env: { TMPDIR: home } });
  t.teardown(() => child.kill('SIGKILL'));
  child.stdin.end(input);
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text));
  const ended = once(child, 'close').then(([code]): Ended => ({ code: code as number | null, ...said }));
  return { child, said, ended };
}

/** Starts one on a free port, and a client by the kubeconfig that it prints. */
async function cluster(args: readonly string[], input?: string) {
  const running = start(['--port', '0', ...args], input);
  const ready = new Promise<void>((resolve) => {
    running.child.stderr.on('data', () => running.said.err.includes('is ready') && resolve());
  });
  await Promise.race([ready, running.ended]);
  if (!running.said.err.includes('is ready')) throw new Error(`it did not start: ${running.said.err}`);
  const file = join(home, `kubeconfig-${running.child.pid}`);
  await writeFile(file, running.said.out);
  const kube: Kube = createKube(await kubeconfigConnection({ paths: [file], env: {} }));
  t.teardown(() => kube.close());
  return { ...running, kube };
}

const SEED = `
apiVersion: v1
kind: Namespace
metadata: {name: team}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: toys.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: toys, singular: toy, kind: Toy, listKind: ToyList}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
---
apiVersion: example.com/v1
kind: Toy
metadata: {name: bear, namespace: team}
spec: {size: 3}
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Pod, metadata: {name: one, namespace: team}, spec: {containers: [{name: main, image: nginx}]}}
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: two}, data: {a: b}}
`;

await t.test(
  'a kubeconfig, nodes and objects to start with; SIGTERM ends it and leaves nothing',
  async (t) => {
    const file = join(home, 'seed.yaml');
    await writeFile(file, SEED);
    const more = JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'three' } });
    const { kube, child, ended } = await cluster(['--nodes', '3', '--seed', file, '--seed', '-'], more);
    const core = (plural: string, kind: string) => ({
      group: '',
      version: 'v1',
      plural,
      kind,
      namespaced: true,
    });
    t.equal((await kube.list(NODES, undefined)).items.length, 3);
    const toys = { ...core('toys', 'Toy'), group: 'example.com' };
    t.match(await kube.get(toys, { namespace: 'team', name: 'bear' }), { spec: { size: 3 } });
    t.match(await kube.get(core('configmaps', 'ConfigMap'), { namespace: 'default', name: 'two' }), {
      data: { a: 'b' },
    });
    await kube.get(core('pods', 'Pod'), { namespace: 'team', name: 'one' });
    await kube.get(core('secrets', 'Secret'), { namespace: 'default', name: 'three' });
    child.kill('SIGTERM');
    t.equal((await ended).code, 0);
    const left = (await readdir(home)).filter((name) => !/^(kubeconfig|seed)/.test(name));
    t.same(left, []);
  },
);

await t.test('what cannot be', async (t) => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  t.teardown(() => holder.close());
  const { port } = holder.address() as AddressInfo;
  const pod = '{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: []}}';
  const cases: [string[], string, number, RegExp][] = [
    [['--nodes', '0'], '', 2, /--nodes is '0'; allowed is a whole number from 1 to 100/],
    [['--ports', '1'], '', 2, /--ports/],
    [['extra'], '', 2, /extra/],
    [['--port', String(port)], '', 1, new RegExp(`port ${port} of 127.0.0.1 is in use`)],
    [['--seed', join(home, 'none.yaml')], '', 1, /none\.yaml cannot be read/],
    [['--seed', '-'], 'a: [', 1, /standard input is neither YAML nor JSON/],
    [['--seed', '-'], 'just words', 1, /document 1 of standard input is no object/],
    [['--seed', '-'], 'kind: Pod', 1, /lacks apiVersion or kind/],
    [['--seed', '-'], '{apiVersion: v1, kind: Pod}', 1, /Pod in document 1 .* has no metadata\.name/],
    [['--seed', '-'], '{apiVersion: v2, kind: Pod, metadata: {name: p}}', 1, /no kind Pod of v2/],
    [['--seed', '-'], pod, 1, /Pod p in standard input was refused: .*spec\.containers/s],
  ];
  for (const [args, input, code, message] of cases) {
    const free = args.includes('--port') ? [] : ['--port', '0'];
    const ended = await start([...free, ...args], input).ended;
    t.equal(ended.code, code, args.join(' '));
    t.match(ended.err, message);
    t.equal(ended.out, '', 'no kubeconfig of a cluster that is not there');
  }
});
