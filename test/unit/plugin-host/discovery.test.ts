/** What discovery reads out of the API's objects, and which addresses are a pod's own. */
import t from 'tap';
import type { EndpointSlice, Pod } from '../../../kube/index.js';
import { allowBaseUrlOf, ownAddresses, urlHost } from '../../../server/plugin-host/discovery/addresses.js';
import {
  endpointsOf,
  leftOutOf,
  serviceOf,
  slimSlice,
} from '../../../server/plugin-host/discovery/endpoints.js';
import {
  leaveAlone,
  nextAsking,
  nothingFound,
  strangers,
} from '../../../server/plugin-host/discovery/found.js';
import type { LeftAlone } from '../../../server/plugin-host/discovery/found.js';

type Endpoint = EndpointSlice['endpoints'][number];

const slice = (endpoints: Partial<Endpoint>[], more: Partial<EndpointSlice> = {}): EndpointSlice => ({
  metadata: {
    namespace: 'shop',
    name: 'storage-x1',
    labels: { 'kubernetes.io/service-name': 'storage', 'xi-k8s.dev/plugin': 'storage' },
  },
  addressType: 'IPv4',
  ports: [{ name: 'plugin', port: 8082, protocol: 'TCP' }],
  endpoints: endpoints.map((endpoint, i) => ({
    addresses: [`10.0.0.${i + 1}`],
    conditions: { ready: true },
    targetRef: { kind: 'Pod', namespace: 'shop', name: `p${i + 1}`, uid: `u${i + 1}` },
    ...endpoint,
  })),
  ...more,
});
const urls = (...slices: EndpointSlice[]): string[] =>
  [...endpointsOf(slices).values()].map(({ baseUrl }) => baseUrl).sort();
const states = (...conditions: Endpoint['conditions'][]): string[] =>
  [...endpointsOf([slice(conditions.map((conditions) => ({ conditions: conditions ?? {} })))]).values()].map(
    ({ state }) => state,
  );

t.test('whose slice it is', async (t) => {
  t.equal(serviceOf(slice([])), 'shop/storage');
  t.equal(serviceOf({ ...slice([]), metadata: { namespace: 'shop', name: 'by-hand' } }), undefined);
});

t.test('how pods are', async (t) => {
  t.same(urls(slice([{}, {}])), ['http://10.0.0.1:8082', 'http://10.0.0.2:8082']);
  t.same(states({ ready: true }, {}, { ready: false }), ['ready', 'ready', 'starting'], 'unsaid is ready');
  t.same(states({ ready: false, serving: true, terminating: true }), ['leaving']);
  t.same(states({ ready: false, serving: false, terminating: true }, { terminating: true }), []);
  const { conditions: _none, ...unsaid } = slice([{}]).endpoints[0]!;
  t.same(urls({ ...slice([]), endpoints: [unsaid] }), ['http://10.0.0.1:8082']);
  t.same(urls({ ...slice([]), endpoints: null as never }), [], 'the API may send null for none');
});

t.test('what no pod is behind is not dialled', async (t) => {
  const { targetRef: _none, ...alone } = slice([{}]).endpoints[0]!;
  t.same(urls({ ...slice([]), endpoints: [alone] }), []);
  t.same(urls(slice([{ targetRef: { kind: 'Node', name: 'n', uid: 'u' } }])), []);
  t.same(urls(slice([{ addresses: ['storage.example'] }])), [], 'a name is no address');
  t.same(urls(slice([{ addresses: [] }])), []);
});

t.test('which port', async (t) => {
  const ports = (...ports: EndpointSlice['ports'] & object) => urls(slice([{}], { ports }));
  t.same(ports({ name: 'http', port: 80 }), ['http://10.0.0.1:80'], 'the only one');
  t.same(ports({ name: 'metrics', port: 9 }, { name: 'plugin', port: 7 }), ['http://10.0.0.1:7']);
  t.same(ports({ name: 'a', port: 1 }, { name: 'b', port: 2 }), [], 'nobody knows which');
  t.same(ports({ name: 'plugin', port: 7, protocol: 'UDP' }), []);
  t.same(urls(slice([{}], { ports: null as never })), []);
});

t.test('pods of another namespace are not called', async (t) => {
  const theirs = slice([{ targetRef: { kind: 'Pod', namespace: 'bank', name: 'p1', uid: 'u1' } }, {}]);
  t.same(urls(theirs), ['http://10.0.0.2:8082']);
  t.match(leftOutOf([theirs]), /^EndpointSlice storage-x1 names pods of namespace "bank"/);
  const unsaid = slice([{ targetRef: { kind: 'Pod', name: 'p1', uid: 'u1' } }]);
  t.same(urls(unsaid), ['http://10.0.0.1:8082'], 'its own is meant');
});

