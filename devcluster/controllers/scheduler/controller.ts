/** The scheduler: gives pods that have no node one, or says why none takes them. */
import { PODS, keyOf } from '../../../kube/index.js';
import type { Binding, Kube, KubeLog, Node, Pod, Resource } from '../../../kube/index.js';
import type { EventRecorder } from '../events.js';
import type { Informer } from '../informer.js';
import { atOf, findCondition, isTerminal, timestamp, uidOf, withCondition } from '../meta.js';
import { startQueue } from '../queue.js';
import { findNode, requestsOf } from './fit.js';
import { createUsage } from './usage.js';

/** Where the assignment of one pod to a node is posted. */
const bindingOf = (podName: string): Resource<Binding> => ({
  group: '',
  version: 'v1',
  plural: `pods/${encodeURIComponent(podName)}/binding`,
  kind: 'Binding',
  namespaced: true,
});

export interface SchedulerOptions {
  kube: Kube;
  log?: KubeLog | undefined;
  events: EventRecorder;
  pods: Informer<Pod>;
  nodes: Informer<Node>;
  clock?: () => number;
}

export const startScheduler = (options: SchedulerOptions): { stop(): Promise<void> } => {
  const { kube, log, events, pods, nodes, clock = Date.now } = options;
  const usage = createUsage();
  /** Keys of pods that no node took. */
  const refused = new Set<string>();

  const bind = async (pod: Pod, node: string, signal: AbortSignal): Promise<void> => {
    // Charged before the watch shows it, so that the next pod sees what is left.
    usage.charge(uidOf(pod), node, requestsOf(pod));
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
    reconcile: async (key, signal) => {
      const pod = pods.store.get(key);
      refused.delete(key);
      if (pod === undefined || pod.metadata?.deletionTimestamp !== undefined) return;
      if (pod.spec?.nodeName !== undefined || usage.holds(uidOf(pod))) return;
      await nodes.synced;
      const fit = findNode(pod, nodes.store.values(), usage.of);
      if ('node' in fit) await bind(pod, fit.node, signal);
      else await refuse(pod, fit.message, signal);
    },
  });

  const retryRefused = (): void => {
    for (const key of refused) queue.add(key);
  };

  pods.subscribe(({ type, object }) => {
    const node = object.spec?.nodeName;
    if (type === 'deleted' || isTerminal(object)) {
      refused.delete(keyOf(object));
      if (usage.release(uidOf(object))) retryRefused();
    } else if (node !== undefined) {
      usage.charge(uidOf(object), node, requestsOf(object));
    } else if (type === 'added' || !refused.has(keyOf(object))) {
      queue.add(keyOf(object));
    }
  });
  nodes.subscribe(retryRefused);
  return { stop: () => queue.stop() };
};
