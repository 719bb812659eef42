/** A controller whose copy of the pods is old: addresses are others' meanwhile, and what they hold must stay theirs. */
import t from 'tap';
import type { Test } from 'tap';
import { KubeError, PODS } from '../../kube/index.js';
import type { Kube, Pod } from '../../kube/index.js';
import { PeerError } from '../../server/peer-error.js';
import { straight } from '../../server/peers/clients.js';
import { createPeers } from '../../server/peers/peers.js';
import type { Peers } from '../../server/ports.js';
import { startTestPeer } from '../helpers/lightpeers.js';
import { networkCluster, until, value } from '../helpers/network-cluster.js';
import type { Member, TestController } from '../helpers/network-cluster.js';

t.setTimeout(300_000);
const { kube, makePod, makeMember, start, together } = await networkCluster(t);

/** The pods' watches stand still until they are let go on, and then have to list anew; one pod has another's address. */
function standing(): { kube: Kube; halt(): void; goOn(): void; give(name: string, ip: string): void } {
  const given = new Map<string, string>();
  let isHalted = false;
  let goOn = (): void => {};
  let gate: Promise<void> = Promise.resolve();
  const seen = <T>(object: T): T => {
    const { metadata, status } = object as Pod;
    const ip = given.get(metadata?.name ?? '');
    return ip === undefined || status?.podIP === undefined
      ? object
      : { ...object, status: { ...status, podIP: ip } };
  };
  const changed: Partial<Kube> = {
    get: async (resource, at, io) => seen(await kube.get(resource, at, io)),
    list: (resource, namespace, query, io) =>
      kube.list(resource, namespace, query, {
        ...io,
        project: (object) => (io?.project ?? ((same) => same as never))(seen(object)),
      }),
    async *watch(resource, namespace, query, io) {
      for await (const event of kube.watch(resource, namespace, query, io)) {
        if (isHalted) {
          await gate;
          throw new KubeError('too old a version', { reason: 'status', outcome: 'refused', code: 410 });
        }
        yield { ...event, object: seen(event.object) };
      }
    },
  };
  return {
    kube: new Proxy(kube, {
      get: (target, name, receiver) =>
        Reflect.get(Object.hasOwn(changed, name) ? changed : target, name, receiver) as unknown,
    }),
    halt() {
      isHalted = true;
      gate = new Promise((resolve) => (goOn = resolve));
    },
    goOn() {
      isHalted = false;
      goOn();
    },
    give: (name, ip) => void given.set(name, ip),
  };
}

/** Some more looks at the networks. */
async function passes({ metrics }: TestController, more = 6): Promise<void> {
  const count = (): number => value(metrics, 'xi_network_reconcile_seconds_count');
  const before = count();
  await until('more passes', count, (now) => now >= before + more);
}
const ipOf = ({ peer }: Member): string => peer.address.replace(/:\d+$/, '');

/** The pod goes, the one that it was with drops it, and one of another network gets its address, with a state that is precious. */
async function replaced(
  t: Test,
  { pod, other }: { pod: Member; other?: Member },
  network: string,
  give: (name: string, ip: string) => void,
) {
  const ip = ipOf(pod);
  pod.peer.stop();
  await kube.delete(PODS, { namespace: 'default', name: pod.name });
  if (other !== undefined) await together(other);
  const { name } = await makePod('default', undefined);
  give(name, ip);
  const peer = await startTestPeer(`${ip}:9081`, 'ours');
  t.teardown(() => peer.stop());
  for (const text of ['one', 'two', 'three']) await peer.persist(text);
  const body = { metadata: { labels: { 'klight.networkId': network } } };
  await kube.patch(PODS, { namespace: 'default', name }, { type: 'merge', body });
  return { name, peer };
}

t.test('the only pod of a network goes unseen', async (t) => {
  const world = standing();
  const a = await makeMember('default', 'alone');
  const controller = start({ kube: world.kube });
  await until('a pass', () => value(controller.metrics, 'xi_network_pods{state="member"}'), Boolean);
  world.halt();
  const b = await replaced(t, { pod: a }, 'alone-other', world.give);
  await passes(controller);
  world.goOn();
  const late = await makeMember('default', 'alone-other');
  await together(b, late);
  t.notOk(b.peer.told.includes('leave'), 'nobody tells it to forget what it has');
  t.same(b.peer.payloads(), ['three', 'two', 'one']);
  await controller.stop();
});

t.test('a pod goes unseen beside others', async (t) => {
  const world = standing();
  const [a, c] = [await makeMember('default', 'stale'), await makeMember('default', 'stale')];
  const controller = start({ kube: world.kube });
  await together(a, c);
  world.halt();
  const b = await replaced(t, { pod: a, other: c }, 'stale-other', world.give);
  await passes(controller, 10);
  t.same(b.peer.told, [], 'it is told nothing');
  t.same(c.peer.payloads(), [], 'what it has comes nowhere else');
  world.goOn();
  const late = await makeMember('default', 'stale-other');
  await Promise.all([together(b, late), together(c)]);
  t.notOk(b.peer.told.includes('leave'));
  t.same(b.peer.payloads(), ['three', 'two', 'one']);
  t.same(c.peer.payloads(), []);
  await controller.stop();
});

t.test('a Go pod goes unseen beside others', async (t) => {
  const world = standing();
  const [a, c] = [
    await makeMember('default', 'go', 'reference'),
    await makeMember('default', 'go', 'reference'),
  ];
  const controller = start({ kube: world.kube });
  await together(a, c);
  world.halt();
  const b = await replaced(t, { pod: c, other: a }, 'go-other', world.give);
  await passes(controller, 10);
  t.same(b.peer.told, [], 'it is told nothing');
  t.same(a.peer.payloads(), []);
  world.goOn();
  const late = await makeMember('default', 'go-other');
  await together(b, late);
  t.same(b.peer.payloads(), ['three', 'two', 'one']);
  await controller.stop();
});

t.test('a pod loses its label while the one that lists it is silent for a moment', async (t) => {
  const peers = createPeers(straight);
  let deaf: string | undefined;
  const some: Peers = {
    ...peers,
    status: (at, io) =>
      at.pod === deaf ? Promise.reject(new PeerError('deadline', 'not now')) : peers.status(at, io),
  };
  const [a, b] = [await makeMember('default', 'shy'), await makeMember('default', 'shy')];
  const controller = start({ peers: some });
  await together(a, b);
  deaf = a.name;
  const body = { metadata: { labels: { 'klight.networkId': null } } };
  await kube.patch(PODS, { namespace: 'default', name: b.name }, { type: 'merge', body });
  await passes(controller, 2);
  deaf = undefined;
  await Promise.all([together(a), together(b)]);
  t.ok(b.peer.told.includes('leave'));
  await controller.stop();
});
