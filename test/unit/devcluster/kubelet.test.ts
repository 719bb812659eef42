import t from 'tap';
import { createAddresses } from '../../../devcluster/kubelet/addresses.js';
import { exitOf } from '../../../devcluster/kubelet/behaviour.js';
import { imageOf, pullPolicyOf } from '../../../devcluster/kubelet/images.js';
import { newPodState, stepPod } from '../../../devcluster/kubelet/pod.js';
import type { Observation } from '../../../devcluster/kubelet/container-state.js';
import type { PodState, World } from '../../../devcluster/kubelet/pod.js';
import { qosClassOf } from '../../../devcluster/kubelet/qos.js';
import { environmentProblem, volumeProblems } from '../../../devcluster/kubelet/references.js';
import type { Configs } from '../../../devcluster/kubelet/references.js';
import { podStatus } from '../../../devcluster/kubelet/status.js';
import type { PodStatus } from '../../../devcluster/kubelet/status.js';
import type { Container, Pod } from '../../../kube/index.js';

const START = Date.parse('2026-01-01T00:00:00Z');

const container = (more: Partial<Container> = {}): Container => ({ name: 'c', image: 'nginx:1', ...more });

const podOf = (spec: Partial<NonNullable<Pod['spec']>> = {}): Pod => ({
  metadata: { name: 'web', namespace: 'default', uid: 'u' },
  spec: { containers: [container()], ...spec },
});

const configs = (maps: string[] = [], secrets: string[] = []): Configs => ({
  configMap: (_namespace, name) =>
    maps.includes(name) ? { metadata: { name }, data: { key: 'v' } } : undefined,
  secret: (_namespace, name) =>
    secrets.includes(name) ? { metadata: { name }, data: { key: 'dg==' } } : undefined,
});

/** A pod that lives in a made-up time: each look steps it as often as it is due. */
const life = (pod: Pod, world: Partial<World> = {}) => {
  let state: PodState = newPodState('127.64.0.1', START);
  let status: PodStatus = {};
  let due: number | undefined = START;
  let ids = 0;
  const events: string[] = [];
  const step = (now: number): void => {
    const next = stepPod(pod, state, {
      now,
      startMillis: [500, 500],
      hasImage: () => false,
      configs: configs(),
      newId: () => `id-${ids++}`,
      ...world,
    });
    ({ state, dueAt: due } = next);
    events.push(...next.events.map(({ reason, message }) => `${reason}: ${message}`));
    status = podStatus({ ...pod, status }, state, { now });
  };
  return {
    events,
    /** The status after some milliseconds; timers fire in between as they are due. */
    at: (ms: number): PodStatus => {
      while (due !== undefined && due <= START + ms) step(due);
      step(START + ms);
      return status;
    },
    due: () => (due === undefined ? undefined : due - START),
    change: (changed: Pod, changedWorld: Partial<World> = {}): void => {
      pod = changed;
      world = { ...world, ...changedWorld };
    },
  };
};

const shown = (status: PodStatus, at = 0): string => {
  const { state, lastState, restartCount } = status.containerStatuses?.[at] ?? {};
  const { waiting, running, terminated } = state ?? {};
  const is = waiting?.reason ?? (running ? 'running' : `${terminated?.reason} ${terminated?.exitCode}`);
  const last = lastState?.terminated
    ? ` after ${lastState.terminated.reason} ${lastState.terminated.exitCode}`
    : '';
  return `${status.phase} ${is} ${restartCount}${last}`;
};

const isTrue = (status: PodStatus): string[] =>
  (status.conditions ?? []).filter((condition) => condition.status === 'True').map(({ type }) => type);