t.test('what is said of a Service that cannot be used', async (t) => {
  const ports = (...ports: EndpointSlice['ports'] & object) => leftOutOf([slice([{}], { ports })]);
  t.equal(ports({ name: 'http', port: 80 }), '');
  t.equal(
    ports({ name: 'http', port: 80 }, { name: 'metrics', port: 9090 }),
    'of its ports (http 80, metrics 9090) none is named plugin: name that of the plugin so',
  );
  t.equal(ports({ name: 'plugin', port: 7, protocol: 'UDP' }), 'it has no TCP port');
  t.equal(leftOutOf([slice([], { ports: [] })]), '', 'without a pod its ports are not known');
  t.match(leftOutOf([slice([{ targetRef: { kind: 'Node', name: 'n' } }])]), /no pods with an IP address/);
  const both = [
    slice([{}], { ports: [] }),
    slice([{ addresses: ['x.example'] }]),
    slice([{}], { ports: [] }),
  ];
  t.match(leftOutOf(both), /^EndpointSlice storage-x1 has endpoints .*; it has no TCP port$/, 'each once');
});

t.test('a pod of two addresses is one endpoint', async (t) => {
  const six = slice([{ addresses: ['fd00::1'] }], { addressType: 'IPv6' });
  t.same(urls(six), ['http://[fd00::1]:8082']);
  t.same(urls(six, slice([{}])), ['http://10.0.0.1:8082'], 'IPv4 first');
});

t.test('what is kept of a slice is enough', async (t) => {
  const whole = slice([{ nodeName: 'n', zone: 'z' }]);
  whole.metadata!.managedFields = [];
  const kept = slimSlice(whole);
  t.same(urls(kept), urls(whole));
  t.equal(serviceOf(kept), 'shop/storage');
  t.notOk(kept.metadata?.managedFields);
});

t.test('addresses', async (t) => {
  t.equal(urlHost('10.0.0.1'), '10.0.0.1');
  t.equal(urlHost('FD00:0:0::1'), '[fd00::1]');
  for (const wrong of ['', 'storage', '10.0.0', '10.0.0.1:80', 'a@10.0.0.1'])
    t.equal(urlHost(wrong), undefined, wrong);

  const pod = (status: Pod['status'], spec?: Partial<Pod['spec']>): Pod => ({
    metadata: { namespace: 'shop', name: 'p' },
    ...(status === undefined ? {} : { status }),
    spec: { containers: [], ...spec },
  });
  t.same(ownAddresses(pod({ podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] })), [
    '10.0.0.1',
    '[fd00::1]',
  ]);
  t.throws(() => ownAddresses(pod({})), /pod shop\/p has no address yet/);
  t.throws(() => ownAddresses(pod({ podIP: '10.0.0.1', phase: 'Failed' })), /has ended/);
  t.throws(() => ownAddresses(pod({ podIP: '10.0.0.1' }, { hostNetwork: true })), /Kubernetes node/);

  const allow = allowBaseUrlOf(['10.0.0.1', '[fd00::1]']);
  for (const fine of ['http://10.0.0.1:8082', 'http://[FD00:0::1]:1', 'http://0xa.0.0.1/'])
    t.doesNotThrow(() => allow(new URL(fine)), fine);
  for (const wrong of [
    'http://10.0.0.2',
    'http://localhost:1',
    'http://127.0.0.1',
    'http://169.254.169.254/latest',
    'http://10.0.0.1.example',
    'http://10.0.0.1@10.0.0.2/',
    'http://[::1]:1',
  ])
    t.throws(() => allow(new URL(wrong)), /must be an address of the plugin's own pod \(10\.0\.0\.1/, wrong);
});

t.test('one that is no plugin is asked again, less and less often', async (t) => {
  const at = nothingFound('shop/storage');
  at.wanted = endpointsOf([slice([{}])]);
  const [key = ''] = at.wanted.keys();
  t.same(strangers(at, 0), [key]);
  t.equal(nextAsking(at, 0), undefined);
  let now = 0;
  let left: LeftAlone | undefined;
  const waits: number[] = [];
  for (let round = 0; round < 8; round += 1) {
    left = leaveAlone(left, { why: 'no plugin', forGood: false, now });
    at.leftAlone.set(key, left);
    const wait = nextAsking(at, now) ?? 0;
    waits.push(wait);
    t.same(strangers(at, now + wait - 1), []);
    now += wait;
    t.same(strangers(at, now), [key]);
  }
  t.same(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  t.equal(nextAsking(at, now + 5), 1, 'one that is overdue is asked at once');
  at.leftAlone.set(key, leaveAlone(left, { why: 'it refuses', forGood: true, now }));
  t.same(strangers(at, now + 1e9), []);
  t.equal(nextAsking(at, now), undefined);
});
