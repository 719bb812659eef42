/** Which pods a Job that goes on is to have. */
import type { Job, Pod } from '../../../kube/objects.js';
import { JOBS } from '../../../kube/objects.js';
import { firstToDelete } from '../deletion-order.js';
import { podFrom } from '../pod-template.js';
import { backoffLeft, endedAt } from './backoff.js';
import { COMPLETION_INDEX, indexOf, indexesOf, pendingIndexes } from './indexes.js';
import { judgeFailure } from './policies.js';
import {
  INDEX_FAILURES,
  INDEX_IGNORED_FAILURES,
  TRACKING,
  failuresIn,
  failuresOf,
  isInRange,
  replacesOnlyFailed,
} from './view.js';
import type { JobSpec, View } from './view.js';

/** Created in one go, at most. */
const LARGEST_STEP = 500;
const INDEX_ENV = 'JOB_COMPLETION_INDEX';

export interface Management {
  create: Pod[];
  remove: Pod[];
  /** Until more may be created. */
  waitMs?: number;
}

type Template = JobSpec['template'];
type Containers = NonNullable<Template['spec']>['containers'];

const withIndexEnv = (containers: Containers): Containers =>
  containers.map((container) =>
    container.env?.some(({ name }) => name === INDEX_ENV) === true
      ? container
      : {
          ...container,
          env: [
            ...(container.env ?? []),
            {
              name: INDEX_ENV,
              valueFrom: { fieldRef: { fieldPath: `metadata.labels['${COMPLETION_INDEX}']` } },
            },
          ],
        },
  );

/** The annotations by which a pod knows how often its index failed before. */
const failureAnnotations = (spec: JobSpec, replaced: Pod | undefined): Record<string, string> => {
  if (spec.backoffLimitPerIndex === undefined) return {};
  const isCounted = replaced !== undefined && judgeFailure(spec, replaced).isCounted;
  const before = (annotation: string): number =>
    replaced === undefined ? 0 : failuresIn(replaced, annotation);
  const ignored = before(INDEX_IGNORED_FAILURES) + (replaced === undefined || isCounted ? 0 : 1);
  return {
    [INDEX_FAILURES]: String(before(INDEX_FAILURES) + (isCounted ? 1 : 0)),
    ...(ignored === 0 ? {} : { [INDEX_IGNORED_FAILURES]: String(ignored) }),
  };
};

/** The pod of an index; `replaced` is the one that failed on it before. */
export const podOf = (job: Job, index?: number, replaced?: Pod): Pod => {
  const { template } = job.spec as JobSpec;
  const pod = podFrom(template, { resource: JOBS, owner: job });
  const finalizers = [...(template.metadata?.finalizers ?? []).filter((name) => name !== TRACKING), TRACKING];
  if (index === undefined || pod.spec === undefined)
    return { ...pod, metadata: { ...pod.metadata, finalizers } };
  const { name = '' } = job.metadata ?? {};
  const own = { [COMPLETION_INDEX]: String(index) };
  const suffix = `-${index}-`;
  const { initContainers } = pod.spec;
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      finalizers,
      generateName: `${name.slice(0, 58 - suffix.length)}${suffix}`,
      labels: { ...pod.metadata?.labels, ...own },
      annotations: {
        ...pod.metadata?.annotations,
        ...own,
        ...failureAnnotations(job.spec as JobSpec, replaced),
      },
    },
    spec: {
      ...pod.spec,
      hostname: `${name}-${index}`,
      containers: withIndexEnv(pod.spec.containers),
      ...(initContainers === undefined ? {} : { initContainers: withIndexEnv(initContainers) }),
    },
  };
};

/** Pods without an index of the Job, and all but one of each index, are too many whatever their number. */
const misplaced = ({ spec, isIndexed, active }: View): Pod[] => {
  if (!isIndexed) return [];
  const kept = new Set<number | undefined>();
  return [...active]
    .sort((a, b) => -firstToDelete(a, b))
    .filter((pod) => {
      const index = indexOf(pod);
      if (!isInRange(pod, spec) || kept.has(index)) return true;
      kept.add(index);
      return false;
    });
};

const wantedActive = ({ spec, active, succeeded }: View): number => {
  const { parallelism = 1, completions } = spec;
  if (completions === undefined) return succeeded > 0 ? active.length : parallelism;
  return Math.max(0, Math.min(parallelism, completions - succeeded));
};

const createIndexed = (view: View, count: number): Management => {
  const { job, spec, active, terminating, succeededIndexes, failedIndexes, retried, now } = view;
  const taken = indexesOf([...active, ...(replacesOnlyFailed(spec) ? terminating : [])]);
  const isTaken = (index: number): boolean =>
    taken.has(index) || succeededIndexes.has(index) || failedIndexes?.has(index) === true;
  const pending = pendingIndexes(count, spec.completions ?? 0, isTaken);
  const waits = pending.map((index) => {
    const last = retried.get(index);
    if (last === undefined) return 0;
    return backoffLeft({ failures: failuresOf(last) + 1, lastFailureAt: endedAt(last) }, now);
  });
  const ready = pending.filter((_, nth) => waits[nth] === 0);
  const waitMs = Math.min(...waits.filter((wait) => wait > 0));
  return {
    create: ready.map((index) => podOf(job, index, retried.get(index))),
    remove: [],
    ...(Number.isFinite(waitMs) ? { waitMs } : {}),
  };
};

export const manage = (view: View): Management => {
  const { job, spec, isIndexed, isSuspended, active, terminating, failedIndexes, backoff, now } = view;
  if (isSuspended) return { create: [], remove: active };
  const wanted = wantedActive(view);
  const remove = misplaced(view);
  const others = active.filter((pod) => !remove.includes(pod)).sort(firstToDelete);
  remove.push(...others.slice(0, Math.max(0, active.length - wanted - remove.length)));
  if (remove.length > 0) return { create: [], remove };
  const awaited = replacesOnlyFailed(spec) ? terminating.length : 0;
  const missing = Math.min(wanted - awaited - active.length, LARGEST_STEP);
  if (missing <= 0) return { create: [], remove: [] };
  const waitMs = failedIndexes === undefined ? backoffLeft(backoff, now) : 0;
  if (waitMs > 0) return { create: [], remove: [], waitMs };
  if (isIndexed) return createIndexed(view, missing);
  return { create: Array.from({ length: missing }, () => podOf(job)), remove: [] };
};
