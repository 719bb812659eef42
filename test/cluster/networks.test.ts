/**
 * Networks on a real cluster: the functions from outside, where peers are reached by port-forward; and the controller in the
 * cluster with a hundred pods, three of them with real peers and the others played here, while its leader dies, is paused, is
 * cut off from the API server, and is replaced.
 */
import { readFile, readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { createKube, kubeconfigConnection, PODS } from '../../kube/index.js';
import type { Kube, Pod } from '../../kube/index.js';
import * as wire from '../helpers/aplite-client.js';
import type { NativeFn, NativeIo } from '../helpers/aplite-client.js';
import { call } from '../helpers/http.js';
import { startTestPeer } from '../helpers/lightpeers.js';
import type { TestPeer } from '../helpers/lightpeers.js';
import { startOperator } from '../helpers/operator.js';
import { rawReader } from '../helpers/raw.js';
import { networkSuite } from '../suites/networks.js';
import { controlCluster, controlSocket } from './control.js';
import { kubectl, portForward, read, run, until, whyNot } from './kubectl.js';
import { makeFakeNodes, makeFakePods, makeNamespace, removeFakes } from './scale.js';

const OVERLAY = 'k8s-yamls/overlays/cluster';
const LABEL = 'klight.networkId';

t.setTimeout(600_000);

type Containers = NonNullable<Pod['spec']>['containers'];

/** Our peer; as root, as nothing but its own layer is there to write to. */
const peerContainers = async (): Promise<Containers> => {
  const yaml = await kubectl(['kustomize', OVERLAY]);
  const image = /image: (\S+)/.exec(yaml)?.[1] ?? '';
  const args = ['lightpeer', '-repo', '/peer'];
  return [{ name: 'klightpeer', image, args, securityContext: { runAsUser: 0 } }];
};

/** A namespace that goes with the test. */
async function ownNamespace(t: Test, kube: Kube, name: string): Promise<void> {
  await makeNamespace(kube, name);
  t.teardown(() => kubectl(['delete', 'namespace', name]));
}

async function fromOutside(t: Test, kube: Kube): Promise<void> {
  const namespace = 'outside';
  await ownNamespace(t, kube, namespace);
  const settings = { XI_NAMESPACE: namespace, XI_OWN_NAMESPACE: namespace };
  const controller = { XI_NETWORK_CONTROLLER: 'on', XI_NETWORK_HEALTH_SECONDS: '1' };
  const operator = await startOperator('kubeconfig', { ...settings, ...controller });
  t.teardown(() => operator.stop());
  const containers = await peerContainers();
  const connection = await kubeconfigConnection({
    paths: [process.env['KUBECONFIG'] ?? ''],
    env: process.env,
  });

  const target = {
    url: operator.url,
    namespace,
    images: ['nginx:1.15.4', 'nginx:1.27'],
    crash: ['node', '-e', 'process.exit(1)'],
    object: rawReader(connection),
  } as const;
  await t.test('functions', (t) =>
    networkSuite(t, target, { kube, kinds: ['ours'], containers: () => containers }),
  );

  await t.test('a pod without a peer: what its machine said is told', async (t) => {
    const metadata = { name: 'without' };
    const spec = { containers: [{ name: 'app', image: target.images[0] }], terminationGracePeriodSeconds: 1 };
    await kube.create(PODS, namespace, { apiVersion: 'v1', kind: 'Pod', metadata, spec });
    await kubectl(['wait', '-n', namespace, '--for=condition=Ready', 'pod/without', '--timeout=60s']);
    const params = { namespace, network: 'lonely', pod: 'without', timeout_seconds: 15 };
    const { body } = await call(operator.url, 'join_network', params);
    t.match(body, { code: 'deadline_exceeded', detail: /without.*9081.*connection refused/ });
  });

  for (const dialect of ['python', 'deno'] as const)
    await t.test(`join_network by a ${dialect} program that is called back for its arguments`, async (t) => {
      const name = `by-${dialect}`;
      const spec = { containers, terminationGracePeriodSeconds: 1 };
      await kube.create(PODS, namespace, { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec });
      const program = await wire.startProgram(dialect);
      t.teardown(() => program.close());
      const beside = await startOperator('kubeconfig', { ...settings, XI_APLITE_CALLBACK: program.url });
      t.teardown(() => beside.stop());
      program.connect(beside.url);
      const { fn, io, str, unit } = wire;
      const join = (await program.remote('join_network', fn(str, fn(str, io(unit))))) as NativeFn;
      await ((await ((await join('aplite')) as NativeFn)(name)) as NativeIo)();
      t.equal(program.last()?.text, 'null');
      const { body } = await call(operator.url, 'get_network', { network: 'aplite' });
      t.match(
        (body['members'] as { pod: string }[]).find(({ pod }) => pod === name),
        { state: 'member' },
      );
    });
}

const NETWORKS = 5;
/** Pods that are played, and the real ones, which are in the first network. */
const PLAYED = 97;
const REAL = ['real-0', 'real-1', 'real-2'];
/** The networks whose played peers are as the reference's: those cannot be asked where they are. */
const REFERENCE = [0, 1];
/** What is labelled in each part; every five have one of each network. */
const PARTS = { killed: [0, 82], paused: [82, 87], restarted: [87, 92], replaced: [92, 97] } as const;

const networkOf = (index: number): number => index % NETWORKS;

/** Who leads: the pod's name and what tells its lives apart. */
const leader = async (): Promise<string> => {
  const lease = await read<{ spec: { holderIdentity?: string } }>('lease', 'xi-k8s', '-n', 'xi-k8s');
  return lease.spec.holderIdentity ?? '';
};
const podOf = (identity: string): string => identity.split('_')[0] ?? '';

/** The process of a pod's container, which the kernel shows to the one who runs it. */
async function processOf(pod: string): Promise<number> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    const program = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (environment.split('\0').includes(`HOSTNAME=${pod}`) && program.includes('xi-k8s')) return Number(pid);
  }
  throw new Error(`no process of pod ${pod} is seen here`);
}

