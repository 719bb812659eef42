/** What the controller needs of the API server beside what functions need, as data: the generated Roles include it. */
import type { Permission } from '../../schemas/define.js';

type Right = Pick<Permission, 'group' | 'resource' | 'verbs'>;

export const controllerRights: {
  /** In each namespace whose networks it looks after. */
  readonly served: readonly Right[];
  /** In the operator's own namespace. */
  readonly own: readonly Right[];
} = {
  served: [
    { group: '', resource: 'pods', verbs: ['get', 'list', 'watch'] },
    { group: '', resource: 'events', verbs: ['create'] },
  ],
  own: [
    { group: '', resource: 'configmaps', verbs: ['create', 'get', 'patch'] },
    { group: 'coordination.k8s.io', resource: 'leases', verbs: ['create', 'get', 'update'] },
  ],
};
