/** The networks controller: how fast it joins many networks, and what it holds with many pods. */
import { setTimeout as delay } from 'node:timers/promises';
import { makeFakeNodes, makeFakePods, removeFakes } from '../../test/cluster/scale.js';
import type { Ground } from '../ground.js';
import type { ControllerMessage, ControllerSetup } from '../peers/controller.js';
import { startPeer } from '../program.js';
import { alone, compare } from '../table.js';
import type { Row } from './row.js';

const SIZE = 20;
/** What a peer of the reference takes to join with a chain of 1,000 blocks on a disk of memory, in milliseconds. */
const JOIN_MS = 30;
const SETTLE_MS = 5_000;

/** A namespace with so many networks of SIZE pods that claim to run. */
async function networksIn(ground: Ground, name: string, count: number): Promise<string> {
  const namespace = await ground.namespace(name);
  ground.onClose(() => removeFakes(ground.kube, namespace));
  const nodes = await makeFakeNodes(ground.kube, {
    count: Math.ceil((count * SIZE) / 100),
    prefix: `xi-k8s-bench-${name}`,
  });
  for (let nth = 0; nth < count; nth++)
    await makeFakePods(ground.kube, {
      count: SIZE,
      prefix: `n${nth}`,
      namespace,
      nodes,
      taken: nth * SIZE,
      labels: { 'klight.networkId': `net-${nth}` },
    });
  return namespace;
}

export const networks: Row = async function* ({ ground, scale }) {
  const whole = scale.watchedPods >= 10_000;
  const start = (namespace: string, joinMs: number) => {
    const setup: ControllerSetup = { kubeconfig: ground.kubeconfig, namespace, joinMs };
    return startPeer('controller', setup);
  };
  const count = whole ? 50 : 4;
  const joinMessage: ControllerMessage = { join: count * SIZE, size: SIZE };
  const fast = await start(await networksIn(ground, 'networks', count), JOIN_MS);
  const took = await fast.ask<number>(joinMessage);
  const alike: ControllerMessage = { oneByOne: count * (SIZE - 1) };
  const oneByOne = await fast.ask<number>(alike);
  await fast.stop();
  yield compare(`join ${count} networks of ${SIZE} pods`, '/s', [(count * (SIZE - 1) * 1000) / took], {
    name: 'one after another',
    figures: [(count * (SIZE - 1) * 1000) / oneByOne],
    goal: { atLeast: 5 },
  });

  const pods = scale.watchedPods - (scale.watchedPods % SIZE);
  const many = await start(await networksIn(ground, 'watched', pods / SIZE), 0);
  const all: ControllerMessage = { join: pods, size: SIZE };
  await many.ask(all);
  await delay(SETTLE_MS);
  yield alone(`memory, controller of ${pods} pods`, ' MiB', [many.residentMiB()], { atMost: 160 });
  await many.stop();
};