t.test('image names', async (t) => {
  const rows: [string, string][] = [
    ['nginx', 'there'],
    ['nginx:1.15.4', 'there'],
    ['localhost:5000/a/b_c:v1', 'there'],
    ['Registry.example/library/nginx', 'there'],
    [`nginx@sha256:${'a'.repeat(64)}`, 'there'],
    ['nginx:does-not-exist', 'absent'],
    ['example.org/does-not-exist:1', 'absent'],
    ['Nginx', 'invalid'],
    ['nginx:', 'invalid'],
    ['nginx:a b', 'invalid'],
    ['nginx image', 'invalid'],
    ['nginx:1:2', 'invalid'],
    ['a//b', 'invalid'],
    [`nginx:${'x'.repeat(129)}`, 'invalid'],
    ['', 'invalid'],
  ];
  for (const [name, expected] of rows) t.equal(imageOf(name).is, expected, JSON.stringify(name));
  const policies: [Container, string][] = [
    [container({ image: 'nginx' }), 'Always'],
    [container({ image: 'nginx:latest' }), 'Always'],
    [container({ image: 'host:5000/nginx' }), 'Always'],
    [container({ image: 'nginx:1' }), 'IfNotPresent'],
    [container({ image: 'nginx', imagePullPolicy: 'Never' }), 'Never'],
  ];
  for (const [subject, expected] of policies) t.equal(pullPolicyOf(subject), expected, subject.image ?? '');
});

t.test('how containers end', async (t) => {
  const rows: [Partial<Container>, boolean, string, ReturnType<typeof exitOf>][] = [
    [{}, false, 'Always', undefined],
    [{}, false, 'Never', { afterMs: 1000, code: 0 }],
    [{}, false, 'OnFailure', { afterMs: 1000, code: 0 }],
    [{}, true, 'Always', { afterMs: 100, code: 0 }],
    [{ command: ['false'] }, false, 'Always', { afterMs: 100, code: 1 }],
    [{ command: ['/bin/false'] }, true, 'Always', { afterMs: 100, code: 1 }],
    [{ command: ['true'] }, false, 'Always', { afterMs: 100, code: 0 }],
    [{ command: ['sh', '-c', 'exit 3'] }, false, 'Always', { afterMs: 100, code: 3 }],
    [{ command: ['/bin/sh', '-c'], args: ['sleep 2; exit 4'] }, false, 'Never', { afterMs: 2000, code: 4 }],
    [{ command: ['sh', '-c', 'nginx'] }, false, 'Always', undefined],
    [{ args: ['--flag'] }, false, 'Always', undefined],
  ];
  for (const [more, isInit, policy, expected] of rows) {
    t.same(exitOf(container(more), isInit, policy), expected, JSON.stringify([more, isInit, policy]));
  }
});

t.test('a pod starts', async (t) => {
  const pod = life(podOf());
  const starting = pod.at(0);
  t.equal(shown(starting), 'Pending ContainerCreating 0');
  t.same(isTrue(starting), ['PodReadyToStartContainers', 'Initialized', 'PodScheduled']);
  t.match(
    starting.conditions?.find(({ type }) => type === 'Ready'),
    {
      status: 'False',
      reason: 'ContainersNotReady',
      message: 'containers with unready status: [c]',
    },
  );
  t.equal(pod.due(), 500, 'it takes its time');
  const running = pod.at(500);
  t.equal(shown(running), 'Running running 0');
  t.same(isTrue(running).sort(), [
    'ContainersReady',
    'Initialized',
    'PodReadyToStartContainers',
    'PodScheduled',
    'Ready',
  ]);
  t.match(running, {
    podIP: '127.64.0.1',
    podIPs: [{ ip: '127.64.0.1' }],
    hostIP: '127.0.0.1',
    qosClass: 'BestEffort',
  });
  t.match(running.containerStatuses?.[0], {
    ready: true,
    started: true,
    containerID: 'pretend://id-0',
    imageID: /^nginx@sha256:[0-9a-f]{64}$/,
    state: { running: { startedAt: '2026-01-01T00:00:00Z' } },
  });
  t.equal(pod.due(), undefined, 'and then needs no timer');
  t.same(pod.events, [
    'Pulling: Pulling image "nginx:1"',
    'Pulled: Successfully pulled image "nginx:1" in 500ms (500ms including waiting). Image size: 0 bytes.',
    'Created: Container created',
    'Started: Container started',
  ]);
  t.same(pod.at(9000), running, 'a status that has settled does not change');
  const present = life(podOf(), { hasImage: () => true });
  present.at(500);
  t.equal(
    present.events[0],
    'Pulled: Container image "nginx:1" already present on machine and can be accessed by the pod',
  );
});

