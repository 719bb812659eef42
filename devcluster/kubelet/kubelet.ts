/**
 * The kubelet of the embedded cluster. It pretends: pods get addresses, conditions, restarts and logs as if their
 * containers ran, and nothing of any image is executed. Probes succeed after their initial delay.
 */
import { randomBytes } from 'node:crypto';
import { CONFIG_MAPS, PODS, SECRETS, keyOf } from '../../kube/index.js';
import type { Kube, KubeLog, LogQuery, Pod } from '../../kube/index.js';
import { sameJson } from '../controllers/canonical.js';
import { createEventRecorder } from '../controllers/events.js';
import { startInformer } from '../controllers/informer.js';
import { atOf, isTerminal, uidOf } from '../controllers/meta.js';
import { startQueue } from '../controllers/queue.js';
import { createAddresses } from './addresses.js';
import { openLog } from './logs.js';
import { registerNode } from './node.js';
import { newPodState, stepPod } from './pod.js';
import type { PodState, World } from './pod.js';
import { podStatus } from './status.js';

export interface KubeletOptions {
  kube: Kube;
  log?: KubeLog | undefined;
  nodeName: string;
  /** Least and most milliseconds that a pod takes to start. Default 300 to 800. */
  podStartMillis?: readonly [number, number] | undefined;
  clock?: () => number;
}

