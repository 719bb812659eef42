/** The least that the operator must be allowed, computed from the contracts' permissions. */
import type { Contract, Permission } from '../../schemas/index.js';

/** A rule of a Role: all of these verbs on all of these resources of a group. */
export interface Rule {
  readonly group: string;
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

export interface LeastRules {
  /** On objects without a namespace: only a ClusterRoleBinding grants them. */
  readonly cluster: readonly Rule[];
  /** On objects of a namespace: a RoleBinding in each namespace served, or a ClusterRoleBinding for all. */
  readonly namespaced: readonly Rule[];
}

const sorted = (values: Iterable<string>): string[] => [...new Set(values)].sort();

/** Unites permissions, and writes resources of a group that need the same verbs as one rule; sorted. */
function unite(permissions: readonly Permission[]): Rule[] {
  const verbs = new Map<string, { group: string; resource: string; verbs: string[] }>();
  for (const { group, resource, verbs: more } of permissions) {
    const key = `${group}/${resource}`;
    verbs.set(key, { group, resource, verbs: sorted([...(verbs.get(key)?.verbs ?? []), ...more]) });
  }
  const rules = new Map<string, Rule>();
  for (const [, one] of [...verbs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const key = `${one.group}/${one.verbs.join()}`;
    const resources = [...(rules.get(key)?.resources ?? []), one.resource];
    rules.set(key, { group: one.group, resources, verbs: one.verbs });
  }
  return [...rules.values()];
}

/** The least rules with which all of the functions work. */
export function leastRules(contracts: readonly Contract[]): LeastRules {
  const permissions = contracts.flatMap((contract) => contract.permissions);
  return {
    cluster: unite(permissions.filter(({ namespace }) => namespace === undefined)),
    namespaced: unite(permissions.filter(({ namespace }) => namespace !== undefined)),
  };
}
