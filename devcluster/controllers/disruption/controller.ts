/** The disruption controller: how many pods of each PodDisruptionBudget may be evicted now. */
import {
  DEPLOYMENTS,
  PODS,
  POD_DISRUPTION_BUDGETS,
  REPLICA_SETS,
  STATEFUL_SETS,
  keyOf,
} from '../../../kube/index.js';
import type { Kube, KubeLog, KubeObject, Pod, PodDisruptionBudget } from '../../../kube/index.js';
import { sameJson } from '../canonical.js';
import type { EventInit, EventRecorder } from '../events.js';
import { byNamespace } from '../informer.js';
import type { Kinds } from '../kinds.js';
import { atOf, controllerOf, groupOf, isReady } from '../meta.js';
import type { OwnerReference } from '../meta.js';
import { startQueue } from '../queue.js';
import { selectsAny } from '../selector.js';
import { asksOwners, budgetStatus, failedStatus, unmanagedMessage } from './plan.js';
import type { BudgetStatus, Expected } from './plan.js';

/** Milliseconds for which the changes of pods are gathered before their budget is looked at. */
const GATHER_MS = 20;

export interface DisruptionControllerOptions {
  kube: Kube;
  log?: KubeLog | undefined;
  events: EventRecorder;
  kinds: Kinds;
  clock?: () => number;
}

type Scaled = KubeObject & { spec?: { replicas?: number } };

export const startDisruptionController = (
  options: DisruptionControllerOptions,
): { stop(): Promise<void> } => {
  const { kube, log, events, kinds, clock = Date.now } = options;
  const budgets = kinds.of(POD_DISRUPTION_BUDGETS);
  const pods = kinds.of(PODS);
  const podsIn = pods.index(byNamespace);
  const budgetsIn = budgets.index(byNamespace);

  const guards = ({ spec, metadata }: PodDisruptionBudget, pod: Pod): boolean =>
    metadata?.namespace === pod.metadata?.namespace && selectsAny(spec?.selector, pod.metadata?.labels);

  /** What scales the owner's pods: itself, or for a ReplicaSet its Deployment. */
  const scaleOf = (owner: OwnerReference, pod: Pod): { uid: string; replicas: number } => {
    const group = groupOf(owner.apiVersion);
    const informer = kinds.find(group, owner.kind);
    const found = informer?.store.get(`${pod.metadata?.namespace}/${owner.name}`) as Scaled | undefined;
    const above = found && controllerOf(found);
    if (above?.kind === DEPLOYMENTS.kind) return scaleOf(above, pod);
    if (found === undefined || found.metadata?.uid !== owner.uid)
      throw new Error(`found no controllers for pod "${pod.metadata?.name}"`);
    if (found.spec?.replicas === undefined)
      throw new Error(`${informer?.resource.plural}.${group} does not implement the scale subresource`);
    return { uid: owner.uid, replicas: found.spec.replicas };
  };

  const expectedOf = (budget: PodDisruptionBudget, guarded: readonly Pod[]): Expected => {
    if (!asksOwners(budget)) return { count: guarded.length, unmanaged: false };
    const scales = new Map<string, number>();
    let unmanaged = false;
    for (const pod of guarded) {
      const owner = controllerOf(pod);
      if (owner === undefined) unmanaged = true;
      else {
        const { uid, replicas } = scaleOf(owner, pod);
        scales.set(uid, replicas);
      }
    }
    return { count: [...scales.values()].reduce((total, count) => total + count, 0), unmanaged };
  };

  const queue = startQueue({
    name: 'disruption',
    log,
    concurrency: 4,
    after: kinds.synced,
    reconcile: async (key, signal) => {
      const budget = budgets.store.get(key);
      if (budget === undefined) return undefined;
      const tell = (event: EventInit): void => events.record(POD_DISRUPTION_BUDGETS, budget, event);
      const guarded = podsIn(budget.metadata?.namespace ?? '').filter((pod) => guards(budget, pod));
      if (guarded.length === 0) tell({ type: 'Normal', reason: 'NoPods', message: 'No matching pods found' });
      const write = async (status: BudgetStatus): Promise<void> => {
        if (sameJson(status, budget.status ?? {})) return;
        const body = { ...budget, status };
        await kube.replace(POD_DISRUPTION_BUDGETS, atOf(budget), body, { signal, subresource: 'status' });
      };
      let expected: Expected;
      try {
        expected = expectedOf(budget, guarded);
      } catch (error) {
        const { message } = error as Error;
        const text = `Failed to calculate the number of expected pods: ${message}`;
        tell({ type: 'Warning', reason: 'CalculateExpectedPodCountFailed', message: text });
        await write(failedStatus(budget, message, clock()));
        return undefined;
      }
      if (expected.unmanaged)
        tell({ type: 'Warning', reason: 'UnmanagedPods', message: unmanagedMessage(budget) });
      const { status, requeueAfterMs } = budgetStatus(budget, guarded, expected.count, clock());
      await write(status);
      return requeueAfterMs === undefined ? undefined : { requeueAfterMs };
    },
  });

  const footprint = (pod: Pod): unknown => [
    pod.metadata?.labels,
    pod.metadata?.deletionTimestamp,
    isReady(pod),
    controllerOf(pod)?.uid,
  ];
  budgets.subscribe(({ object }) => queue.add(keyOf(object)));
  pods.subscribe(({ type, object, previous }) => {
    const guarding = budgetsIn(object.metadata?.namespace ?? '').filter(
      (budget) => guards(budget, object) || (previous !== undefined && guards(budget, previous)),
    );
    if (guarding.length === 0) return;
    if (previous !== undefined && sameJson(footprint(object), footprint(previous))) return;
    for (const budget of guarding) queue.addAfter(keyOf(budget), GATHER_MS);
    const [first, second] = guarding.filter((budget) => guards(budget, object));
    if (type === 'deleted' || first === undefined || second === undefined) return;
    const { namespace, name } = object.metadata ?? {};
    events.record(PODS, object, {
      type: 'Warning',
      reason: 'MultiplePodDisruptionBudgets',
      message: `Pod "${namespace}"/"${name}" matches multiple PodDisruptionBudgets.  Chose "${first.metadata?.name}" arbitrarily.`,
    });
  });
  const rescaled = ({ object, previous }: { object: Scaled; previous?: Scaled | undefined }): void => {
    if (previous !== undefined && previous.spec?.replicas === object.spec?.replicas) return;
    for (const budget of budgetsIn(object.metadata?.namespace ?? ''))
      if (asksOwners(budget)) queue.addAfter(keyOf(budget), GATHER_MS);
  };
  kinds.of(DEPLOYMENTS).subscribe(rescaled);
  kinds.of(REPLICA_SETS).subscribe(rescaled);
  kinds.of(STATEFUL_SETS).subscribe(rescaled);
  return { stop: () => queue.stop() };
};
