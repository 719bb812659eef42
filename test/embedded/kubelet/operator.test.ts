/** The operator itself as pods of the embedded cluster, by its own manifests and with nothing in its place. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadAll } from 'js-yaml';
import t from 'tap';
import { DEPLOYMENTS, PODS, createKube, plainConnection } from '../../../kube/index.js';
import type { Deployment, Kube, Pod } from '../../../kube/index.js';
import { call } from '../../helpers/http.js';
import { eventually as poll } from '../../helpers/eventually.js';
import { isReady } from './cluster.js';

const command = fileURLToPath(new URL('../../../cli/xi-k8s.js', import.meta.url));
const BASE = 'k8s-yamls/base';
const NAMESPACE = 'xi-k8s';
const home = await mkdtemp(join(tmpdir(), 'operator-'));
t.teardown(() => rm(home, { recursive: true }));

const running = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** A cluster as a process of its own, so that it can be killed. */
const start = async (): Promise<{ kube: Kube; pid: number; kill(signal: NodeJS.Signals): Promise<void> }> => {
  const args = ['devcluster', '--port', '0', '--seed', await seed()];
  const child = spawn(process.execPath, [command, ...args], {
    env: { TMPDIR: home },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let said = '';
  await new Promise<void>((resolve) => {
    child.once('exit', resolve);
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      said += part;
      if (said.includes('Ctrl-C')) resolve();
    });
  });
  const url = /ready at (http:\S+);/.exec(said)?.[1];
  if (url === undefined) throw new Error(`it did not start: ${said}`);
  const kube = createKube(plainConnection({ url, how: 'embedded' }));
  t.teardown(() => kube.close());
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  };
  return { kube, pid: child.pid ?? 0, kill };
};

const eventually = <T>(read: () => Promise<T>, passes: (value: T) => boolean, what: string): Promise<T> =>
  poll(read, passes, { what, patienceMs: 40_000 });

/** What the base makes, in its namespace as kustomize puts it there, with two replicas. */
const seed = async (): Promise<string> => {
  const files = (await readdir(BASE)).filter((name) => name !== 'kustomization.yaml');
  const texts = await Promise.all(files.map((name) => readFile(join(BASE, name), 'utf8')));
  const objects = (texts.flatMap((text) => loadAll(text)) as Deployment[]).map((object) => ({
    ...object,
    metadata: {
      ...object.metadata,
      ...(CLUSTER_WIDE.has(object.kind ?? '') ? {} : { namespace: NAMESPACE }),
    },
    ...(object.kind === 'Deployment' ? { spec: { ...object.spec, replicas: 2 } } : {}),
  }));
  const file = join(home, 'seed.json');
  const items = objects.sort((a, b) => ORDER.indexOf(b.kind ?? '') - ORDER.indexOf(a.kind ?? ''));
  await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  return file;
};
const CLUSTER_WIDE = new Set(['Namespace', 'ClusterRole']);
/** What others need comes first. */
const ORDER = ['ServiceAccount', 'Namespace'];

const listed = (kube: Kube): Promise<Pod[]> => kube.list(PODS, NAMESPACE).then(({ items }) => items);
const bothReady = (kube: Kube): Promise<Pod[]> =>
  eventually(
    () => listed(kube),
    (pods) => pods.length === 2 && pods.every(isReady),
    'two pods are ready',
  );

const logOf = async (kube: Kube, { metadata }: Pod): Promise<string> => {
  const parts: Uint8Array[] = [];
  for await (const part of kube.logs({ namespace: NAMESPACE, name: metadata?.name ?? '' })) parts.push(part);
  return Buffer.concat(parts).toString();
};

/** What port 8080 of a pod answers, by port-forward. */
const through = async (
  kube: Kube,
  at: { namespace: string; name: string },
  request: string,
): Promise<string> => {
  const connection = await kube.portForward(at, 8080);
  connection.end(request);
  const parts: Uint8Array[] = [];
  for await (const part of connection) parts.push(part as Uint8Array);
  return Buffer.concat(parts).toString();
};

