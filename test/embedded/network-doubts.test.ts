/** Joins of the reference's peers of which nobody knows how they ended: the leader was killed, or got no answer. */
import t from 'tap';
import type { Test } from 'tap';
import { PODS } from '../../kube/index.js';
import { peerPodOf } from '../../server/networks/peer-pod.js';
import { PeerError } from '../../server/peer-error.js';
import { straight } from '../../server/peers/clients.js';
import { createPeers } from '../../server/peers/peers.js';
import type { Peers } from '../../server/ports.js';
import {
  cutJoins,
  isOpen,
  joins,
  killedBeforeNote,
  networkCluster,
  until,
  value,
} from '../helpers/network-cluster.js';
import type { Member, TestController } from '../helpers/network-cluster.js';

t.setTimeout(300_000);
const { kube, makeMember, start, together, written, noted } = await networkCluster(t);

/** Lets the controller look at a pod's network some times more. */
async function passes({ metrics }: TestController, name: string): Promise<void> {
  const count = (): number => value(metrics, 'xi_network_reconcile_seconds_count');
  for (let i = 0; i < 5; i++) {
    const before = count();
    const body = { metadata: { annotations: { note: `${i} ${before}` } } };
    await kube.patch(PODS, { namespace: 'default', name }, { type: 'merge', body });
    await until('a pass', count, (now) => now > before);
  }
}

/** How the network's pods stand, sorted: `state` or `state: why`. */
async function standings({ networks }: TestController, id: string): Promise<string> {
  const { items } = await kube.list(PODS, 'default', { labelSelector: `klight.networkId=${id}` });
  const pods = items.flatMap((pod) => peerPodOf(pod) ?? []);
  const plan = await networks.survey(networks.networkOf('default', id), pods);
  return plan.standings
    .map(({ state, why }) => (why === undefined ? state : `${state}: ${why}`))
    .sort()
    .join('; ');
}

/** Each is in every list once, and what any of them writes reaches all. */
async function works(t: Test, ...members: Member[]): Promise<void> {
  await together(...members);
  for (const { peer, name } of members) {
    await peer.persist(`by ${name}`);
    for (const other of members) t.equal(other.peer.payloads()[0], `by ${name}`);
  }
}

t.test('the leader is killed between a join and its note', async (t) => {
  const a = await makeMember('default', 'killed', 'reference');
  const { kube: weak, killed } = killedBeforeNote(kube);
  const first = start({ kube: weak });
  await noted('killed', 1);
  const b = await makeMember('default', 'killed', 'reference');
  await until('the kill', killed, (is) => is);
  await together(a, b);
  const second = start();
  await until('another leader', second.leading, (leads) => leads);
  await passes(second, a.name);
  t.equal(joins(a, b), 1);
  t.ok(isOpen(await written('killed')));
  t.match(await standings(second, 'killed'), /^apart: it may have joined already: [^;]*; member$/);
  await works(t, a, b);
  await noted('killed', 2);
  await passes(second, b.name);
  t.equal(joins(a, b), 1);
  t.equal(await standings(second, 'killed'), 'member; member');
  const c = await makeMember('default', 'killed', 'reference');
  await works(t, a, b, c);
  await Promise.all([first.stop(), second.stop()]);
});

for (const [what, id] of [
  ['there is a block', 'cut'],
  ['there is none', 'cut-empty'],
] as const)
  t.test(`a join ends without an answer, and has happened; ${what}`, async (t) => {
    const deaf = start({ peers: cutJoins(true) });
    const a = await makeMember('default', id, 'reference');
    if (id === 'cut') await a.peer.persist('a block');
    await noted(id, 1);
    const b = await makeMember('default', id, 'reference');
    await together(a, b);
    await passes(deaf, a.name);
    t.equal(joins(a, b), 1, 'who told it to join does not again');
    await deaf.stop();
    const next = start();
    await passes(next, b.name);
    t.equal(joins(a, b), 1, 'nor does the next');
    await works(t, a, b);
    await noted(id, 2);
    t.equal(joins(a, b), 1);
    await next.stop();
  });

