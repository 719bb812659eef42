import t from 'tap';
import { sameJson } from '../../../devcluster/controllers/canonical.js';
import { planDeployment } from '../../../devcluster/controllers/deployment/plan.js';
import type { Change, Plan } from '../../../devcluster/controllers/deployment/plan.js';
import { bounds } from '../../../devcluster/controllers/deployment/sizes.js';
import type { Deployment, ReplicaSet } from '../../../kube/objects.js';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const ISO = '2026-01-01T00:00:00Z';

type Spec = NonNullable<Deployment['spec']>;

const deployment = (spec: Partial<Spec> = {}, more: Partial<Deployment> = {}): Deployment => ({
  metadata: { name: 'web', namespace: 'default', uid: 'd', generation: 1 },
  spec: {
    replicas: 10,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'new' }] } },
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
    progressDeadlineSeconds: 600,
    revisionHistoryLimit: 10,
    ...spec,
  },
  ...more,
});

interface Rs {
  image: string;
  size: number;
  available?: number;
  desired?: number;
  max?: number;
  revision?: number;
  pods?: number;
}

const replicaSet = ({
  image,
  size,
  available = size,
  desired = 10,
  max = 13,
  revision = 1,
  pods = size,
}: Rs): ReplicaSet => ({
  metadata: {
    name: `web-${image}-${revision}`,
    uid: `${image}-${revision}`,
    creationTimestamp: new Date(NOW - 100_000 + revision * 1000).toISOString(),
    annotations: {
      'deployment.kubernetes.io/revision': String(revision),
      ...(size > 0 ? { 'deployment.kubernetes.io/desired-replicas': String(desired) } : {}),
      ...(size > 0 ? { 'deployment.kubernetes.io/max-replicas': String(max) } : {}),
    },
  },
  spec: {
    replicas: size,
    minReadySeconds: 0,
    selector: { matchLabels: { app: 'web', 'pod-template-hash': image } },
    template: {
      metadata: { labels: { app: 'web', 'pod-template-hash': image } },
      spec: { containers: [{ name: 'c', image }] },
    },
  },
  status: { replicas: pods, readyReplicas: available, availableReplicas: available },
});

const plan = (d: Deployment, sets: Rs[], pods = 0, now = NOW): Plan =>
  planDeployment({ deployment: d, replicaSets: sets.map(replicaSet), podsOf: () => pods, now });

/** `image:size` of what is scaled or created, `-image` of what is deleted. */
const moves = (changes: readonly Change[]): string[] =>
  changes.flatMap((change) => {
    if (change.type === 'annotate') return [];
    const { replicaSet: rs } = change;
    const image = rs.spec?.template?.spec?.containers[0]?.image;
    if (change.type === 'delete') return [`-${image}`];
    if (change.type === 'create') return [`+${image}:${rs.spec?.replicas}`];
    return change.from === rs.spec?.replicas ? [] : [`${image}:${rs.spec?.replicas}`];
  });

const progressing = ({ status }: Plan): string =>
  (status.conditions ?? [])
    .filter(({ type }) => type === 'Progressing')
    .map(({ status: is, reason, message }) => `${is} ${reason}: ${message}`)
    .join();

t.test('bounds round surge up and unavailable down, and leave room to move', async (t) => {
  const rows: [number, string | number, string | number, number, number][] = [
    [10, '25%', '25%', 3, 2],
    [1, '25%', '25%', 1, 0],
    [3, '25%', '25%', 1, 0],
    [4, 0, '10%', 0, 1],
    [4, 2, 9, 2, 4],
    [0, '25%', '25%', 0, 0],
  ];
  for (const [replicas, maxSurge, maxUnavailable, surge, unavailable] of rows) {
    const d = deployment({
      replicas,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
    });
    t.same(bounds(d), { surge, unavailable }, `${replicas} ${maxSurge} ${maxUnavailable}`);
  }
  t.same(bounds(deployment({ strategy: { type: 'Recreate' } })), { surge: 0, unavailable: 0 });
});

