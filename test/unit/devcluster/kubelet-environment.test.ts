import t from 'tap';
import { entryOf } from '../../../devcluster/kubelet/command.js';
import { environmentOf, processEnvironment } from '../../../devcluster/kubelet/environment.js';
import { expand } from '../../../devcluster/kubelet/expansion.js';
import { fieldValue, resourceValue } from '../../../devcluster/kubelet/fields.js';
import { isOurs } from '../../../devcluster/kubelet/images.js';
import { serviceVariables } from '../../../devcluster/kubelet/service-links.js';
import type { Container, Pod, Service } from '../../../kube/index.js';

const API = 'http://127.0.0.1:6480';

t.test('which images are ours', async (t) => {
  const rows: [string, boolean][] = [
    ['xi-k8s', true],
    ['xi-k8s:0.1.0', true],
    ['localhost/xi-k8s:0.1.0', true],
    ['registry.example:5000/team/xi-k8s', true],
    [`registry.example:5000/team/xi-k8s:v1@sha256:${'a'.repeat(64)}`, true],
    [`xi-k8s@sha256:${'a'.repeat(64)}`, true],
    ['xi-k8s-other', false],
    ['other-xi-k8s:1', false],
    ['xi-k8s/nginx', false],
    ['nginx:xi-k8s', false],
    ['nginx', false],
    ['', false],
  ];
  for (const [image, expected] of rows) t.equal(isOurs(image), expected, JSON.stringify(image));
});

t.test('what a container of ours runs', async (t) => {
  const entry = '/app/dist/cli/xi-k8s.js';
  const runs: [string[] | undefined, string[] | undefined, string[]][] = [
    [undefined, undefined, ['serve']],
    [[], [], ['serve']],
    [undefined, ['lightpeer', '--port', '1'], ['lightpeer', '--port', '1']],
    [['xi-k8s', 'serve'], undefined, ['serve']],
    [['xi-k8s'], ['serve'], ['serve']],
    [['node', entry, 'lightpeer'], ['-x'], ['lightpeer', '-x']],
    [['node'], [entry, 'serve'], ['serve']],
    [[entry, 'serve'], undefined, ['serve']],
  ];
  for (const [command, args, expected] of runs)
    t.same(
      entryOf(command, args, ['serve', 'lightpeer']),
      { is: 'program', args: expected },
      JSON.stringify([command, args]),
    );
  const isFlag = (argument: string): boolean => argument === '-repo';
  t.same(entryOf(undefined, ['-repo', '/x'], ['serve'], isFlag), { is: 'program', args: ['-repo', '/x'] });
  t.match(entryOf(undefined, ['-x'], ['serve'], isFlag), { message: /no command "-x"/ });
  const refused: [string[] | undefined, string[] | undefined, RegExp][] = [
    [['sh', '-c', 'id'], undefined, /exec: "sh": executable file not found in \$PATH: unknown/],
    [['/bin/sh'], undefined, /exec: "\/bin\/sh": stat \/bin\/sh: no such file or directory/],
    [['node', '-e', '1'], undefined, /exec: "node": executable file not found/],
    [['node', '--import', 'data:text/javascript,1', entry, 'serve'], undefined, /exec: "node"/],
    [['xi-k8s'], undefined, /no command ""/],
    [['xi-k8s', 'call'], undefined, /no command "call"/],
    [undefined, ['call'], /no command "call"/],
    [undefined, ['toString'], /no command "toString"/],
    [[`${entry}/../../../bin/sh`], undefined, /no such file/],
    [[''], undefined, /exec: ""/],
  ];
  for (const [command, args, expected] of refused) {
    const found = entryOf(command, args, ['serve']);
    t.equal(found.is, 'refused', JSON.stringify([command, args]));
    t.match(found, { message: expected });
  }
});

t.test('references to variables', async (t) => {
  const known: Record<string, string> = { A: '1', B: '$(A)' };
  const rows: [string, string][] = [
    ['$(A)', '1'],
    ['x$(A)y$(A)', 'x1y1'],
    ['$(B)', '$(A)'],
    ['$(C)', '$(C)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$1'],
    ['$A ${A} $', '$A ${A} $'],
    ['$(A', '$(A'],
  ];
  for (const [text, expected] of rows)
    t.equal(
      expand(text, (name) => known[name]),
      expected,
      text,
    );
});

