/** How processes of pods begin, fail, are asked how they are, and end. */
import t from 'tap';
import { PODS } from '../../../kube/index.js';
import type { Container, Pod } from '../../../kube/index.js';
import { NAMESPACE, isReady, ours, specOf, startPods } from './cluster.js';

const cluster = await startPods(t, { nodes: 2 });
const { kube } = cluster;

type Status = NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number];
const statusOf = ({ status }: Pod, name = 'main'): Status | undefined =>
  [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].find(
    (one) => one.name === name,
  );

const remove = async (name: string, gracePeriodSeconds?: number): Promise<void> => {
  await kube.delete(PODS, { namespace: NAMESPACE, name }, { gracePeriodSeconds });
  await cluster.gone(name);
};

/** Waits for an event of a pod: it is written beside the pod's status, and may come later. */
const told = async (name: string, what: string | RegExp): Promise<void> => {
  const fits = (event: string): boolean => (typeof what === 'string' ? event === what : what.test(event));
  await cluster.eventually(
    () => cluster.events(name),
    (events) => events.some(fits),
    `${name}: there is an event ${what}`,
  );
};

const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
const pidOf = async (pod: Pod): Promise<number> =>
  (JSON.parse((await cluster.ask(pod, '/self')).text) as { pid: number }).pid;

const probe = (path: string, more: object = {}): object => ({
  httpGet: { path, port: 8080 },
  periodSeconds: 1,
  failureThreshold: 1,
  ...more,
});