t.test('what is done next', async (t) => {
  const recreate = { strategy: { type: 'Recreate' } };
  const rows: [string, Partial<Spec>, Rs[], number, string[]][] = [
    ['creates the first ReplicaSet', {}, [], 0, ['+new:10']],
    ['is content when complete', {}, [{ image: 'new', size: 10 }], 0, []],
    ['surges first', {}, [{ image: 'old', size: 10 }], 0, ['+new:3']],
    [
      'takes down old ones within the bound',
      {},
      [
        { image: 'old', size: 10 },
        { image: 'new', size: 3, available: 0, revision: 2 },
      ],
      0,
      ['old:8'],
    ],
    [
      'fills the room made',
      {},
      [
        { image: 'old', size: 8 },
        { image: 'new', size: 3, available: 3, revision: 2 },
      ],
      0,
      ['new:5'],
    ],
    [
      'takes unhealthy old ones first',
      {},
      [
        { image: 'old', size: 4, available: 4 },
        { image: 'bad', size: 5, available: 0, revision: 2 },
        { image: 'new', size: 4, available: 4, revision: 3 },
      ],
      0,
      ['bad:0'],
    ],
    [
      'ends with none of the old',
      {},
      [
        { image: 'old', size: 2 },
        { image: 'new', size: 10, revision: 2 },
      ],
      0,
      ['old:0'],
    ],
    ['scales the one ReplicaSet', { replicas: 4 }, [{ image: 'new', size: 10 }], 0, ['new:4']],
    ['scales to zero', { replicas: 0 }, [{ image: 'new', size: 10 }], 0, ['new:0']],
    ['scales from zero', { replicas: 2 }, [{ image: 'new', size: 0 }], 0, ['new:2']],
    [
      'shares out a new size in the midst of a roll-out',
      { replicas: 20 },
      [
        { image: 'old', size: 8 },
        { image: 'new', size: 5, available: 3, revision: 2 },
      ],
      0,
      ['old:15', 'new:10'],
    ],
    [
      'scales a paused one, and does not roll it out',
      { paused: true, replicas: 12 },
      [{ image: 'old', size: 10 }],
      0,
      ['old:12'],
    ],
    ['does nothing with a paused one', { paused: true }, [{ image: 'old', size: 10 }], 0, []],
    ['Recreate empties the old first', recreate, [{ image: 'old', size: 10 }], 10, ['old:0']],
    ['Recreate waits for the last old pod', recreate, [{ image: 'old', size: 0, pods: 1 }], 1, []],
    ['Recreate then creates', recreate, [{ image: 'old', size: 0 }], 0, ['+new:10']],
    [
      'a rollback reuses the ReplicaSet it had',
      {},
      [
        { image: 'new', size: 0, revision: 1 },
        { image: 'old', size: 10, revision: 2 },
      ],
      0,
      ['new:3'],
    ],
    [
      'history beyond the limit goes, lowest revision first',
      { revisionHistoryLimit: 1 },
      [
        { image: 'b', size: 0, revision: 2 },
        { image: 'a', size: 0, revision: 1 },
        { image: 'c', size: 0, revision: 3 },
        { image: 'new', size: 10, revision: 4 },
      ],
      0,
      ['-a', '-b'],
    ],
    [
      'history stays while the roll-out goes on',
      { revisionHistoryLimit: 0 },
      [
        { image: 'a', size: 0, revision: 1 },
        { image: 'new', size: 10, available: 9, revision: 2 },
      ],
      0,
      [],
    ],
  ];
  for (const [what, spec, sets, pods, expected] of rows) {
    t.same(moves(plan(deployment(spec), sets, pods).changes), expected, what);
  }
});