async function hundred(t: Test, kube: Kube, control: string): Promise<void> {
  const namespace = 'hundred';
  await ownNamespace(t, kube, namespace);
  // Every address of the range can then be listened on.
  const range = ['addr', 'add', '10.128.0.0/16', 'dev', 'lo'];
  t.match(await run(['ip', ...range]), { code: 0 });
  t.teardown(() => run(['ip', ...range.map((word) => (word === 'add' ? 'del' : word))]));

  const [node = ''] = await makeFakeNodes(kube, { count: 1, prefix: 'stage' });
  t.teardown(() => removeFakes(kube, namespace));
  const names = await makeFakePods(kube, { namespace, nodes: [node], count: PLAYED, prefix: 'played' });
  const peers: TestPeer[] = [];
  t.teardown(() => peers.forEach((peer) => peer.stop()));
  for (const [index, name] of names.entries()) {
    const pod = await kube.get(PODS, { namespace, name });
    const kind = REFERENCE.includes(networkOf(index)) ? 'reference' : 'ours';
    // They do not look after one another: a hundred in one process that did would do nothing else.
    peers.push(await startTestPeer(`${pod.status?.podIP}:9081`, kind, { healthMs: 600_000 }));
  }
  const containers = await peerContainers();
  for (const name of REAL) {
    const metadata = { name, labels: { [LABEL]: 'net-0' } };
    const spec = { containers, terminationGracePeriodSeconds: 1 };
    await kube.create(PODS, namespace, { apiVersion: 'v1', kind: 'Pod', metadata, spec });
  }

  await kubectl(['apply', '-k', OVERLAY]);
  t.teardown(() => kubectl(['delete', '-k', OVERLAY, '--ignore-not-found']));
  const atWork = async (): Promise<void> => {
    await kubectl(['rollout', 'status', '-n', 'xi-k8s', 'deployment/xi-k8s', '--timeout=120s']);
    await until(leader, (name) => name !== '');
  };
  await kubectl(['scale', '-n', 'xi-k8s', 'deployment/xi-k8s', '--replicas=2']);
  await atWork();

  const label = (
    [from, to]: readonly [number, number],
    kinds: readonly TestPeer['kind'][] = ['ours', 'reference'],
  ): Promise<unknown> => {
    const patch = (index: number): Promise<Pod> => {
      const body = { metadata: { labels: { [LABEL]: `net-${networkOf(index)}` } } };
      return kube.patch(PODS, { namespace, name: names[index] ?? '' }, { type: 'merge', body });
    };
    const chosen = [...peers.keys()]
      .slice(from, to)
      .filter((at) => kinds.includes(peers[at]?.kind ?? 'ours'));
    return Promise.all(chosen.map(patch));
  };
  /**
   * Labels those of the reference, and waits until it is written down that they are joined: what becomes of them when the leader
   * dies in the middle of that is told by blocks, of which these networks have none.
   */
  const settleReference = async (range: readonly [number, number]): Promise<void> => {
    await label(range, ['reference']);
    const addresses = peers
      .slice(...range)
      .flatMap(({ kind, address }) => (kind === 'reference' ? [address] : []));
    await until(
      () => run(['kubectl', 'get', 'configmap', 'xi-k8s-networks', '-n', 'xi-k8s', '-o', 'jsonpath={.data}']),
      ({ stdout }) => addresses.every((address) => stdout.includes(`"${address}`)),
    );
  };
  const joinsOf = ({ told }: TestPeer): number => told.filter((one) => one.startsWith('join ')).length;
  /** How often the peers of a range were told to join. */
  const joins = (range: readonly [number, number], kind?: TestPeer['kind']): number =>
    peers
      .slice(...range)
      .filter((peer) => kind === undefined || peer.kind === kind)
      .reduce((sum, peer) => sum + joinsOf(peer), 0);

  /** Waits until the network with the real peers is complete, with so many members. */
  const firstHas = async (t: Test, count: number): Promise<void> => {
    const { url, stop } = await portForward('xi-k8s', `pod/${podOf(await leader())}`, 8080);
    t.teardown(stop);
    await until(
      () => call(url, 'get_network', { namespace, network: 'net-0' }),
      ({ body }) =>
        body['complete'] === true &&
        (body['members'] as { state: string }[]).filter(({ state }) => state === 'member').length === count,
    );
    t.pass(`${count} are members, and nobody else is there`);
  };

  /** Waits until all that are labelled know each other; then nobody is in a list twice. */
  const together = async (t: Test, labelled: number): Promise<void> => {
    const real = new Map(
      await Promise.all(
        REAL.map(async (name) => {
          const { status } = await until(
            () => kube.get(PODS, { namespace, name }),
            (pod) => pod.status?.podIP !== undefined,
          );
          return [name, `${status?.podIP}:9081`] as const;
        }),
      ),
    );
    const expected = Array.from({ length: NETWORKS }, (_, network) =>
      [
        ...peers.slice(0, labelled).filter((_, index) => networkOf(index) === network),
        ...(network === 0 ? [...real.values()].map((address) => ({ address })) : []),
      ]
        .map(({ address }) => address)
        .sort()
        .join(),
    );
    const odd = (): string[] =>
      peers.slice(0, labelled).flatMap((peer, index) => {
        const members = peer.members().sort().join();
        return members === expected[networkOf(index)]
          ? []
          : [`${names[index]} (${peer.told.join()}): ${members}`];
      });
    await until(odd, (found) => found.length === 0);
    t.pass(`${labelled} played peers know exactly those of their networks, each once`);
    await t.test('so say the functions', (t) => firstHas(t, REAL.length + Math.ceil(labelled / NETWORKS)));
  };

  // Those who come later join them; two halves that meet would be joined twice.
  await t.test('the real ones find one another', (t) => firstHas(t, REAL.length));

  await t.test('the leader is killed in the middle of joining', async (t) => {
    const first = await leader();
    const pid = await processOf(podOf(first));
    await settleReference(PARTS.killed);
    const settled = joins(PARTS.killed);
    await label(PARTS.killed, ['ours']);
    // Joins take milliseconds.
    while (joins(PARTS.killed, 'ours') < NETWORKS) await delay(1);
    process.kill(pid, 'SIGKILL');
    const ours = peers.slice(...PARTS.killed).filter(({ kind }) => kind === 'ours').length;
    const done = joins(PARTS.killed, 'ours');
    t.ok(done < ours - NETWORKS, `it had made ${done} joins of ${ours}`);
    await until(leader, (now) => now !== '' && now !== first);
    await together(t, PARTS.killed[1]);
    t.ok(joins(PARTS.killed, 'ours') <= ours, 'at most what was under way was done again');
    t.equal(joins(PARTS.killed, 'reference'), settled, 'and nothing of what was written down');
    await atWork();
  });

  await t.test('the leader is paused in the middle of joining, and goes on when another leads', async (t) => {
    const first = await leader();
    const pid = await processOf(podOf(first));
    t.teardown(() => run(['kill', '-CONT', String(pid)]));
    await settleReference(PARTS.paused);
    const settled = joins(PARTS.paused);
    await label(PARTS.paused, ['ours']);
    while (joins(PARTS.paused) === settled) await delay(1);
    process.kill(pid, 'SIGSTOP');
    await until(leader, (now) => now !== '' && now !== first);
    await together(t, PARTS.paused[1]);
    const before = peers.map(({ told }) => told.length);
    process.kill(pid, 'SIGCONT');
    // It learns by its clock that it leads no more, and says so.
    await until(
      () => kubectl(['logs', '-n', 'xi-k8s', podOf(first)]),
      (log) => log.includes('leads no longer'),
    );
    t.not(await leader(), first);
    // A join that was under way may go on, one of each network, and joining twice changes nothing.
    const more = peers.reduce((sum, { told }, index) => sum + told.length - (before[index] ?? 0), 0);
    t.ok(more <= NETWORKS, `it does no more than what was under way: ${more} joins`);
    await together(t, PARTS.paused[1]);
    await atWork();
  });

  await t.test('the API server is restarted in the middle of joining', async (t) => {
    await label(PARTS.restarted);
    await controlCluster(control, 'restart', 'kube-apiserver');
    await together(t, PARTS.restarted[1]);
    t.equal(joins(PARTS.restarted), PARTS.restarted[1] - PARTS.restarted[0], 'each joined once');
    await until(
      () => run(['kubectl', 'get', 'lease', 'xi-k8s', '-n', 'xi-k8s']),
      ({ code }) => code === 0,
    );
    await atWork();
  });

  await t.test('all replicas are replaced', async (t) => {
    const before = peers.slice(0, PARTS.replaced[0]).map(({ told }) => [...told]);
    await kubectl(['rollout', 'restart', '-n', 'xi-k8s', 'deployment/xi-k8s']);
    await atWork();
    // The new leader has looked at a network when it has joined somebody to it.
    await label(PARTS.replaced);
    await together(t, PLAYED);
    t.equal(joins(PARTS.replaced), PARTS.replaced[1] - PARTS.replaced[0], 'each joined once');
    t.same(
      peers.slice(0, PARTS.replaced[0]).map(({ told }) => told),
      before,
      'those who were joined are told nothing again',
    );
  });
}

const why = whyNot();
if (why !== undefined) t.plan(0, why);
else {
  const kube = createKube(
    await kubeconfigConnection({ paths: [process.env['KUBECONFIG'] ?? ''], env: process.env }),
  );
  t.teardown(() => kube.close());
  await t.test('from outside, by port-forward', (t) => fromOutside(t, kube));
  const control = controlSocket();
  if (control === undefined)
    t.comment('SKIPPED: a hundred pods need a cluster of their own: run it by `npm run cluster`');
  else await t.test('a hundred pods', (t) => hundred(t, kube, control));
}
