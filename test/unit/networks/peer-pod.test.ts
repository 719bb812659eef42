/** Which pods are peers, where, and in which network. */
import t from 'tap';
import type { Pod } from '../../../server/ports.js';
import { ledgerKey, networkOf } from '../../../server/networks/network-key.js';
import { addressOf, labelledPod, peerOf, peerPodOf } from '../../../server/networks/peer-pod.js';
import { createRoster } from '../../../server/networks/roster.js';

type Containers = NonNullable<Pod['spec']>['containers'];
const port = (name: string, containerPort: number, protocol = 'TCP') => ({ name, containerPort, protocol });

const pod = (more: { metadata?: object; spec?: object; status?: object } = {}): Pod => ({
  metadata: {
    name: 'p',
    namespace: 'default',
    uid: 'u',
    resourceVersion: '1',
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: { 'klight.networkId': 'n', app: 'x' },
    ...more.metadata,
  },
  spec: { containers: [{ name: 'klightpeer', image: 'i' }], ...more.spec },
  status: { phase: 'Running', podIP: '10.0.0.1', ...more.status },
});

t.test('the port of a peer', (t) => {
  const cases: [
    string,
    Containers,
    Containers,
    { container: string | undefined; port: number; tls?: boolean },
  ][] = [
    ['none named', [{ name: 'app' }], [], { container: undefined, port: 9081 }],
    [
      'by the container',
      [{ name: 'app' }, { name: 'klightpeer' }],
      [],
      { container: 'klightpeer', port: 9081 },
    ],
    [
      'by the port, of any container',
      [{ name: 'app' }, { name: 'custom', ports: [port('klightport', 7000)] }],
      [],
      { container: 'custom', port: 7000 },
    ],
    [
      'as the pages write it',
      [{ name: 'custom', ports: [port('klightPort', 7000)] }],
      [],
      { container: 'custom', port: 7000 },
    ],
    [
      'with a hyphen',
      [{ name: 'custom', ports: [port('web', 80), port('klight-port', 7000)] }],
      [],
      { container: 'custom', port: 7000 },
    ],
    [
      'klightpeer breaks the tie',
      [
        { name: 'custom', ports: [port('klightport', 7000)] },
        { name: 'klightpeer', ports: [port('klightport', 7001)] },
      ],
      [],
      { container: 'klightpeer', port: 7001 },
    ],
    [
      'a named port counts more than the container',
      [{ name: 'klightpeer' }, { name: 'custom', ports: [port('klightport', 7000)] }],
      [],
      { container: 'custom', port: 7000 },
    ],
    [
      'a sidecar among the init containers',
      [{ name: 'app' }],
      [{ name: 'klightpeer', ports: [port('klightport', 7002)] }],
      { container: 'klightpeer', port: 7002 },
    ],
    [
      'one that speaks TLS',
      [{ name: 'custom', ports: [port('klightport-tls', 7003)] }],
      [],
      { container: 'custom', port: 7003, tls: true },
    ],
    [
      'UDP is no port of gRPC',
      [{ name: 'custom', ports: [port('klightport', 7000, 'UDP')] }],
      [],
      { container: undefined, port: 9081 },
    ],
  ];
  for (const [title, containers, initContainers, expected] of cases)
    t.same(peerOf({ spec: { containers, initContainers } }), { tls: false, ...expected }, title);
  t.equal(addressOf('fd00::1', 9081), '[fd00::1]:9081');
  t.end();
});

t.test('how far a pod is', (t) => {
  const cases: [string, Pod, object | undefined][] = [
    ['running', pod(), { phase: 'running', address: '10.0.0.1:9081', id: 'n', why: undefined }],
    ['pending', pod({ status: { phase: 'Pending' } }), { phase: 'waiting', why: 'the pod is Pending' }],
    ['without an address', pod({ status: { podIP: undefined } }), { phase: 'waiting', why: /no address/ }],
    ['ended', pod({ status: { phase: 'Succeeded' } }), { phase: 'over', why: /has ended/ }],
    [
      'being deleted',
      pod({ metadata: { deletionTimestamp: '2026-01-01T00:00:01Z' } }),
      { phase: 'over', why: /being deleted/ },
    ],
    ['without the label', pod({ metadata: { labels: {} } }), undefined],
    ['with an empty label', pod({ metadata: { labels: { 'klight.networkId': '' } } }), undefined],
  ];
  for (const [title, object, expected] of cases)
    if (expected === undefined) t.equal(peerPodOf(object), undefined, title);
    else t.match(peerPodOf(object), expected, title);
  t.end();
});

