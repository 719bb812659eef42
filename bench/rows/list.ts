/** A long list, from the question to objects in the asker's memory. */
import { Pool } from 'undici';
import { startOperator, startPeer } from '../program.js';
import { alternate } from '../stats.js';
import { compare } from '../table.js';
import { podsIn } from './pods.js';
import type { Row } from './row.js';

export const list: Row = async function* ({ ground, onEnd, scale: { rounds, pods } }) {
  const namespace = await podsIn(ground, pods, 0);
  const operator = await startOperator(ground.settings);
  onEnd(() => operator.stop());
  const official = await startPeer('official', { setup: { kubeconfig: ground.kubeconfig } });
  onEnd(() => official.stop());
  const ours = new Pool(operator.url);
  onEnd(() => ours.destroy());

  const timed = async (work: () => Promise<number>): Promise<number> => {
    const started = performance.now();
    const found = await work();
    const ms = performance.now() - started;
    if (found !== pods) throw new Error(`a list has ${found} pods, and there are ${pods}`);
    return ms;
  };
  const request = (pool: Pool, options: Parameters<Pool['request']>[0]) =>
    timed(async () => {
      const { body } = await pool.request(options);
      return ((await body.json()) as { items: unknown[] }).items.length;
    });
  const figures = await alternate(
    {
      ours: () =>
        request(ours, {
          method: 'POST',
          path: '/v1/functions/list_pods',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ namespace, limit: pods }),
        }),
      raw: () =>
        request(ground.direct, {
          method: 'GET',
          path: `/api/v1/namespaces/${namespace}/pods?limit=${pods}`,
          headers: ground.headers,
        }),
      official: async () => {
        const { ms, items } = await official.ask<{ ms: number; items: number }>({ list: { namespace } });
        if (items !== pods) throw new Error(`the official library lists ${items} pods of ${pods}`);
        return ms;
      },
    },
    rounds,
  );
  const what = `list_pods, ${pods} pods`;
  yield compare(what, ' ms', figures.ours, {
    name: 'raw GET and JSON.parse',
    figures: figures.raw,
    goal: { atMost: 1.2 },
  });
  yield compare(what, ' ms', figures.ours, {
    name: 'official library',
    figures: figures.official,
  });
};
