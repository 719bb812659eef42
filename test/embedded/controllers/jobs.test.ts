import t from 'tap';
import { CRON_JOBS, JOBS, PODS } from '../../../kube/index.js';
import type { CronJob, Job, Pod } from '../../../kube/index.js';
import { NAMESPACE, startCluster } from './cluster.js';

const cluster = await startCluster(t);
const { kube, eventually } = cluster;

type Spec = NonNullable<Job['spec']>;
type Status = NonNullable<Job['status']>;
const TRACKING = 'batch.kubernetes.io/job-tracking';

const jobOf = (name: string, command: readonly string[], more: Partial<Spec> = {}): Job => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name, namespace: NAMESPACE },
  spec: {
    template: {
      metadata: { labels: { app: name } },
      spec: {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'main', image: 'busybox', command: [...command] }],
      },
    },
    ...more,
  },
});
const exits = (code: number): string[] => ['sh', '-c', `exit ${code}`];
const LASTS = ['sh', '-c', 'sleep 600; exit 0'];

const create = (job: Job): Promise<Job> => kube.create(JOBS, NAMESPACE, job);
const read = (name: string): Promise<Job> => kube.get(JOBS, { namespace: NAMESPACE, name });
const until = (name: string, what: string, passes: (status: Status) => boolean): Promise<Job> =>
  eventually(
    () => read(name),
    ({ status }) => status !== undefined && passes(status),
    `${name} ${what}`,
  );
const ended = (name: string, type: 'Complete' | 'Failed'): Promise<Job> =>
  until(
    name,
    `is ${type}`,
    ({ conditions }) => conditions?.some((one) => one.type === type && one.status === 'True') ?? false,
  );
const podsGone = (app: string): Promise<Pod[]> =>
  eventually(
    () => cluster.pods(app),
    (pods) => pods.length === 0,
    `the pods of ${app} are gone`,
  );

/** The status with every time made the same. */
const timeless = ({ status }: Job): unknown =>
  JSON.parse(JSON.stringify(status), (key, value: unknown) => (/Time$/.test(key) ? 'then' : value));
const condition = (type: string, reason: string, message: string, status = 'True'): object => ({
  ...{ type, status, reason, message, lastProbeTime: 'then', lastTransitionTime: 'then' },
});
const REACHED = ['CompletionsReached', 'Reached expected number of succeeded pods'] as const;
const LIMIT = ['BackoffLimitExceeded', 'Job has reached the specified backoff limit'] as const;
/** What is there as soon as a Job is looked at. */
const QUIET = { startTime: 'then', ready: 0, terminating: 0, uncountedTerminatedPods: {} };

t.test('a Job completes, and tells of it', async (t) => {
  await create(jobOf('one', ['true']));
  t.same(timeless(await ended('one', 'Complete')), {
    ...QUIET,
    succeeded: 1,
    completionTime: 'then',
    conditions: [condition('SuccessCriteriaMet', ...REACHED), condition('Complete', ...REACHED)],
  });
  const [pod] = await cluster.pods('one');
  t.match(pod, {
    metadata: {
      generateName: 'one-',
      labels: { 'batch.kubernetes.io/job-name': 'one', 'job-name': 'one' },
      ownerReferences: [{ kind: 'Job', name: 'one', controller: true }],
    },
    status: { phase: 'Succeeded' },
  });
  t.notOk(pod?.metadata?.finalizers, 'nothing holds the pod any more');
  await eventually(
    () => cluster.events('one'),
    (events) => events.length === 2,
    'the events are written',
  );
  t.same(await cluster.events('one'), [
    'Completed: Job completed (1)',
    `SuccessfulCreate: Created pod: ${pod?.metadata?.name} (1)`,
  ]);
  await kube.delete(JOBS, { namespace: NAMESPACE, name: 'one' }, { propagationPolicy: 'Background' });
  await podsGone('one');
});

