/** Namespaces: which may go, and how their content goes with them. */
import { forbidden } from './errors.js';
import { objectAt, stringAt, stringsAt } from './json.js';
import type { JsonObject } from './json.js';
import type { DeleteRequest, Registry } from './registry.js';
import type { ApiResource } from './resources.js';
import type { Strategy } from './strategy.js';

const PROTECTED = ['default', 'kube-system', 'kube-public'];
const FINALIZER = 'kubernetes';

export const namespaceStrategy: Strategy = {
  initialStatus: () => ({ phase: 'Active' }),
  prepareCreate(namespace) {
    const others = stringsAt(namespace, 'spec', 'finalizers').filter((item) => item !== FINALIZER);
    namespace.spec = { finalizers: [FINALIZER, ...others] };
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

const CONTENT: DeleteRequest = {
  propagationPolicy: 'Background',
  gracePeriodSeconds: undefined,
  preconditions: {},
  dryRun: false,
};

/**
 * Empties the namespaces that go, and lets them go when they are empty. Answers the function that stops it.
 */
export function startNamespaceLifecycle(registry: Registry): () => void {
  const namespaces = registry.resources.find('', 'v1', 'namespaces') as ApiResource;
  const content = registry.resources.all.filter(({ namespaced }) => namespaced);
  const going = new Set<string>();
  let scheduled: NodeJS.Immediate | undefined;

  const empty = (namespace: string): boolean => {
    let isEmpty = true;
    for (const resource of content)
      for (const stored of registry.storage(resource).snapshot()) {
        if (stored.namespace !== namespace) continue;
        isEmpty = false;
        const isNew = !stored.item.includes('"deletionTimestamp"');
        if (isNew) registry.delete({ resource, namespace, name: stored.name }, CONTENT);
      }
    return isEmpty;
  };
  const finalize = (name: string): void => {
    const at = { resource: namespaces, namespace: '', name };
    if (registry.storage(namespaces).get(name) === undefined) return;
    const without = (object: JsonObject): JsonObject => ({
      ...object,
      spec: { finalizers: stringsAt(object, 'spec', 'finalizers').filter((item) => item !== FINALIZER) },
    });
    registry.update(at, 'finalize', without, { dryRun: false, fieldManager: 'namespace-controller' });
  };
  const sweep = (): void => {
    scheduled = undefined;
    for (const name of going)
      if (empty(name)) {
        going.delete(name);
        finalize(name);
      }
  };
  const soon = (): void => {
    scheduled ??= setImmediate(sweep);
  };

  const stops = [
    registry.storage(namespaces).subscribe(({ type, stored }) => {
      if (type === 'DELETED') going.delete(stored.name);
      else if (stored.fields['status.phase'] === 'Terminating') {
        going.add(stored.name);
        soon();
      }
    }),
    ...content.map((resource) =>
      registry.storage(resource).subscribe(({ stored }) => {
        if (going.has(stored.namespace)) soon();
      }),
    ),
  ];
  return () => {
    for (const stop of stops) stop();
    if (scheduled !== undefined) clearImmediate(scheduled);
  };
}
