/** What a namespace that goes says about itself: pure functions from what is left of its content. */
import type { Namespace, Resource } from '../../../kube/objects.js';
import { findCondition, timestamp, withCondition } from '../meta.js';

export type NamespaceCondition = NonNullable<NonNullable<Namespace['status']>['conditions']>[number];

/** Objects of one kind that are still there after they were deleted. */
export interface Remainder {
  resource: Resource;
  count: number;
  /** Of each object its finalizers. */
  finalizers: readonly string[];
}

export interface Progress {
  /** Empty while pods remain: the rest is looked at only after them. */
  remaining: readonly Remainder[];
  /** Messages of deletions that failed. */
  failures: readonly string[];
}

/** Reason and message of each condition while all is well. */
const GOOD: Record<string, readonly [reason: string, message: string]> = {
  NamespaceDeletionDiscoveryFailure: ['ResourcesDiscovered', 'All resources successfully discovered'],
  NamespaceDeletionGroupVersionParsingFailure: [
    'ParsedGroupVersions',
    'All legacy kube types successfully parsed',
  ],
  NamespaceDeletionContentFailure: [
    'ContentDeleted',
    'All content successfully deleted, may be waiting on finalization',
  ],
  NamespaceContentRemaining: ['ContentRemoved', 'All content successfully removed'],
  NamespaceFinalizersRemaining: ['ContentHasNoFinalizers', 'All content-preserving finalizers finished'],
};

const counted = (items: Iterable<string>): [string, number][] => {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return [...counts];
};

/** Why objects without finalizers that outlive their deletion are a failure; undefined where they are none. */
export const unexpected = (
  namespace: string,
  { resource, count, finalizers }: Remainder,
): string | undefined =>
  count === 0 || finalizers.length > 0
    ? undefined
    : `unexpected items still remain in namespace: ${namespace} for gvr: ${resource.group}/${resource.version}, Resource=${resource.plural}`;

const bad = ({ remaining, failures }: Progress): Record<string, readonly [string, string]> => {
  const left = remaining
    .filter(({ count }) => count > 0)
    .map(({ resource: { plural, group }, count }) => `${plural}.${group} has ${count} resource instances`);
  const held = counted(remaining.flatMap(({ finalizers }) => finalizers)).map(
    ([finalizer, count]) => `${finalizer} in ${count} resource instances`,
  );
  const failed = [...failures].sort().join(', ');
  return {
    ...(failures.length === 0
      ? {}
      : {
          NamespaceDeletionContentFailure: [
            'ContentDeletionFailed',
            `Failed to delete all resource types, ${failures.length} remaining: ${failed}`,
          ],
        }),
    ...(left.length === 0
      ? {}
      : {
          NamespaceContentRemaining: [
            'SomeResourcesRemain',
            `Some resources are remaining: ${left.sort().join(', ')}`,
          ],
        }),
    ...(held.length === 0
      ? {}
      : {
          NamespaceFinalizersRemaining: [
            'SomeFinalizersRemain',
            `Some content in the namespace has finalizers remaining: ${held.sort().join(', ')}`,
          ],
        }),
  };
};

export const namespaceConditions = (
  before: readonly NamespaceCondition[],
  progress: Progress,
  now: number,
): NamespaceCondition[] => {
  const wrong = bad(progress);
  let conditions = [...before];
  for (const [type, good] of Object.entries(GOOD)) {
    const [reason, message] = wrong[type] ?? good;
    const status = type in wrong ? 'True' : 'False';
    const known = findCondition(conditions, type);
    const since = known?.status === status ? known.lastTransitionTime : undefined;
    conditions = withCondition(conditions, {
      type,
      status,
      lastTransitionTime: since ?? timestamp(now),
      reason,
      message,
    });
  }
  return conditions;
};
