/** Which pods are a Deployment's own. */
import type { Deployment, Pod } from '../ports.js';
import { PODS } from '../ports.js';
import type { Source } from './observe.js';
import { selectorText } from './selector.js';

/** Where some pods are, and which of those that are found there count. */
export interface PodSource extends Source<Pod> {
  readonly mine: (pod: Pod) => boolean;
}

/**
 * The pods of a Deployment. Its selector finds them, but may find another's too: those count that one of its ReplicaSets
 * owns, which the Deployment controller names after the Deployment and the pods' template hash.
 */
export function podsOf({ metadata, spec }: Deployment): PodSource {
  const { name = '', namespace = '' } = metadata ?? {};
  return {
    resource: PODS,
    namespace,
    labelSelector: selectorText(spec?.selector),
    mine: (pod) => {
      const owner = pod.metadata?.ownerReferences?.find(({ controller }) => controller === true);
      const hash = pod.metadata?.labels?.['pod-template-hash'];
      return owner?.kind === 'ReplicaSet' && owner.name === `${name}-${hash}`;
    },
  };
}
