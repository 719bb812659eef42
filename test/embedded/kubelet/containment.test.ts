/** Whoever reaches the API may run our programs and nothing else: every way to another one is tried. */
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { CONFIG_MAPS, PERSISTENT_VOLUMES, PERSISTENT_VOLUME_CLAIMS, PODS } from '../../../kube/index.js';
import type { Container, Pod } from '../../../kube/index.js';
import { NAMESPACE, specOf, startPods } from './cluster.js';
import type { PodSpec } from './cluster.js';

const outside = await mkdtemp(join(tmpdir(), 'outside-'));
t.teardown(() => rm(outside, { recursive: true }));
const volumesRoot = join(outside, 'volumes');
await mkdir(volumesRoot);
await writeFile(join(outside, 'secret'), 'of this machine');

const cluster = await startPods(t, { volumesRoot });
const { kube } = cluster;

interface Self {
  env: Record<string, string>;
  execArgv: string[];
  args: string[];
  cwd: string;
}
const selfOf = async (pod: Pod): Promise<Self> => JSON.parse((await cluster.ask(pod, '/self')).text) as Self;

type Status = NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number];
const statusOf = ({ status }: Pod): Status | undefined => status?.containerStatuses?.[0];

const remove = async (name: string): Promise<void> => {
  await kube.delete(PODS, { namespace: NAMESPACE, name }, { gracePeriodSeconds: 0 });
  await cluster.gone(name);
};

const MARK = join(outside, 'ran');
const EVIL = `require('node:fs').writeFileSync(${JSON.stringify(MARK)}, 'x')`;
const hasRun = async (): Promise<boolean> => (await readdir(outside)).includes('ran');

t.test('by command and arguments', async (t) => {
  const rows: [string, Partial<Container>, RegExp][] = [
    [
      'shell',
      { command: ['sh', '-c', `touch ${MARK}`] },
      /exec: "sh": executable file not found in \$PATH: unknown/,
    ],
    [
      'path',
      { command: ['/usr/bin/touch', MARK] },
      /exec: "\/usr\/bin\/touch": stat \/usr\/bin\/touch: no such file/,
    ],
    ['node', { command: ['node', '-e', EVIL] }, /exec: "node": executable file not found/],
    ['self', { command: [process.execPath, '-e', EVIL] }, /no such file or directory/],
    ['import', { command: ['node', '--require', MARK, '/app/dist/cli/xi-k8s.js', 'serve'] }, /exec: "node"/],
    ['flags', { args: ['-e', EVIL] }, /no command "-e"/],
    ['other', { args: ['bridge'] }, /no command "bridge"/],
    ['var', { command: ['$(SHELL)'], env: [{ name: 'SHELL', value: '/bin/sh' }] }, /exec: "\/bin\/sh"/],
  ];
  for (const [name, container] of rows)
    await cluster.create(name, specOf(container, { restartPolicy: 'Never' }));
  for (const [name, , message] of rows) {
    const pod = await cluster.until(name, 'fails', ({ status }) => status?.phase === 'Failed');
    t.match(
      statusOf(pod)?.state?.terminated,
      { exitCode: 128, reason: 'StartError', message, startedAt: '1970-01-01T00:00:00Z' },
      name,
    );
    // Events are told after the fact.
    await cluster.eventually(
      () => cluster.events(name),
      (events) => events.some((event) => event.startsWith('Failed: Error: failed to create containerd task')),
      `${name}: it is told`,
    );
    await remove(name);
  }
  await cluster.create('again', specOf({ command: ['nope'] }));
  const pod = await cluster.until(
    'again',
    'is tried again',
    (each) => (statusOf(each)?.restartCount ?? 0) > 1,
  );
  t.match(statusOf(pod)?.lastState?.terminated, { exitCode: 128, reason: 'StartError' });
  t.match(statusOf(pod)?.state?.waiting?.reason, /^(CrashLoopBackOff|RunContainerError)$/);
  await remove('again');
  t.notOk(await hasRun());
});

t.test('options of the runtime are arguments of the program', async (t) => {
  const args = ['serve', '--require', MARK, '-e', EVIL];
  await cluster.create('options', specOf({ args }));
  const self = await selfOf(await cluster.ready('options'));
  t.same(self.args, args);
  t.same(self.execArgv, []);
  await remove('options');
});

