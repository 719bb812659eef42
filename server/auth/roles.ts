/** The least that the operator must be allowed: the contracts' permissions, and what its standing work needs. */
import type { Contract, Permission } from '../../schemas/index.js';

export type Right = Pick<Permission, 'group' | 'resource' | 'verbs'>;

/** What work beside the functions needs. */
export interface StandingRights {
  /** In each namespace served. */
  readonly served: readonly Right[];
  /** In the operator's own namespace. */
  readonly own: readonly Right[];
}

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
  /** On the operator's own objects: a Role in its namespace. */
  readonly own: readonly Rule[];
}

const sorted = (values: Iterable<string>): string[] => [...new Set(values)].sort();

/** Unites permissions, and writes resources of a group that need the same verbs as one rule; sorted. */
export function unite(permissions: readonly Right[]): Rule[] {
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

/** The least rules with which all of the functions and the standing work can be done. */
export function leastRules(contracts: readonly Contract[], standing: StandingRights): LeastRules {
  const permissions = contracts
    .flatMap((contract) => contract.permissions)
    // Of a right that is asked of callers only, the operator in its pod has no need.
    .filter(({ outside }) => outside !== true);
  return {
    cluster: unite(permissions.filter(({ namespace }) => namespace === undefined)),
    namespaced: unite([
      ...permissions.filter(({ namespace }) => namespace !== undefined),
      ...standing.served,
    ]),
    own: unite(standing.own),
  };
}
