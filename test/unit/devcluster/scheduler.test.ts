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
  const as = (uid: string, pod: Pod): Pod => ({ ...pod, metadata: { ...pod.metadata, uid } });
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
    t.same(findNode(subject, nodes, { usage }), expected, what);

  usage.charge(as('x', asks('300m')), 'n');
  usage.charge(as('x', asks('600m')), 'n');
  t.same(findNode(asks('400m'), [node('n')], { usage }), { node: 'n' }, 'a pod is charged once');
  t.same(
    findNode(asks('401m'), [node('n')], { usage }),
    refused(1, '1 Insufficient cpu', '1 No preemption victims found for incoming pod'),
  );
  t.same(findNode(asks('100m'), [node('n'), node('m')], { usage }), { node: 'm' }, 'the emptier node');
  usage.charge(as('y', asks('0')), 'n');
  t.same(
    findNode(asks('0'), [node('n')], { usage }),
    refused(1, '1 Too many pods', '1 No preemption victims found for incoming pod'),
  );
  t.ok(usage.release('y'));
  t.notOk(usage.release('y'));
  t.same(findNode(asks('0'), [node('n')], { usage }), { node: 'n' });
  const init = asks('100m', { initContainers: [{ name: 'i', resources: { requests: { cpu: '700m' } } }] });
  t.equal(requestsOf(init).get('cpu'), 700_000_000n, 'the largest init container counts where it is more');
});

t.test('what pods mean for each other', async (t) => {
  const node = (name: string, zone?: string): Node => ({
    metadata: { name, labels: { host: name, ...(zone === undefined ? {} : { zone }) } },
    status: { allocatable: { pods: '9' } },
  });
  type Terms = NonNullable<
    NonNullable<
      NonNullable<NonNullable<Pod['spec']>['affinity']>['podAffinity']
    >['requiredDuringSchedulingIgnoredDuringExecution']
  >;
  const pod = (app: string, spec: Partial<Pod['spec']> = {}, namespace = 'default'): Pod => ({
    metadata: { name: app, namespace, uid: `${namespace}/${app}`, labels: { app } },
    spec: { containers: [{ name: 'c' }], ...spec },
  });
  const term = (app: string, more: Partial<Terms[number]> = {}): Terms => [
    { labelSelector: { matchLabels: { app } }, topologyKey: 'zone', ...more },
  ];
  const near = (terms: Terms): Partial<Pod['spec']> => ({
    affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } },
  });
  const far = (terms: Terms): Partial<Pod['spec']> => ({
    affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } },
  });
  const port = (hostPort: number, more: object = {}): Partial<Pod['spec']> => ({
    containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort, ...more }] }],
  });
  const nodes = [node('a1', 'a'), node('a2', 'a'), node('b1', 'b')];
  const mends = '3 No preemption victims found for incoming pod';
  const hasNoPorts = refused(
    1,
    "1 node(s) didn't have free ports for the requested pod ports",
    mends.replace('3', '1'),
  );
  const web = { pod: pod('web'), node: 'a1' };
  const rows: [string, Pod, { pod: Pod; node: string }[], ReturnType<typeof findNode>, Node[]?][] = [
    ['far from its like', pod('db', far(term('web'))), [web], { node: 'b1' }],
    [
      'from all of them',
      pod('db', far(term('web'))),
      [
        web,
        { pod: pod('web', {}, 'default'), node: 'a1' },
        { pod: { ...pod('web'), metadata: { ...pod('web').metadata, uid: '2' } }, node: 'b1' },
      ],
      refused(3, "3 node(s) didn't match pod anti-affinity rules", mends),
    ],
    ['far on hosts', pod('db', far(term('web', { topologyKey: 'host' }))), [web], { node: 'a2' }],
    ['far in another namespace', pod('db', far(term('web')), 'other'), [web], { node: 'a2' }],
    [
      'far in a namespace by name',
      pod('db', far(term('web', { namespaces: ['default'] })), 'other'),
      [web],
      { node: 'b1' },
    ],
    [
      'far in all namespaces',
      pod('db', far(term('web', { namespaceSelector: {} })), 'other'),
      [web],
      { node: 'b1' },
    ],
    [
      'far in a namespace by label',
      pod('db', far(term('web', { namespaceSelector: { matchLabels: { name: 'default' } } })), 'other'),
      [web],
      { node: 'b1' },
    ],
    [
      'those that are there are heard too',
      pod('web'),
      [{ pod: pod('db', far(term('web'))), node: 'a1' }],
      { node: 'b1' },
    ],
    [
      'and their words are told',
      pod('web'),
      [{ pod: pod('db', far(term('web'))), node: 'a1' }],
      refused(1, "1 node(s) didn't satisfy existing pods anti-affinity rules", mends.replace('3', '1')),
      [node('a1', 'a')],
    ],
    [
      'a node without such a place',
      pod('db', far(term('web'))),
      [{ ...web, node: 'n' }],
      { node: 'n' },
      [node('n')],
    ],
    ['near', pod('db', near(term('web'))), [web], { node: 'a2' }],
    [
      'near nobody',
      pod('db', near(term('web'))),
      [],
      refused(3, "3 node(s) didn't match pod affinity rules"),
    ],
    ['the first of its like', pod('db', near(term('db'))), [], { node: 'a1' }],
    [
      'the first of its like, where there is no such place',
      pod('db', near(term('db'))),
      [],
      refused(1, "1 node(s) didn't match pod affinity rules"),
      [node('n')],
    ],
    [
      'a port that is taken',
      pod('p', port(80)),
      [{ pod: pod('q', port(80)), node: 'n' }],
      hasNoPorts,
      [node('n')],
    ],
    [
      'on one address of all',
      pod('p', port(80, { hostIP: '127.0.0.1' })),
      [{ pod: pod('q', port(80)), node: 'n' }],
      hasNoPorts,
      [node('n')],
    ],
    ['a port elsewhere', pod('p', port(80)), [{ pod: pod('q', port(80)), node: 'a1' }], { node: 'a2' }],
    [
      'another port',
      pod('p', port(81)),
      [{ pod: pod('q', port(80)), node: 'n' }],
      { node: 'n' },
      [node('n')],
    ],
    [
      'another protocol',
      pod('p', port(80, { protocol: 'UDP' })),
      [{ pod: pod('q', port(80)), node: 'n' }],
      { node: 'n' },
      [node('n')],
    ],
    [
      'another address',
      pod('p', port(80, { hostIP: '127.0.0.1' })),
      [{ pod: pod('q', port(80, { hostIP: '127.0.0.2' })), node: 'n' }],
      { node: 'n' },
      [node('n')],
    ],
  ];
  for (const [what, subject, there, expected, of = nodes] of rows) {
    const usage = createUsage();
    for (const placed of there) usage.charge(placed.pod, placed.node);
    const labelsOf = (name: string) => ({ name });
    t.same(findNode(subject, of, { usage, labelsOf }), expected, what);
    for (const placed of there) usage.release(placed.pod.metadata?.uid ?? '');
    t.same([...usage.all(), ...usage.choosy()], []);
  }
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
  t.same(findNode(pod, nodes, { usage: createUsage(), problem: 'why' }), {
    message: '0/1 nodes are available: why. not found',
  });
});
