/** Thousands of pods that claim to run, made once for all rows that want them. */
import { FAKE, makeFakeNodes, makeFakePods, removeFakes } from '../../test/cluster/scale.js';
import type { Kube } from '../../kube/index.js';
import type { Ground } from '../ground.js';

const PODS_A_NODE = 100;
const made = new WeakMap<Ground, Map<number, Promise<string>>>();

/** The label by which these pods are selected in all namespaces. */
export const MADE = FAKE;

/** A namespace with so many pods. @param part those of another part are other pods. */
export function podsIn(ground: Ground, count: number, part: number): Promise<string> {
  const parts = made.get(ground) ?? new Map<number, Promise<string>>();
  made.set(ground, parts);
  const known = parts.get(part) ?? make(ground, count, part);
  parts.set(part, known);
  return known;
}

async function make(ground: Ground, count: number, part: number): Promise<string> {
  const { kube } = ground;
  const namespace = await ground.namespace(`pods-${part}`);
  ground.onClose(() => removeFakes(kube, namespace));
  await fillWithPods(kube, namespace, count);
  return namespace;
}

/** Makes so many pods in a namespace, on nodes of their own. */
export async function fillWithPods(kube: Kube, namespace: string, count: number): Promise<void> {
  const nodes = await makeFakeNodes(kube, {
    count: Math.ceil(count / PODS_A_NODE),
    prefix: `xi-k8s-bench-${namespace}`,
  });
  const labels = { app: 'many', 'app.kubernetes.io/part-of': 'bench' };
  await makeFakePods(kube, { count, prefix: 'pod', namespace, nodes, labels });
}
