/** The scheduler: gives pods that have no node one, or says why none takes them. */
import { PODS, keyOf } from '../../../kube/index.js';
import type {
  Binding,
  Kube,
  KubeLog,
  Namespace,
  Node,
  PersistentVolumeClaim,
  Pod,
  Resource,
} from '../../../kube/index.js';
import { sameJson } from '../canonical.js';
import type { EventRecorder } from '../events.js';
import type { Informer } from '../informer.js';
import { atOf, findCondition, isTerminal, timestamp, uidOf, withCondition } from '../meta.js';
import { startQueue } from '../queue.js';
import type { Labels } from '../selector.js';
import { claimKeys } from '../volume/match.js';
import { findNode } from './fit.js';
import { wantsCompany } from './neighbours.js';
import { createUsage } from './usage.js';

/** Where the assignment of one pod to a node is posted. */
const bindingOf = (podName: string): Resource<Binding> => ({
  group: '',
  version: 'v1',
  plural: `pods/${encodeURIComponent(podName)}/binding`,
  kind: 'Binding',
  namespaced: true,
});

const SCHEDULER = 'default-scheduler';

/** Without a node, meant for this scheduler, and free to go. */
const isOurs = ({ spec }: Pod): boolean =>
  spec?.nodeName === undefined &&
  (spec?.schedulerName ?? SCHEDULER) === SCHEDULER &&
  (spec?.schedulingGates ?? []).length === 0;

/** Why a pod cannot go anywhere for the sake of its volume claims; undefined when it can. */
export const claimProblem = (
  pod: Pod,
  claimOf: (key: string) => PersistentVolumeClaim | undefined,
): string | undefined => {
  for (const key of claimKeys(pod)) {
    const claim = claimOf(key);
    const name = key.slice(key.indexOf('/') + 1);
    if (claim === undefined) return `persistentvolumeclaim "${name}" not found`;
    if (claim.metadata?.deletionTimestamp !== undefined)
      return `persistentvolumeclaim "${name}" is being deleted`;
    if (claim.status?.phase !== 'Bound') return 'pod has unbound immediate PersistentVolumeClaims';
  }
  return undefined;
};

export interface SchedulerOptions {
  kube: Kube;
  log?: KubeLog | undefined;
  events: EventRecorder;
  pods: Informer<Pod>;
  nodes: Informer<Node>;
  claims: Informer<PersistentVolumeClaim>;
  namespaces: Informer<Namespace>;
  clock?: () => number;
}

export const startScheduler = (options: SchedulerOptions): { stop(): Promise<void> } => {
  const { kube, log, events, pods, nodes, claims, namespaces, clock = Date.now } = options;
  const usage = createUsage();
  /** Keys of pods that no node took. */
  const refused = new Set<string>();

  const retryRefused = (may: (pod: Pod) => boolean = () => true): void => {
    for (const key of refused) {
      const pod = pods.store.get(key);
      if (pod !== undefined && may(pod)) queue.add(key);
    }
  };

  const charge = (pod: Pod, node: string): void => {
    if (usage.charge(pod, node)) retryRefused(wantsCompany);
  };

  const bind = async (pod: Pod, node: string, signal: AbortSignal): Promise<void> => {
    // Charged before the watch shows it, so that the next pod sees what is left.
    charge(pod, node);
    const { name = '', namespace = '', uid } = pod.metadata ?? {};
    try {
      await kube.create(
        bindingOf(name),
        namespace,
        {
          apiVersion: 'v1',
          kind: 'Binding',
          metadata: { name, namespace, ...(uid === undefined ? {} : { uid }) },
          target: { apiVersion: 'v1', kind: 'Node', name: node },
        },
        { signal },
      );
    } catch (error) {
      usage.release(uidOf(pod));
      throw error;
    }
    const message = `Successfully assigned ${namespace}/${name} to ${node}`;
    events.record(PODS, pod, { type: 'Normal', reason: 'Scheduled', message });
  };

  const refuse = async (pod: Pod, message: string, signal: AbortSignal): Promise<void> => {
    refused.add(keyOf(pod));
    events.record(PODS, pod, { type: 'Warning', reason: 'FailedScheduling', message });
    const before = findCondition(pod.status?.conditions, 'PodScheduled');
    if (before?.status === 'False' && before.message === message) return;
    const conditions = withCondition(pod.status?.conditions ?? [], {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      lastTransitionTime:
        (before?.status === 'False' ? before.lastTransitionTime : undefined) ?? timestamp(clock()),
    });
    const { uid, resourceVersion } = pod.metadata ?? {};
    const body = { metadata: { uid, resourceVersion }, status: { conditions } };
    await kube.patch(PODS, atOf(pod), { type: 'merge', body }, { signal, subresource: 'status' });
  };

  const queue = startQueue({
    name: 'scheduler',
    log,
    concurrency: 16,
    after: Promise.all([nodes.synced, claims.synced, namespaces.synced]),
    reconcile: async (key, signal) => {
      const pod = pods.store.get(key);
      refused.delete(key);
      if (pod === undefined || pod.metadata?.deletionTimestamp !== undefined) return;
      if (!isOurs(pod) || usage.holds(uidOf(pod))) return;
      const problem = claimProblem(pod, (claim) => claims.store.get(claim));
      const labelsOf = (name: string): Labels => namespaces.store.get(name)?.metadata?.labels ?? {};
      const fit = findNode(pod, nodes.store.values(), { usage, labelsOf, problem });
      if ('node' in fit) await bind(pod, fit.node, signal);
      else await refuse(pod, fit.message, signal);
    },
  });

  pods.subscribe(({ type, object }) => {
    const node = object.spec?.nodeName;
    if (type === 'deleted' || isTerminal(object)) {
      refused.delete(keyOf(object));
      if (usage.release(uidOf(object))) retryRefused();
    } else if (node !== undefined) {
      charge(object, node);
    } else if (type === 'added' || !refused.has(keyOf(object))) {
      queue.add(keyOf(object));
    }
  });
  nodes.subscribe(({ object, previous }) => {
    const offers = ({ metadata, spec, status }: Node): unknown => [
      metadata?.labels,
      spec,
      status?.allocatable,
    ];
    // What a node says of its health again and again changes nothing.
    if (previous === undefined || !sameJson(offers(object), offers(previous))) retryRefused();
  });
  claims.subscribe(({ object }) => retryRefused((pod) => claimKeys(pod).includes(keyOf(object))));
  return { stop: () => queue.stop() };
};