const pod: Pod = {
  metadata: {
    name: 'web',
    namespace: 'team',
    uid: 'u-1',
    labels: { app: 'x', 'a.b/c': 'd' },
    annotations: { note: 'two\nlines' },
  },
  spec: { containers: [], nodeName: 'embedded', serviceAccountName: 'robot' },
};

t.test('fields and resources', async (t) => {
  const rows: [string, string][] = [
    ['metadata.name', 'web'],
    ['metadata.namespace', 'team'],
    ['metadata.uid', 'u-1'],
    ["metadata.labels['app']", 'x'],
    ["metadata.labels['a.b/c']", 'd'],
    ["metadata.labels['none']", ''],
    ["metadata.annotations['note']", 'two\nlines'],
    ['metadata.labels', 'a.b/c="d"\napp="x"'],
    ['metadata.annotations', 'note="two\\nlines"'],
    ['spec.nodeName', 'embedded'],
    ['spec.serviceAccountName', 'robot'],
    ['status.podIP', '127.64.0.9'],
    ['status.podIPs', '127.64.0.9'],
    ['status.hostIP', '127.0.0.1'],
  ];
  for (const [path, expected] of rows) t.equal(fieldValue({ pod, ip: '127.64.0.9' }, path), expected, path);
  const container: Container = {
    name: 'c',
    resources: { limits: { cpu: '1500m', memory: '64Mi' }, requests: { cpu: '250m' } },
  };
  const amounts: [string, string | undefined, string][] = [
    ['limits.cpu', undefined, '2'],
    ['limits.cpu', '1m', '1500'],
    ['limits.memory', undefined, String(64 * 2 ** 20)],
    ['limits.memory', '1Mi', '64'],
    ['requests.cpu', '1m', '250'],
    ['requests.memory', undefined, '0'],
    ['limits.ephemeral-storage', '1Ti', '16'],
  ];
  for (const [resource, divisor, expected] of amounts)
    t.equal(resourceValue(container, { resource, divisor }), expected, `${resource} / ${divisor}`);
});

const service = (name: string, clusterIP: string, ports: object[], namespace = 'team'): Service =>
  ({ metadata: { name, namespace }, spec: { clusterIP, ports } }) as Service;

t.test('variables of Services', async (t) => {
  const services = [
    service('my-db', '10.96.0.7', [
      { name: 'sql', port: 5432, protocol: 'TCP' },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ]),
    service('headless', 'None', [{ port: 1 }]),
    service('elsewhere', '10.96.0.8', [{ port: 1 }], 'other'),
  ];
  const linked = Object.fromEntries(serviceVariables(services, { namespace: 'team', links: true, api: API }));
  t.same(linked, {
    MY_DB_SERVICE_HOST: '10.96.0.7',
    MY_DB_SERVICE_PORT: '5432',
    MY_DB_SERVICE_PORT_SQL: '5432',
    MY_DB_SERVICE_PORT_DNS: '53',
    MY_DB_PORT: 'tcp://10.96.0.7:5432',
    MY_DB_PORT_5432_TCP: 'tcp://10.96.0.7:5432',
    MY_DB_PORT_5432_TCP_PROTO: 'tcp',
    MY_DB_PORT_5432_TCP_PORT: '5432',
    MY_DB_PORT_5432_TCP_ADDR: '10.96.0.7',
    MY_DB_PORT_53_UDP: 'udp://10.96.0.7:53',
    MY_DB_PORT_53_UDP_PROTO: 'udp',
    MY_DB_PORT_53_UDP_PORT: '53',
    MY_DB_PORT_53_UDP_ADDR: '10.96.0.7',
    KUBERNETES_SERVICE_HOST: '127.0.0.1',
    KUBERNETES_SERVICE_PORT: '6480',
    KUBERNETES_SERVICE_PORT_HTTPS: '6480',
    KUBERNETES_PORT: 'tcp://127.0.0.1:6480',
    KUBERNETES_PORT_6480_TCP: 'tcp://127.0.0.1:6480',
    KUBERNETES_PORT_6480_TCP_PROTO: 'tcp',
    KUBERNETES_PORT_6480_TCP_PORT: '6480',
    KUBERNETES_PORT_6480_TCP_ADDR: '127.0.0.1',
  });
  const bare = [...serviceVariables(services, { namespace: 'team', links: false, api: API }).keys()];
  t.ok(bare.every((name) => name.startsWith('KUBERNETES_')));
});

