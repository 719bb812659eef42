/** What a call costs by itself: a function that needs no cluster, beside a bare route with the same schemas. */
import { load } from '../load.js';
import { startOperator, startPeer } from '../program.js';
import { alternate } from '../stats.js';
import { compare } from '../table.js';
import type { Row } from './row.js';

const CONNECTIONS = 16;

export const noCluster: Row = async function* ({ ground, onEnd, scale: { rounds, seconds } }) {
  const operator = await startOperator(ground.settings);
  onEnd(() => operator.stop());
  const floor = await startPeer<{ url: string }>('floor', { access: ground.access });
  onEnd(() => floor.stop());
  const served = (url: string, path: string) => async () =>
    (await load({ url, path, connections: CONNECTIONS, seconds, body: () => '{}' })).callsPerSecond;
  const figures = await alternate(
    {
      ours: served(operator.url, '/v1/functions/server_info'),
      floor: served(floor.ready.url, '/server_info'),
    },
    rounds,
  );
  yield compare(`server_info, ${CONNECTIONS} at once`, '/s', figures.ours, {
    name: 'bare Fastify',
    figures: figures.floor,
    goal: { atLeast: 0.8 },
  });
};
