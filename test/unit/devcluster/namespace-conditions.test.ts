import t from 'tap';
import { namespaceConditions, unexpected } from '../../../devcluster/controllers/namespace/conditions.js';
import { CONFIG_MAPS, DEPLOYMENTS } from '../../../kube/objects.js';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const TRUE = ({ status }: { status: string }): boolean => status === 'True';

t.test('while all goes well there are five conditions, and none is true', async (t) => {
  const conditions = namespaceConditions([], { remaining: [], failures: [] }, NOW);
  t.same(
    conditions.map(({ type, reason }) => [type, reason]),
    [
      ['NamespaceDeletionDiscoveryFailure', 'ResourcesDiscovered'],
      ['NamespaceDeletionGroupVersionParsingFailure', 'ParsedGroupVersions'],
      ['NamespaceDeletionContentFailure', 'ContentDeleted'],
      ['NamespaceContentRemaining', 'ContentRemoved'],
      ['NamespaceFinalizersRemaining', 'ContentHasNoFinalizers'],
    ],
  );
  t.same(conditions.filter(TRUE), []);
  t.same(namespaceConditions(conditions, { remaining: [], failures: [] }, NOW + 5000), conditions);
});

t.test('what remains and what holds it is told', async (t) => {
  const remaining = [
    { resource: DEPLOYMENTS, count: 1, finalizers: ['a/b'] },
    { resource: CONFIG_MAPS, count: 2, finalizers: ['a/b', 'c/d'] },
  ];
  const before = namespaceConditions([], { remaining: [], failures: [] }, NOW);
  const conditions = namespaceConditions(before, { remaining, failures: [] }, NOW + 5000);
  t.same(conditions.filter(TRUE), [
    {
      type: 'NamespaceContentRemaining',
      status: 'True',
      lastTransitionTime: '2026-01-01T00:00:05Z',
      reason: 'SomeResourcesRemain',
      message:
        'Some resources are remaining: configmaps. has 2 resource instances, deployments.apps has 1 resource instances',
    },
    {
      type: 'NamespaceFinalizersRemaining',
      status: 'True',
      lastTransitionTime: '2026-01-01T00:00:05Z',
      reason: 'SomeFinalizersRemain',
      message:
        'Some content in the namespace has finalizers remaining: a/b in 2 resource instances, c/d in 1 resource instances',
    },
  ]);
  t.equal(conditions[0]?.lastTransitionTime, '2026-01-01T00:00:00Z', 'what did not change keeps its time');
});

t.test('failures', async (t) => {
  const surprise = unexpected('ns', { resource: DEPLOYMENTS, count: 1, finalizers: [] });
  t.equal(surprise, 'unexpected items still remain in namespace: ns for gvr: apps/v1, Resource=deployments');
  t.equal(unexpected('ns', { resource: DEPLOYMENTS, count: 0, finalizers: [] }), undefined);
  t.equal(unexpected('ns', { resource: DEPLOYMENTS, count: 1, finalizers: ['x'] }), undefined);
  const conditions = namespaceConditions([], { remaining: [], failures: ['b', 'a'] }, NOW);
  t.match(conditions.filter(TRUE), [
    {
      type: 'NamespaceDeletionContentFailure',
      reason: 'ContentDeletionFailed',
      message: 'Failed to delete all resource types, 2 remaining: a, b',
    },
  ]);
});