t.test('a roll-out converges within its bounds, whatever becomes ready when', async (t) => {
  let d = deployment({ replicas: 7 });
  const { surge, unavailable } = bounds(d);
  let sets: ReplicaSet[] = [replicaSet({ image: 'old', size: 7, desired: 7, max: 9 })];
  let steps = 0;
  for (; steps < 100; steps++) {
    const { changes, status } = planDeployment({
      deployment: d,
      replicaSets: sets,
      podsOf: () => 0,
      now: NOW,
    });
    for (const change of changes) {
      if (change.type === 'annotate') {
        d = { ...d, metadata: { ...d.metadata, annotations: change.annotations } };
      } else if (change.type === 'create') {
        const metadata = { ...change.replicaSet.metadata, uid: 'n', creationTimestamp: ISO };
        sets.push({ ...change.replicaSet, metadata, status: { replicas: 0 } });
      } else if (change.type === 'update') {
        sets = sets.map((rs) =>
          rs.metadata?.uid === change.replicaSet.metadata?.uid ? change.replicaSet : rs,
        );
      }
    }
    const sizes = sets.map((rs) => rs.spec?.replicas ?? 0);
    t.ok(sizes.reduce((a, b) => a + b) <= 7 + surge, 'never above the surge');
    // One pod becomes ready a step; pods that are scaled away are gone at once, the available ones last.
    let gained = 1;
    sets = sets.map((rs) => {
      const replicas = rs.spec?.replicas ?? 0;
      const had = Math.min(replicas, rs.status?.availableReplicas ?? 0);
      const availableReplicas = had < replicas && gained-- > 0 ? had + 1 : had;
      return { ...rs, status: { replicas, availableReplicas, readyReplicas: availableReplicas } };
    });
    const available = sets.reduce((total, rs) => total + (rs.status?.availableReplicas ?? 0), 0);
    t.ok(available >= 7 - unavailable, 'never below the availability');
    if (changes.length === 0 && status.availableReplicas === 7 && status.updatedReplicas === 7) break;
  }
  t.ok(steps < 100, `done in ${steps} steps`);
  t.same(
    sets.map((rs) => rs.spec?.replicas),
    [0, 7],
  );
});

t.test('a new ReplicaSet', async (t) => {
  const annotations = { note: 'kept', 'kubectl.kubernetes.io/last-applied-configuration': '{}' };
  const d = deployment({}, { metadata: { name: 'web', namespace: 'ns', uid: 'd', annotations } });
  const { changes } = plan(d, [{ image: 'old', size: 10, revision: 4 }]);
  const [created, annotated] = changes;
  t.equal(created?.type, 'create');
  if (created?.type !== 'create') return;
  const { metadata, spec } = created.replicaSet;
  const hash = metadata?.labels?.['pod-template-hash'] ?? '';
  t.match(hash, /^[a-z0-9]{6,10}$/);
  t.equal(metadata?.name, `web-${hash}`);
  t.same(metadata?.annotations, {
    note: 'kept',
    'deployment.kubernetes.io/revision': '5',
    'deployment.kubernetes.io/desired-replicas': '10',
    'deployment.kubernetes.io/max-replicas': '13',
  });
  t.same(spec?.selector.matchLabels, { app: 'web', 'pod-template-hash': hash });
  t.same(spec?.template?.metadata?.labels, { app: 'web', 'pod-template-hash': hash });
  t.match(metadata?.ownerReferences, [
    { kind: 'Deployment', uid: 'd', controller: true, blockOwnerDeletion: true },
  ]);
  t.same(annotated, { type: 'annotate', annotations: { 'deployment.kubernetes.io/revision': '5' } });

  const collided = plan({ ...d, status: { collisionCount: 1 } }, []).changes[0];
  t.not(
    collided?.type === 'create' && collided.replicaSet.metadata?.name,
    metadata?.name,
    'a collision makes another name',
  );
});

t.test('a rollback gives the reused ReplicaSet a new revision and a history', async (t) => {
  const { changes } = plan(deployment(), [
    { image: 'new', size: 0, revision: 1 },
    { image: 'old', size: 10, revision: 2 },
  ]);
  const update = changes.find((change) => change.type === 'update');
  t.match(update?.replicaSet.metadata?.annotations, {
    'deployment.kubernetes.io/revision': '3',
    'deployment.kubernetes.io/revision-history': '1',
  });
  t.match(
    changes.find((change) => change.type === 'annotate'),
    { annotations: { 'deployment.kubernetes.io/revision': '3' } },
  );
});

