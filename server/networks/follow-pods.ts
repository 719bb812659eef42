/** The pods with a network's label, by a reflector a namespace, and of which networks all of them are known. */
import type { Change, Log, Reflect } from '../ports.js';
import { namespacesOf } from './network-key.js';
import type { SharedNetworks } from './network-key.js';
import { LABELLED_PODS, NETWORK_LABEL, labelledPod } from './peer-pod.js';
import type { LabelledPod } from './peer-pod.js';

export interface FollowOptions {
  readonly reflect: Reflect;
  readonly shared: SharedNetworks;
  /** All when empty. */
  readonly namespaces: readonly string[];
  readonly log: Log;
  /** Takes a change in; answers the keys of the networks that it concerns. */
  take(change: Change<LabelledPod>): Iterable<string>;
  /** A network has changed, and all of its pods are known. */
  changed(key: string): void;
}

export interface FollowedPods {
  stop(): Promise<void>;
}

/**
 * Follows the pods. A network is told of from when each of its namespaces was listed: who decides by half of its pods takes the
 * others for gone.
 */
export function followPods(options: FollowOptions): FollowedPods {
  const { reflect, shared, log } = options;
  const waiting = new Set<string>();
  const namespaces = options.namespaces.length === 0 ? [undefined] : options.namespaces;
  const unseen = new Set<string | undefined>(namespaces);
  const isKnown = (key: string): boolean =>
    !unseen.has(undefined) && !namespacesOf(shared, key).some((namespace) => unseen.has(namespace));
  const reflectors = namespaces.map((namespace) => {
    const reflector = reflect<LabelledPod>({
      resource: LABELLED_PODS,
      namespace,
      labelSelector: NETWORK_LABEL,
      project: labelledPod,
      log,
      onChange: (change) => {
        for (const key of options.take(change))
          if (isKnown(key)) options.changed(key);
          else waiting.add(key);
      },
    });
    void reflector.synced.then(() => {
      unseen.delete(namespace);
      for (const key of [...waiting].filter(isKnown)) {
        waiting.delete(key);
        options.changed(key);
      }
    });
    return reflector;
  });
  return {
    async stop() {
      await Promise.all(reflectors.map((reflector) => reflector.stop()));
    },
  };
}
