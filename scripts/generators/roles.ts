/** The operator's least rights as ClusterRoles, in YAML. */
import type { Contract } from '../../schemas/index.js';
import { leastRules, unite } from '../../server/auth/roles.js';
import type { Right, Rule, StandingRights } from '../../server/auth/roles.js';

const list = (values: readonly string[]): string =>
  `[${values.map((value) => (value === '' ? "''" : value)).join(', ')}]`;

const rule = ({ group, resources, verbs }: Rule): string =>
  `  - apiGroups: ${list([group])}\n    resources: ${list(resources)}\n    verbs: ${list(verbs)}\n`;

const role = (kind: 'Role' | 'ClusterRole', name: string, about: string, rules: readonly Rule[]): string =>
  `# ${about}
apiVersion: rbac.authorization.k8s.io/v1
kind: ${kind}
metadata:
  name: ${name}
rules:${rules.length === 0 ? ' []\n' : `\n${rules.map(rule).join('')}`}`;

const ORIGIN =
  '# Generated from the permissions of the contracts in schemas/ and the rights of the controllers by `npm run generate`; not to be edited.\n';

/** Renders `k8s-yamls/base/role.gen.yaml`. */
export function rolesYaml(contracts: readonly Contract[], standing: StandingRights): string {
  const { cluster, namespaced, own } = leastRules(contracts, standing);
  return [
    ORIGIN,
    role(
      'ClusterRole',
      'xi-k8s-cluster',
      'Objects without a namespace: to bind with a ClusterRoleBinding.',
      cluster,
    ),
    '---\n',
    role(
      'ClusterRole',
      'xi-k8s-namespaced',
      'Objects of namespaces: to bind with a RoleBinding in each namespace served, or with a ClusterRoleBinding for all.',
      namespaced,
    ),
    '---\n',
    role('Role', 'xi-k8s-own', "The operator's own objects, in its own namespace.", own),
  ].join('');
}

/** Renders `k8s-yamls/components/plugin-host/role.gen.yaml`: what the operator's plugin host needs beside. */
export const pluginHostRolesYaml = (rights: {
  readonly cluster: readonly Right[];
  readonly served: readonly Right[];
}): string =>
  [
    ORIGIN,
    role(
      'ClusterRole',
      'xi-k8s-plugins-cluster',
      'Who a plugin is, by its token: to bind with a ClusterRoleBinding.',
      unite(rights.cluster),
    ),
    '---\n',
    role(
      'ClusterRole',
      'xi-k8s-plugins-namespaced',
      'Where plugins are: to bind in each namespace whose plugins the host takes, or for all.',
      unite(rights.served),
    ),
  ].join('');
