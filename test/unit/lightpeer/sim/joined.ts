/** Worlds whose peers are one network. */
import { agreed } from './checks.js';
import { createWorld } from './world.js';
import type { Node, World } from './world.js';

/** Peers that are joined, and nothing else yet. */
export async function joined(count: number, seed = 1): Promise<World> {
  const world = createWorld(count, seed);
  for (const node of world.nodes) void world.start(node);
  await world.run(300);
  for (const node of world.nodes.slice(1)) {
    node.replica!.join(world.nodes[0]!.address).catch(() => undefined);
    await world.until(() => node.replica!.status().members.length > 1, 5000);
  }
  if (!(await world.until(() => agreed(world), 20_000))) throw new Error('not joined');
  return world;
}

export const leaderOf = (world: World): Node =>
  world.nodes.find(({ replica }) => replica?.status().mode === 'leading')!;
export const others = (world: World, node: Node): Node[] => world.nodes.filter((other) => other !== node);
