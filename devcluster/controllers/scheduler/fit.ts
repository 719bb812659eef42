/** Where a pod may run: a pure function from the pod, the nodes and what is already asked of them. */
import type { Node, Pod } from '../../../kube/objects.js';
import { parseQuantity } from '../../api/quantity.js';
import { hasLabels, meets } from '../selector.js';
import type { Labels } from '../selector.js';
import { neighbourRules } from './neighbours.js';
import type { NeighbourRules, Obstacle } from './neighbours.js';
import { tolerates, untolerated } from './taints.js';
import type { Usage } from './usage.js';

/** Resource name to amount, in units of 10^-9. */
export type Amounts = ReadonlyMap<string, bigint>;

export const ONE_POD = 1_000_000_000n;

const amounts = (quantities: Record<string, string> | undefined): Map<string, bigint> =>
  new Map(Object.entries(quantities ?? {}).map(([name, text]) => [name, parseQuantity(text)?.nanos ?? 0n]));

/** What pods ask for that ask for nothing: a place on the node. */
const BARE: Amounts = new Map([['pods', ONE_POD]]);

/** What a pod asks for: its containers together, or its largest init container where that is more; and one pod. */
export const requestsOf = (pod: Pod): Amounts => {
  const total = new Map<string, bigint>();
  for (const container of pod.spec?.containers ?? []) {
    for (const [name, amount] of amounts(container.resources?.requests)) {
      total.set(name, (total.get(name) ?? 0n) + amount);
    }
  }
  for (const container of pod.spec?.initContainers ?? []) {
    for (const [name, amount] of amounts(container.resources?.requests)) {
      if (amount > (total.get(name) ?? 0n)) total.set(name, amount);
    }
  }
  return total.size === 0 ? BARE : total.set('pods', ONE_POD);
};

const nodeLabels = (node: Node): Labels => ({
  ...node.metadata?.labels,
  'metadata.name': node.metadata?.name ?? '',
});

export const matchesSelectors = (pod: Pod, node: Node): boolean => {
  const labels = nodeLabels(node);
  if (!hasLabels(labels, pod.spec?.nodeSelector)) return false;
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (required === undefined) return true;
  return required.nodeSelectorTerms.some(
    ({ matchExpressions, matchFields }) => meets(labels, matchExpressions) && meets(labels, matchFields),
  );
};

const preferenceOf = (pod: Pod, node: Node): number =>
  (pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [])
    .filter(({ preference: { matchExpressions, matchFields } }) => {
      const labels = nodeLabels(node);
      return meets(labels, matchExpressions) && meets(labels, matchFields);
    })
    .reduce((total, { weight }) => total + weight, 0);

const UNSCHEDULABLE = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

const never = (reason: string): Obstacle[] => [{ reason, mends: false }];

/** Why a node does not take a pod: the first of the rules that refuses it, in the scheduler's order and words. */
const obstacles = (
  pod: Pod,
  node: Node,
  { requests, used, rules }: { requests: Amounts; used: Amounts; rules: NeighbourRules },
): Obstacle[] => {
  if (node.spec?.unschedulable === true && !tolerates(pod, UNSCHEDULABLE))
    return never('node(s) were unschedulable');
  if (untolerated(pod, node, ['NoSchedule', 'NoExecute']).length > 0)
    return never('node(s) had untolerated taint(s)');
  if (!matchesSelectors(pod, node)) return never("node(s) didn't match Pod's node affinity/selector");
  const taken = rules.ports(node);
  if (taken.length > 0) return taken;
  const allocatable = amounts(node.status?.allocatable);
  const isShort = (name: string, amount: bigint): boolean => amount > (allocatable.get(name) ?? 0n);
  const lacks = [...requests]
    .filter(([name, amount]) => amount > 0n && isShort(name, (used.get(name) ?? 0n) + amount))
    .map(([name, amount]) => ({
      reason: name === 'pods' ? 'Too many pods' : `Insufficient ${name}`,
      mends: !isShort(name, amount),
    }));
  return lacks.length > 0 ? lacks : rules.company(node);
};

export type Fit = { node: string } | { message: string };

const counted = (texts: Iterable<string>): string => {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts]
    .map(([text, count]) => `${count} ${text}`)
    .sort()
    .join(', ');
};

/** The scheduler's message where each node has its obstacles. Nothing is ever driven away for another pod. */
const refusal = (found: readonly Obstacle[][]): string => {
  const head = `0/${found.length} nodes are available: `;
  const helps = found.map((ofNode) =>
    ofNode.every(({ mends }) => mends)
      ? 'No preemption victims found for incoming pod'
      : 'Preemption is not helpful for scheduling',
  );
  const reasons = found.flat().map(({ reason }) => reason);
  return `${head}${counted(reasons)}. no new claims to deallocate, preemption: ${head}${counted(helps)}.`;
};

/** Compared one after another; less is better. */
const ranks = (pod: Pod, node: Node, used: Amounts): (number | bigint)[] => [
  untolerated(pod, node, ['PreferNoSchedule']).length,
  -preferenceOf(pod, node),
  used.get('pods') ?? 0n,
];

const isBetter = (a: readonly (number | bigint)[], b: readonly (number | bigint)[]): boolean => {
  const at = a.findIndex((rank, index) => rank !== b[index]);
  return at >= 0 && (a[at] as number) < (b[at] as number);
};

/**
 * The node for a pod: of those that take it one whose taints it does not mind, that it prefers, and that has the fewest
 * pods, in this order; or the scheduler's message why there is none.
 *
 * @param labelsOf the labels of a namespace
 * @param problem why no node can take it, such as a volume that is not there
 */
export const findNode = (
  pod: Pod,
  nodes: Iterable<Node>,
  {
    usage,
    labelsOf = () => ({}),
    problem,
  }: { usage: Usage; labelsOf?: (namespace: string) => Labels; problem?: string | undefined },
): Fit => {
  const all = [...nodes];
  if (all.length === 0) return { message: 'no nodes available to schedule pods' };
  // The second "not found" is the scheduler's own, about what it did next.
  if (problem !== undefined) return { message: `0/${all.length} nodes are available: ${problem}. not found` };
  const requests = requestsOf(pod);
  const rules = neighbourRules(pod, all, { all: usage.all, choosy: usage.choosy, labelsOf });
  const found: Obstacle[][] = [];
  let best: { name: string; rank: (number | bigint)[] } | undefined;
  for (const node of all) {
    const name = node.metadata?.name ?? '';
    const used = usage.of(name);
    const reasons = obstacles(pod, node, { requests, used, rules });
    found.push(reasons);
    if (reasons.length > 0) continue;
    const rank = ranks(pod, node, used);
    if (best === undefined || isBetter(rank, best.rank)) best = { name, rank };
  }
  return best === undefined ? { message: refusal(found) } : { node: best.name };
};
