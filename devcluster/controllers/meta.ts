/** Small readings of objects that every controller shares. */
import type { KubeObject, ObjectMeta, Pod, Resource } from '../../kube/objects.js';

export type OwnerReference = NonNullable<ObjectMeta['ownerReferences']>[number];

export const atOf = (object: KubeObject): { namespace?: string; name: string } => {
  const { namespace, name = '' } = object.metadata ?? {};
  return namespace === undefined ? { name } : { namespace, name };
};

export const uidOf = (object: KubeObject): string => object.metadata?.uid ?? '';

/** Milliseconds of an RFC 3339 time; 0 when absent. */
export const millis = (time: string | undefined): number => (time === undefined ? 0 : Date.parse(time));

/** A time as the API writes it: whole seconds, UTC. */
export const timestamp = (now: number): string => new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');

export const createdAt = (object: KubeObject): number => millis(object.metadata?.creationTimestamp);

export const controllerOf = (object: KubeObject): OwnerReference | undefined =>
  object.metadata?.ownerReferences?.find((owner) => owner.controller === true);

export const apiVersionOf = (resource: Resource): string =>
  resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;

/** The group in an apiVersion; '' for the core group. */
export const groupOf = (apiVersion: string): string =>
  apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';

export const ownerReferenceTo = (resource: Resource, owner: KubeObject): OwnerReference => ({
  apiVersion: apiVersionOf(resource),
  kind: resource.kind,
  name: owner.metadata?.name ?? '',
  uid: uidOf(owner),
  controller: true,
  blockOwnerDeletion: true,
});

interface Condition {
  type: string;
  status: string;
  lastTransitionTime?: string;
}

export const findCondition = <C extends Condition>(
  conditions: C[] | undefined,
  type: string,
): C | undefined => conditions?.find((condition) => condition.type === type);

/** Puts `wanted` in place of the condition of its type, or after the others. */
export const withCondition = <C extends Condition>(conditions: readonly C[], wanted: C): C[] =>
  conditions.some(({ type }) => type === wanted.type)
    ? conditions.map((condition) => (condition.type === wanted.type ? wanted : condition))
    : [...conditions, wanted];

export const isTerminal = (pod: Pod): boolean =>
  pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

/** Neither ended nor on its way out. */
export const isActive = (pod: Pod): boolean =>
  !isTerminal(pod) && pod.metadata?.deletionTimestamp === undefined;

/** On its way out and not ended yet. */
export const isTerminating = (pod: Pod): boolean =>
  !isTerminal(pod) && pod.metadata?.deletionTimestamp !== undefined;

export const isReady = (pod: Pod): boolean =>
  findCondition(pod.status?.conditions, 'Ready')?.status === 'True';

/** Milliseconds until a ready pod has been ready for `minReadySeconds`; 0 when it has, undefined when it is not ready. */
export const untilAvailable = (pod: Pod, minReadySeconds: number, now: number): number | undefined => {
  const ready = findCondition(pod.status?.conditions, 'Ready');
  if (ready?.status !== 'True') return undefined;
  if (minReadySeconds === 0) return 0;
  return Math.max(0, millis(ready.lastTransitionTime) + minReadySeconds * 1000 - now);
};

/** Counts as the API keeps them: one that is zero is absent. */
export const nonZero = <T extends Record<string, number>>(counts: T): Partial<T> =>
  Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0)) as Partial<T>;
