/**
 * A kubelet of the embedded cluster. Containers of our own image are played by processes of this machine; all others
 * pretend: they get addresses, conditions, restarts and logs as if they ran, and nothing of their image is executed.
 */
import { randomBytes } from 'node:crypto';
import { PODS, keyOf } from '../../kube/index.js';
import type { Container, Pod } from '../../kube/index.js';
import type { PodRuntime } from '../api/pod-runtime.js';
import { sameJson } from '../controllers/canonical.js';
import { createEventRecorder } from '../controllers/events.js';
import { startInformer } from '../controllers/informer.js';
import { atOf, isTerminal, uidOf } from '../controllers/meta.js';
import { startQueue } from '../controllers/queue.js';
import { removeTree } from './folders/tree.js';
import { isOurs } from './images.js';
import { registerNode, startHeartbeat } from './node.js';
import { createPodAccess } from './pod-access.js';
import { isStopped, newPodState, stepPod } from './pod.js';
import type { World } from './pod.js';
import { podFolder, wake } from './runtime.js';
import type { Runtime } from './runtime.js';
import type { KubeletShared } from './shared.js';
import { podStatus } from './status.js';

export interface KubeletOptions {
  shared: KubeletShared;
  nodeName: string;
  /** Least and most milliseconds that a pod takes to start. Default 300 to 800. */
  podStartMillis?: readonly [number, number] | undefined;
  /** First and longest wait between restarts. Default 10 s and 5 min. */
  backoffMillis?: readonly [number, number] | undefined;
}

export interface Kubelet extends PodRuntime {
  /** Resolves when the node is registered and all that it needs has been seen. */
  readonly synced: Promise<void>;
  /** Ends all processes. */
  stop(): Promise<void>;
}

/** How long pretended containers take to stop. */
const STOP_MS = 50;
/** How long processes have when their pod is gone without a word, or the cluster ends. */
const LAST_GRACE_MS = 3_000;
/** When a pod is looked at again whose volumes cannot be mounted. */
const MOUNT_RETRY_MS = 2_000;

