/** What the operator holds: idle, with a watch of many pods, and after many calls. */
import { setTimeout as delay } from 'node:timers/promises';
import { load } from '../load.js';
import { deploymentParams } from '../objects.js';
import { startOperator, startPeer } from '../program.js';
import { spreadOf } from '../stats.js';
import { alone, spreadText } from '../table.js';
import { MADE, podsIn } from './pods.js';
import type { Row } from './row.js';

const SETTLE_MS = 1_000;
const MIB = ' MiB';
const BLOCKS = 5;
const CONNECTIONS = 16;
/** What memory may have grown by between the second fifth of the calls and the last, to be called flat. */
const FLAT = 1.1;

export const memory: Row = async function* ({ ground, onEnd, scale }) {
  const namespace = await ground.namespace('memory');
  const idle: number[] = [];
  for (let round = 0; round < scale.rounds; round++) {
    const operator = await startOperator(ground.settings);
    await delay(SETTLE_MS);
    idle.push(operator.residentMiB());
    await operator.stop();
  }
  yield alone('memory, idle', MIB, idle, { atMost: 100 });

  const part = scale.watchedPods / 2;
  await Promise.all([podsIn(ground, part, 0), podsIn(ground, part, 1)]);
  const watching: number[] = [];
  for (let round = 0; round < scale.rounds; round++) {
    const setup = { kubeconfig: ground.kubeconfig, labelSelector: MADE };
    const watcher = await startPeer<{ pods: number }>('watcher', setup);
    if (watcher.ready.pods !== part * 2) throw new Error(`${watcher.ready.pods} pods are watched`);
    await delay(SETTLE_MS);
    watching.push(watcher.residentMiB());
    await watcher.stop();
  }
  yield alone(`memory, ${part * 2} pods watched`, MIB, watching, { atMost: 160 });

  const operator = await startOperator(ground.settings);
  onEnd(() => operator.stop());
  const call = (name: string, query: string, calls: number, params: object) =>
    load({
      url: operator.url,
      path: `/v1/functions/${name}${query}`,
      connections: CONNECTIONS,
      calls,
      body: () => JSON.stringify(params),
    });
  const held: number[] = [];
  const each = scale.calls / BLOCKS / 2;
  for (let block = 0; block < BLOCKS; block++) {
    await call('server_info', '', each, {});
    await call('create_deployment', '?dry_run=true', each, deploymentParams(namespace, 'dry'));
    held.push(operator.residentMiB());
  }
  const growth = held.at(-1)! / held[1]!;
  yield {
    what: `memory, after ${scale.calls} calls`,
    ours: spreadText(spreadOf([held.at(-1)!]), MIB),
    other: `on the way ${held.map((mib) => Math.round(mib)).join(', ')}`,
    ratio: `${growth.toFixed(2)} ×`,
    goal: `≤ ${FLAT} ×`,
    holds: growth <= FLAT,
  };
};
