/** Which of several equal pods a workload parts with first. */
import type { Pod } from '../../kube/objects.js';
import { createdAt, findCondition, isReady, millis } from './meta.js';

const PHASES = ['Pending', 'Unknown', 'Running'];
const restartsOf = (pod: Pod): number =>
  Math.max(0, ...(pod.status?.containerStatuses ?? []).map(({ restartCount }) => restartCount));
const deletionCost = (pod: Pod): number =>
  Number(pod.metadata?.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0) || 0;
const readySince = (pod: Pod): number =>
  millis(findCondition(pod.status?.conditions, 'Ready')?.lastTransitionTime);

/** Each measure is lower for the pod that goes sooner; a later one only decides between equals. */
const MEASURES: readonly ((pod: Pod) => number)[] = [
  (pod) => (pod.spec?.nodeName === undefined ? 0 : 1),
  (pod) => PHASES.indexOf(pod.status?.phase ?? ''),
  (pod) => (isReady(pod) ? 1 : 0),
  deletionCost,
  (pod) => (isReady(pod) ? -readySince(pod) : 0),
  (pod) => -restartsOf(pod),
  (pod) => -createdAt(pod),
];

export const firstToDelete = (a: Pod, b: Pod): number => {
  for (const measure of MEASURES) {
    const difference = measure(a) - measure(b);
    if (difference !== 0) return difference;
  }
  return (a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1;
};
