/** What must hold when all is quiet and connected. */
import type { Placed } from '../../../../lightpeer/chain/block.js';
import type { Node, World } from './world.js';

export async function chainOf(node: Node): Promise<Placed[]> {
  const blocks: Placed[] = [];
  for await (const placed of node.replica!.store().newestFirst()) blocks.push(placed);
  return blocks.reverse();
}

/** All run, all are members of one view, and all have the same chain to its end. */
export function agreed(world: World, nodes: readonly Node[] = world.nodes): boolean {
  const states = nodes.map(({ replica }) => replica?.status());
  const [first] = states;
  return states.every(
    (status) =>
      status !== undefined &&
      first !== undefined &&
      (status.mode === 'leading' || status.mode === 'following') &&
      status.view.epoch === first.view.epoch &&
      status.view.by === first.view.by &&
      status.head.digest === first.head.digest &&
      status.committed === first.head.height &&
      status.members.length === nodes.length,
  );
}

/**
 * What is wrong with the chains; empty when nothing is. Some peers may have compacted more than others: then what all still
 * have must be equal.
 */
export async function faults(nodes: readonly Node[], acknowledged: ReadonlySet<string>): Promise<string[]> {
  const found: string[] = [];
  const base = Math.max(...nodes.map(({ replica }) => replica!.store().base().height));
  const chains = await Promise.all(nodes.map(chainOf));
  const orderOf = (chain: readonly Placed[]): string =>
    chain
      .filter(({ height }) => height > base)
      .map(({ height, digest, block }) => `${height} ${digest} ${block.id}`)
      .join('\n');
  const order = orderOf(chains[0]!);
  for (const [i, chain] of chains.entries()) {
    const { address, replica } = nodes[i]!;
    if (orderOf(chain) !== order) found.push(`${address} has another chain`);
    const count = new Map<string, number>();
    let previous: Placed | undefined;
    for (const placed of chain) {
      const { block, height } = placed;
      count.set(block.id, (count.get(block.id) ?? 0) + 1);
      if (height > replica!.store().base().height + 1 && block.prevId !== (previous?.block.id ?? ''))
        found.push(`${address}: ${block.id} is not linked to ${previous?.block.id}`);
      previous = placed;
    }
    for (const [id, times] of count) if (times > 1) found.push(`${address}: ${id} is there ${times} times`);
    for (const id of acknowledged)
      if (!count.has(id)) found.push(`${address}: ${id} was acknowledged and is gone`);
  }
  return found;
}