/** The processes that the logs of the operators name. */
const pidsOf = (kube: Kube, pods: readonly Pod[]): Promise<number[]> =>
  Promise.all(pods.map(async (pod) => Number(/"pid":(\d+)/.exec(await logOf(kube, pod))?.[1])));

t.test('the operator becomes ready, serves, tells, and goes', async (t) => {
  const cluster = await start();
  const { kube } = cluster;
  const pods = await bothReady(kube);
  const pids = await pidsOf(kube, pods);
  t.ok(pids.every(running));
  for (const pod of pods) {
    const url = `http://${pod.status?.podIP}:8080`;
    const { status, body } = await call(url, 'list_pods', { namespace: NAMESPACE });
    t.equal(status, 200, 'both listen on port 8080');
    t.equal((body['items'] as unknown[]).length, 2, 'and act on the cluster that they are pods of');
    t.match(await logOf(kube, pod), new RegExp(`listens on ${url}`));
  }

  const container = { name: 'main', image: 'xi-k8s', args: ['example', 'clock'] };
  const at = { namespace: NAMESPACE, name: 'plugin' };
  const metadata = { name: at.name };
  await kube.create(PODS, NAMESPACE, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata,
    spec: { containers: [container] },
  });
  const said = (): Promise<string> => logOf(kube, { metadata }).catch(() => '');
  await eventually(said, (log) => log.includes('localhost:8080'), 'it listens');
  const info = '/connectplugin.v1.PluginIdentity/GetPluginInfo';
  const head =
    'Host: localhost:8080\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close';
  const ask = `POST ${info} HTTP/1.1\r\n${head}\r\n\r\n{}`;
  t.match(await through(kube, at, ask), /"selfId":"clock"/, 'a plugin listens on localhost:8080 as well');
  const operatorAt = { namespace: NAMESPACE, name: pods[0]?.metadata?.name ?? '' };
  t.match(await through(kube, operatorAt, ask), /404/, 'where an operator has its own');
  await kube.delete(PODS, at);

  const patch = { type: 'merge' as const, body: { spec: { replicas: 0 } } };
  await kube.patch(DEPLOYMENTS, { namespace: NAMESPACE, name: 'xi-k8s' }, patch);
  await eventually(
    () => listed(kube),
    (left) => left.length === 0,
    'the pods are gone',
  );
  t.notOk(pids.some(running), 'and their processes');

  await cluster.kill('SIGTERM');
  t.same(
    (await readdir(home)).filter((name) => name.startsWith('xi-k8s-')),
    [],
    'its folders are gone too',
  );
});

t.test('its processes end with the one that runs them, even when that is killed', async (t) => {
  const cluster = await start();
  const pods = await bothReady(cluster.kube);
  const pids = await pidsOf(cluster.kube, pods);
  t.ok(pids.every(running));
  await cluster.kill('SIGKILL');
  await eventually(
    () => Promise.resolve(pids.filter(running)),
    (left) => left.length === 0,
    'all have ended',
  );
});

t.test('a setting that is wrong is told in the log', async (t) => {
  const { kube, kill } = await start();
  const container = { name: 'main', image: 'xi-k8s', env: [{ name: 'XI_PROT', value: '1' }] };
  const metadata = { name: 'wrong' };
  const spec = { containers: [container], restartPolicy: 'Never' };
  await kube.create(PODS, 'default', { apiVersion: 'v1', kind: 'Pod', metadata, spec });
  const at = { namespace: 'default', ...metadata };
  const pod = await eventually(
    () => kube.get(PODS, at),
    ({ status }) => status?.phase === 'Failed',
    'it fails',
  );
  t.equal(pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 1);
  let log = '';
  for await (const part of kube.logs(at)) log += Buffer.from(part).toString();
  t.match(log, /xi-k8s cannot start: XI_PROT is not a setting; did you mean XI_PORT\?/);
  await kill('SIGTERM');
});
