/** Creating Deployments: ours, the shortest server that does it, the direct call, the official library. */
import { deploymentObject, deploymentParams } from '../objects.js';
import { load } from '../load.js';
import { startOperator, startPeer } from '../program.js';
import { alternate } from '../stats.js';
import { compare } from '../table.js';
import { connectionsBy } from '../workers.js';
import type { Rate } from '../workers.js';
import type { Row } from './row.js';

const CONNECTIONS = [1, 16, 64];
/** What the Python operator of the seed page does, by connections: measured on a real cluster on a 2-core machine. */
const PYTHON: Readonly<Record<number, number>> = { 1: 94, 16: 121, 64: 121 };

export const create: Row = async function* ({ ground, onEnd, scale: { rounds, seconds } }) {
  const namespace = await ground.namespace('create');
  const operator = await startOperator(ground.settings);
  onEnd(() => operator.stop());
  const floor = await startPeer<{ url: string }>('floor', { access: ground.access });
  onEnd(() => floor.stop());
  const official = await startPeer('official', { setup: { kubeconfig: ground.kubeconfig } });
  onEnd(() => official.stop());

  let run = 0;
  /** One run with names of its own, whose objects are gone when it ends. */
  const once = async (drive: (prefix: string) => Promise<Rate>): Promise<number> => {
    const { callsPerSecond } = await drive(`run-${run++}`);
    await ground.removeDeployments(namespace);
    return callsPerSecond;
  };
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments`;
  const headers = { ...ground.headers, 'content-type': 'application/json' };

  for (const connections of CONNECTIONS) {
    const served = (url: string, route: string) => () =>
      once((prefix) =>
        load({
          url,
          path: route,
          connections,
          seconds,
          body: (nth) => JSON.stringify(deploymentParams(namespace, `${prefix}-${nth}`)),
        }),
      );
    const directly = async (name: string): Promise<void> => {
      const body = JSON.stringify(deploymentObject(namespace, name));
      const answer = await ground.direct.request({ method: 'POST', path, headers, body });
      await answer.body.json();
      if (answer.statusCode !== 201) throw new Error(`the API server answered ${answer.statusCode}`);
    };
    const figures = await alternate(
      {
        ours: served(operator.url, '/v1/functions/create_deployment'),
        floor: served(floor.ready.url, '/create_deployment'),
        direct: () =>
          once((prefix) =>
            connectionsBy({ connections, seconds }, () =>
              Promise.resolve({ call: (nth) => directly(`${prefix}-${nth}`), close: () => undefined }),
            ),
          ),
        official: () =>
          once((prefix) => official.ask<Rate>({ create: { namespace, prefix, connections, seconds } })),
      },
      rounds,
    );
    const what = `create_deployment, ${connections} at once`;
    const goal = connections > 1 ? ({ goal: { atLeast: 0.9 } } as const) : {};
    yield compare(what, '/s', figures.ours, {
      name: 'bare Fastify and POST',
      figures: figures.floor,
      ...goal,
    });
    yield compare(what, '/s', figures.ours, { name: 'direct POST', figures: figures.direct });
    yield compare(what, '/s', figures.ours, { name: 'official library', figures: figures.official });
    const python = PYTHON[connections];
    if (ground.how === 'kubeconfig' && python !== undefined)
      yield compare(what, '/s', figures.ours, {
        name: 'Python operator, measured before',
        figures: figures.ours.map(() => python),
        ...(connections > 1 ? { goal: { atLeast: 7 } as const } : {}),
      });
  }
};