t.test('probes pass after their initial delay', async (t) => {
  const pod = life(podOf({ containers: [container({ readinessProbe: { initialDelaySeconds: 3 } })] }));
  t.equal(pod.at(3499).containerStatuses?.[0]?.ready, false);
  t.equal(pod.due(), 3500);
  t.equal(pod.at(3500).containerStatuses?.[0]?.ready, true);
  const slow = life(podOf({ containers: [container({ startupProbe: { initialDelaySeconds: 2 } })] }));
  t.match(slow.at(1000).containerStatuses?.[0], { started: false, ready: false });
  t.match(slow.at(2500).containerStatuses?.[0], { started: true, ready: true });
});

t.test('init containers run one after another', async (t) => {
  const initContainers = [
    container({ name: 'a' }),
    container({ name: 'proxy', restartPolicy: 'Always' }),
    container({ name: 'b' }),
  ];
  const pod = life(podOf({ initContainers }));
  const first = pod.at(550);
  t.equal(shown(first), 'Pending PodInitializing 0');
  t.match(
    first.initContainerStatuses?.map(({ state }) => Object.keys(state ?? {})[0]),
    ['running', 'waiting', 'waiting'],
  );
  t.match(
    first.conditions?.find(({ type }) => type === 'Initialized'),
    {
      status: 'False',
      reason: 'ContainersNotInitialized',
      message: 'containers with incomplete status: [a proxy b]',
    },
  );
  const done = pod.at(900);
  t.equal(shown(done), 'Running running 0');
  t.match(
    done.initContainerStatuses?.map(({ state }) => Object.keys(state ?? {})[0]),
    ['terminated', 'running', 'terminated'],
  );
  t.ok(isTrue(done).includes('Ready'));

  const broken = life(podOf({ initContainers: [container({ name: 'a', command: ['false'] })] })).at(2000);
  t.equal(shown(broken), 'Pending PodInitializing 0');
  t.equal(broken.initContainerStatuses?.[0]?.state?.waiting?.reason, 'CrashLoopBackOff');
  const never = podOf({
    restartPolicy: 'Never',
    initContainers: [container({ name: 'a', command: ['false'] })],
  });
  t.equal(life(never).at(2000).phase, 'Failed');
});

t.test('a crash loop waits longer each time', async (t) => {
  const pod = life(podOf({ containers: [container({ command: ['sh', '-c', 'exit 3'] })] }));
  const rows: [number, string][] = [
    [550, 'Running running 0'],
    [600, 'Running Error 3 0'],
    [850, 'Running running 1 after Error 3'],
    [950, 'Running CrashLoopBackOff 1 after Error 3'],
    [10_949, 'Running CrashLoopBackOff 1 after Error 3'],
    [10_950, 'Running running 2 after Error 3'],
    [11_050, 'Running CrashLoopBackOff 2 after Error 3'],
    [31_049, 'Running CrashLoopBackOff 2 after Error 3'],
    [31_050, 'Running running 3 after Error 3'],
  ];
  for (const [ms, expected] of rows) t.equal(shown(pod.at(ms)), expected, `${ms} ms`);
  t.match(pod.at(31_150).containerStatuses?.[0]?.state?.waiting, {
    message: 'back-off 40s restarting failed container=c pod=web_default(u)',
  });
  t.ok(pod.events.includes('BackOff: Back-off restarting failed container c in pod web_default(u)'));
  t.match(
    pod.at(100_000_000).containerStatuses?.[0]?.state?.waiting,
    { message: /^back-off 5m0s / },
    'but no longer than that',
  );
});

