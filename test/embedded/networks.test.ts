/** The controller on the embedded cluster, with real gRPC peers on the pods' addresses. */
import t from 'tap';
import type { Test } from 'tap';
import { CONFIG_MAPS, EVENTS, KubeError, LEASES, PODS } from '../../kube/index.js';
import { peerPodOf } from '../../server/networks/peer-pod.js';
import { startTestPeer } from '../helpers/lightpeers.js';
import { cuttable, joins, networkCluster, until, value } from '../helpers/network-cluster.js';
import type { Member } from '../helpers/network-cluster.js';

t.setTimeout(300_000);
const { kube, makePod, makeMember, start, together } = await networkCluster(t);

const eventsOf = async (name: string): Promise<string[]> => {
  const { items } = await kube.list(EVENTS, 'default', { fieldSelector: `involvedObject.name=${name}` });
  return items.filter(({ source }) => source?.component === 'xi-k8s').map(({ reason = '' }) => reason);
};
async function namespace(name: string): Promise<void> {
  await kube.create(
    { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false },
    undefined,
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name } },
  );
}

t.test('our peers', { timeout: 120_000 }, async (t) => {
  const controller = start();
  const members = [await makeMember('default', 'ours')];
  members.push(await makeMember('default', 'ours'), await makeMember('default', 'ours'));
  await together(...members);
  t.equal(joins(...members), 2, 'the first of them is joined to nobody');
  await members[0]!.peer.persist('hello');
  t.same(
    members.map(({ peer }) => peer.payloads()),
    [['hello'], ['hello'], ['hello']],
  );
  const told = await until(
    'events',
    () => eventsOf(members[2]!.name),
    (seen) => seen.length > 0,
  );
  t.same(told, ['JoinedNetwork']);

  await t.test('repeated events, and a restart, join nobody twice', async (t) => {
    for (let i = 0; i < 100; i++)
      await kube.patch(
        PODS,
        { namespace: 'default', name: members[i % 3]!.name },
        {
          type: 'merge',
          body: { metadata: { annotations: { note: String(i) } } },
        },
      );
    await controller.stop();
    const again = start();
    await until(
      'a pass',
      () => value(again.metrics, 'xi_network_reconcile_seconds_count'),
      (count) => count > 2,
    );
    t.equal(joins(...members), 2);
    t.equal(value(again.metrics, 'xi_network_pods{state="member"}'), 3);
    t.equal(value(again.metrics, 'xi_leader'), 1);
    await again.stop();
  });

  const next = start();
  await t.test('a deleted pod is dropped, another takes its place', async () => {
    const [first, ...rest] = members as [Member, ...Member[]];
    await kube.delete(PODS, { namespace: 'default', name: first.name });
    first.peer.stop();
    await together(...rest);
    const late = await makeMember('default', 'ours');
    members.splice(0, 1);
    members.push(late);
    await together(...members);
  });

  await t.test('two halves become one again', async (t) => {
    const [a, b, c] = members as [Member, Member, Member];
    const d = await makeMember('default', 'ours');
    await together(a, b, c, d);
    a.peer.forget(c.peer.address, d.peer.address);
    b.peer.forget(c.peer.address, d.peer.address);
    c.peer.forget(a.peer.address, b.peer.address);
    d.peer.forget(a.peer.address, b.peer.address);
    await together(a, b, c, d);
    t.ok([a, b, c, d].some(({ peer }) => peer.told.some((told) => told.startsWith('merge'))));
    members.push(d);
  });

  await t.test('a changed label moves the pod; without one it leaves', async (t) => {
    const [a, b, c, d] = members as [Member, Member, Member, Member];
    const other = await makeMember('default', 'other');
    const label = (name: string, id: string | null) =>
      kube.patch(
        PODS,
        { namespace: 'default', name },
        {
          type: 'merge',
          body: { metadata: { labels: { 'klight.networkId': id } } },
        },
      );
    await label(d.name, 'other');
    await Promise.all([together(other, d), together(a, b, c)]);
    t.ok(d.peer.told.includes('leave'), 'it does not bring the state of the one into the other');
    t.same(d.peer.payloads(), []);
    await label(c.name, null);
    await Promise.all([together(a, b), together(c)]);
  });

  const moves = async (title: string, stay: number, move: number): Promise<void> => {
    await t.test(title, async (t) => {
      const id = title.replace(/\W+/g, '-');
      const pods: Member[] = [];
      for (let i = 0; i < stay + move; i++) pods.push(await makeMember('default', id));
      await together(...pods);
      await pods[0]!.peer.persist('precious');
      const there = await makeMember('default', `${id}-new`);
      const [moved, rest] = [pods.slice(0, move), pods.slice(move)];
      await Promise.all(
        moved.map(({ name }) =>
          kube.patch(
            PODS,
            { namespace: 'default', name },
            { type: 'merge', body: { metadata: { labels: { 'klight.networkId': `${id}-new` } } } },
          ),
        ),
      );
      await Promise.all([together(...rest), together(there, ...moved)]);
      for (const { peer } of rest) {
        t.same(peer.payloads(), ['precious'], 'what the network has stays where it was');
        t.notOk(peer.told.includes('leave'));
      }
      for (const { peer } of [there, ...moved]) t.same(peer.payloads(), [], 'and comes nowhere else');
    });
  };
  await moves('the older of two pods moves', 1, 1);
  await moves('two of three pods move', 1, 2);
  await next.stop();
});

