/** Where a pod may run: a pure function from the pod, the nodes and what is already asked of them. */
import type { Node, Pod } from '../../../kube/objects.js';
import { parseQuantity } from '../../api/quantity.js';
import { hasLabels, meets } from '../selector.js';
import type { Labels } from '../selector.js';

/** Resource name to amount, in units of 10^-9. */
export type Amounts = ReadonlyMap<string, bigint>;

export const ONE_POD = 1_000_000_000n;

const amounts = (quantities: Record<string, string> | undefined): Map<string, bigint> =>
  new Map(Object.entries(quantities ?? {}).map(([name, text]) => [name, parseQuantity(text)?.nanos ?? 0n]));

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
  return total.set('pods', ONE_POD);
};

const nodeLabels = (node: Node): Labels => ({
  ...node.metadata?.labels,
  'metadata.name': node.metadata?.name ?? '',
});

const matchesSelectors = (pod: Pod, node: Node): boolean => {
  const labels = nodeLabels(node);
  if (!hasLabels(labels, pod.spec?.nodeSelector)) return false;
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (required === undefined) return true;
  return required.nodeSelectorTerms.some(
    ({ matchExpressions, matchFields }) => meets(labels, matchExpressions) && meets(labels, matchFields),
  );
};

/** The reasons why a node does not take a pod, in the order in which they are looked for; the first that applies counts. */
const obstacles = (pod: Pod, requests: Amounts, node: Node, used: Amounts): string[] => {
  if (node.spec?.unschedulable === true) return ['node(s) were unschedulable'];
  if (!matchesSelectors(pod, node)) return ["node(s) didn't match Pod's node affinity/selector"];
  const allocatable = amounts(node.status?.allocatable);
  return [...requests]
    .filter(
      ([name, amount]) => amount > 0n && (used.get(name) ?? 0n) + amount > (allocatable.get(name) ?? 0n),
    )
    .map(([name]) => (name === 'pods' ? 'Too many pods' : `Insufficient ${name}`));
};

export type Fit = { node: string } | { message: string };

/** The node with the fewest pods among those that take this one, or the scheduler's message why none does. */
export const findNode = (pod: Pod, nodes: Iterable<Node>, usedOf: (node: string) => Amounts): Fit => {
  const requests = requestsOf(pod);
  const refused = new Map<string, number>();
  let best: { name: string; pods: bigint } | undefined;
  let count = 0;
  for (const node of nodes) {
    count += 1;
    const name = node.metadata?.name ?? '';
    const used = usedOf(name);
    const reasons = obstacles(pod, requests, node, used);
    for (const reason of reasons) refused.set(reason, (refused.get(reason) ?? 0) + 1);
    const pods = used.get('pods') ?? 0n;
    if (reasons.length === 0 && (best === undefined || pods < best.pods)) best = { name, pods };
  }
  if (best !== undefined) return { node: best.name };
  if (count === 0) return { message: 'no nodes available to schedule pods' };
  const reasons = [...refused].map(([reason, nodes]) => `${nodes} ${reason}`).sort();
  return { message: `0/${count} nodes are available: ${reasons.join(', ')}.` };
};