t.test('a join ends without an answer, and has not happened; there is a block', async (t) => {
  const deaf = start({ peers: cutJoins(false) });
  const a = await makeMember('default', 'lost', 'reference');
  const b = await makeMember('default', 'lost', 'reference');
  await until('a join', () => written('lost'), isOpen);
  for (const { peer } of [a, b]) await peer.persist(`by ${peer.address}`);
  await deaf.stop();
  const next = start();
  await noted('lost', 2);
  await passes(next, b.name);
  t.equal(joins(a, b), 1);
  await works(t, a, b);
  await next.stop();
});

t.test('a join ends without an answer, and has not happened; there is no block yet', async (t) => {
  const deaf = start({ peers: cutJoins(false) });
  const a = await makeMember('default', 'lost-empty', 'reference');
  await noted('lost-empty', 1);
  const b = await makeMember('default', 'lost-empty', 'reference');
  await until('a join', () => written('lost-empty'), isOpen);
  await deaf.stop();
  const next = start();
  await until('a leader', next.leading, (leads) => leads);
  await passes(next, a.name);
  t.equal(joins(a, b), 0, 'nothing is known');
  await b.peer.persist('the first');
  await noted('lost-empty', 2);
  await passes(next, b.name);
  t.equal(joins(a, b), 1);
  await works(t, a, b);
  await next.stop();
});

t.test('a leader that is no more when it has written that it joins a peer does not tell it', async (t) => {
  const stopped: Promise<void>[] = [];
  const patch: typeof kube.patch = async (resource, at, change, io) => {
    const answer = await kube.patch(resource, at, change, io);
    if (JSON.stringify(change).includes('joining ')) stopped.push(first.stop());
    return answer;
  };
  const first = start({
    kube: new Proxy(kube, {
      get: (target, name, receiver) =>
        name === 'patch' ? patch : (Reflect.get(target, name, receiver) as unknown),
    }),
  });
  const a = await makeMember('default', 'stopped', 'reference');
  const b = await makeMember('default', 'stopped', 'reference');
  await until(
    'the end',
    () => stopped.length,
    (count) => count > 0,
  );
  await Promise.all(stopped);
  t.equal(joins(a, b), 0);
  await a.peer.persist('a block');
  const next = start();
  await noted('stopped', 2);
  t.equal(joins(a, b), 1);
  await works(t, a, b);
  await next.stop();
});

t.test('a peer that refuses has not joined, and is told again', async (t) => {
  const peers = createPeers(straight);
  let told = 0;
  const refusing: Peers = {
    ...peers,
    join: (...args) =>
      ++told < 3 ? Promise.reject(new PeerError('refused', 'not now')) : peers.join(...args),
  };
  const controller = start({ peers: refusing });
  const a = await makeMember('default', 'refused', 'reference');
  await noted('refused', 1);
  const b = await makeMember('default', 'refused', 'reference');
  await noted('refused', 2);
  t.equal(told, 3);
  await works(t, a, b);
  await controller.stop();
});

t.test('nothing is written of ours, who can be asked', async (t) => {
  const texts: string[] = [];
  const patch: typeof kube.patch = (resource, at, change, io) => {
    if (resource.plural === 'configmaps') texts.push(JSON.stringify(change));
    return kube.patch(resource, at, change, io);
  };
  const controller = start({
    kube: new Proxy(kube, {
      get: (target, name, receiver) =>
        name === 'patch' ? patch : (Reflect.get(target, name, receiver) as unknown),
    }),
  });
  const members = [await makeMember('default', 'plain'), await makeMember('default', 'plain')];
  await together(...members);
  await passes(controller, members[0]!.name);
  t.same(
    texts.filter((text) => text.includes('default_plain')),
    [],
  );
  await controller.stop();
});