t.test("the reference's peers", { timeout: 120_000 }, async (t) => {
  const controller = start();
  const a = await makeMember('default', 'go', 'reference');
  const b = await makeMember('default', 'go', 'reference');
  const c = await makeMember('default', 'go', 'reference');
  await together(a, b, c);
  t.equal(joins(a, b, c), 2);

  await t.test('a restart joins nobody twice', async (t) => {
    await controller.stop();
    const again = start();
    await until(
      'a pass',
      () => value(again.metrics, 'xi_network_reconcile_seconds_count'),
      (count) => count > 4,
    );
    t.equal(joins(a, b, c), 2);
    await together(a, b, c);
    const { data } = await kube.get(CONFIG_MAPS, { namespace: 'default', name: 'xi-k8s-networks' });
    t.equal(Object.keys(JSON.parse(data?.['default_go'] ?? '{}') as object).length, 3);
    await again.stop();
  });

  await t.test('ours joins them, and they are listed once', async () => {
    const again = start();
    const ours = await makeMember('default', 'go', 'ours');
    await together(a, b, c, ours);
    await again.stop();
  });
});

t.test('which pods are peers', { timeout: 120_000 }, async (t) => {
  const controller = start();
  const named = await makePod('default', 'ports', [
    { name: 'app', image: 'app' },
    { name: 'custom', image: 'peer', ports: [{ name: 'klightport', containerPort: 7777 }] },
  ]);
  const peer = await startTestPeer(`${named.ip}:7777`, 'ours');
  t.teardown(() => peer.stop());
  const plain = await makeMember('default', 'ports');
  await together(plain, { name: named.name, peer });

  await t.test('a pod without a peer, and one where another program listens', async (t) => {
    const { createServer } = await import('node:http');
    const empty = await makePod('default', 'ports', [{ name: 'app', image: 'app' }]);
    const web = await makePod('default', 'ports', [{ name: 'app', image: 'app' }]);
    const server = createServer((_request, response) => response.end('a page'));
    await new Promise<void>((resolve) => server.listen(9081, web.ip, resolve));
    const late = await makeMember('default', 'ports');
    await together(plain, { name: named.name, peer }, late);
    t.pass('the rest of the network goes on');
    const said = await until(
      'event',
      () => eventsOf(empty.name),
      (seen) => seen.length > 0,
    );
    t.same(said, ['PeerUnreachable']);
    const network = controller.networks.networkOf('default', 'ports');
    const { items } = await kube.list(PODS, 'default', { labelSelector: 'klight.networkId=ports' });
    const { standings } = await controller.networks.survey(
      network,
      items.flatMap((pod) => peerPodOf(pod) ?? []),
    );
    const why = (name: string) => standings.find(({ pod }) => pod.name === name)?.why;
    t.match(
      why(empty.name),
      new RegExp(`default/${empty.name} at ${empty.ip}:9081 cannot be reached: .*REFUSED`),
    );
    t.match(why(web.name), /does not answer as a lightpeer/);
    t.notMatch(why(web.name), /\d\d:\d\d:\d\d|Resolution note/, 'nothing that is another each time');
    // Told after some seconds, and not again at each later look.
    await until(
      'event',
      () => eventsOf(web.name),
      (seen) => seen.length > 0,
    );
    const passes = () => value(controller.metrics, 'xi_network_reconcile_seconds_count');
    const before = passes();
    await until('more looks', passes, (now) => now > before + 30);
    t.same(await eventsOf(web.name), ['PeerUnreachable']);
    server.close();
    server.closeAllConnections();
  });
  await controller.stop();
});

