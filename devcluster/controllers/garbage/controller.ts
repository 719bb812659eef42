/** The garbage collector: deletes what lost its owners, and ends deletions in the foreground and with orphans. */
import { KubeError } from '../../../kube/index.js';
import type { Kube, KubeLog, Resource } from '../../../kube/index.js';
import { setOwners } from '../adopt.js';
import type { EventRecorder } from '../events.js';
import type { Kinds } from '../kinds.js';
import { atOf, groupOf, uidOf } from '../meta.js';
import type { OwnerReference } from '../meta.js';
import { startQueue } from '../queue.js';
import { createGraph } from './graph.js';
import type { Entry } from './graph.js';
import { FOREGROUND, judge } from './judge.js';
import type { OwnerState } from './judge.js';

export interface GarbageCollectorOptions {
  kube: Kube;
  log?: KubeLog | undefined;
  events: EventRecorder;
  kinds: Kinds;
}

/** How many objects are remembered that are known to be gone; they never come back. */
const REMEMBERED = 1000;

export const startGarbageCollector = ({
  kube,
  log,
  events,
  kinds,
}: GarbageCollectorOptions): { stop(): Promise<void> } => {
  const graph = createGraph();
  const gone = new Set<string>();
  /** Objects that have an owner of a kind which is not known. */
  const unresolved = new Set<string>();

  const resourceOf = ({ apiVersion, kind }: OwnerReference): Resource | undefined =>
    kinds.find(groupOf(apiVersion), kind)?.resource;

  /** A uid alone would do, if nobody ever wrote a reference by hand. */
  const idOf = ({ group, kind }: Pick<Resource, 'group' | 'kind'>, uid: string): string =>
    JSON.stringify([group, kind, uid]);
  const markGone = (id: string): void => {
    gone.add(id);
    for (const oldest of gone) {
      if (gone.size <= REMEMBERED) break;
      gone.delete(oldest);
    }
  };

  /** Asks the server about an owner that the graph lacks, as a watch may lag behind another. */
  const isGone = async (owner: OwnerReference, { object }: Entry, signal: AbortSignal): Promise<boolean> => {
    const id = idOf({ group: groupOf(owner.apiVersion), kind: owner.kind }, owner.uid);
    if (gone.has(id)) return true;
    const resource = resourceOf(owner);
    // Nothing is deleted for the sake of an owner of a kind that is not known.
    if (resource === undefined) {
      unresolved.add(uidOf(object));
      return false;
    }
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
    markGone(id);
    return true;
  };

  const reportElsewhere = ({ apiVersion, kind, name, uid }: OwnerReference, entry: Entry): void => {
    const { namespace = '' } = entry.object.metadata ?? {};
    events.record(entry.resource, entry.object, {
      type: 'Warning',
      reason: 'OwnerRefInvalidNamespace',
      message: `ownerRef [${apiVersion}/${kind}, namespace: ${namespace}, name: ${name}, uid: ${uid}] does not exist in namespace "${namespace}"`,
    });
  };

  const stateOf = async (owner: OwnerReference, entry: Entry, signal: AbortSignal): Promise<OwnerState> => {
    const known = graph.get(owner.uid);
    const { namespace } = entry.object.metadata ?? {};
    const isNamespaced = (known?.resource ?? resourceOf(owner))?.namespaced === true;
    if (
      isNamespaced &&
      (namespace === undefined || (known && known.object.metadata?.namespace !== namespace))
    ) {
      // An owner in another namespace is none. What has no namespace can have no such owner, and stays.
      reportElsewhere(owner, entry);
      return namespace === undefined ? 'solid' : 'absent';
    }
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
    after: kinds.synced,
    reconcile: async (uid, signal) => {
      unresolved.delete(uid);
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

  kinds.each(({ resource, subscribe }) => {
    subscribe((change) => {
      if (change.type === 'deleted') markGone(idOf(resource, uidOf(change.object)));
      for (const uid of graph.apply(resource, change)) queue.add(uid);
    });
    for (const uid of unresolved) queue.add(uid);
  });
  return { stop: () => queue.stop() };
};
