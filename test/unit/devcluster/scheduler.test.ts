import t from 'tap';
import { claimProblem } from '../../../devcluster/controllers/scheduler/controller.js';
import { findNode, requestsOf } from '../../../devcluster/controllers/scheduler/fit.js';
import { tolerates } from '../../../devcluster/controllers/scheduler/taints.js';
import { createUsage } from '../../../devcluster/controllers/scheduler/usage.js';
import type { Node, PersistentVolumeClaim, Pod } from '../../../kube/objects.js';

type Tolerations = NonNullable<NonNullable<Pod['spec']>['tolerations']>;

const refused = (nodes: number, reasons: string, preemption?: string): { message: string } => ({
  message: `0/${nodes} nodes are available: ${reasons}. no new claims to deallocate, preemption: 0/${nodes} nodes are available: ${preemption ?? `${nodes} Preemption is not helpful for scheduling`}.`,
});

t.test('where a pod may run', async (t) => {
  const node = (name: string, more: Partial<Node['spec']> = {}, labels = {}): Node => ({
    metadata: { name, labels },
    spec: { ...more },
    status: { allocatable: { cpu: '1', memory: '1Gi', pods: '2' } },
  });
  const asks = (cpu: string, spec: Partial<Pod['spec']> = {}): Pod => ({
    metadata: { name: 'p', uid: 'p' },
    spec: { containers: [{ name: 'c', resources: { requests: { cpu } } }], ...spec },
  });
  const TAINT = { key: 'k', value: 'v', effect: 'NoSchedule' };
  const usage = createUsage();
  const zone = (values: string[]): Partial<Pod['spec']> => ({
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values }] }],
        },
      },
    },
  });
  const rows: [string, Pod, Node[], ReturnType<typeof findNode>][] = [
    ['fits', asks('1'), [node('n')], { node: 'n' }],
    ['no node', asks('1'), [], { message: 'no nodes available to schedule pods' }],
    [
      'selector',
      asks('1', { nodeSelector: { disk: 'ssd' } }),
      [node('n')],
      refused(1, "1 node(s) didn't match Pod's node affinity/selector"),
    ],
    [
      'selector that fits',
      asks('1', { nodeSelector: { disk: 'ssd' } }),
      [node('n', {}, { disk: 'ssd' })],
      { node: 'n' },
    ],
    [
      'affinity',
      asks('1', zone(['a'])),
      [node('n', {}, { zone: 'b' }), node('m', {}, { zone: 'a' })],
      { node: 'm' },
    ],
    ['too much', asks('1500m'), [node('n')], refused(1, '1 Insufficient cpu')],
    ['cordoned', asks('1'), [node('n', { unschedulable: true })], refused(1, '1 node(s) were unschedulable')],
    [
      'several reasons',
      asks('2', { nodeSelector: { disk: 'ssd' } }),
      [node('n'), node('m', {}, { disk: 'ssd' })],
      refused(2, "1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector"),
    ],
    [
      'tainted',
      asks('1'),
      [node('n', { taints: [TAINT] })],
      refused(1, '1 node(s) had untolerated taint(s)'),
    ],
    [
      'tainted, and it minds less than a full one',
      asks('1'),
      [node('n', { taints: [{ ...TAINT, effect: 'PreferNoSchedule' }] })],
      { node: 'n' },
    ],
    [
      'a node without such a taint is better',
      asks('1'),
      [node('n', { taints: [{ ...TAINT, effect: 'PreferNoSchedule' }] }), node('m')],
      { node: 'm' },
    ],
    [
      'tolerated',
      asks('1', { tolerations: [{ key: 'k', operator: 'Exists' }] }),
      [node('n', { taints: [TAINT] })],
      { node: 'n' },
    ],
    [
      'cordoned, and tolerated',
      asks('1', { tolerations: [{ operator: 'Exists' }] }),
      [node('n', { unschedulable: true })],
      { node: 'n' },
    ],
    [
      'preferred',
      asks('1', {
        affinity: {
          nodeAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              {
                weight: 1,
                preference: { matchExpressions: [{ key: 'zone', operator: 'In', values: ['a'] }] },
              },
            ],
          },
        },
      }),
      [node('n'), node('m', {}, { zone: 'a' })],
      { node: 'm' },
    ],
  ];
  for (const [what, subject, nodes, expected] of rows)
    t.same(findNode(subject, nodes, { usedOf: usage.of }), expected, what);

  usage.charge('x', 'n', requestsOf(asks('300m')));
  usage.charge('x', 'n', requestsOf(asks('600m')));
  t.same(findNode(asks('400m'), [node('n')], { usedOf: usage.of }), { node: 'n' }, 'a pod is charged once');
  t.same(
    findNode(asks('401m'), [node('n')], { usedOf: usage.of }),
    refused(1, '1 Insufficient cpu', '1 No preemption victims found for incoming pod'),
  );
  t.same(
    findNode(asks('100m'), [node('n'), node('m')], { usedOf: usage.of }),
    { node: 'm' },
    'the emptier node',
  );
  usage.charge('y', 'n', requestsOf(asks('0')));
  t.same(
    findNode(asks('0'), [node('n')], { usedOf: usage.of }),
    refused(1, '1 Too many pods', '1 No preemption victims found for incoming pod'),
  );
  t.ok(usage.release('y'));
  t.notOk(usage.release('y'));
  t.same(findNode(asks('0'), [node('n')], { usedOf: usage.of }), { node: 'n' });
  const init = asks('100m', { initContainers: [{ name: 'i', resources: { requests: { cpu: '700m' } } }] });
  t.equal(requestsOf(init).get('cpu'), 700_000_000n, 'the largest init container counts where it is more');
});