const environment = (container: Partial<Container>, spec: Partial<NonNullable<Pod['spec']>> = {}) =>
  environmentOf({
    pod: { ...pod, spec: { containers: [], ...spec } },
    ip: '127.64.0.9',
    container: { name: 'c', image: 'xi-k8s', ...container },
    services: [service('xi-k8s', '10.96.0.9', [{ port: 80 }])],
    api: API,
    configs: {
      configMap: (_namespace, name) =>
        name === 'm' ? { metadata: { name }, data: { KEY: 'v', other: 'w' } } : undefined,
      secret: (_namespace, name) =>
        name === 's'
          ? { metadata: { name }, data: { KEY: Buffer.from('hidden').toString('base64') } }
          : undefined,
    },
  });

t.test("a container's environment", async (t) => {
  const found = environment({
    envFrom: [
      { configMapRef: { name: 'm' }, prefix: 'P_' },
      { secretRef: { name: 's' } },
      { configMapRef: { name: 'none', optional: true } },
    ],
    env: [
      { name: 'PLAIN', value: 'x' },
      { name: 'TWICE', value: '$(PLAIN)$(PLAIN)$(LATER)' },
      { name: 'LATER', value: 'y' },
      { name: 'OF_SERVICE', value: '$(KUBERNETES_SERVICE_PORT)' },
      { name: 'P_KEY', value: 'mine' },
      { name: 'FROM_MAP', valueFrom: { configMapKeyRef: { name: 'm', key: 'other' } } },
      { name: 'FROM_SECRET', valueFrom: { secretKeyRef: { name: 's', key: 'KEY' } } },
      { name: 'NONE', valueFrom: { secretKeyRef: { name: 's', key: 'none', optional: true } } },
      { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'XI_CLUSTER', value: 'auto' },
    ],
  });
  const expected: Record<string, string | undefined> = {
    HOSTNAME: 'web',
    NODE_ENV: 'production',
    PLAIN: 'x',
    TWICE: 'xx$(LATER)',
    LATER: 'y',
    OF_SERVICE: '6480',
    P_KEY: 'mine',
    P_other: 'w',
    KEY: 'hidden',
    FROM_MAP: 'w',
    FROM_SECRET: 'hidden',
    NONE: undefined,
    POD: 'web',
    XI_CLUSTER: 'auto',
    XI_K8S_SERVICE_HOST: '10.96.0.9',
  };
  for (const [name, value] of Object.entries(expected)) t.equal(found.get(name), value, name);
  t.equal(environment({}, { enableServiceLinks: false }).get('XI_K8S_SERVICE_HOST'), undefined);
  t.equal(environment({}, { hostname: 'other' }).get('HOSTNAME'), 'other');
  t.equal(environment({ image: 'nginx' }).get('XI_CLUSTER'), undefined, 'what our image sets, others do not');
});

t.test('nothing steers the program that plays a container', async (t) => {
  const steering = [
    ...[
      'PATH',
      'Path',
      'NODE_OPTIONS',
      'node_options',
      'NODE_PATH',
      'NODE_EXTRA_CA_CERTS',
      'NODE_V8_COVERAGE',
    ],
    ...['LD_PRELOAD', 'LD_LIBRARY_PATH', 'DYLD_INSERT_LIBRARIES', 'OPENSSL_CONF', 'OPENSSL_MODULES'],
    ...[
      'SSL_CERT_FILE',
      'GCONV_PATH',
      'GLIBC_TUNABLES',
      'MALLOC_TRACE',
      'LOCPATH',
      'TMPDIR',
      'UV_THREADPOOL_SIZE',
    ],
    ...['XI_POD_ROOT', 'XI_POD_IP', 'XI_POD_API', 'XI_POD_PARENT_FD', 'xi_pod_root', '', 'A=B', 'NUL\0'],
  ];
  const own = { XI_POD_ROOT: '/pods/1', TMPDIR: '/pods/1/tmp' };
  const given = new Map([
    ...steering.map((name): [string, string] => [name, 'evil']),
    ['MINE', 'x'],
    ['N', 'a\0b'],
  ]);
  t.same(processEnvironment(given, own), { MINE: 'x', NODE_ENV: 'production', ...own });
});