t.test('namespaces', { timeout: 120_000 }, async (t) => {
  for (const name of ['team-a', 'team-b', 'team-c']) await namespace(name);
  const [a, b, c] = [
    await makeMember('team-a', 'same'),
    await makeMember('team-b', 'same'),
    await makeMember('team-c', 'same'),
  ];
  const settled = (metrics: { render(): string }, pods: number) =>
    until(
      'all asked',
      () => value(metrics, 'xi_network_pods{state="member"}'),
      (count) => count >= pods,
    );
  await t.test('an id is one namespace’s own', async (t) => {
    const controller = start();
    await settled(controller.metrics, 3);
    t.same(a.peer.members(), [a.peer.address]);
    t.equal(joins(a, b, c), 0);
    await controller.stop();
  });
  await t.test('but where the configuration says otherwise', async (t) => {
    const controller = start({ shared: { same: ['team-a', 'team-b'] } });
    await together(a, b);
    t.equal(joins(c), 0);
    await controller.stop();
  });
  await t.test('those that are not configured are let be', async (t) => {
    const d = await makeMember('team-c', 'same');
    const only = start({ namespaces: ['team-a', 'team-b'] });
    await settled(only.metrics, 2);
    t.equal(joins(c, d), 0);
    await only.stop();
    const all = start({ shared: { same: ['team-a', 'team-b'] } });
    await together(c, d);
    await all.stop();
  });
});

t.test('a shared network is decided upon when each of its namespaces was listed', async (t) => {
  for (const name of ['side-a', 'side-b']) await namespace(name);
  const members: Member[] = [];
  for (const side of ['side-a', 'side-b', 'side-a', 'side-b'])
    members.push(await makeMember(side, 'across', 'reference'));
  const lone = await makeMember('side-a', 'lone', 'reference');
  const options = { shared: { across: ['side-a', 'side-b'] }, namespaces: ['side-a', 'side-b'] };
  const rows = async (): Promise<number> => {
    const { items } = await kube.list(CONFIG_MAPS, 'default', {
      fieldSelector: 'metadata.name=xi-k8s-networks',
    });
    return Object.keys(JSON.parse(items[0]?.data?.['_across'] ?? '{}') as object).length;
  };
  const first = start(options);
  await together(...members);
  await until('all noted', rows, (count) => count === 4);
  t.equal(joins(...members), 3);
  await first.stop();

  let shut = true;
  const list: typeof kube.list = (resource, at, ...rest) =>
    shut && resource.plural === 'pods' && at === 'side-b'
      ? Promise.reject(new KubeError('no list', { reason: 'unreachable', outcome: 'not_sent' }))
      : kube.list(resource, at, ...rest);
  const half = new Proxy(kube, {
    get: (target, name, receiver) =>
      name === 'list' ? list : (Reflect.get(target, name, receiver) as unknown),
  });
  const second = start({ ...options, kube: half });
  const passes = (): number => value(second.metrics, 'xi_network_reconcile_seconds_count');
  await until('passes of what is known', passes, (count) => count > 4);
  t.equal(await rows(), 4, 'what is not seen yet is not taken for gone');
  shut = false;
  await until(
    'all are known',
    () => value(second.metrics, 'xi_network_pods{state="member"}'),
    (count) => count === 5,
  );
  const before = passes();
  await until('more passes', passes, (count) => count > before + 4);
  t.equal(joins(...members, lone), 3, 'nobody is joined again');
  t.equal(await rows(), 4);
  await together(...members);
  await second.stop();
});

t.test('replicas', { timeout: 120_000 }, async (t: Test) => {
  const { kube: weak, cut } = cuttable(kube);
  const first = start({ kube: weak });
  await until('a leader', first.leading, (leads) => leads);
  const second = start();
  const a = await makeMember('default', 'replicated');
  const b = await makeMember('default', 'replicated');
  await together(a, b);
  t.notOk(second.leading(), 'one leads');
  cut();
  await until('another leader', second.leading, (leads) => leads);
  t.notOk(first.leading(), 'the one that is cut off has given up before');
  const c = await makeMember('default', 'replicated');
  await together(a, b, c);
  t.equal(joins(a, b, c), 2, 'the new leader joins nobody twice');
  await first.stop();
  await second.stop();
  const { spec } = await kube.get(LEASES, { namespace: 'default', name: 'xi-k8s' });
  t.equal(spec?.holderIdentity, '', 'one that stops gives the lease up');
});
