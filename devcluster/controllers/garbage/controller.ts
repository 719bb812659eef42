/** The garbage collector: deletes what lost its owners, and ends deletions in the foreground and with orphans. */
import { KubeError } from '../../../kube/index.js';
import type { Kube, KubeLog, KubeObject, Resource } from '../../../kube/index.js';
import { setOwners } from '../adopt.js';
import type { Informer } from '../informer.js';
import { atOf } from '../meta.js';
import type { OwnerReference } from '../meta.js';
import { startQueue } from '../queue.js';
import { createGraph } from './graph.js';
import type { Entry } from './graph.js';
import { FOREGROUND, judge } from './judge.js';
import type { OwnerState } from './judge.js';

export interface GarbageCollectorOptions {
  kube: Kube;
  log?: KubeLog | undefined;
  /** One of each kind whose objects may own or be owned. */
  informers: readonly Informer<KubeObject>[];
}

/** How many uids are remembered that are known to be gone; they never come back. */
const REMEMBERED = 1000;

export const startGarbageCollector = ({
  kube,
  log,
  informers,
}: GarbageCollectorOptions): { stop(): Promise<void> } => {
  const graph = createGraph();
  const gone = new Set<string>();
  const synced = Promise.all(informers.map((informer) => informer.synced));

  const resourceOf = ({ apiVersion, kind }: OwnerReference): Resource | undefined => {
    const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
    return informers.find(({ resource }) => resource.kind === kind && resource.group === group)?.resource;
  };

  /** Asks the server about an owner that the graph lacks, as a watch may lag behind another. */
  const isGone = async (owner: OwnerReference, { object }: Entry, signal: AbortSignal): Promise<boolean> => {
    const resource = resourceOf(owner);
    // Nothing is deleted for the sake of an owner of a kind that is not known.
    if (resource === undefined) return false;
    if (gone.has(owner.uid)) return true;
    const at = {
      name: owner.name,
      ...(resource.namespaced ? { namespace: object.metadata?.namespace } : {}),
    };
    try {
      const found = await kube.get(resource, at, { signal });
      if (found.metadata?.uid === owner.uid) return false;
    } catch (error) {
      if (!(error instanceof KubeError) || !error.is(404)) throw error;
    }
    gone.add(owner.uid);
    for (const oldest of gone) {
      if (gone.size <= REMEMBERED) break;
      gone.delete(oldest);
    }
    return true;
  };

  const stateOf = async (owner: OwnerReference, entry: Entry, signal: AbortSignal): Promise<OwnerState> => {
    const known = graph.get(owner.uid);
    if (known === undefined) return (await isGone(owner, entry, signal)) ? 'absent' : 'solid';
    return known.deleting && known.finalizers.includes(FOREGROUND) ? 'waiting' : 'solid';
  };

  const dropOwners = (entry: Entry, uids: readonly string[], signal: AbortSignal): Promise<void> => {
    const owners = entry.owners.filter(({ uid }) => !uids.includes(uid));
    return setOwners(kube, entry.resource, entry.object, { owners, signal });
  };

  const queue = startQueue({
    name: 'garbage collector',
    log,
    concurrency: 8,
    reconcile: async (uid, signal) => {
      await synced;
      const entry = graph.get(uid);
      if (entry === undefined) return;
      const { resource, object } = entry;
      const states = entry.deleting
        ? []
        : await Promise.all(entry.owners.map((owner) => stateOf(owner, entry, signal)));
      const dependents = graph.dependentsOf(uid);
      const verdict = judge(entry, states, dependents);
      if (verdict.do === 'drop_owners') await dropOwners(entry, verdict.uids, signal);
      if (verdict.do === 'delete') {
        const { policy: propagationPolicy } = verdict;
        await kube.delete(resource, atOf(object), { signal, propagationPolicy, preconditions: { uid } });
      }
      if (verdict.do === 'remove_finalizer') {
        const finalizers = entry.finalizers.filter((finalizer) => finalizer !== verdict.finalizer);
        const body = { metadata: { uid, resourceVersion: object.metadata?.resourceVersion, finalizers } };
        await kube.patch(resource, atOf(object), { type: 'merge', body }, { signal });
      }
      if (verdict.do === 'orphan_dependents') {
        for (const dependent of dependents) await dropOwners(dependent, [uid], signal);
      }
      if (verdict.do === 'wait_for_dependents') for (const dependent of dependents) queue.add(dependent.uid);
    },
  });

  for (const { resource, subscribe } of informers) {
    subscribe((change) => graph.apply(resource, change).forEach((uid) => queue.add(uid)));
  }
  return { stop: () => queue.stop() };
};