t.test('by the environment', async (t) => {
  await kube.create(CONFIG_MAPS, NAMESPACE, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'evil' },
    data: { NODE_OPTIONS: `--require ${MARK}`, 'evil.js': EVIL, PLAIN: 'x' },
  });
  const evil: Record<string, string> = {
    NODE_OPTIONS: `--require ${MARK}`,
    NODE_PATH: outside,
    LD_PRELOAD: '/tmp/evil.so',
    DYLD_INSERT_LIBRARIES: '/tmp/evil.dylib',
    OPENSSL_CONF: '/tmp/evil.cnf',
    PATH: outside,
    NODE_ENV: 'development',
    XI_POD_ROOT: '/',
    XI_POD_IP: '0.0.0.0',
    XI_POD_API: 'http://203.0.113.1',
    XI_POD_PARENT_FD: '0',
  };
  await cluster.create(
    'environment',
    specOf({
      envFrom: [{ configMapRef: { name: 'evil' } }, { configMapRef: { name: 'evil' }, prefix: 'NODE_' }],
      env: [
        ...Object.entries(evil).map(([name, value]) => ({ name, value })),
        { name: 'MINE', value: '$(PLAIN)y' },
      ],
    }),
  );
  const pod = await cluster.ready('environment');
  const { env, cwd } = await selfOf(pod);
  t.match(env, {
    MINE: 'xy',
    PLAIN: 'x',
    NODE_ENV: 'production',
    HOSTNAME: 'environment',
    XI_CLUSTER: 'in-cluster',
    XI_POD_IP: pod.status?.podIP,
    XI_POD_API: cluster.url,
    XI_POD_PARENT_FD: '3',
    KUBERNETES_SERVICE_PORT: new URL(cluster.url).port,
  });
  t.equal(env['XI_POD_ROOT'], cwd);
  t.ok(cwd.endsWith('/containers/main/rootfs'));
  for (const [name, value] of Object.entries(evil))
    if (!/^(NODE_ENV|XI_POD_)/.test(name)) t.not(env[name], value, `${name} is not passed`);
  const known = /^(MINE|PLAIN|evil\.js|NODE_ENV|HOSTNAME|HOME|TMPDIR|XI_CLUSTER|XI_POD_\w+|KUBERNETES_\w+)$/;
  // Some systems add one of their own to every process, and tap adds some to every process that a test starts.
  const added = /^(__CF_USER_TEXT_ENCODING|NODE_OPTIONS|_TAPJS_\w+)$/;
  const others = Object.keys(env).filter((name) => !known.test(name) && !added.test(name));
  t.same(others, [], "nothing of this process's own");
  await remove('environment');
});

t.test('by volumes', async (t) => {
  const mounts = (path = '/v', more: object = {}) => ({
    volumeMounts: [{ name: 'v', mountPath: path, ...more }],
  });
  const volumes = (source: object): Partial<PodSpec> => ({ volumes: [{ name: 'v', ...source }] });
  await cluster.create('host', specOf(mounts(), volumes({ hostPath: { path: outside } })));
  const why =
    'MountVolume.SetUp failed for volume "v" : the embedded cluster gives its own programs no hostPath volume';
  await cluster.eventually(
    () => cluster.events('host'),
    (events) => events.some((event) => event.startsWith(`FailedMount: ${why}`)),
    'the refusal is told',
  );
  t.equal(statusOf(await cluster.pod('host'))?.state?.waiting?.reason, 'ContainerCreating');
  await remove('host');

  // Scripts are files like others: there is nothing that would run them.
  const script = { configMap: { name: 'evil', defaultMode: 0o755 } };
  await cluster.create(
    'script',
    specOf(
      { ...mounts('/app/dist/cli'), command: ['/app/dist/cli/evil.js'] },
      { ...volumes(script), restartPolicy: 'Never' },
    ),
  );
  const failed = await cluster.until('script', 'fails', ({ status }) => status?.phase === 'Failed');
  t.match(statusOf(failed)?.state?.terminated, {
    exitCode: 128,
    message: /stat \/app\/dist\/cli\/evil.js: no such file/,
  });
  await remove('script');

  // Nor can one be mounted over the program: that lies elsewhere.
  const over = { configMap: { name: 'evil', items: [{ key: 'evil.js', path: 'xi-k8s.js' }] } };
  await cluster.create('over', specOf(mounts('/app/dist/cli'), volumes(over)));
  t.same((await selfOf(await cluster.ready('over'))).args, ['serve']);
  await remove('over');

  for (const [name, mount] of [
    ['up', { subPath: '../../../..' }],
    ['expanded', { subPathExpr: '$(UP)' }],
  ] as const) {
    const env = [{ name: 'UP', value: '../../..' }];
    const created = cluster.create(name, specOf({ ...mounts('/v', mount), env }, volumes({ emptyDir: {} })));
    const refused = await created.then(
      () => false,
      () => true,
    );
    if (refused) continue;
    const pod = await cluster.until(
      name,
      'is refused',
      (each) => statusOf(each)?.state?.waiting?.message !== undefined,
    );
    t.match(statusOf(pod)?.state?.waiting, {
      reason: 'CreateContainerConfigError',
      message: 'failed to prepare subPath for volumeMount "v" of container "main"',
    });
    await remove(name);
  }
  t.notOk(await hasRun());
});

