/** Taints of nodes and the tolerations of pods: pure functions. */
import type { Node, Pod } from '../../../kube/objects.js';

type Taint = NonNullable<NonNullable<Node['spec']>['taints']>[number];

/** Whether a pod puts up with a taint. A toleration without key, value or effect is for all of them. */
export const tolerates = (pod: Pod, { key, value, effect }: Taint): boolean =>
  (pod.spec?.tolerations ?? []).some((toleration) => {
    const { operator = 'Equal' } = toleration;
    if (toleration.effect && toleration.effect !== effect) return false;
    if (!toleration.key) return operator === 'Exists';
    if (toleration.key !== key) return false;
    return operator === 'Exists' || (toleration.value ?? '') === (value ?? '');
  });

/** The taints of a node, of these effects, that a pod does not tolerate. */
export const untolerated = (pod: Pod, node: Node, effects: readonly string[]): Taint[] =>
  (node.spec?.taints ?? []).filter((taint) => effects.includes(taint.effect) && !tolerates(pod, taint));