export interface Kubelet {
  /** Resolves when the node is registered and all that it needs has been seen. */
  readonly synced: Promise<void>;
  stop(): Promise<void>;
  /**
   * A container's log. Throws an ApiError (400) where there is none; ends when the container has, when its pod is
   * deleted, or at the signal.
   */
  logs(namespace: string, podName: string, query: LogQuery, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** What the kubelet knows of one pod of its own. */
export interface Runtime {
  pod: Pod;
  state: PodState;
  /** The version that the last status was written over, and what came of it: a copy may lag behind. */
  written?: { over: string | undefined; pod: Pod };
  /** When the containers are stopped; set once the pod is being deleted. */
  stopAt?: number;
  /** Called when a run may have ended. */
  readonly wakers: Set<() => void>;
}

/** How long pretended containers take to stop. */
const STOP_MS = 50;

export const startKubelet = (options: KubeletOptions): Kubelet => {
  const { kube, log, nodeName, podStartMillis = [300, 800], clock = Date.now } = options;
  const pods = startInformer<Pod>({ kube, resource: PODS, fieldSelector: `spec.nodeName=${nodeName}`, log });
  const configMaps = startInformer({ kube, resource: CONFIG_MAPS, log });
  const secrets = startInformer({ kube, resource: SECRETS, log });
  const informers = [pods, configMaps, secrets];
  const events = createEventRecorder({ kube, log, component: 'kubelet', host: nodeName, clock });
  const addresses = createAddresses();
  const images = new Set<string>();
  const runtimes = new Map<string, Runtime>();
  const stopping = new AbortController();

  const world = (): World => ({
    now: clock(),
    startMillis: podStartMillis,
    hasImage: (image) => images.has(image),
    newId: () => randomBytes(32).toString('hex'),
    configs: {
      configMap: (namespace, name) => configMaps.store.get(`${namespace}/${name}`),
      secret: (namespace, name) => secrets.store.get(`${namespace}/${name}`),
    },
  });

  const wake = ({ wakers }: Runtime): void => {
    for (const waker of [...wakers]) waker();
  };

  const forget = (key: string): void => {
    const runtime = runtimes.get(key);
    if (runtime === undefined) return;
    runtimes.delete(key);
    addresses.give(runtime.state.ip);
    wake(runtime);
  };

  const runtimeOf = (key: string, pod: Pod): Runtime => {
    const known = runtimes.get(key);
    if (known !== undefined && uidOf(known.pod) === uidOf(pod)) {
      known.pod = pod;
      return known;
    }
    forget(key);
    const runtime: Runtime = { pod, state: newPodState(addresses.take(), clock()), wakers: new Set() };
    runtimes.set(key, runtime);
    return runtime;
  };

  const terminate = async (
    runtime: Runtime,
    pod: Pod,
    signal: AbortSignal,
  ): Promise<void | { requeueAfterMs: number }> => {
    const now = clock();
    if (runtime.stopAt === undefined) {
      runtime.stopAt = now + STOP_MS;
      for (const [name, { phase }] of runtime.state.containers) {
        if (phase.is !== 'running') continue;
        const isInit = pod.spec?.initContainers?.some((container) => container.name === name) ?? false;
        const fieldPath = `spec.${isInit ? 'initContainers' : 'containers'}{${name}}`;
        events.record(PODS, pod, {
          type: 'Normal',
          reason: 'Killing',
          message: `Stopping container ${name}`,
          fieldPath,
        });
      }
    }
    if (now < runtime.stopAt) return { requeueAfterMs: runtime.stopAt - now };
    // With finalizers the pod stays for a while; asked for once, it goes when the last of them does.
    if (pod.metadata?.deletionGracePeriodSeconds === 0) return;
    const preconditions = { uid: uidOf(pod) };
    await kube.delete(PODS, atOf(pod), { signal, preconditions, gracePeriodSeconds: 0 });
  };

  const writeStatus = async (runtime: Runtime, seen: Pod, signal: AbortSignal): Promise<void> => {
    const { written, state } = runtime;
    const version = seen.metadata?.resourceVersion;
    const pod = written !== undefined && written.over === version ? written.pod : seen;
    const status = podStatus(pod, state, clock());
    if (sameJson(status, pod.status ?? {})) return;
    const { uid, resourceVersion } = pod.metadata ?? {};
    const body = { metadata: { uid, resourceVersion }, status };
    const answer = await kube.patch(
      PODS,
      atOf(pod),
      { type: 'merge', body },
      { signal, subresource: 'status' },
    );
    runtime.written = { over: version, pod: answer };
  };

  const queue = startQueue({
    name: 'kubelet',
    log,
    concurrency: 16,
    reconcile: async (key, signal) => {
      const pod = pods.store.get(key);
      if (pod === undefined) return forget(key);
      const known = runtimes.get(key);
      if (known === undefined && isTerminal(pod) && pod.metadata?.deletionTimestamp === undefined) return;
      const runtime = runtimeOf(key, pod);
      if (pod.metadata?.deletionTimestamp !== undefined) return terminate(runtime, pod, signal);
      const { state, events: told, dueAt } = stepPod(pod, runtime.state, world());
      runtime.state = state;
      for (const event of told) events.record(PODS, pod, event);
      for (const { phase } of state.containers.values())
        if (phase.is === 'running') images.add(phase.run.image);
      wake(runtime);
      await writeStatus(runtime, pod, signal);
      return dueAt === undefined ? undefined : { requeueAfterMs: Math.max(0, dueAt - clock()) };
    },
  });

  pods.subscribe(({ object }) => queue.add(keyOf(object)));
  /** A pod that waits for a ConfigMap or Secret of its namespace may go on. */
  const retryIn = (namespace: string | undefined): void => {
    for (const [key, { pod, state }] of runtimes) {
      if (pod.metadata?.namespace !== namespace) continue;
      const blocked = [...state.containers.values()].some(({ phase }) => phase.is === 'blocked');
      if (blocked || !state.mounted) queue.add(key);
    }
  };
  configMaps.subscribe(({ object }) => retryIn(object.metadata?.namespace));
  secrets.subscribe(({ object }) => retryIn(object.metadata?.namespace));

  const registered = registerNode(kube, nodeName, clock(), stopping.signal);
  return {
    synced: Promise.all([registered, ...informers.map(({ synced }) => synced)]).then(() => undefined),
    logs: (namespace, podName, query, signal) =>
      openLog({ runtime: () => runtimes.get(`${namespace}/${podName}`), podName, query, signal, clock }),
    stop: async () => {
      stopping.abort();
      await Promise.allSettled([registered, ...informers.map((informer) => informer.stop())]);
      await Promise.all([queue.stop(), events.stop()]);
      for (const key of [...runtimes.keys()]) forget(key);
    },
  };
};
