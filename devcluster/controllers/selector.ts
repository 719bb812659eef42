/** Label selectors as objects carry them (`matchLabels`, `matchExpressions`) and the like terms of node affinity. */
import type { ReplicaSet } from '../../kube/objects.js';

export type LabelSelector = NonNullable<ReplicaSet['spec']>['selector'];
export type Labels = Readonly<Record<string, string>>;

export interface Requirement {
  key: string;
  operator: string;
  values?: string[];
}

const OPERATORS: Record<string, (value: string | undefined, values: readonly string[]) => boolean> = {
  In: (value, values) => value !== undefined && values.includes(value),
  NotIn: (value, values) => value === undefined || !values.includes(value),
  Exists: (value) => value !== undefined,
  DoesNotExist: (value) => value === undefined,
  Gt: (value, [than]) => value !== undefined && Number(value) > Number(than),
  Lt: (value, [than]) => value !== undefined && Number(value) < Number(than),
};

/** True when the labels meet every requirement; an operator that is not known is never met. */
export const meets = (labels: Labels, requirements: readonly Requirement[] | undefined): boolean =>
  (requirements ?? []).every(
    ({ key, operator, values }) => OPERATORS[operator]?.(labels[key], values ?? []) ?? false,
  );

export const hasLabels = (labels: Labels, wanted: Labels | undefined): boolean =>
  Object.entries(wanted ?? {}).every(([key, value]) => labels[key] === value);

/** True when the selector selects these labels. An absent or empty selector selects nothing: no owner wants all pods. */
export const selects = (selector: LabelSelector | undefined, labels: Labels | undefined): boolean => {
  const { matchLabels, matchExpressions } = selector ?? {};
  if (Object.keys(matchLabels ?? {}).length + (matchExpressions?.length ?? 0) === 0) return false;
  return hasLabels(labels ?? {}, matchLabels) && meets(labels ?? {}, matchExpressions);
};

/** The same for selectors that may want everything: an empty one selects all labels, an absent one none. */
export const selectsAny = (selector: LabelSelector | undefined, labels: Labels | undefined): boolean =>
  selector !== undefined &&
  hasLabels(labels ?? {}, selector.matchLabels) &&
  meets(labels ?? {}, selector.matchExpressions);