t.test('what is kept of a pod tells the same of its peer', (t) => {
  const whole = pod({
    spec: {
      containers: [
        { name: 'app', image: 'i', env: [{ name: 'A', value: 'x'.repeat(1000) }] },
        { name: 'klightpeer', image: 'i', ports: [port('klightport', 7000), port('ops', 9090)] },
      ],
    },
    status: {
      containerStatuses: [
        { name: 'app', containerID: 'containerd://0000' },
        { name: 'klightpeer', containerID: 'containerd://123456789abcdef', restartCount: 2 },
      ],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  });
  const kept = labelledPod(whole);
  t.same(kept.peer, peerPodOf(whole));
  t.equal(kept.peer?.incarnation, '10.0.0.1:7000 123456789abc');
  t.ok(JSON.stringify(kept).length < 400, JSON.stringify(kept));
  t.match(kept.metadata, { name: 'p', namespace: 'default', uid: 'u', resourceVersion: '1' });
  t.end();
});

t.test('networks', (t) => {
  const shared = { all: ['b', 'a'] };
  t.same(networkOf(shared, 'x', 'n'), { key: 'x/n', id: 'n', namespaces: ['x'] });
  t.same(networkOf(shared, 'b', 'all'), { key: '/all', id: 'all', namespaces: ['a', 'b'] });
  t.same(
    networkOf(shared, 'c', 'all'),
    { key: 'c/all', id: 'all', namespaces: ['c'] },
    'a namespace that is not named has its own',
  );
  t.same(networkOf(shared, 'c', 'constructor').key, 'c/constructor');
  t.not(ledgerKey('a/b_c'), ledgerKey('a-b/c'));
  t.equal(ledgerKey('/all'), '_all');
  t.end();
});

t.test('the roster', (t) => {
  const roster = createRoster({});
  const a = pod();
  const of = (key: string) => {
    const { pods, moved, departed } = roster.of(key);
    return [pods.length, moved.size, departed.length];
  };
  t.same(roster.change({ type: 'added', object: labelledPod(a) }), ['default/n']);
  t.same(of('default/n'), [1, 0, 0]);
  t.ok(roster.of('default/other').elsewhere.get('10.0.0.1:9081'));
  t.notOk(roster.of('default/n').elsewhere.get('10.0.0.1:9081'), 'its own is not elsewhere');

  const b = pod({ metadata: { labels: { 'klight.networkId': 'm' } } });
  t.same(roster.change({ type: 'modified', object: labelledPod(b), previous: labelledPod(a) }), [
    'default/n',
    'default/m',
  ]);
  t.same(of('default/n'), [0, 0, 0]);
  t.same(of('default/m'), [1, 1, 0], 'it moved');
  const seen = (key: string) => roster.of(key).elsewhere.get('10.0.0.1:9081')?.moved;
  t.equal(seen('default/n'), true, 'those that it left know that it did');
  roster.arrived('default/n', 'u');
  t.same(of('default/m'), [1, 1, 0], 'who looked before it moved does not bring it back');
  roster.change({ type: 'modified', object: labelledPod(a), previous: labelledPod(b) });
  t.same([...roster.of('default/n').settled], ['u'], 'one that comes back before it left is where it was');
  roster.change({ type: 'modified', object: labelledPod(b), previous: labelledPod(a) });
  roster.arrived('default/m', 'u');
  t.same(of('default/m'), [1, 0, 0]);
  t.same([...roster.of('default/m').settled], ['u']);
  t.equal(seen('default/n'), false);

  t.same(
    roster.change({ type: 'deleted', object: labelledPod(b) }),
    ['default/m'],
    'its label is gone, and it runs on',
  );
  t.same(of('default/m'), [0, 0, 1]);
  t.notOk(roster.of('default/n').elsewhere.get('10.0.0.1:9081'));
  roster.arrived('default/m', 'u');
  t.same(of('default/m'), [0, 0, 1], 'who looked before it left takes nothing of that back');
  roster.seenOff('default/m', 'u');
  t.same([...roster.keys()], [], 'nothing is kept of what is over');

  roster.change({ type: 'added', object: labelledPod(a) });
  roster.change({ type: 'deleted', object: labelledPod(a) });
  roster.change({ type: 'added', object: labelledPod(b) });
  t.same(of('default/m'), [1, 1, 0], 'without a label for a moment, it moved all the same');
  t.same(of('default/n'), [0, 0, 0]);
  roster.change({ type: 'deleted', object: labelledPod(b) });
  t.same(of('default/n'), [0, 0, 1], 'it departs from where it still is');
  roster.seenOff('default/n', 'u');

  roster.change({ type: 'added', object: labelledPod(a) });
  roster.change({
    type: 'deleted',
    object: labelledPod(pod({ metadata: { deletionTimestamp: '2026-01-01T00:00:01Z' } })),
  });
  t.same(of('default/n'), [0, 0, 0], 'one that is deleted did not depart');
  t.end();
});

t.test('two pods with one address, as a watch that lags shows them', (t) => {
  const of = (uid: string, network: string, creationTimestamp: string): Pod =>
    pod({ metadata: { uid, name: uid, creationTimestamp, labels: { 'klight.networkId': network } } });
  const older = labelledPod(of('a', 'n', '2026-01-01T00:00:00Z'));
  const younger = labelledPod(of('b', 'm', '2026-01-01T00:00:01Z'));
  for (const objects of [
    [older, younger],
    [younger, older],
  ]) {
    const roster = createRoster({});
    const isElsewhere = (key: string) => roster.of(key).elsewhere.get('10.0.0.1:9081') !== undefined;
    for (const object of objects) roster.change({ type: 'added', object });
    t.same([isElsewhere('default/n'), isElsewhere('default/m')], [true, false], 'the younger one has it');
    roster.change({ type: 'deleted', object: younger });
    t.same([isElsewhere('default/n'), isElsewhere('default/m')], [false, true], 'or the one that is left');
    roster.change({ type: 'deleted', object: older });
    t.equal(roster.size(), 0);
  }
  t.end();
});