t.test('each index of an Indexed Job is done once', async (t) => {
  await create(jobOf('idx', ['true'], { completionMode: 'Indexed', completions: 4, parallelism: 2 }));
  t.match(timeless(await ended('idx', 'Complete')), { succeeded: 4, completedIndexes: '0-3' });
  const pods = await cluster.pods('idx');
  t.same(
    pods.map(({ metadata, spec }) => [
      metadata?.annotations?.['batch.kubernetes.io/job-completion-index'],
      metadata?.labels?.['batch.kubernetes.io/job-completion-index'],
      metadata?.generateName,
      spec?.hostname,
    ]),
    [0, 1, 2, 3].map((index) => [`${index}`, `${index}`, `idx-${index}-`, `idx-${index}`]),
  );
  t.match(pods[0]?.spec?.containers[0]?.env, [
    {
      name: 'JOB_COMPLETION_INDEX',
      valueFrom: { fieldRef: { fieldPath: "metadata.labels['batch.kubernetes.io/job-completion-index']" } },
    },
  ]);
});

t.test('a Job that fails says why', async (t) => {
  const policy: Partial<Spec> = {
    podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } }] },
  };
  const perIndex: Partial<Spec> = {
    ...{ completionMode: 'Indexed', completions: 2, parallelism: 2, backoffLimitPerIndex: 0 },
  };
  await Promise.all([
    create(jobOf('fail', exits(3), { backoffLimit: 0 })),
    create(jobOf('policy', exits(42), policy)),
    create(jobOf('indexes', exits(1), perIndex)),
    create(jobOf('late', LASTS, { activeDeadlineSeconds: 1 })),
  ]);
  t.same(timeless(await ended('fail', 'Failed')), {
    ...QUIET,
    failed: 1,
    conditions: [condition('FailureTarget', ...LIMIT), condition('Failed', ...LIMIT)],
  });
  const judged = await ended('policy', 'Failed');
  const [pod] = await cluster.pods('policy');
  const why = `Container main for pod ${NAMESPACE}/${pod?.metadata?.name} failed with exit code 42 matching FailJob rule at index 0`;
  t.match(judged.status?.conditions?.[1], { reason: 'PodFailurePolicy', message: why });
  t.equal(judged.spec?.podReplacementPolicy, 'Failed');
  t.match(timeless(await ended('indexes', 'Failed')), {
    failed: 2,
    failedIndexes: '0,1',
    conditions: [{ type: 'FailureTarget', reason: 'FailedIndexes' }, { type: 'Failed' }],
  });
  const late = ['DeadlineExceeded', 'Job was active longer than specified deadline'] as const;
  t.same(timeless(await ended('late', 'Failed')), {
    ...QUIET,
    failed: 1,
    conditions: [condition('FailureTarget', ...late), condition('Failed', ...late)],
  });
  await podsGone('late');
  await eventually(
    () => cluster.events('late'),
    (events) => events.length === 3,
    'the events are written',
  );
  t.match(
    (await cluster.events('late')).map((event) => event.replace(/late-\w+/, 'the pod')),
    [
      `${late.join(': ')} (1)`,
      'SuccessfulCreate: Created pod: the pod (1)',
      'SuccessfulDelete: Deleted pod: the pod (1)',
    ],
  );
});

t.test('suspended and resumed', async (t) => {
  await create(jobOf('sus', LASTS, { suspend: true, parallelism: 2, completions: 2 }));
  const suspend = (suspend: boolean): Promise<Job> =>
    kube.patch(JOBS, { namespace: NAMESPACE, name: 'sus' }, { type: 'merge', body: { spec: { suspend } } });
  const begun = await until('sus', 'says so', ({ conditions }) => conditions !== undefined);
  const { startTime: _startTime, ...unstarted } = QUIET;
  const suspended = condition('Suspended', 'JobSuspended', 'Job suspended');
  t.same(timeless(begun), { ...unstarted, conditions: [suspended] });
  await suspend(false);
  const running = await until('sus', 'runs', ({ active, ready }) => active === 2 && ready === 2);
  t.same(timeless(running), {
    ...{ ...QUIET, active: 2, ready: 2 },
    conditions: [condition('Suspended', 'JobResumed', 'Job resumed', 'False')],
  });
  await suspend(true);
  await podsGone('sus');
  const again = await until('sus', 'is quiet', ({ terminating, active }) => terminating === 0 && !active);
  t.same(timeless(again), { ...QUIET, conditions: [suspended] }, 'its pods count neither way');
});

