/** Namespaces: which may go, and that they stay until the namespace controller has emptied them. */
import { forbidden } from './errors.js';
import { objectAt, stringAt, stringsAt } from './json.js';
import type { Strategy } from './strategy.js';

const PROTECTED = ['default', 'kube-system', 'kube-public'];
const FINALIZER = 'kubernetes';

export const namespaceStrategy: Strategy = {
  initialStatus: () => ({ phase: 'Active' }),
  prepareCreate(namespace) {
    const others = stringsAt(namespace, 'spec', 'finalizers').filter((item) => item !== FINALIZER);
    namespace.spec = { finalizers: [...others, FINALIZER] };
  },
  prepareUpdate(namespace, old) {
    namespace.spec = objectAt(old, 'spec') ?? {};
  },
  checkDelete(namespace) {
    const name = stringAt(namespace, 'metadata', 'name') ?? '';
    if (PROTECTED.includes(name))
      throw forbidden(
        { group: '', plural: 'namespaces', kind: 'Namespace' },
        name,
        'this namespace may not be deleted',
      );
  },
  beginDelete(namespace) {
    namespace.status = { ...objectAt(namespace, 'status'), phase: 'Terminating' };
  },
  holds: (namespace) => stringsAt(namespace, 'spec', 'finalizers').length > 0,
};
