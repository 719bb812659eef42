/** The pod garbage collector: removes pods that nobody else would. */
import { KubeError, NODES, PODS, keyOf } from '../../../kube/index.js';
import type { Kube, KubeLog, Node, Pod } from '../../../kube/index.js';
import type { Informer } from '../informer.js';
import { atOf, isTerminal, uidOf } from '../meta.js';
import { startQueue } from '../queue.js';
import { garbageOf, orphanStatus, surplus } from './plan.js';

export interface PodGarbageCollectorOptions {
  kube: Kube;
  log?: KubeLog | undefined;
  pods: Informer<Pod>;
  nodes: Informer<Node>;
  /** Milliseconds for which the pods of a Kubernetes node that went are left alone; it may come back. Default 20,000. */
  quarantineMs?: number;
  /** How many pods that ended are kept. Default 12,500. */
  threshold?: number;
  clock?: () => number;
}

/** Milliseconds for which ended pods are gathered before they are counted. */
const GATHER_MS = 1_000;
/** The key of all ended pods together; no pod has it. */
const ENDED = 'ended';

export const startPodGarbageCollector = (options: PodGarbageCollectorOptions): { stop(): Promise<void> } => {
  const { kube, log, pods, nodes, quarantineMs = 20_000, threshold = 12_500, clock = Date.now } = options;
  const podsOn = pods.index(({ spec }) => (spec?.nodeName === undefined ? [] : [spec.nodeName]));
  const ended = pods.index((pod) => (isTerminal(pod) ? [ENDED] : []));
  let endedCount = 0;

  const remove = async (pod: Pod, signal: AbortSignal): Promise<void> => {
    const preconditions = { uid: uidOf(pod) };
    await kube.delete(PODS, atOf(pod), { signal, preconditions, gracePeriodSeconds: 0 });
  };

  const isNodeGone = async (name: string, signal: AbortSignal): Promise<boolean> => {
    try {
      await kube.get(NODES, { name }, { signal });
      return false;
    } catch (error) {
      if (error instanceof KubeError && error.is(404)) return true;
      throw error;
    }
  };

  const queue = startQueue({
    name: 'pod garbage collector',
    log,
    concurrency: 8,
    after: Promise.all([pods.synced, nodes.synced]),
    reconcile: async (key, signal) => {
      if (key === ENDED) {
        for (const pod of surplus(ended(ENDED), threshold)) await remove(pod, signal);
        return;
      }
      const pod = pods.store.get(key);
      const garbage = pod && garbageOf(pod, (name) => nodes.store.has(name));
      if (pod === undefined || garbage === undefined) return;
      if (garbage === 'orphan') {
        if (!(await isNodeGone(pod.spec?.nodeName ?? '', signal))) return;
      }
      if (garbage === 'orphan' && !isTerminal(pod)) {
        const { uid, resourceVersion } = pod.metadata ?? {};
        const body = { metadata: { uid, resourceVersion }, status: orphanStatus(pod, clock()) };
        await kube.patch(PODS, atOf(pod), { type: 'merge', body }, { signal, subresource: 'status' });
      }
      await remove(pod, signal);
    },
  });

  pods.subscribe(({ type, object, previous }) => {
    const isNowEnded = type !== 'deleted' && isTerminal(object);
    const wasEnded = type === 'deleted' ? isTerminal(object) : previous !== undefined && isTerminal(previous);
    endedCount += Number(isNowEnded) - Number(wasEnded);
    if (endedCount > threshold) queue.addAfter(ENDED, GATHER_MS);
    if (type === 'deleted') return;
    const garbage = garbageOf(object, (name) => nodes.store.has(name));
    if (garbage === 'unscheduled') queue.add(keyOf(object));
    if (garbage === 'orphan') queue.addAfter(keyOf(object), quarantineMs);
  });
  nodes.subscribe(({ type, object }) => {
    if (type !== 'deleted') return;
    for (const pod of podsOn(object.metadata?.name ?? '')) queue.addAfter(keyOf(pod), quarantineMs);
  });
  return { stop: () => queue.stop() };
};
