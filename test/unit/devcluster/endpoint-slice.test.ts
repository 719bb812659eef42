import t from 'tap';
import { endpointsOf } from '../../../devcluster/controllers/endpoint-slice/classic.js';
import { backendsOf } from '../../../devcluster/controllers/endpoint-slice/endpoints.js';
import { planSlices } from '../../../devcluster/controllers/endpoint-slice/plan.js';
import type { EndpointSlice, Node, Pod, Service } from '../../../kube/objects.js';

type Spec = NonNullable<Service['spec']>;

const service = (spec: Partial<Spec> = {}, labels: Record<string, string> = {}): Service => ({
  metadata: { name: 'web', namespace: 'default', uid: 'svc', labels },
  spec: { clusterIP: '10.96.0.9', selector: { app: 'web' }, ports: [{ port: 80 }], ...spec },
});

interface PodInit {
  ready?: boolean;
  going?: boolean;
  phase?: string;
  ip?: string | undefined;
  node?: string;
  ports?: { name: string; containerPort: number; protocol?: string }[];
  spec?: Partial<Pod['spec']>;
}

const pod = (
  name: string,
  {
    ready = true,
    going = false,
    phase = 'Running',
    node = 'n',
    ports = [],
    spec = {},
    ...init
  }: PodInit = {},
): Pod => {
  const ip = 'ip' in init ? init.ip : '127.64.0.1';
  return {
    metadata: {
      ...{ name, namespace: 'default', uid: name, labels: { app: 'web' } },
      ...(going ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: { nodeName: node, containers: [{ name: 'c', ports }], ...spec },
    status: {
      phase,
      ...(ip === undefined ? {} : { podIPs: [{ ip }] }),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  };
};

const node: Node = { metadata: { name: 'n', labels: { 'topology.kubernetes.io/zone': 'z' } } };
const nodeOf = (name: string): Node | undefined => (name === 'n' ? node : undefined);
const backends = (of: Service, ...pods: Pod[]) => backendsOf(of, pods, nodeOf);

t.test('what a pod is to its Service', async (t) => {
  const conditions: [string, Service, PodInit, object | undefined][] = [
    ['ready', service(), {}, { ready: true, serving: true, terminating: false }],
    ['not ready', service(), { ready: false }, { ready: false, serving: false, terminating: false }],
    ['going', service(), { going: true }, { ready: false, serving: true, terminating: true }],
    [
      'not ready, but published',
      service({ publishNotReadyAddresses: true }),
      { ready: false },
      { ready: true, serving: false, terminating: false },
    ],
    ['ended', service(), { phase: 'Succeeded' }, undefined],
    ['without address', service(), { ip: undefined }, undefined],
    ['of another family', service(), { ip: 'fd00::1' }, undefined],
    ['on no node', service(), { node: 'ghost' }, undefined],
    [
      'on no node, but published',
      service({ publishNotReadyAddresses: true }),
      { node: 'ghost' },
      { ready: true, serving: true, terminating: false },
    ],
  ];
  for (const [what, of, init, expected] of conditions)
    t.same(backends(of, pod('a', init))[0]?.endpoint.conditions, expected, what);
  t.same(backends(service(), pod('a'))[0]?.endpoint, {
    addresses: ['127.64.0.1'],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: 'n',
    targetRef: { kind: 'Pod', namespace: 'default', name: 'a', uid: 'a' },
    zone: 'z',
  });
  const named = pod('a', { spec: { hostname: 'a-0', subdomain: 'web' } });
  t.equal(backends(service(), named)[0]?.endpoint.hostname, 'a-0');
  const elsewhere = pod('a', { spec: { hostname: 'a-0', subdomain: 'other' } });
  t.equal(backends(service(), elsewhere)[0]?.endpoint.hostname, undefined);
});

t.test('ports by number and by name', async (t) => {
  const ports = [
    { name: 'http', containerPort: 8080 },
    { name: 'dns', containerPort: 53, protocol: 'UDP' },
  ];
  const sidecar = {
    initContainers: [
      { name: 's', restartPolicy: 'Always', ports: [{ name: 'metrics', containerPort: 9090 }] },
      { name: 'i', ports: [{ name: 'setup', containerPort: 1 }] },
    ],
  };
  const of = (targetPort: number | string | undefined, protocol?: string) =>
    backends(
      service({
        ports: [
          {
            name: 'x',
            port: 80,
            ...(targetPort === undefined ? {} : { targetPort }),
            ...(protocol === undefined ? {} : { protocol }),
          },
        ],
      }),
      pod('a', { ports, spec: { ...sidecar, containers: [{ name: 'c', ports }] } }),
    )[0]?.ports;
  const rows: [number | string | undefined, string | undefined, number | undefined][] = [
    [undefined, undefined, 80],
    [99, undefined, 99],
    ['http', undefined, 8080],
    ['dns', 'UDP', 53],
    ['dns', undefined, undefined],
    ['metrics', undefined, 9090],
    ['setup', undefined, undefined],
    ['nowhere', undefined, undefined],
  ];
  for (const [target, protocol, port] of rows) {
    const expected = port === undefined ? [] : [{ name: 'x', port, protocol: protocol ?? 'TCP' }];
    t.same(of(target, protocol), expected, `${target} ${protocol ?? ''}`);
  }
});

/** What the API server makes of a new slice. */
const stored = (slice: EndpointSlice, name: string): EndpointSlice => ({
  ...slice,
  metadata: { ...slice.metadata, name },
});
const names = (slice: EndpointSlice | undefined): string[] =>
  (slice?.endpoints ?? []).map(({ targetRef }) => targetRef?.name ?? '');

t.test('slices: made, changed, filled up, removed', async (t) => {
  const web = service({}, { team: 'a', 'kubernetes.io/service-name': 'lies' });
  const empty = planSlices(web, [], []);
  t.match(empty, { create: [{ endpoints: [], ports: [] }], update: [], remove: [] });
  const placeholder = stored(empty.create[0] as EndpointSlice, 'web-0');
  t.same(
    planSlices(web, [], [{ ...placeholder, ports: null as unknown as [] }]),
    { create: [], update: [], remove: [] },
    'an empty one is enough',
  );
  t.same(placeholder.metadata?.labels, {
    team: 'a',
    'kubernetes.io/service-name': 'web',
    'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
  });

  const two = backends(web, pod('a'), pod('b'));
  const first = planSlices(web, two, []);
  t.match(first.create, [
    {
      addressType: 'IPv4',
      metadata: {
        generateName: 'web-',
        ownerReferences: [{ kind: 'Service', uid: 'svc', controller: true }],
      },
      ports: [{ name: '', port: 80, protocol: 'TCP' }],
    },
  ]);
  const filled = planSlices(web, two, [placeholder]);
  t.same([filled.create, filled.remove], [[], []], 'the empty one becomes the first');
  t.match(filled.update, [{ metadata: { name: 'web-0' }, ports: [{ port: 80 }] }]);
  t.same(filled.update.map(names), [['a', 'b']]);
  const slice = stored(first.create[0] as EndpointSlice, 'web-1');
  const emptied = planSlices(web, [], [slice]);
  t.match(emptied, {
    create: [],
    update: [{ metadata: { name: 'web-1' }, endpoints: [], ports: [] }],
    remove: [],
  });
  t.same(planSlices(web, two, [slice]), { create: [], update: [], remove: [] }, 'nothing to do');

  const third = planSlices(web, backends(web, pod('b'), pod('c')), [slice]);
  t.same([third.create, third.remove], [[], []]);
  t.same(third.update.map(names), [['b', 'c']], 'who stays keeps its place');

  const labelled = planSlices(service({}, { team: 'b' }), two, [slice]);
  t.match(labelled.update, [{ metadata: { labels: { team: 'b' } } }]);
  const foreign = { ...slice, metadata: { ...slice.metadata, ownerReferences: [] } };
  t.match(planSlices(web, two, [foreign]), { create: [{}], remove: [{ metadata: { name: 'web-1' } }] });
  t.match(
    planSlices(service({ clusterIP: 'None' }), [], []).create[0]?.metadata?.labels,
    { 'service.kubernetes.io/headless': '' },
    'a headless one says so',
  );
});

t.test('at most a hundred endpoints a slice', async (t) => {
  const web = service();
  const many = backends(web, ...Array.from({ length: 250 }, (_, at) => pod(`p${1000 + at}`)));
  const { create } = planSlices(web, many, []);
  t.same(
    create.map(({ endpoints }) => endpoints.length),
    [100, 100, 50],
  );
  const slices = create.map((slice, at) => stored(slice, `web-${at}`));
  const fewer = planSlices(web, many.slice(50), slices);
  t.same([fewer.update.map((slice) => slice.endpoints.length), fewer.create, fewer.remove], [[50], [], []]);
  const more = planSlices(
    web,
    backends(web, ...Array.from({ length: 260 }, (_, at) => pod(`p${1000 + at}`))),
    slices,
  );
  t.same(
    more.update.map(({ metadata, endpoints }) => [metadata?.name, endpoints.length]),
    [['web-2', 60]],
    'the one with room takes them',
  );
});

t.test('pods whose named port has different numbers have slices of their own', async (t) => {
  const web = service({ ports: [{ port: 80, targetPort: 'http' }] });
  const at = (name: string, containerPort: number) => pod(name, { ports: [{ name: 'http', containerPort }] });
  const { create } = planSlices(web, backends(web, at('a', 1), at('b', 2), at('c', 1)), []);
  t.same(
    create.map((slice) => [slice.ports?.[0]?.port, names(slice)]),
    [
      [1, ['a', 'c']],
      [2, ['b']],
    ],
  );
});

t.test('the classic object', async (t) => {
  const web = service({ ports: [{ name: 'http', port: 80 }] }, { team: 'a' });
  const made = endpointsOf(
    web,
    backends(web, pod('a'), pod('b', { ready: false }), pod('c', { going: true })),
    undefined,
  );
  t.same(made.metadata?.labels, { team: 'a', 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' });
  t.match(made.subsets, [
    {
      addresses: [{ ip: '127.64.0.1', nodeName: 'n', targetRef: { name: 'a' } }],
      notReadyAddresses: [{ targetRef: { name: 'b' } }],
      ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
    },
  ]);
  t.equal(made.subsets?.[0]?.addresses?.length, 1);
  t.equal(endpointsOf(web, [], undefined).subsets, undefined);
  const portless = service({ clusterIP: 'None', ports: [] });
  const [subset] = endpointsOf(portless, backends(portless, pod('a')), undefined).subsets ?? [];
  t.notOk(subset?.ports);
  t.equal(subset?.addresses?.length, 1, 'a headless Service without ports has addresses all the same');

  const many = backends(web, ...Array.from({ length: 1100 }, (_, at) => pod(`p${at}`, { ready: at >= 200 })));
  const over = endpointsOf(web, many, undefined);
  t.equal(over.metadata?.annotations?.['endpoints.kubernetes.io/over-capacity'], 'truncated');
  t.equal(over.subsets?.[0]?.addresses?.length, 900, 'those that are ready come first');
  t.equal(over.subsets?.[0]?.notReadyAddresses?.length, 100);
  t.notOk(endpointsOf(web, [], over).metadata?.annotations, 'the mark goes when there are fewer');
});
