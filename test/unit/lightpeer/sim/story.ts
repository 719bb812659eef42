/** A story: what happens to the peers of a world, told by commands, and how it must end. */
import { agreed, faults } from './checks.js';
import { createWorld } from './world.js';
import type { Node, World } from './world.js';
import type { Placed } from '../../../../lightpeer/chain/block.js';
import type { Limits } from '../../../../lightpeer/replica/ports.js';

export type Command =
  | { readonly do: 'persist'; readonly who: number; readonly times: number; readonly path?: string }
  /** Persisted with an id that is used again, maybe elsewhere. */
  | { readonly do: 'retry'; readonly who: number; readonly id: number }
  | { readonly do: 'crash' | 'start' | 'pause' | 'resume' | 'full' | 'free'; readonly who: number }
  | { readonly do: 'join'; readonly who: number; readonly whom: number }
  | { readonly do: 'partition'; readonly groups: readonly number[] }
  | { readonly do: 'heal' }
  | { readonly do: 'wait'; readonly ms: number };

export interface Story {
  readonly seed: number;
  readonly count: number;
  readonly limits?: Partial<Limits>;
  readonly commands: readonly Command[];
}

export interface Ending {
  /** Empty when all is as it must be. */
  readonly faults: readonly string[];
  readonly acknowledged: ReadonlySet<string>;
  readonly world: World;
}

/** Starts `count` peers, joins them, lets the commands happen, then heals everything and looks. */
export async function tell({ seed, count, limits, commands }: Story): Promise<Ending> {
  const world = createWorld(count, seed, limits);
  const acknowledged = new Set<string>();
  const broken: string[] = [];
  const { nodes } = world;

  const joinAll = async (ms: number): Promise<boolean> => {
    const end = world.now() + ms;
    while (world.now() < end) {
      // As a controller does it: who is not in the network of the first is joined to it, one after another.
      const first = nodes[0]!.replica?.status();
      const outside = nodes.find(
        (node) =>
          node !== nodes[0] &&
          node.replica !== undefined &&
          first?.members.every(({ address }) => address !== node.address),
      );
      outside?.replica?.join(nodes[0]!.address, 5000).catch(() => undefined);
      if (await world.until(() => agreed(world), 3000)) return true;
    }
    return false;
  };

  function persist(node: Node, id: string | undefined, path = ''): void {
    const { replica, life } = node;
    if (replica === undefined) return;
    const text = `by ${node.address} at ${world.now()}`;
    replica.persist(Buffer.from(text), { ...(id !== undefined && { id }), path, timeoutMs: 8000 }).then(
      (done) => {
        if (node.life !== life) return;
        acknowledged.add(done.id);
      },
      () => undefined,
    );
  }

  const compacting = limits?.compactBlocks !== undefined || limits?.compactBytes !== undefined;
  /** On the disk, or compacted since. */
  const has = (address: string, { height, block }: Placed): boolean => {
    const member = world.node(address);
    if (member?.disk.holds(`"${block.id}"`) === true) return true;
    return compacting && (member?.replica?.store().base().height ?? height) >= height;
  };

  // Whenever an orderer says that a block is everywhere, it is on the disk of each member.
  world.onStart = (node, replica) => {
    let last = replica.state.committed;
    replica.onChange(() => {
      const { mode, committed, store } = replica.state;
      if (mode !== 'leading' || committed <= last) return void (last = committed);
      last = committed;
      const { members } = replica.status();
      void store.at(committed).then((placed) => {
        for (const { address } of placed === undefined ? [] : members)
          if (!has(address, placed!))
            broken.push(
              `${node.address} says that ${placed!.block.id} is everywhere; ${address} does not have it`,
            );
      });
    });
  };
  for (const node of nodes) void world.start(node);
  await world.run(500);
  if (!(await joinAll(60_000))) broken.push('the peers did not come together at the start');

  for (const command of commands) {
    const node = 'who' in command ? nodes[command.who % count]! : nodes[0]!;
    switch (command.do) {
      case 'persist':
        for (let i = 0; i < command.times; i++) persist(node, undefined, command.path);
        break;
      case 'retry':
        persist(node, `own-${command.id}`);
        break;
      case 'crash':
        world.crash(node);
        break;
      case 'start':
        void world.start(node);
        break;
      case 'pause':
        world.pause(node);
        break;
      case 'resume':
        world.resume(node);
        break;
      case 'full':
      case 'free':
        node.disk.full = command.do === 'full';
        break;
      case 'join':
        node.replica?.join(nodes[command.whom % count]!.address, 5000).catch(() => undefined);
        break;
      case 'partition':
        world.partition(command.groups);
        break;
      case 'heal':
        world.heal();
        break;
      case 'wait':
        await world.run(command.ms);
    }
    await world.run(1);
  }

  for (const node of nodes) {
    node.disk.full = false;
    world.resume(node);
  }
  world.heal();
  for (let i = 0; i < 10; i++) {
    for (const node of nodes) void world.start(node);
    await world.run(1000);
  }
  // Parts of a network find each other; whoever was never in it, or lost everything, is joined.
  const together = (await world.until(() => agreed(world), 30_000)) || (await joinAll(60_000));
  if (!together)
    broken.push(
      `not together: ${JSON.stringify(nodes.map(({ replica }) => replica && { mode: replica.status().mode, view: replica.status().view, head: replica.status().head, committed: replica.status().committed, members: replica.status().members.length }))}`,
    );
  else broken.push(...(await faults(nodes, compacting ? new Set() : acknowledged)));
  for (const node of nodes) world.crash(node);
  return { faults: broken, acknowledged, world };
}