t.test('by links that lead out of a claimed volume', async (t) => {
  const folder = join(volumesRoot, 'data');
  await mkdir(folder);
  await symlink(outside, join(folder, 'out'));
  const paths: Record<string, string> = {
    inside: folder,
    outside,
    'dot-dot': join(volumesRoot, '..'),
    linked: join(folder, 'out'),
  };
  for (const [name, path] of Object.entries(paths)) {
    const common = { accessModes: ['ReadWriteOnce'], storageClassName: '' };
    await kube.create(PERSISTENT_VOLUMES, undefined, {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name },
      spec: {
        ...common,
        capacity: { storage: '1Gi' },
        hostPath: { path },
        claimRef: { namespace: NAMESPACE, name },
      },
    });
    await kube.create(PERSISTENT_VOLUME_CLAIMS, NAMESPACE, {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name },
      spec: { ...common, volumeName: name, resources: { requests: { storage: '1Gi' } } },
    });
  }
  const claims = (claimName: string, mount: object = {}): PodSpec =>
    specOf(
      { volumeMounts: [{ name: 'v', mountPath: '/v', ...mount }] },
      { volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }] },
    );
  for (const name of ['outside', 'dot-dot', 'linked']) {
    await cluster.create(name, claims(name));
    await cluster.eventually(
      () => cluster.events(name),
      (events) =>
        events.some((event) =>
          event.includes(`persistentvolume "${name}" is no folder below ${volumesRoot}`),
        ),
      `${name} is refused`,
    );
    await remove(name);
  }
  await cluster.create('sub', claims('inside', { subPath: 'out' }));
  const refused = await cluster.until(
    'sub',
    'refused',
    (each) => statusOf(each)?.state?.waiting?.message !== undefined,
  );
  t.match(statusOf(refused)?.state?.waiting?.message, /^failed to prepare subPath/);
  await remove('sub');

  await cluster.create('inside', claims('inside'));
  await cluster.ready('inside');
  for (const path of [
    '/v/out/secret',
    '/v/../../../../secret',
    `/v/../../..${outside}/secret`,
    join(outside, 'secret'),
  ])
    t.match(
      await cluster.exec('inside', ['cat', path]),
      { code: 1, out: '', err: /No such file or directory/ },
      path,
    );
  t.match(await cluster.exec('inside', ['tar', 'cf', '-', '/v/out/secret']), {
    code: 2,
    err: /No such file/,
  });
  t.match(await cluster.exec('inside', ['ls', '/v']), { code: 0, out: 'out\n' });
  await remove('inside');
});

t.test('by exec', async (t) => {
  await cluster.create('target', specOf());
  await cluster.ready('target');
  for (const command of [
    ['sh', '-c', `touch ${MARK}`],
    ['node', '-e', EVIL],
    ['xi-k8s', 'serve'],
    ['touch', MARK],
    ['../../bin/sh'],
  ])
    await t.rejects(
      cluster.exec('target', command),
      { message: /OCI runtime exec failed: exec failed: unable to start container process: exec: / },
      JSON.stringify(command),
    );
  t.match(await cluster.exec('target', ['env', 'sh', '-c', `touch ${MARK}`]), { code: 127 });
  t.match(await cluster.exec('target', ['cat', '/etc/passwd']), { code: 1, err: /No such file/ });
  t.notOk(await hasRun());
});