t.test('pods that are deleted count as failed; a deleted Job takes its pods along', async (t) => {
  await create(jobOf('del', LASTS, { parallelism: 2, completions: 2 }));
  await until('del', 'runs', ({ ready }) => ready === 2);
  const [victim] = await cluster.pods('del');
  t.same(victim?.metadata?.finalizers, [TRACKING]);
  await kube.delete(PODS, { namespace: NAMESPACE, name: victim?.metadata?.name ?? '' });
  await until('del', 'counts it', ({ failed, terminating }) => failed === 1 && terminating === 0);
  await kube.delete(JOBS, { namespace: NAMESPACE, name: 'del' }, { propagationPolicy: 'Background' });
  await podsGone('del');

  await create(jobOf('orphan', LASTS));
  await until('orphan', 'runs', ({ ready }) => ready === 1);
  await kube.delete(JOBS, { namespace: NAMESPACE, name: 'orphan' }, { propagationPolicy: 'Orphan' });
  const [left] = await eventually(
    () => cluster.pods('orphan'),
    (pods) => pods.length === 1 && pods[0]?.metadata?.finalizers === undefined,
    'nothing holds the pod that was left',
  );
  t.notOk(left?.metadata?.ownerReferences);
  t.equal(left?.status?.phase, 'Running');
});

t.test('a Job that is over for long enough goes with its pods', async (t) => {
  await create(jobOf('ttl', ['true'], { ttlSecondsAfterFinished: 0 }));
  await eventually(
    () => cluster.exists(JOBS, 'ttl'),
    (exists) => !exists,
    'the Job is gone',
  );
  t.same(await cluster.pods('ttl'), []);
});

t.test('a CronJob makes Jobs when it is time', async (t) => {
  const { spec } = jobOf('cron', ['true']);
  const cronJob: CronJob = {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: 'cron', namespace: NAMESPACE },
    spec: { schedule: '@every 1s', concurrencyPolicy: 'Forbid', jobTemplate: { spec: spec as Spec } },
  };
  await kube.create(CRON_JOBS, NAMESPACE, cronJob);
  const at = { namespace: NAMESPACE, name: 'cron' };
  const { status } = await eventually(
    () => kube.get(CRON_JOBS, at),
    ({ status }) => status?.lastSuccessfulTime !== undefined,
    'a Job of it has succeeded',
  );
  await kube.patch(CRON_JOBS, at, { type: 'merge', body: { spec: { suspend: true } } });
  t.match(status?.lastScheduleTime, /Z$/);
  const { items } = await kube.list(JOBS, NAMESPACE);
  const [made] = items.filter(({ metadata }) => metadata?.name?.startsWith('cron-'));
  t.match(made?.metadata?.ownerReferences, [{ kind: 'CronJob', name: 'cron', controller: true }]);
  const name = made?.metadata?.name ?? '';
  await eventually(
    () => cluster.events('cron'),
    (events) =>
      ['SuccessfulCreate', 'SawCompletedJob'].every((reason) => events.some((one) => one.startsWith(reason))),
    'the events are written',
  );
  const told = (await cluster.events('cron')).map((event) => event.replace(/ \(\d+\)$/, ''));
  t.ok(told.includes(`SuccessfulCreate: Created job ${name}`));
  t.ok(told.includes(`SawCompletedJob: Saw completed job: ${name}, condition: Complete`));
  await kube.delete(CRON_JOBS, at, { propagationPolicy: 'Background' });
  await podsGone('cron');
});

t.test('nothing is written when nothing changes', async (t) => {
  const annotations = { touched: 'yes' };
  for (const name of ['idx', 'sus', 'fail']) {
    const at = { namespace: NAMESPACE, name };
    const touched = await kube.patch(JOBS, at, { type: 'merge', body: { metadata: { annotations } } });
    // A change of another object, made later, is acted upon after this one.
    await create(jobOf(`${name}-after`, ['true'], { suspend: true }));
    await until(`${name}-after`, 'is seen', ({ conditions }) => conditions !== undefined);
    t.equal((await read(name)).metadata?.resourceVersion, touched.metadata?.resourceVersion, name);
  }
  t.same(cluster.warnings, []);
});