t.test('pods that end', async (t) => {
  const ended = life(podOf({ restartPolicy: 'Never' })).at(1500);
  t.equal(shown(ended), 'Succeeded Completed 0 0');
  t.match(
    ended.conditions?.find(({ type }) => type === 'Ready'),
    { status: 'False', reason: 'PodCompleted' },
  );
  t.equal(shown(life(podOf({ restartPolicy: 'OnFailure' })).at(1500)), 'Succeeded Completed 0 0');
  t.equal(
    shown(life(podOf({ restartPolicy: 'Never', containers: [container({ command: ['false'] })] })).at(1500)),
    'Failed Error 1 0',
  );
  const retried = life(
    podOf({ restartPolicy: 'OnFailure', containers: [container({ command: ['false'] })] }),
  ).at(2000);
  t.equal(shown(retried), 'Running CrashLoopBackOff 1 after Error 1');
  const two = podOf({
    restartPolicy: 'Never',
    containers: [container(), container({ name: 'd', command: ['sh', '-c', 'sleep 5; exit 0'] })],
  });
  t.equal(life(two).at(2000).phase, 'Running');
  t.equal(life(two).at(6000).phase, 'Succeeded');
});

t.test('images that cannot be had', async (t) => {
  const invalid = life(podOf({ containers: [container({ image: 'Nginx' })] }));
  t.equal(shown(invalid.at(0)), 'Pending InvalidImageName 0');
  t.match(
    invalid.at(0).containerStatuses?.[0]?.state?.waiting?.message,
    /couldn't parse image name "Nginx": invalid reference format/,
  );
  t.equal(invalid.due(), undefined);
  t.ok(invalid.events.includes('Failed: Error: InvalidImageName'));
  invalid.change(podOf());
  t.equal(shown(invalid.at(600)), 'Pending ContainerCreating 0', 'a corrected image goes on');
  t.equal(shown(invalid.at(1100)), 'Running running 0');

  const absent = life(podOf({ containers: [container({ image: 'nginx:does-not-exist' })] }));
  const rows: [number, string][] = [
    [0, 'ContainerCreating'],
    [500, 'ErrImagePull'],
    [1500, 'ImagePullBackOff'],
    [11_499, 'ImagePullBackOff'],
    [11_500, 'ErrImagePull'],
    [12_500, 'ImagePullBackOff'],
    [32_499, 'ImagePullBackOff'],
    [32_500, 'ErrImagePull'],
  ];
  for (const [ms, expected] of rows) t.equal(shown(absent.at(ms)), `Pending ${expected} 0`, `${ms} ms`);
  t.match(
    absent.at(32_500).containerStatuses?.[0]?.state?.waiting?.message,
    /nginx:does-not-exist.*not found/,
  );
  t.ok(absent.events.includes('BackOff: Back-off pulling image "nginx:does-not-exist"'));
  t.ok(absent.events.includes('Failed: Error: ImagePullBackOff'));
});

t.test('a new image starts a container anew', async (t) => {
  const pod = life(podOf());
  pod.at(500);
  pod.change(podOf({ containers: [container({ image: 'nginx:2' })] }));
  pod.at(1000);
  const renewed = pod.at(1500);
  t.equal(shown(renewed), 'Running running 1 after Completed 0');
  t.match(renewed.containerStatuses?.[0], { image: 'nginx:2', ready: true });
  t.ok(pod.events.includes('Killing: Container c definition changed, will be restarted'));
});

