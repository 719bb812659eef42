import t from 'tap';
import { garbageOf, orphanStatus, surplus } from '../../../devcluster/controllers/pod-garbage/plan.js';
import type { Pod } from '../../../kube/objects.js';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const hasNode = (name: string): boolean => name === 'n';

t.test('which pods are nobody’s', async (t) => {
  const pod = (nodeName?: string, grace?: number): Pod => ({
    metadata:
      grace === undefined
        ? {}
        : { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: grace },
    spec: { containers: [], ...(nodeName === undefined ? {} : { nodeName }) },
  });
  const rows: [string, Pod, string | undefined][] = [
    ['on its node', pod('n'), undefined],
    ['going from its node', pod('n', 30), undefined],
    ['on no node', pod('ghost'), 'orphan'],
    ['going from no node', pod('ghost', 30), 'orphan'],
    ['removed, and held', pod('ghost', 0), undefined],
    ['not scheduled', pod(), undefined],
    ['not scheduled and going', pod(undefined, 30), 'unscheduled'],
    ['not scheduled, removed and held', pod(undefined, 0), undefined],
  ];
  for (const [what, subject, expected] of rows) t.equal(garbageOf(subject, hasNode), expected, what);
});

t.test('an orphan failed', async (t) => {
  const status = orphanStatus({ status: { phase: 'Running', podIP: '127.64.0.1' } }, NOW);
  t.same(status, {
    phase: 'Failed',
    podIP: '127.64.0.1',
    conditions: [
      {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'DeletionByPodGC',
        message: 'PodGC: node no longer exists',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ],
  });
});

t.test('of too many ended pods the evicted go first, then the oldest', async (t) => {
  const ended = (name: string, second: number, reason?: string): Pod => ({
    metadata: { name, creationTimestamp: `2026-01-01T00:00:0${second}Z` },
    status: { phase: 'Failed', ...(reason === undefined ? {} : { reason }) },
  });
  const all = [ended('new', 3), ended('old', 1), ended('evicted', 2, 'Evicted')];
  const names = (threshold: number) => surplus(all, threshold).map(({ metadata }) => metadata?.name);
  t.same(names(3), []);
  t.same(names(2), ['evicted']);
  t.same(names(1), ['evicted', 'old']);
  t.same(names(9), []);
});
