/** How far a roll-out is, and following it to its end. */
import type { Static } from '@sinclair/typebox';
import type { RolloutProgress, StuckPod } from '../../schemas/deployments.js';
import { AppError } from '../errors.js';
import type { Call, Progress } from '../library/implementation.js';
import { DEPLOYMENTS } from '../ports.js';
import type { Deployment, Deps, Pod } from '../ports.js';
import { observe } from './observe.js';
import { podsOf } from './pods-of.js';
import { conditionsOf, podView, replicasOf } from './views.js';

type RolloutProgress = Static<typeof RolloutProgress>;
type StuckPod = Static<typeof StuckPod>;

/** Reasons to wait that are a part of every start. */
const STARTING = new Set(['ContainerCreating', 'PodInitializing']);

/** Why a pod does not become ready, when it is more than a matter of time. */
function stuckPod(object: Pod): StuckPod | undefined {
  const pod = podView(object);
  if (pod.deleting || pod.ready) return undefined;
  const scheduled = object.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False')
    return {
      pod: pod.name,
      reason: scheduled.reason ?? 'Unschedulable',
      ...(scheduled.message === undefined ? {} : { message: scheduled.message }),
    };
  for (const container of pod.containers) {
    const { state, reason, exit_code: exitCode } = container;
    const waits = state === 'waiting' && reason !== undefined && !STARTING.has(reason);
    const failed = state === 'terminated' && exitCode !== 0;
    if (!waits && !failed) continue;
    return {
      pod: pod.name,
      container: container.name,
      reason: reason ?? 'Error',
      ...(container.message === undefined ? {} : { message: container.message }),
      ...(container.restarts === 0 ? {} : { restarts: container.restarts }),
      ...(exitCode === undefined ? {} : { exit_code: exitCode }),
    };
  }
  return undefined;
}

/** The roll-out in words, and whether it is complete: `kubectl rollout status`'s rule, and none too many. */
function words(deployment: Deployment): { message: string; done: boolean } {
  const { desired, updated, available } = replicasOf(deployment);
  const total = deployment.status?.replicas ?? 0;
  const going = (message: string) => ({ message, done: false });
  if ((deployment.metadata?.generation ?? 0) > (deployment.status?.observedGeneration ?? 0))
    return going('waiting for the Deployment controller to take the change up');
  if (deployment.spec?.paused === true && updated < desired) return going('the Deployment is paused');
  if (updated < desired) return going(`${updated} of ${desired} replicas are updated`);
  if (total > desired || total > updated) return going(`${total - desired} replicas too many are going`);
  if (available < desired) return going(`${available} of ${desired} updated replicas are available`);
  return { message: `all ${desired} replicas are available`, done: true };
}

export function rolloutProgress(deployment: Deployment, pods: Iterable<Pod>): RolloutProgress {
  const stuck = [...pods].map(stuckPod).filter((pod) => pod !== undefined);
  const { message, done } = words(deployment);
  return { message, replicas: replicasOf(deployment), conditions: conditionsOf(deployment), stuck, done };
}

/** The progress as one line, for the error of a wait that ended early. */
function summary({ message, stuck }: RolloutProgress): string {
  const first = stuck[0];
  if (first === undefined) return message;
  const more = stuck.length > 1 ? ` and ${stuck.length - 1} more` : '';
  const why = first.message === undefined ? '' : ` (${first.message})`;
  return `${message}; pod ${first.pod}${more}: ${first.reason}${why}`;
}

/** Whether the controller has given up on the present generation. */
const gaveUp = (deployment: Deployment): boolean =>
  deployment.status?.observedGeneration === deployment.metadata?.generation &&
  deployment.status?.conditions?.some(
    ({ type, status, reason }) =>
      type === 'Progressing' && status === 'False' && reason === 'ProgressDeadlineExceeded',
  ) === true;

/**
 * Follows the roll-out of a Deployment as it was read or changed, from that generation on.
 * @param changed whether the call changed it, so that a failure says that the change is done.
 * @throws AppError `deadline_exceeded` with how far it came; `not_found` when it is deleted meanwhile.
 */
export async function* followRollout(
  deps: Deps,
  call: Call,
  start: Deployment,
  changed: boolean,
): Progress<RolloutProgress, Deployment> {
  const { namespace = '', name = '', uid, generation = 0 } = start.metadata ?? {};
  const details = changed ? { outcome: 'done' as const } : {};
  let last = rolloutProgress(start, []);
  yield [last];
  if (last.done && !changed) return start;

  const pods = podsOf(start);
  const watching = observe(
    deps,
    call,
    { resource: DEPLOYMENTS, namespace, fieldSelector: `metadata.name=${name}` },
    pods,
  );
  try {
    for (;;) {
      await watching.changed();
      const deployment = watching.first.get(`${namespace}/${name}`);
      if (deployment?.metadata?.uid !== uid || deployment === undefined)
        throw new AppError(
          'not_found',
          `Deployment ${namespace}/${name} was deleted while its roll-out was waited for.`,
          details,
        );
      if ((deployment.metadata?.generation ?? 0) < generation) continue;
      const next = rolloutProgress(deployment, [...watching.second.values()].filter(pods.mine));
      if (JSON.stringify(next) !== JSON.stringify(last)) yield [next];
      last = next;
      if (next.done) return deployment;
      if (gaveUp(deployment))
        throw new AppError(
          'deadline_exceeded',
          `The roll-out of ${namespace}/${name} made no progress within its progress deadline: ${summary(next)}.`,
          details,
        );
    }
  } catch (error) {
    if (error instanceof AppError && error === call.signal.reason)
      throw error.adding(`The roll-out of ${namespace}/${name} is not complete: ${summary(last)}.`, details);
    throw error;
  } finally {
    await watching.stop();
  }
}
