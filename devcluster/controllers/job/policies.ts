/** What a Job says about pods that failed and about how much success is enough. */
import type { Job, Pod } from '../../../kube/objects.js';
import { parseIndexes } from './indexes.js';

type JobSpec = NonNullable<Job['spec']>;
type Rule = NonNullable<JobSpec['podFailurePolicy']>['rules'][number];
type ContainerStatus = NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number];

export interface Verdict {
  action?: string;
  /** Counts towards the Job's back-off limit. */
  isCounted: boolean;
  /** Why the whole Job fails for this pod. */
  failsJob?: string;
}

const exitCode = ({ state }: ContainerStatus): number => state?.terminated?.exitCode ?? 0;

const matchExitCode = ({ onExitCodes }: Rule, { status }: Pod): ContainerStatus | undefined => {
  if (onExitCodes === undefined) return undefined;
  const { containerName, operator, values } = onExitCodes;
  return [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])].find(
    (container) =>
      exitCode(container) !== 0 &&
      (containerName === undefined || containerName === container.name) &&
      values.includes(exitCode(container)) === (operator === 'In'),
  );
};

/** What the rule matched, in the words of the Job's failure; undefined when it did not. */
const matched = (rule: Rule, pod: Pod): string | undefined => {
  const name = `${pod.metadata?.namespace}/${pod.metadata?.name}`;
  const container = matchExitCode(rule, pod);
  if (container !== undefined)
    return `Container ${container.name} for pod ${name} failed with exit code ${exitCode(container)}`;
  const condition = pod.status?.conditions?.find(({ type, status }) =>
    rule.onPodConditions?.some((pattern) => pattern.type === type && pattern.status === status),
  );
  return condition && `Pod ${name} has condition ${condition.type}`;
};

/** The first rule that matches the failed pod decides; without one the failure counts. */
export const judgeFailure = ({ podFailurePolicy }: JobSpec, pod: Pod): Verdict => {
  for (const [index, rule] of (podFailurePolicy?.rules ?? []).entries()) {
    const what = matched(rule, pod);
    if (what === undefined) continue;
    const { action } = rule;
    return {
      action,
      isCounted: action !== 'Ignore',
      ...(action === 'FailJob' ? { failsJob: `${what} matching ${action} rule at index ${index}` } : {}),
    };
  }
  return { isCounted: true };
};

/** How the Job's success policy is met; undefined when it is not. */
export const metSuccessPolicy = (
  { successPolicy, completions = 0 }: JobSpec,
  succeeded: ReadonlySet<number>,
): string | undefined => {
  if (succeeded.size === 0) return undefined;
  const met = (successPolicy?.rules ?? []).findIndex(({ succeededIndexes, succeededCount = Infinity }) => {
    if (succeededIndexes === undefined) return succeeded.size >= succeededCount;
    const required = parseIndexes(succeededIndexes, completions);
    const done = [...required].filter((index) => succeeded.has(index)).length;
    return required.size > 0 && (done === required.size || done >= succeededCount);
  });
  return met < 0 ? undefined : `Matched rules at index ${met}`;
};