t.test('ConfigMaps and Secrets', async (t) => {
  const from = (more: Partial<Container>): Container => container(more);
  const rows: [Partial<Container>, string | undefined][] = [
    [{ envFrom: [{ configMapRef: { name: 'm' } }] }, undefined],
    [{ envFrom: [{ configMapRef: { name: 'x' } }] }, 'configmap "x" not found'],
    [{ envFrom: [{ configMapRef: { name: 'x', optional: true } }] }, undefined],
    [{ envFrom: [{ secretRef: { name: 'x' } }] }, 'secret "x" not found'],
    [{ env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'm', key: 'key' } } }] }, undefined],
    [
      { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'm', key: 'no' } } }] },
      "couldn't find key no in ConfigMap default/m",
    ],
    [
      { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'toString' } } }] },
      "couldn't find key toString in Secret default/s",
    ],
  ];
  for (const [more, expected] of rows) {
    t.equal(environmentProblem(from(more), 'default', configs(['m'], ['s'])), expected, JSON.stringify(more));
  }
  const volumes = [
    { name: 'a', configMap: { name: 'm' } },
    { name: 'b', secret: { secretName: 'x' } },
    { name: 'c', projected: { sources: [{ configMap: { name: 'y' } }] } },
    { name: 'd', secret: { secretName: 'z', optional: true } },
    { name: 'e', emptyDir: {} },
  ];
  t.same(volumeProblems(podOf({ volumes }), configs(['m'])), [
    'MountVolume.SetUp failed for volume "b" : secret "x" not found',
    'MountVolume.SetUp failed for volume "c" : configmap "y" not found',
  ]);

  const lacking = podOf({ containers: [container({ envFrom: [{ configMapRef: { name: 'm' } }] })] });
  const pod = life(lacking);
  t.match(pod.at(600).containerStatuses?.[0]?.state?.waiting, {
    reason: 'CreateContainerConfigError',
    message: 'configmap "m" not found',
  });
  t.ok(pod.events.includes('Failed: Error: configmap "m" not found'));
  pod.change(lacking, { configs: configs(['m']) });
  t.equal(shown(pod.at(700)), 'Running running 0', 'goes on when it appears');

  const unmounted = podOf({ volumes: [{ name: 'v', secret: { secretName: 's' } }] });
  const waiting = life(unmounted);
  t.equal(shown(waiting.at(5000)), 'Pending ContainerCreating 0');
  t.notOk(waiting.at(5000).podIP);
  t.ok(
    waiting.events.includes('FailedMount: MountVolume.SetUp failed for volume "v" : secret "s" not found'),
  );
  waiting.change(unmounted, { configs: configs([], ['s']) });
  waiting.at(6000);
  t.equal(shown(waiting.at(6500)), 'Running running 0');
});

t.test('conditions of others are kept, and gates are waited for', async (t) => {
  const gated = podOf({ readinessGates: [{ conditionType: 'example.org/gate' }] });
  t.match(
    life(gated)
      .at(600)
      .conditions?.find(({ type }) => type === 'Ready'),
    { status: 'False', reason: 'ReadinessGatesNotReady' },
  );
  const opened: Pod = { ...gated, status: { conditions: [{ type: 'example.org/gate', status: 'True' }] } };
  const { state } = stepPod(opened, newPodState('127.64.0.1', START), {
    now: START,
    startMillis: [0, 0],
    hasImage: () => false,
    configs: configs(),
    newId: () => 'id',
  });
  const status = podStatus(opened, state, { now: START });
  t.match(status.conditions?.[0], { type: 'example.org/gate', status: 'True' });
  t.ok(isTrue(status).includes('Ready'));
});

/** A pod of processes, of which the test says what is seen. */
const played = (pod: Pod) => {
  const seen = new Map<string, Observation>();
  const ids: string[] = [];
  let state: PodState = newPodState('127.64.0.1', START);
  let status: PodStatus = {};
  const events: string[] = [];
  const at = (ms: number, stopsAt?: number): PodStatus => {
    const observe = (id: string): Observation | undefined => seen.get(id);
    const next = stepPod(pod, state, {
      now: START + ms,
      startMillis: [0, 0],
      hasImage: () => true,
      configs: configs(),
      newId: () => {
        ids.push(`id-${ids.length}`);
        return ids.at(-1) ?? '';
      },
      isReal: () => true,
      observe,
      stopsAt: stopsAt === undefined ? undefined : START + stopsAt,
    });
    state = next.state;
    events.push(...next.events.map(({ reason, message }) => `${reason}: ${message}`));
    status = podStatus({ ...pod, status }, state, { now: START + ms, observe });
    return status;
  };
  return {
    at,
    events,
    ids,
    see: (id: string, what: Observation) => void seen.set(id, what),
    state: () => state,
  };
};

