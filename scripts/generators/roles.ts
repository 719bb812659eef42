/** The operator's least rights as ClusterRoles, in YAML. */
import type { Contract } from '../../schemas/index.js';
import { leastRules } from '../../server/auth/roles.js';
import type { Rule } from '../../server/auth/roles.js';

const list = (values: readonly string[]): string =>
  `[${values.map((value) => (value === '' ? "''" : value)).join(', ')}]`;

const rule = ({ group, resources, verbs }: Rule): string =>
  `  - apiGroups: ${list([group])}\n    resources: ${list(resources)}\n    verbs: ${list(verbs)}\n`;

const clusterRole = (name: string, about: string, rules: readonly Rule[]): string =>
  `# ${about}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: ${name}
rules:${rules.length === 0 ? ' []\n' : `\n${rules.map(rule).join('')}`}`;

/** Renders `k8s-yamls/base/role.gen.yaml`. */
export function rolesYaml(contracts: readonly Contract[]): string {
  const { cluster, namespaced } = leastRules(contracts);
  return [
    '# Generated from the permissions of the contracts in schemas/ by `npm run generate`; not to be edited.\n',
    clusterRole('xi-k8s-cluster', 'Objects without a namespace: to bind with a ClusterRoleBinding.', cluster),
    '---\n',
    clusterRole(
      'xi-k8s-namespaced',
      'Objects of namespaces: to bind with a RoleBinding in each namespace served, or with a ClusterRoleBinding for all.',
      namespaced,
    ),
  ].join('');
}