export const startKubelet = (options: KubeletOptions): Kubelet => {
  const { shared, nodeName, podStartMillis = [300, 800], backoffMillis } = options;
  const { kube, log, clock, configs, configMaps, secrets, addresses, folder } = shared;
  const pods = startInformer<Pod>({ kube, resource: PODS, fieldSelector: `spec.nodeName=${nodeName}`, log });
  const events = createEventRecorder({ kube, log, component: 'kubelet', host: nodeName, clock });
  const images = new Set<string>();
  const runtimes = new Map<string, Runtime>();
  const leaving = new Set<Promise<void>>();
  const stopping = new AbortController();

  const isReal =
    (runtime: Runtime) =>
    ({ image = '' }: Container): boolean =>
      runtime.processes !== undefined && isOurs(image);

  const worldOf = (runtime: Runtime, volumeProblems: readonly string[] | undefined): World => ({
    now: clock(),
    startMillis: podStartMillis,
    backoffMillis,
    hasImage: (image) => images.has(image),
    newId: () => randomBytes(32).toString('hex'),
    configs,
    stopsAt: runtime.stopsAt,
    volumeProblems,
    isReal: isReal(runtime),
    observe: runtime.processes?.observe,
  });

  /** Ends what is left of a pod; its address is free after that. */
  const clear = async ({ pod, state, processes, hasFolder }: Runtime): Promise<void> => {
    await processes?.close(LAST_GRACE_MS);
    if (hasFolder === true) await removeTree(podFolder(folder, pod));
    addresses.give(state.ip);
  };

  const forget = (key: string): void => {
    const runtime = runtimes.get(key);
    if (runtime === undefined) return;
    runtimes.delete(key);
    wake(runtime);
    const cleared = clear(runtime)
      .catch((err: unknown) => log?.warn({ err, pod: key }, 'a pod was not cleared away'))
      .finally(() => leaving.delete(cleared));
    leaving.add(cleared);
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

  /** Gives a pod with containers of our image what plays them, where that can be. */
  const equip = async (key: string, runtime: Runtime): Promise<void> => {
    const { pod, state, processes, pretends } = runtime;
    if (processes !== undefined || pretends !== undefined) return;
    const all = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
    if (!all.some(({ image = '' }) => isOurs(image))) return;
    const why = await shared.whyNot();
    const { program } = shared;
    if (why !== undefined || program === undefined) {
      runtime.pretends = why ?? '';
      return;
    }
    // Loaded with the first of them: the start need not wait for it.
    const { createPodProcesses } = await import('./process/pod-processes.js');
    runtime.processes = createPodProcesses(pod, {
      ...{ ...shared, program, ip: state.ip },
      isReal: isReal(runtime),
      onEvent: (event) => events.record(PODS, runtime.pod, event),
      onChange: () => queue.add(key),
      onOutput: () => wake(runtime),
    });
  };

  const writeStatus = async (runtime: Runtime, seen: Pod, signal: AbortSignal): Promise<void> => {
    const { written, state, processes } = runtime;
    const version = seen.metadata?.resourceVersion;
    const lags = written !== undefined && written.over === version;
    if (!lags) delete runtime.written;
    const pod = lags ? written.pod : seen;
    const status = podStatus(pod, state, { now: clock(), observe: processes?.observe });
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

  /** Lets a pod go whose containers have stopped. */
  const release = async (pod: Pod, signal: AbortSignal): Promise<void> => {
    // With finalizers the pod stays for a while; asked for once, it goes when the last of them does.
    if (pod.metadata?.deletionGracePeriodSeconds === 0) return;
    const preconditions = { uid: uidOf(pod) };
    await kube.delete(PODS, atOf(pod), { signal, preconditions, gracePeriodSeconds: 0 });
  };

  const queue = startQueue({
    name: 'kubelet',
    log,
    concurrency: 16,
    reconcile: async (key, signal) => {
      const pod = pods.store.get(key);
      if (pod === undefined) return forget(key);
      const isLeaving = pod.metadata?.deletionTimestamp !== undefined;
      if (!runtimes.has(key) && isTerminal(pod) && !isLeaving) return;
      const runtime = runtimeOf(key, pod);
      if (isLeaving) runtime.stopsAt ??= clock() + STOP_MS;
      else await equip(key, runtime);
      const { processes } = runtime;
      const stops = isLeaving || runtime.state.overdueAt !== undefined;
      const problems = stops ? undefined : await processes?.sync(pod);
      const { state, events: told, dueAt } = stepPod(pod, runtime.state, worldOf(runtime, problems));
      runtime.state = state;
      for (const event of told) events.record(PODS, pod, event);
      for (const { phase } of state.containers.values())
        if (phase.is === 'running') images.add(phase.run.image);
      processes?.drive(pod, state);
      wake(runtime);
      await writeStatus(runtime, pod, signal);
      if (isLeaving && isStopped(state)) return release(pod, signal);
      const retryAt = problems !== undefined && problems.length > 0 ? clock() + MOUNT_RETRY_MS : Infinity;
      const next = Math.min(dueAt ?? Infinity, processes?.syncAt ?? Infinity, retryAt);
      return next === Infinity ? undefined : { requeueAfterMs: Math.max(0, next - clock()) };
    },
  });

  pods.subscribe(({ object }) => queue.add(keyOf(object)));
  /** A pod that waits for a ConfigMap or Secret of its namespace may go on, and folders may be out of date. */
  const retryIn = (namespace: string | undefined): void => {
    for (const [key, { pod, state, processes }] of runtimes) {
      if (pod.metadata?.namespace !== namespace) continue;
      const blocked = [...state.containers.values()].some(({ phase }) => phase.is === 'blocked');
      if (blocked || !state.mounted || processes !== undefined) queue.add(key);
    }
  };
  configMaps.subscribe(({ object }) => retryIn(object.metadata?.namespace));
  secrets.subscribe(({ object }) => retryIn(object.metadata?.namespace));

  const registered = registerNode(kube, nodeName, clock(), stopping.signal);
  const synced = Promise.all([registered, pods.synced, shared.synced]);
  const ready = synced.then(([node]) => node);
  const heartbeat = startHeartbeat({ kube, name: nodeName, log, clock, events, ready });
  return {
    ...createPodAccess({
      runtimeOf: (key) => runtimes.get(key),
      folder,
      clock,
      sources: () => ({ configs, services: shared.services(), api: shared.api }),
    }),
    synced: ready.then(() => undefined),
    stop: async () => {
      stopping.abort();
      await Promise.allSettled([registered, pods.stop()]);
      await Promise.all([queue.stop(), heartbeat.stop()]);
      await events.stop();
      for (const key of [...runtimes.keys()]) forget(key);
      await Promise.all(leaving);
    },
  };
};