const runs = (more: object = {}): Observation => ({
  is: 'running',
  startedAt: START + 5,
  started: true,
  ready: true,
  ...more,
});
const ended = (exitCode: number, ms: number, message?: string): Observation => ({
  is: 'ended',
  startedAt: START + 5,
  endedAt: START + ms,
  exitCode,
  message,
});

t.test('a process is waited for', async (t) => {
  const pod = played(podOf());
  t.equal(shown(pod.at(0)), 'Pending ContainerCreating 0');
  t.equal(shown(pod.at(50)), 'Pending ContainerCreating 0', 'for as long as it takes');
  pod.see('id-0', runs({ ready: false }));
  t.equal(shown(pod.at(60)), 'Running running 0');
  t.match(pod.at(60).containerStatuses?.[0], { ready: false, started: true, containerID: 'process://id-0' });
  pod.see('id-0', runs());
  t.ok(isTrue(pod.at(70)).includes('Ready'));
  pod.see('id-0', ended(143, 80, 'bye'));
  t.match(pod.at(80).containerStatuses?.[0]?.state?.terminated, {
    exitCode: 143,
    reason: 'Error',
    message: 'bye',
  });
  t.equal(shown(pod.at(400)), 'Running Error 143 1 after Error 143', 'until the next begins');
  pod.see('id-1', runs());
  t.equal(shown(pod.at(410)), 'Running running 1 after Error 143');
});

t.test('what cannot be started', async (t) => {
  const pod = played(podOf());
  pod.at(0);
  pod.see('id-0', { is: 'failed', message: 'no such thing' });
  const failed = pod.at(10);
  t.match(failed.containerStatuses?.[0], {
    state: { waiting: { reason: 'RunContainerError', message: 'no such thing' } },
    lastState: {
      terminated: {
        exitCode: 128,
        reason: 'StartError',
        message: 'no such thing',
        startedAt: '1970-01-01T00:00:00Z',
      },
    },
  });
  t.same(pod.events.slice(-2), ['Created: Container created', 'Failed: Error: no such thing']);
  pod.at(300);
  pod.see('id-1', { is: 'failed', message: 'no such thing' });
  t.equal(shown(pod.at(310)), 'Running CrashLoopBackOff 1 after StartError 128');
  const never = played(podOf({ restartPolicy: 'Never' }));
  never.at(0);
  never.see('id-0', { is: 'failed', message: 'no such thing' });
  t.equal(shown(never.at(10)), 'Failed StartError 128 0');

  const unprepared = played(podOf());
  unprepared.at(0);
  unprepared.see('id-0', { is: 'unprepared', message: 'no folder' });
  t.match(unprepared.at(10).containerStatuses?.[0]?.state?.waiting, {
    reason: 'CreateContainerConfigError',
    message: 'no folder',
  });
  t.same(unprepared.ids, ['id-0']);
  unprepared.at(5_010);
  t.same(unprepared.ids, ['id-0', 'id-1'], 'is tried again');
});

t.test('an unhealthy process is stopped, and a pod that goes stops all', async (t) => {
  const pod = played(podOf());
  pod.at(0);
  pod.see('id-0', runs({ unhealthy: { by: 'liveness', graceMs: 7 } }));
  pod.at(10);
  t.match(pod.state().containers.get('c')?.phase, { is: 'running', stops: { why: 'unhealthy', graceMs: 7 } });
  t.equal(pod.events.at(-1), 'Killing: Container c failed liveness probe, will be restarted');
  t.equal(shown(pod.at(20)), 'Running running 0', 'it runs until it has ended');
  pod.at(30, 80);
  t.equal(pod.events.at(-1), 'Killing: Stopping container c');
  pod.see('id-0', ended(0, 40));
  t.equal(shown(pod.at(40, 80)), 'Succeeded Completed 0 0', 'and nothing begins after it');
  t.equal(shown(pod.at(4000, 80)), 'Succeeded Completed 0 0');

  const pretends = life(podOf());
  pretends.at(600);
  pretends.change(podOf(), { stopsAt: START + 700 });
  t.equal(shown(pretends.at(650)), 'Running running 0');
  t.equal(shown(pretends.at(700)), 'Succeeded Completed 0 0');
});