t.test('which taints are tolerated', async (t) => {
  const taint = { key: 'k', value: 'v', effect: 'NoSchedule' };
  const rows: [string, Tolerations, boolean][] = [
    ['none', [], false],
    ['everything', [{ operator: 'Exists' }], true],
    ['everything of another effect', [{ operator: 'Exists', effect: 'NoExecute' }], false],
    ['the key', [{ key: 'k', operator: 'Exists' }], true],
    ['the value', [{ key: 'k', value: 'v' }], true],
    ['another value', [{ key: 'k', operator: 'Equal', value: 'w' }], false],
    ['another key', [{ key: 'l', operator: 'Exists' }], false],
    ['no key and a value', [{ value: 'v' }], false],
  ];
  for (const [what, tolerations, expected] of rows)
    t.equal(tolerates({ spec: { containers: [], tolerations } }, taint), expected, what);
});

t.test('pods wait for their volume claims', async (t) => {
  const pod: Pod = {
    metadata: { name: 'p', namespace: 'default' },
    spec: { containers: [], volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] },
  };
  const claim = (phase: string, deletionTimestamp?: string): PersistentVolumeClaim => ({
    metadata: { name: 'c', ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }) },
    status: { phase },
  });
  const rows: [PersistentVolumeClaim | undefined, string | undefined][] = [
    [undefined, 'persistentvolumeclaim "c" not found'],
    [claim('Bound', '2026-01-01T00:00:00Z'), 'persistentvolumeclaim "c" is being deleted'],
    [claim('Pending'), 'pod has unbound immediate PersistentVolumeClaims'],
    [claim('Bound'), undefined],
  ];
  for (const [found, expected] of rows) {
    const problem = claimProblem(pod, (key) => (key === 'default/c' ? found : undefined));
    t.equal(problem, expected);
  }
  const nodes: Node[] = [{ metadata: { name: 'n' }, status: { allocatable: { pods: '9' } } }];
  t.same(findNode(pod, nodes, { usedOf: createUsage().of, problem: 'why' }), {
    message: '0/1 nodes are available: why. not found',
  });
});