t.test('pods run on their own addresses, on every node', async (t) => {
  await cluster.create('one', specOf());
  await cluster.create('two', { ...specOf(), nodeName: 'embedded-2' });
  const [one, two] = [await cluster.ready('one'), await cluster.ready('two')];
  t.not(one.status?.podIP, two.status?.podIP);
  t.equal(two.spec?.nodeName, 'embedded-2');
  for (const pod of [one, two]) {
    t.equal((await cluster.ask(pod, '/healthz')).status, 200, 'both on port 8080');
    t.match(statusOf(pod), { ready: true, started: true, containerID: /^process:\/\//, restartCount: 0 });
  }
  t.equal(await cluster.log('two'), `listens on ${two.status?.podIP}:8080\n`);
  const pids = [await pidOf(one), await pidOf(two)];
  t.ok(pids.every(alive));
  await Promise.all([remove('one'), remove('two')]);
  t.notOk(pids.some(alive), 'and end with their pods');
  await told('one', /^Killing/);
  t.same(
    (await cluster.events('one')).filter((event) => /^(Created|Started|Killing)/.test(event)),
    ['Created: Container created', 'Started: Container started', 'Killing: Stopping container main'],
  );
});

t.test('a process that asks for more time than it has is killed', async (t) => {
  await cluster.create('stubborn', specOf({ args: ['stubborn'] }, { terminationGracePeriodSeconds: 1 }));
  const pod = await cluster.ready('stubborn');
  const pid = await pidOf(pod);
  const states: (Status | undefined)[] = [];
  const leaving = new AbortController();
  const watching = (async () => {
    for await (const { object } of kube.watch(
      PODS,
      NAMESPACE,
      { fieldSelector: 'metadata.name=stubborn' },
      leaving,
    ))
      states.push(statusOf(object));
  })().catch(() => undefined);
  const follow = cluster.log('stubborn', { follow: true });
  await remove('stubborn');
  t.match(await follow, /does not care\n$/);
  t.notOk(alive(pid));
  await cluster.eventually(
    () => Promise.resolve(states.at(-1)),
    (last) => last?.state?.terminated?.exitCode === 137,
    'the last that is seen of it is its exit code',
  );
  leaving.abort();
  await watching;
});

t.test('a pod that is deleted by force leaves no process', async (t) => {
  await cluster.create('forced', specOf({ args: ['stubborn'] }));
  const pid = await pidOf(await cluster.ready('forced'));
  await remove('forced', 0);
  await cluster.eventually(
    () => Promise.resolve(alive(pid)),
    (is) => !is,
    'ended',
  );
  t.equal(
    (await cluster.ask(await cluster.create('after', specOf()).then(() => cluster.ready('after')), '/'))
      .status,
    200,
  );
  await remove('after');
});

t.test('a crash loop waits longer each time', async (t) => {
  await cluster.create('crash', specOf({ args: ['exit', '3', 'out of luck'] }));
  const pod = await cluster.until(
    'crash',
    'waits for its third life',
    (each) =>
      (statusOf(each)?.restartCount ?? 0) >= 2 &&
      statusOf(each)?.state?.waiting?.reason === 'CrashLoopBackOff',
  );
  t.match(statusOf(pod), {
    state: {
      waiting: {
        reason: 'CrashLoopBackOff',
        message: /^back-off [\d.]+s restarting failed container=main pod=crash_default\(/,
      },
    },
    lastState: { terminated: { exitCode: 3, reason: 'Error' } },
    ready: false,
  });
  t.equal(await cluster.log('crash', { previous: true }), 'out of luck\n');
  await told('crash', /^BackOff: Back-off restarting failed/);
  await remove('crash');
});

t.test('pods that end', async (t) => {
  const rows: [string, string[], Partial<Container>, string, number][] = [
    ['well', ['exit', '0'], {}, 'Succeeded', 0],
    ['badly', ['exit', '7'], {}, 'Failed', 7],
    ['with-words', ['words', 'my last'], {}, 'Failed', 4],
    ['with-log', ['exit', '5', 'told'], { terminationMessagePolicy: 'FallbackToLogsOnError' }, 'Failed', 5],
  ];
  for (const [name, args, more] of rows)
    await cluster.create(name, specOf({ args, ...more }, { restartPolicy: 'Never' }));
  for (const [name, , , phase, exitCode] of rows) {
    const pod = await cluster.until(name, phase, ({ status }) => status?.phase === phase);
    t.match(statusOf(pod), { restartCount: 0, state: { terminated: { exitCode } } }, name);
  }
  t.equal(statusOf(await cluster.pod('with-words'))?.state?.terminated?.message, 'my last');
  t.equal(statusOf(await cluster.pod('with-log'))?.state?.terminated?.message, 'told\n');
  for (const [name] of rows) await remove(name);
});

t.test('init containers, sidecars and those that pretend', async (t) => {
  await cluster.create('mixed', {
    ...specOf({ volumeMounts: [{ name: 'shared', mountPath: '/in' }] }),
    volumes: [{ name: 'shared', emptyDir: {} }],
    initContainers: [
      ours({
        name: 'first',
        args: ['write', '/out/made', 'by init'],
        volumeMounts: [{ name: 'shared', mountPath: '/out' }],
      }),
      { name: 'pretends', image: 'busybox:1' },
    ],
    containers: [
      ours({ volumeMounts: [{ name: 'shared', mountPath: '/in' }] }),
      { name: 'nginx', image: 'nginx:1' },
    ],
  });
  const pod = await cluster.ready('mixed');
  t.equal((await cluster.ask(pod, '/file?path=/in/made')).text, 'by init');
  t.match(statusOf(pod, 'first'), { state: { terminated: { exitCode: 0, reason: 'Completed' } } });
  t.match(statusOf(pod, 'nginx'), { ready: true, containerID: /^pretend:/ });
  t.match(await cluster.log('mixed', { container: 'nginx' }), /only pretends to run/);
  await remove('mixed');

  await cluster.create('job', {
    ...specOf({ args: ['exit', '0'] }, { restartPolicy: 'Never' }),
    initContainers: [
      ours({
        name: 'proxy',
        restartPolicy: 'Always',
        startupProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1, failureThreshold: 30 },
      }),
    ],
  });
  const done = await cluster.until(
    'job',
    'its sidecar has ended too',
    (each) => each.status?.phase === 'Succeeded' && statusOf(each, 'proxy')?.state?.terminated !== undefined,
  );
  t.equal(statusOf(done, 'proxy')?.state?.terminated?.exitCode, 0);
  t.equal(await cluster.log('job', { container: 'proxy', tailLines: 1 }), 'stops\n');
  await remove('job');

  await cluster.create('stuck', {
    ...specOf(),
    initContainers: [ours({ name: 'first', args: ['exit', '2'] })],
  });
  const stuck = await cluster.until(
    'stuck',
    'fails',
    (each) => (statusOf(each, 'first')?.restartCount ?? 0) > 0,
  );
  t.equal(statusOf(stuck)?.state?.waiting?.reason, 'PodInitializing');
  await remove('stuck');
});

t.test('probes', async (t) => {
  await cluster.create(
    'probed',
    specOf({
      readinessProbe: probe('/healthz'),
      livenessProbe: {
        exec: { command: ['test', '!', '-e', '/sick'] },
        periodSeconds: 1,
        // Late enough for the program to have begun, which then ends by itself.
        failureThreshold: 3,
      },
    }),
  );
  const pod = await cluster.until(
    'probed',
    'running',
    (each) => statusOf(each)?.state?.running !== undefined,
  );
  t.notOk(isReady(pod), 'not ready before it was asked');
  const ready = await cluster.until('probed', 'restarts', (each) => (statusOf(each)?.restartCount ?? 0) > 0);
  t.match(statusOf(ready)?.lastState, { terminated: { exitCode: 0 } });
  await told('probed', /^Unhealthy: Liveness probe failed: test: only/);
  await told('probed', 'Killing: Container main failed liveness probe, will be restarted');
  await remove('probed');

  await cluster.create('readiness', specOf({ readinessProbe: probe('/healthz') }));
  const asked = await cluster.ready('readiness');
  await cluster.ask(asked, '/sick');
  const sick = await cluster.until('readiness', 'not ready', (each) => !isReady(each));
  t.match(statusOf(sick), { ready: false, restartCount: 0 });
  await told('readiness', 'Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 500');
  await remove('readiness');

  await cluster.create(
    'startup',
    specOf({ startupProbe: { tcpSocket: { port: 1 }, periodSeconds: 1, failureThreshold: 1 } }),
  );
  await cluster.until('startup', 'restarts', (each) => (statusOf(each)?.restartCount ?? 0) > 0);
  await told('startup', 'Killing: Container main failed startup probe, will be restarted');
  await told('startup', /^Unhealthy: Startup probe failed: dial tcp [\d.]+:1: connect: connection refused/);
  await remove('startup');
});

t.test('hooks', async (t) => {
  await cluster.create(
    'hooked',
    specOf({ lifecycle: { preStop: { httpGet: { path: '/say?text=before%0A', port: 8080 } } } }),
  );
  await pidOf(await cluster.ready('hooked'));
  const follow = cluster.log('hooked', { follow: true, tailLines: 0 });
  await remove('hooked');
  t.equal(await follow, 'before\nstops\n');

  // What happens to the pod meanwhile does not cut it short.
  const preStop = { exec: { command: ['sleep', '5'] } };
  await cluster.create('patient', specOf({ lifecycle: { preStop } }));
  const patient = await pidOf(await cluster.ready('patient'));
  await kube.delete(PODS, { namespace: NAMESPACE, name: 'patient' });
  for (let round = 0; round < 10; round++) {
    const body = { metadata: { labels: { round: String(round) } } };
    await kube.patch(PODS, { namespace: NAMESPACE, name: 'patient' }, { type: 'merge', body });
  }
  t.ok(alive(patient));
  t.notMatch(await cluster.log('patient'), /stops/);
  await cluster.gone('patient');
  t.notOk(alive(patient));

  await cluster.create('unhooked', specOf({ lifecycle: { postStart: { exec: { command: ['nope'] } } } }));
  await cluster.until('unhooked', 'restarts', (each) => (statusOf(each)?.restartCount ?? 0) > 0);
  await told('unhooked', 'FailedPostStartHook: PostStartHook failed');
  await told('unhooked', 'Killing: FailedPostStartHook');
  await remove('unhooked');
});

t.test('a changed image begins a new life', async (t) => {
  await cluster.create('renewed', specOf());
  const pid = await pidOf(await cluster.ready('renewed'));
  const body = { spec: { containers: [{ name: 'main', image: 'xi-k8s:2' }] } };
  await kube.patch(PODS, { namespace: NAMESPACE, name: 'renewed' }, { type: 'strategic', body });
  const pod = await cluster.until(
    'renewed',
    'restarted',
    (each) => isReady(each) && statusOf(each)?.restartCount === 1,
  );
  t.match(statusOf(pod), { image: 'xi-k8s:2', lastState: { terminated: { exitCode: 0 } } });
  t.not(await pidOf(pod), pid);
  t.notOk(alive(pid));
  await told('renewed', 'Killing: Container main definition changed, will be restarted');
  await remove('renewed');
});

t.test('all processes end with the cluster', async (t) => {
  await cluster.create('last', specOf({ args: ['stubborn'] }, { terminationGracePeriodSeconds: 600 }));
  await cluster.create('last-but-one', specOf());
  const pids = [await pidOf(await cluster.ready('last')), await pidOf(await cluster.ready('last-but-one'))];
  await cluster.close();
  t.notOk(pids.some(alive));
});
