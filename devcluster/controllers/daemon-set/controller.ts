/** The DaemonSet controller: carries out the plans of plan.ts. */
import { CONTROLLER_REVISIONS, DAEMON_SETS, KubeError, PODS, keyOf } from '../../../kube/index.js';
import type { ControllerRevision, DaemonSet, Kube, KubeLog, Node, Pod } from '../../../kube/index.js';
import { sameJson } from '../canonical.js';
import type { EventRecorder } from '../events.js';
import type { Informer } from '../informer.js';
import { createLatest } from '../latest.js';
import { createMembership } from '../membership.js';
import { atOf, uidOf } from '../meta.js';
import { createOwnedPods } from '../owned-pods.js';
import type { PodIndex } from '../owned-pods.js';
import { startQueue } from '../queue.js';
import { createRevision, renumberRevision } from '../revision-writes.js';
import { slowStart } from '../slow-start.js';
import { planDaemonSet } from './plan.js';
import type { DaemonSetStatus, Plan } from './plan.js';

export interface DaemonSetControllerOptions extends PodIndex {
  kube: Kube;
  log?: KubeLog | undefined;
  events: EventRecorder;
  daemonSets: Informer<DaemonSet>;
  revisions: Informer<ControllerRevision>;
  nodes: Informer<Node>;
  clock?: () => number;
}

/** What of a node decides about pods; its status and heartbeats do not. */
const shapeOf = ({ metadata, spec }: Node): object => ({ labels: metadata?.labels, taints: spec?.taints });

export const startDaemonSetController = (options: DaemonSetControllerOptions): { stop(): Promise<void> } => {
  const { kube, log, events, daemonSets, revisions, nodes, clock = Date.now } = options;
  const owned = createOwnedPods({
    ...{ ...options, owners: daemonSets, clock },
    wake: (key) => queue.add(key),
  });
  const members = createMembership({ kube, owners: daemonSets, revisions, wake: (key) => queue.add(key) });
  const latest = createLatest<DaemonSet>();

  const tell = (set: DaemonSet, reason: string, message: string): void =>
    events.record(DAEMON_SETS, set, {
      type: reason.startsWith('Failed') ? 'Warning' : 'Normal',
      ...{ reason, message },
    });

  const writeStatus = async (set: DaemonSet, status: DaemonSetStatus, signal: AbortSignal): Promise<void> => {
    if (sameJson(status, set.status ?? {})) return;
    const body = { ...set, status };
    latest.wrote(
      keyOf(set),
      await kube.replace(DAEMON_SETS, atOf(set), body, { signal, subresource: 'status' }),
    );
  };

  const changeHistory = async (
    set: DaemonSet,
    { history, status }: Plan,
    signal: AbortSignal,
  ): Promise<void> => {
    if (history === undefined) return;
    if (history.type === 'renumber revision') return renumberRevision(kube, history.revision, signal);
    if (await createRevision(kube, history.revision, signal)) return;
    const collisionCount = (set.status?.collisionCount ?? 0) + 1;
    await writeStatus(set, { ...status, collisionCount }, signal);
    throw new KubeError(`The name ${history.revision.metadata?.name} is taken; another one is made.`, {
      ...{ reason: 'status', outcome: 'refused', code: 409 },
    });
  };

  const changePods = async (set: DaemonSet, { create, remove }: Plan, signal: AbortSignal): Promise<void> => {
    await slowStart(create.length, async (nth) => {
      try {
        const pod = await kube.create(PODS, set.metadata?.namespace, create[nth] as Pod, { signal });
        owned.created(keyOf(set), pod);
        tell(set, 'SuccessfulCreate', `Created pod: ${pod.metadata?.name}`);
      } catch (error) {
        if (!signal.aborted) tell(set, 'FailedCreate', `Error creating: ${(error as Error).message}`);
        throw error;
      }
    });
    await slowStart(remove.length, async (nth) => {
      const pod = remove[nth] as Pod;
      await kube.delete(PODS, atOf(pod), { signal, preconditions: { uid: uidOf(pod) } });
      owned.deleted(keyOf(set), pod);
      tell(set, 'SuccessfulDelete', `Deleted pod: ${pod.metadata?.name}`);
    });
  };

  const queue = startQueue({
    name: 'daemonset',
    log,
    concurrency: 2,
    reconcile: async (key, signal) => {
      const stored = daemonSets.store.get(key);
      if (stored === undefined) {
        for (const each of [owned, latest]) each.forget(key);
        return undefined;
      }
      const awaited = owned.pending(key);
      if (awaited !== undefined) return { requeueAfterMs: awaited };
      const set = latest.of(key, stored);
      if (set.metadata?.deletionTimestamp !== undefined) return undefined;
      const found = await members(set, owned.candidates(set), signal);
      if (found === undefined) return undefined;
      const plan = planDaemonSet({
        ...{ set, ...found, now: clock() },
        nodes: nodes.store.values(),
      });
      await changeHistory(set, plan, signal);
      for (const event of plan.events) events.record(DAEMON_SETS, set, event);
      await changePods(set, plan, signal);
      for (const revision of plan.surplus)
        await kube.delete(CONTROLLER_REVISIONS, atOf(revision), { signal });
      await writeStatus(set, plan.status, signal);
      return plan.requeueAfterMs === undefined ? undefined : { requeueAfterMs: plan.requeueAfterMs };
    },
  });

  daemonSets.subscribe(({ object }) => queue.add(keyOf(object)));
  nodes.subscribe(({ type, object, previous }) => {
    const isChange = type !== 'deleted' && previous !== undefined;
    if (isChange && sameJson(shapeOf(object), shapeOf(previous))) return;
    for (const set of daemonSets.store.values()) queue.add(keyOf(set));
  });
  return { stop: () => queue.stop() };
};