t.test('quality of service', async (t) => {
  const asks = (requests?: Record<string, string>, limits?: Record<string, string>): Pod =>
    podOf({
      containers: [container({ resources: { ...(requests && { requests }), ...(limits && { limits }) } })],
    });
  const both = { cpu: '1', memory: '1Gi' };
  t.equal(qosClassOf(asks()), 'BestEffort');
  t.equal(qosClassOf(asks({ 'nvidia.com/gpu': '1' })), 'BestEffort');
  t.equal(qosClassOf(asks({ cpu: '1' })), 'Burstable');
  t.equal(qosClassOf(asks(both, { ...both, cpu: '2' })), 'Burstable');
  t.equal(qosClassOf(asks(both, both)), 'Guaranteed');
  t.equal(qosClassOf(asks(undefined, both)), 'Guaranteed');
});

t.test('addresses are given to one pod at a time', async (t) => {
  const addresses = createAddresses();
  const taken = Array.from({ length: 1000 }, () => addresses.take());
  t.equal(new Set(taken).size, 1000);
  t.ok(taken.every((address) => /^127\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d+\.\d+$/.test(address)));
  t.notOk(taken.some((address) => /\.(0|255)$/.test(address)));
  addresses.give(taken[0] ?? '');
  t.not(addresses.take(), taken[0], 'an address is not reused soon');
});

t.test('a pod that is active for longer than it may', async (t) => {
  const OVERDUE = 'Pod was active on the node longer than the specified deadline';
  const failed = { phase: 'Failed', reason: 'DeadlineExceeded', message: OVERDUE };
  const running = life(podOf({ activeDeadlineSeconds: 3 }));
  t.match(running.at(2999), { phase: 'Running' });
  t.equal(running.due(), 3000);
  const status = running.at(3000);
  t.match(status, failed);
  t.equal(shown(status), 'Failed Completed 0 0');
  t.match(
    status.conditions?.find(({ type }) => type === 'Ready'),
    { status: 'False', reason: 'PodFailed' },
  );
  t.same(running.events.slice(-2), [`DeadlineExceeded: ${OVERDUE}`, 'Killing: Stopping container c']);
  t.match(running.at(60_000), failed, 'and it stays so');
  t.equal(running.due(), undefined);
  t.equal(running.events.filter((event) => event.startsWith('DeadlineExceeded')).length, 1);

  const pulling = life(
    podOf({ activeDeadlineSeconds: 3, containers: [container({ image: 'does-not-exist' })] }),
  );
  t.match(pulling.at(4000), failed, 'one that waits for its image');
  t.equal(pulling.due(), undefined);
  const volumes = [{ name: 'v', secret: { secretName: 'none' } }];
  const mounting = life(podOf({ activeDeadlineSeconds: 3, volumes }));
  t.match(mounting.at(4000), failed, 'one that waits for a volume');
  const ended = life(
    podOf({
      activeDeadlineSeconds: 3,
      restartPolicy: 'Never',
      containers: [container({ command: ['true'] })],
    }),
  );
  t.equal(ended.at(60_000).phase, 'Succeeded', 'one that has ended before');
  t.equal(ended.due(), undefined);

  const ran = new Map<string, Observation>();
  const real = life(podOf({ activeDeadlineSeconds: 3 }), {
    isReal: () => true,
    observe: (id) => ran.get(id),
  });
  real.at(1000);
  ran.set('id-0', { is: 'running', startedAt: START + 1000, started: true, ready: true });
  t.equal(real.at(3000).phase, 'Running', 'a process has its grace period');
  const end = { startedAt: START, endedAt: START + 4000, exitCode: 0, message: undefined };
  ran.set('id-0', { is: 'ended', ...end });
  t.match(real.at(4000), failed);
});
