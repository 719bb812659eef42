/** A pod's quality of service class. */
import type { Pod } from '../../kube/index.js';

const COUNTED = ['cpu', 'memory'];

export const qosClassOf = (pod: Pod): 'Guaranteed' | 'Burstable' | 'BestEffort' => {
  const all = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const asks = all.some(({ resources }) =>
    COUNTED.some(
      (name) => resources?.requests?.[name] !== undefined || resources?.limits?.[name] !== undefined,
    ),
  );
  if (!asks) return 'BestEffort';
  const isFixed = all.every(({ resources }) =>
    COUNTED.every((name) => {
      const limit = resources?.limits?.[name];
      return limit !== undefined && (resources?.requests?.[name] ?? limit) === limit;
    }),
  );
  return isFixed ? 'Guaranteed' : 'Burstable';
};
