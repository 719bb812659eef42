/** Networks whose peers take calls and never answer: the others are looked after all the same. */
import t from 'tap';
import { straight } from '../../server/peers/clients.js';
import { createPeers } from '../../server/peers/peers.js';
import type { PeerIo, Peers } from '../../server/ports.js';
import { networkCluster, until } from '../helpers/network-cluster.js';

t.setTimeout(300_000);
const { makePod, makeMember, start, together } = await networkCluster(t);

/** Never answers, however long it is given; ends with the leading only. */
const hang = (io: PeerIo | undefined): Promise<never> =>
  new Promise((_, reject) => {
    io?.signal?.addEventListener('abort', () => reject(io.signal?.reason as Error), { once: true });
  });

/** Peers of which those of some pods hang, as soon as they are asked or when they are told to join. */
function hanging(pods: ReadonlySet<string>, call: 'status' | 'join'): { peers: Peers; hung(): number } {
  const peers = createPeers(straight);
  let hung = 0;
  const none = (io: PeerIo | undefined): Promise<never> => {
    hung++;
    return hang(io);
  };
  return {
    hung: () => hung,
    peers: {
      ...peers,
      status(at, io) {
        if (!pods.has(at.pod)) return peers.status(at, io);
        if (call === 'status') return none(io);
        const { address: self } = at;
        return Promise.resolve({ self, members: [self], head: '', height: 0, blocks: 0, version: '' });
      },
      join: (at, contact, io) => (pods.has(at.pod) ? none(io) : peers.join(at, contact, io)),
    },
  };
}

const makeAll = async (count: number, network: (i: number) => string): Promise<Set<string>> => {
  const pods = await Promise.all(Array.from({ length: count }, (_, i) => makePod('default', network(i))));
  return new Set(pods.map(({ name }) => name));
};

t.test('more networks hang in a join than are brought in line at once', async (t) => {
  const bad = await makeAll(80, (i) => `hung-${i >> 1}`);
  const { peers, hung } = hanging(bad, 'join');
  const controller = start({ peers });
  await until('joins that hang', hung, (count) => count >= 32);
  await together(await makeMember('default', 'well'), await makeMember('default', 'well'));
  t.equal(await until('all of them', hung, (count) => count === 40), 40);
  await controller.stop();
});

t.test('more peers of a network hang than are asked at once', async (t) => {
  const bad = await makeAll(80, () => 'hung');
  const { peers, hung } = hanging(bad, 'status');
  const controller = start({ peers });
  await until('questions that hang', hung, (count) => count >= 32);
  await together(await makeMember('default', 'fine'), await makeMember('default', 'fine'));
  t.ok(hung() < 64, 'one network has not all questions');
  await controller.stop();
});
