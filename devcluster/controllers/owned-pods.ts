/** The pods of all workloads of one kind: what was done to them and is not seen yet, and whom their changes concern. */
import { keyOf } from '../../kube/index.js';
import type { KubeObject, Pod } from '../../kube/index.js';
import { createExpectations } from './expectations.js';
import { orphansOf, ownedBy } from './informer.js';
import type { Informer } from './informer.js';
import { controllerOf, isActive, uidOf } from './meta.js';
import { selects } from './selector.js';
import type { LabelSelector } from './selector.js';

/** All pods, and the ways in which they are found. */
export interface PodIndex {
  pods: Informer<Pod>;
  /** By the keys of `ownerKeys`. */
  podsUnder(key: string): readonly Pod[];
  /** By uid. */
  podOf(uid: string): Pod | undefined;
}

export interface Selecting extends KubeObject {
  spec?: { selector?: LabelSelector };
}

export interface OwnedPods {
  /** Call with the server's answer. */
  created(key: string, pod: Pod): void;
  deleted(key: string, pod: Pod): void;
  /** Milliseconds for which the workload's next step waits for the watch; undefined when it need not. */
  pending(key: string): number | undefined;
  forget(key: string): void;
  /** Those that the workload controls, and those of its namespace that nobody controls. */
  candidates(owner: KubeObject): readonly Pod[];
}

export const createOwnedPods = <T extends Selecting>({
  pods,
  podsUnder,
  podOf,
  owners,
  wake,
  clock,
}: PodIndex & {
  owners: Informer<T>;
  /** Called with the key of a workload of which a pod changed, or which may adopt one. */
  wake(key: string): void;
  clock: () => number;
}): OwnedPods => {
  const creation = createExpectations((uid) => podOf(uid) !== undefined, { clock });
  const isEnded = (pod: Pod | undefined): boolean => pod === undefined || !isActive(pod);
  const deletion = createExpectations((uid) => isEnded(podOf(uid)), { clock });
  pods.subscribe(({ type, object, previous }) => {
    creation.seen(uidOf(object));
    if (type === 'deleted' || !isActive(object)) deletion.seen(uidOf(object));
    const { namespace, labels } = object.metadata ?? {};
    const owner = controllerOf(object);
    for (const each of [owner, previous && controllerOf(previous)])
      if (each?.kind === owners.resource.kind) wake(`${namespace}/${each.name}`);
    if (owner !== undefined || type === 'deleted') return;
    for (const one of owners.store.values())
      if (one.metadata?.namespace === namespace && selects(one.spec?.selector, labels)) wake(keyOf(one));
  });
  return {
    created: (key, pod) => creation.expect(key, uidOf(pod)),
    deleted: (key, pod) => deletion.expect(key, uidOf(pod)),
    pending: (key) => creation.pending(key) ?? deletion.pending(key),
    forget: (key) => {
      creation.forget(key);
      deletion.forget(key);
    },
    candidates: (owner) => [
      ...podsUnder(ownedBy(uidOf(owner))),
      ...podsUnder(orphansOf(owner.metadata?.namespace)),
    ],
  };
};