t.test('conditions', async (t) => {
  const conditions = (reason: string, secondsAgo: number, status = 'True'): Partial<Deployment> => {
    const time = new Date(NOW - secondsAgo * 1000).toISOString();
    return {
      status: {
        replicas: 0,
        conditions: [
          {
            type: 'Progressing',
            status,
            reason,
            message: 'm',
            lastUpdateTime: time,
            lastTransitionTime: time,
          },
        ],
      },
    };
  };
  const one = { replicas: 1 };
  const stuck: Rs = { image: 'new', size: 1, available: 0, desired: 1, max: 2, pods: 0 };
  const rows: [string, Plan, RegExp][] = [
    ['created', plan(deployment(one), []), /^True NewReplicaSetCreated: Created new replica set "web-\w+"$/],
    [
      'moving',
      plan(deployment(one, { status: {} }), [{ ...stuck, pods: 1 }]),
      /^True ReplicaSetUpdated: ReplicaSet "web-new-1" is progressing\.$/,
    ],
    [
      'complete',
      plan(deployment(one), [{ image: 'new', size: 1, desired: 1, max: 2 }]),
      /^True NewReplicaSetAvailable: ReplicaSet "web-new-1" has successfully progressed\.$/,
    ],
    [
      'waiting',
      plan(deployment(one, conditions('ReplicaSetUpdated', 599)), [stuck]),
      /^True ReplicaSetUpdated: m$/,
    ],
    [
      'late',
      plan(deployment(one, conditions('ReplicaSetUpdated', 600)), [stuck]),
      /^False ProgressDeadlineExceeded: ReplicaSet "web-new-1" has timed out progressing\.$/,
    ],
    [
      'complete ones are not timed',
      plan(deployment(one, conditions('NewReplicaSetAvailable', 9999)), [stuck]),
      /^True NewReplicaSetAvailable: m$/,
    ],
    [
      'late, and then moving after all',
      plan(deployment(one, conditions('ProgressDeadlineExceeded', 9, 'False')), [
        { ...stuck, available: 1, pods: 1 },
      ]),
      /^True NewReplicaSetAvailable/,
    ],
    [
      'paused',
      plan(deployment({ ...one, paused: true }), [stuck]),
      /^Unknown DeploymentPaused: Deployment is paused$/,
    ],
    [
      'resumed',
      plan(deployment(one, conditions('DeploymentPaused', 9, 'Unknown')), [stuck]),
      /^Unknown DeploymentResumed: Deployment is resumed$/,
    ],
    [
      'no deadline, no condition',
      plan(deployment({ ...one, progressDeadlineSeconds: 2 ** 31 - 1 }), [stuck]),
      /^$/,
    ],
  ];
  for (const [what, { status }, expected] of rows) {
    t.match(progressing({ changes: [], status }), expected, what);
  }
  const waiting = plan(deployment(one, conditions('ReplicaSetUpdated', 590)), [stuck]);
  t.equal(waiting.requeueAfterMs, 11_000, 'looks again when the deadline has passed');
  t.match(
    waiting.status.conditions?.find(({ type }) => type === 'Available'),
    {
      status: 'False',
      reason: 'MinimumReplicasUnavailable',
      message: 'Deployment does not have minimum availability.',
    },
  );
  const settled = plan(deployment(one), [{ image: 'new', size: 1, desired: 1, max: 2 }]);
  t.match(settled.status, { replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 });
  t.equal(settled.status.observedGeneration, 1);
  t.notOk('unavailableReplicas' in settled.status, 'a count of zero is absent');
  const again = plan(
    deployment(one, { status: settled.status }),
    [{ image: 'new', size: 1, desired: 1, max: 2 }],
    0,
    NOW + 60_000,
  );
  t.ok(sameJson(again.status, settled.status), 'a settled status does not change with time');

  const failed = replicaSet(stuck);
  failed.status = {
    replicas: 0,
    conditions: [{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'quota' }],
  };
  const { status } = planDeployment({
    deployment: deployment(one),
    replicaSets: [failed],
    podsOf: () => 0,
    now: NOW,
  });
  t.match(status.conditions?.at(-1), {
    type: 'ReplicaFailure',
    status: 'True',
    reason: 'FailedCreate',
    message: 'quota',
  });
});

t.test('a Deployment that is being deleted only counts', async (t) => {
  const d = deployment({}, { metadata: { name: 'web', uid: 'd', deletionTimestamp: ISO } });
  t.same(plan(d, [{ image: 'old', size: 3 }]).changes, []);
});
