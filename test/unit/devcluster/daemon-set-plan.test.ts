import t from 'tap';
import { planDaemonSet } from '../../../devcluster/controllers/daemon-set/plan.js';
import type { Plan } from '../../../devcluster/controllers/daemon-set/plan.js';
import { HASH, REVISIONS, podOf, targetOf } from '../../../devcluster/controllers/daemon-set/pod.js';
import { historyOf } from '../../../devcluster/controllers/revisions.js';
import type { DaemonSet, Node, Pod } from '../../../kube/objects.js';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const ago = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();

type Spec = NonNullable<DaemonSet['spec']>;
type PodSpec = NonNullable<Spec['template']['spec']>;
const setOf = (spec: Partial<Spec> = {}, pod: Partial<PodSpec> = {}): DaemonSet => ({
  metadata: { name: 'ds', namespace: 'default', uid: 'set', generation: 1 },
  spec: {
    selector: { matchLabels: { app: 'ds' } },
    template: {
      metadata: { labels: { app: 'ds' } },
      spec: { containers: [{ name: 'c', image: 'new' }], ...pod },
    },
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
    ...spec,
  },
});

const hashOf = (set: DaemonSet): string =>
  historyOf(set, REVISIONS, []).update.metadata?.labels?.[HASH] ?? '';

/** `a ready`, `a old ready`, `a pending`, `a Failed`, `a old ready going`: on node a. */
const podLike = (text: string, set: DaemonSet, nth: number): Pod => {
  const [node = '', ...words] = text.split(' ');
  const pod = podOf(set, words.includes('old') ? 'old' : hashOf(set), node);
  const phase =
    words.find((word) => /^[A-Z]/.test(word)) ?? (words.includes('pending') ? 'Pending' : 'Running');
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      ...{
        namespace: 'default',
        name: `${node}${nth}`,
        uid: `${node}${nth}`,
        creationTimestamp: ago(100 - nth),
      },
      ...(words.includes('going') ? { deletionTimestamp: ago(0) } : {}),
    },
    status: {
      phase,
      conditions: words.includes('ready')
        ? [{ type: 'Ready', status: 'True', lastTransitionTime: ago(50) }]
        : [],
    },
  };
};

type Taints = NonNullable<Node['spec']>['taints'];
const nodeOf = (name: string, labels: Record<string, string> = {}, taints: Taints = []): Node => ({
  metadata: { name, labels },
  spec: { taints },
});

const plan = (set: DaemonSet, nodes: readonly Node[], pods: readonly string[]): Plan =>
  planDaemonSet({
    ...{ set, nodes, now: NOW },
    pods: pods.map((text, nth) => podLike(text, set, nth)),
    revisions: [historyOf(set, REVISIONS, []).update],
  });
const said = ({ create, remove, events }: Plan): string[] => [
  ...create.map((pod) => `+${targetOf(pod)}`),
  ...remove.map(({ metadata }) => `-${metadata?.name}`),
  ...events.map(({ reason }) => reason),
];

const AB = [nodeOf('a'), nodeOf('b')];

t.test('what is done next', async (t) => {
  const onDelete = { updateStrategy: { type: 'OnDelete' } };
  const two = { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '100%' } } };
  const surge = {
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
  };
  const rows: [string, Partial<Spec>, string[], string[]][] = [
    ['one for each node', {}, [], ['+a', '+b']],
    ['is content', {}, ['a ready', 'b ready'], []],
    ['waits for one that goes', {}, ['a ready going', 'b ready'], []],
    ['replaces what failed', {}, ['a Failed', 'b ready'], ['-a0', 'FailedDaemonPod']],
    ['replaces what ended', {}, ['a Succeeded', 'b ready'], ['-a0', 'SucceededDaemonPod']],
    ['keeps the oldest of two', {}, ['a ready', 'b ready', 'a ready'], ['-a2']],
    ['rolls out one by one', {}, ['a old ready', 'b old ready'], ['-a0']],
    ['waits for the new one', {}, ['a pending', 'b old ready'], []],
    ['goes on', {}, ['a ready', 'b old ready'], ['-b1']],
    ['replaces the ill in any case', {}, ['a pending', 'b old pending'], ['-b1']],
    ['several at once', two, ['a old ready', 'b old ready'], ['-a0', '-b1']],
    ['only when deleted', onDelete, ['a old ready', 'b old ready'], []],
    ['beside the old one', surge, ['a old ready', 'b old ready'], ['+a']],
    ['which stays meanwhile', surge, ['a old ready', 'b old ready', 'a pending'], []],
    ['and goes then', surge, ['a old ready', 'b old ready', 'a ready'], ['-a0']],
    ['beside each ill one', surge, ['a old pending', 'b old pending'], ['+a', '+b']],
  ];
  for (const [what, spec, pods, wanted] of rows) t.same(said(plan(setOf(spec), AB, pods)), wanted, what);
});

t.test('on which nodes', async (t) => {
  const taint = (effect: string): Taints => [{ key: 'k', effect }];
  const nodes = [
    nodeOf('plain'),
    nodeOf('disk', { disk: 'ssd' }),
    nodeOf('kept', {}, taint('NoSchedule')),
    nodeOf('shut', {}, taint('NoExecute')),
    nodeOf('ill', {}, [{ key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' }]),
  ];
  t.same(said(plan(setOf(), nodes, [])), ['+plain', '+disk', '+ill']);
  t.same(said(plan(setOf({}, { nodeSelector: { disk: 'ssd' } }), nodes, [])), ['+disk']);
  t.same(said(plan(setOf({}, { tolerations: [{ operator: 'Exists' }] }), nodes, [])), [
    '+plain',
    '+disk',
    '+kept',
    '+shut',
    '+ill',
  ]);
  const pods = ['plain ready', 'disk ready', 'ill ready', 'kept ready', 'shut ready'];
  const { status, ...rest } = plan(setOf(), nodes, pods);
  t.same(said({ status, ...rest }), ['-shut4'], 'what runs may stay where it could not be put');
  t.match(status, { desiredNumberScheduled: 3, currentNumberScheduled: 3, numberMisscheduled: 2 });
});

t.test('the pod of a node and the status', async (t) => {
  t.match(podOf(setOf(), 'hash', 'a'), {
    metadata: {
      generateName: 'ds-',
      labels: { app: 'ds', 'controller-revision-hash': 'hash' },
      ownerReferences: [{ kind: 'DaemonSet', name: 'ds', controller: true }],
    },
    spec: {
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['a'] }] }],
          },
        },
      },
    },
  });
  t.same(plan(setOf(), AB, ['a ready', 'b old pending']).status, {
    desiredNumberScheduled: 2,
    currentNumberScheduled: 2,
    numberMisscheduled: 0,
    numberReady: 1,
    numberAvailable: 1,
    numberUnavailable: 1,
    updatedNumberScheduled: 1,
    observedGeneration: 1,
  });
  const later = plan(setOf({ minReadySeconds: 60 }), AB, ['a ready', 'b ready']);
  t.match(later.status, { numberReady: 2, numberUnavailable: 2 });
  t.equal(later.requeueAfterMs, 10_000);
});
