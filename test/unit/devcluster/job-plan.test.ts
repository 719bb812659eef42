import t from 'tap';
import { NO_BACKOFF, backoffLeft, nextBackoff } from '../../../devcluster/controllers/job/backoff.js';
import type { Backoff } from '../../../devcluster/controllers/job/backoff.js';
import {
  COMPLETION_INDEX,
  formatIndexes,
  indexOf,
  parseIndexes,
  pendingIndexes,
} from '../../../devcluster/controllers/job/indexes.js';
import { podOf } from '../../../devcluster/controllers/job/manage.js';
import { planJob, settle } from '../../../devcluster/controllers/job/plan.js';
import type { Plan } from '../../../devcluster/controllers/job/plan.js';
import { judgeFailure, metSuccessPolicy } from '../../../devcluster/controllers/job/policies.js';
import { INDEX_FAILURES, TRACKING, isTracked } from '../../../devcluster/controllers/job/view.js';
import { uidOf } from '../../../devcluster/controllers/meta.js';
import type { Job, Pod } from '../../../kube/objects.js';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const ISO = '2026-01-01T00:00:00Z';
const ago = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();

type Spec = NonNullable<Job['spec']>;
type Status = NonNullable<Job['status']>;

const jobOf = (spec: Partial<Spec> = {}, status?: Status): Job => ({
  metadata: { name: 'work', namespace: 'default', uid: 'job' },
  spec: {
    parallelism: 1,
    ...(spec.parallelism === undefined ? { completions: 1 } : {}),
    backoffLimit: 6,
    template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } },
    ...spec,
  },
  ...(status === undefined ? {} : { status }),
});

/** `a running`, `b Failed 42`, `c Succeeded #1`, `d running going untracked`. */
const podLike = (text: string): Pod => {
  const [uid = '', phase = '', ...words] = text.split(' ');
  const index = /#(\d+)/.exec(text)?.[1];
  const code = words.find((word) => /^\d+$/.test(word));
  const restarts = Number(/x(\d+)/.exec(text)?.[1] ?? 0);
  const exitCode = Number(code ?? (phase === 'Failed' ? 1 : 0));
  const isOver = phase === 'Failed' || phase === 'Succeeded';
  return {
    metadata: {
      name: `work-${uid}`,
      namespace: 'default',
      uid,
      creationTimestamp: ago(60),
      ...(words.includes('untracked') ? {} : { finalizers: [TRACKING] }),
      ...(words.includes('going') ? { deletionTimestamp: ago(0), deletionGracePeriodSeconds: 0 } : {}),
      ...(index === undefined
        ? {}
        : { annotations: { [COMPLETION_INDEX]: index, [INDEX_FAILURES]: /f(\d)/.exec(text)?.[1] ?? '0' } }),
    },
    status: {
      phase: phase === 'running' || phase === 'ready' ? 'Running' : phase,
      conditions: [{ type: 'Ready', status: phase === 'ready' ? 'True' : 'False' }],
      containerStatuses: [
        {
          ...{ name: 'c', image: 'i', imageID: '', ready: phase === 'ready', restartCount: restarts },
          state: isOver ? { terminated: { exitCode, finishedAt: ago(5) } } : {},
        },
      ],
    },
  };
};

const plan = (job: Job, pods: readonly string[], backoff: Backoff = NO_BACKOFF): Plan =>
  planJob({ job, pods: pods.map(podLike), backoff, now: NOW });

/** `+2`, `+#1`, `-a`, `-a uncounted`, `free a`, `Complete`: everything that the plan does and tells. */
const said = ({ create, remove, isUncounted, release, final, events }: Plan): string[] => [
  ...(create.length === 0
    ? []
    : [
        `+${create.map(indexOf).find((i) => i !== undefined) === undefined ? create.length : create.map((pod) => `#${indexOf(pod)}`).join('')}`,
      ]),
  ...remove.map((pod) => `-${uidOf(pod)}${isUncounted ? ' uncounted' : ''}`),
  ...release.map((pod) => `free ${uidOf(pod)}`),
  ...(final === undefined ? [] : [`${final.type} ${final.reason}`]),
  ...events.map(({ reason }) => reason),
];

const RECENT: Backoff = { failures: 1, lastFailureAt: NOW - 3000 };
const LONG_AGO: Backoff = { failures: 1, lastFailureAt: NOW - 30_000 };
const RESUMED: Status = { startTime: ago(60), conditions: [{ type: 'Suspended', status: 'True' }] };
const STARTED: Status = { startTime: ago(60) };

t.test('what is done next', async (t) => {
  const three = { completions: 3, parallelism: 2 };
  const queue = { parallelism: 2 };
  const onFailure: Partial<Spec> = {
    template: { spec: { restartPolicy: 'OnFailure', containers: [] } },
    backoffLimit: 2,
  };
  const rows: [string, Partial<Spec>, Status | undefined, string[], string[], Backoff?][] = [
    ['makes the first pod', {}, undefined, [], ['+1']],
    ['waits for it', {}, STARTED, ['a running'], []],
    ['counts it', {}, STARTED, ['a Succeeded'], ['free a', 'Complete CompletionsReached']],
    ['makes as many as may run', three, STARTED, [], ['+2']],
    ['and no more than are wanted', three, { ...STARTED, succeeded: 2 }, ['a running'], []],
    ['replaces what ended', three, STARTED, ['a Succeeded', 'b running'], ['+1', 'free a']],
    [
      'takes away what is too much',
      three,
      { ...STARTED, succeeded: 2 },
      ['a running', 'b ready'],
      ['-a uncounted'],
    ],
    ['tries again', {}, STARTED, ['a Failed untracked'], ['+1'], LONG_AGO],
    ['but not at once', {}, STARTED, ['a Failed untracked'], [], RECENT],
    ['gives up', { backoffLimit: 0 }, STARTED, ['a Failed'], ['free a', 'Failed BackoffLimitExceeded']],
    [
      'gives up on what runs too',
      { ...three, backoffLimit: 0 },
      STARTED,
      ['a Failed', 'b running'],
      ['-b', 'free a', 'free b', 'Failed BackoffLimitExceeded'],
    ],
    ['counts restarts in place', onFailure, STARTED, ['a running x1'], []],
    [
      'and gives up for them',
      onFailure,
      STARTED,
      ['a running x2'],
      ['-a', 'free a', 'Failed BackoffLimitExceeded'],
    ],
    [
      'ends at the deadline',
      { activeDeadlineSeconds: 60 },
      STARTED,
      ['a running'],
      ['-a', 'free a', 'Failed DeadlineExceeded'],
    ],
    ['a deadline that is to come', { activeDeadlineSeconds: 61 }, STARTED, ['a running'], []],
    ['counts a deleted pod as failed', {}, STARTED, ['a running going'], ['free a']],
    ['a queue lets the others end', queue, STARTED, ['a Succeeded', 'b running'], ['free a']],
    ['a queue is done', queue, { ...STARTED, succeeded: 1 }, [], ['Complete CompletionsReached']],
    ['suspends', { suspend: true }, STARTED, ['a running'], ['-a uncounted', 'Suspended']],
    ['stays suspended', { suspend: true }, RESUMED, [], []],
    ['resumes', {}, RESUMED, [], ['+1', 'Resumed']],
  ];
  for (const [what, spec, status, pods, wanted, backoff] of rows)
    t.same(said(plan(jobOf(spec, status), pods, backoff)), wanted, what);
  t.equal(plan(jobOf({}, STARTED), [], RECENT).requeueAfterMs, 7000, 'comes back after the back-off');
  t.equal(plan(jobOf({ activeDeadlineSeconds: 61 }, STARTED), ['a running']).requeueAfterMs, 1000);
});

t.test('indexed Jobs', async (t) => {
  const four: Partial<Spec> = { completionMode: 'Indexed', completions: 4, parallelism: 4 };
  const perIndex = { ...four, backoffLimitPerIndex: 1, backoffLimit: 2 ** 31 - 1 };
  const rows: [string, Partial<Spec>, Status, string[], string[]][] = [
    ['makes one for each', four, STARTED, [], ['+#0#1#2#3']],
    ['fills the gaps', four, { ...STARTED, completedIndexes: '1' }, ['a running #2'], ['+#0#3']],
    ['keeps one of each', four, STARTED, ['a running #0', 'b ready #0'], ['-a uncounted']],
    ['and none beyond', four, STARTED, ['a running #4'], ['-a uncounted']],
    [
      'is done',
      four,
      { ...STARTED, completedIndexes: '0-2', succeeded: 3 },
      ['a Succeeded #3'],
      ['free a', 'Complete CompletionsReached'],
    ],
    [
      'keeps what failed until it is replaced',
      perIndex,
      { ...STARTED, completedIndexes: '1-3' },
      ['a Failed #0'],
      [],
    ],
    [
      'lets it go then',
      perIndex,
      { ...STARTED, completedIndexes: '1-3' },
      ['a Failed #0', 'b running #0 f1'],
      ['free a'],
    ],
    [
      'gives up on an index',
      perIndex,
      { ...STARTED, completedIndexes: '1-3' },
      ['b Failed #0 f1'],
      ['free b', 'Failed FailedIndexes'],
    ],
    [
      'gives up on too many',
      { ...perIndex, maxFailedIndexes: 1 },
      { ...STARTED, failedIndexes: '2' },
      ['b Failed #0 f1', 'c running #1'],
      ['-c', 'free b', 'free c', 'Failed MaxFailedIndexesExceeded'],
    ],
    [
      'is content with some',
      { ...four, successPolicy: { rules: [{ succeededIndexes: '0-1', succeededCount: 1 }] } },
      STARTED,
      ['a Succeeded #1', 'b running #0'],
      ['-b', 'free a', 'free b', 'Complete SuccessPolicy'],
    ],
  ];
  for (const [what, spec, status, pods, wanted] of rows)
    t.same(said(plan(jobOf(spec, status), pods)), wanted, what);
  const { status } = plan(jobOf(perIndex, { ...STARTED, completedIndexes: '0', failedIndexes: '1' }), [
    'a Succeeded #3',
    'b Failed #2 f1',
  ]);
  t.match(status, { completedIndexes: '0,3', failedIndexes: '1,2', succeeded: 2 });
});

t.test('the pod of an index', async (t) => {
  const job = jobOf({ completionMode: 'Indexed', completions: 3, backoffLimitPerIndex: 2 });
  const pod = podOf(job, 2, podLike('a Failed #2 f1'));
  t.match(pod, {
    metadata: {
      generateName: 'work-2-',
      finalizers: [TRACKING],
      labels: { [COMPLETION_INDEX]: '2' },
      annotations: { [COMPLETION_INDEX]: '2', [INDEX_FAILURES]: '2' },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: 'work', controller: true }],
    },
    spec: {
      hostname: 'work-2',
      containers: [
        {
          env: [
            {
              name: 'JOB_COMPLETION_INDEX',
              valueFrom: { fieldRef: { fieldPath: `metadata.labels['${COMPLETION_INDEX}']` } },
            },
          ],
        },
      ],
    },
  });
  const plain = podOf(jobOf());
  t.same(plain.metadata?.finalizers, [TRACKING]);
  t.equal(plain.metadata?.generateName, 'work-');
  t.notOk(plain.spec?.hostname);
  const long = { ...job, metadata: { ...job.metadata, name: 'x'.repeat(63) } };
  t.equal(podOf(long, 10).metadata?.generateName, `${'x'.repeat(54)}-10-`);
});

t.test('the status, as a real cluster writes it', async (t) => {
  const condition = (type: string, reason: string, message: string): object => ({
    ...{ type, status: 'True', reason, message, lastProbeTime: ISO, lastTransitionTime: ISO },
  });
  t.same(plan(jobOf(), []).status, {
    startTime: ISO,
    active: 1,
    ready: 0,
    terminating: 0,
    uncountedTerminatedPods: {},
  });
  const job = jobOf({}, { startTime: ISO, active: 1, ready: 1, terminating: 0, uncountedTerminatedPods: {} });
  const ended = plan(job, ['a Succeeded']);
  const reached = ['CompletionsReached', 'Reached expected number of succeeded pods'] as const;
  const met = condition('SuccessCriteriaMet', ...reached);
  t.same(ended.status, {
    startTime: ISO,
    ready: 0,
    terminating: 0,
    conditions: [met],
    uncountedTerminatedPods: { succeeded: ['a'] },
  });
  t.same(settle(ended, new Set(['a']), job).events, [], 'is not over while a pod is not counted');
  const settled = settle(ended, new Set(), job);
  t.same(settled.status, {
    ...{ startTime: ISO, completionTime: ISO, ready: 0, terminating: 0, succeeded: 1 },
    conditions: [met, condition('Complete', ...reached)],
    uncountedTerminatedPods: {},
  });
  t.same(settled.events, [{ type: 'Normal', reason: 'Completed', message: 'Job completed' }]);

  const doomed = jobOf({ backoffLimit: 0, parallelism: 2, completions: 2 }, STARTED);
  const failing = plan(doomed, ['a Failed', 'b ready']);
  const waiting = settle(failing, new Set(), doomed);
  const limit = ['BackoffLimitExceeded', 'Job has reached the specified backoff limit'] as const;
  t.match(waiting.status, { failed: 2, terminating: 1, conditions: [condition('FailureTarget', ...limit)] });
  t.equal(waiting.status.conditions?.length, 1, 'is not over while a pod goes');
  const over = settle(plan({ ...doomed, status: waiting.status }, []), new Set(), doomed);
  t.same(over.status, {
    ...{ startTime: ago(60), failed: 2, ready: 0, terminating: 0, uncountedTerminatedPods: {} },
    conditions: [condition('FailureTarget', ...limit), condition('Failed', ...limit)],
  });
  t.match(over.events, [{ type: 'Warning', reason: 'BackoffLimitExceeded' }]);

  const resumed = plan(jobOf({}, RESUMED), []).status;
  t.match(resumed, {
    startTime: ISO,
    conditions: [{ type: 'Suspended', status: 'False', reason: 'JobResumed' }],
  });
});

t.test('every pod counts once, whatever fails in between', async (t) => {
  for (let seed = 1; seed <= 60; seed++) {
    let state = seed;
    const chance = (share: number): boolean => {
      state = (state * 1103515245 + 12345) % 2147483648;
      return state / 2147483648 < share;
    };
    const isIndexed = seed % 2 === 0;
    const spec: Partial<Spec> = {
      ...{ completions: 5, parallelism: 3, backoffLimit: 100 },
      ...(isIndexed ? { completionMode: 'Indexed' } : {}),
    };
    let job = jobOf(spec);
    let pods: Pod[] = [];
    let made = 0;
    let isOver = false;
    for (let step = 0; step < 300 && !isOver; step++) {
      const planned = planJob({ job, pods, backoff: NO_BACKOFF, now: NOW });
      pods = pods.concat(
        planned.create.map((pod) => ({
          ...pod,
          metadata: { ...pod.metadata, uid: `pod-${made++}` },
          status: { phase: 'Running' },
        })),
      );
      // Stopped before the status is written, between the writes, or with some of the finalizers still there.
      if (chance(0.2)) continue;
      job = { ...job, status: planned.status };
      const freed = planned.release.filter(() => chance(0.7)).map(uidOf);
      pods = pods.map((pod) =>
        freed.includes(uidOf(pod)) ? { ...pod, metadata: { ...pod.metadata, finalizers: [] } } : pod,
      );
      if (freed.length === planned.release.length && chance(0.8)) {
        const { status, events } = settle(planned, new Set(pods.filter(isTracked).map(uidOf)), job);
        job = { ...job, status };
        isOver = events.length > 0;
      }
      pods = pods.map((pod) =>
        pod.status?.phase === 'Running' && chance(0.3)
          ? { ...pod, status: { phase: chance(0.7) ? 'Succeeded' : 'Failed' } }
          : pod,
      );
    }
    const count = (phase: string): number => pods.filter(({ status }) => status?.phase === phase).length;
    const { succeeded = 0, failed = 0 } = job.status ?? {};
    t.same(
      { succeeded, failed, isOver },
      { succeeded: isIndexed ? 5 : count('Succeeded'), failed: count('Failed'), isOver: true },
      `seed ${seed}`,
    );
  }
});

t.test('lists of indexes', async (t) => {
  const rows: [string, number[]][] = [
    ['', []],
    ['3', [3]],
    ['0,1', [0, 1]],
    ['0-2,4,6,7', [0, 1, 2, 4, 6, 7]],
  ];
  for (const [text, indexes] of rows) {
    t.equal(formatIndexes([...indexes].reverse()), text);
    t.same([...parseIndexes(text, 10)], indexes);
  }
  t.same([...parseIndexes('1-9,x,-3,5-', 4)], [1, 2, 3], 'what is beyond or no index is left out');
  t.same(
    pendingIndexes(2, 4, (index) => index === 0),
    [1, 2],
  );
});

t.test('what a Job says about failures', async (t) => {
  const policy = (rule: object): Spec => jobOf({ podFailurePolicy: { rules: [rule as never] } }).spec as Spec;
  const codes = (action: string, operator: string, values: number[], containerName?: string): Spec =>
    policy({ action, onExitCodes: { operator, values, ...(containerName ? { containerName } : {}) } });
  const failed = podLike('a Failed 42');
  const disrupted: Pod = {
    ...failed,
    status: { conditions: [{ type: 'DisruptionTarget', status: 'True' }] },
  };
  const onDisruption = (action: string): Spec =>
    policy({ action, onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] });
  const rows: [Spec, Pod, object][] = [
    [jobOf().spec as Spec, failed, { isCounted: true }],
    [codes('Ignore', 'In', [42]), failed, { action: 'Ignore', isCounted: false }],
    [codes('Ignore', 'In', [41]), failed, { isCounted: true }],
    [codes('Count', 'NotIn', [1]), failed, { action: 'Count', isCounted: true }],
    [codes('Ignore', 'In', [42], 'other'), failed, { isCounted: true }],
    [
      codes('FailJob', 'In', [42]),
      failed,
      {
        action: 'FailJob',
        isCounted: true,
        failsJob:
          'Container c for pod default/work-a failed with exit code 42 matching FailJob rule at index 0',
      },
    ],
    [onDisruption('Ignore'), disrupted, { action: 'Ignore', isCounted: false }],
    [
      onDisruption('FailJob'),
      disrupted,
      {
        action: 'FailJob',
        isCounted: true,
        failsJob: 'Pod default/work-a has condition DisruptionTarget matching FailJob rule at index 0',
      },
    ],
  ];
  for (const [spec, pod, verdict] of rows) t.same(judgeFailure(spec, pod), verdict);
  const rules = (...list: object[]): Spec =>
    jobOf({ completions: 5, successPolicy: { rules: list } }).spec as Spec;
  const met = (spec: Spec, ...indexes: number[]): string | undefined =>
    metSuccessPolicy(spec, new Set(indexes));
  t.equal(met(rules({ succeededCount: 2 }), 1), undefined);
  t.equal(met(rules({ succeededCount: 2 }), 1, 4), 'Matched rules at index 0');
  t.equal(
    met(rules({ succeededIndexes: '7' }, { succeededIndexes: '0,1' }), 0, 1),
    'Matched rules at index 1',
  );
});

t.test('how long a Job waits before it tries again', async (t) => {
  const rows: [number, number][] = [
    [0, 0],
    [1, 10],
    [2, 20],
    [3, 40],
    [7, 600],
    [50, 600],
  ];
  for (const [failures, seconds] of rows)
    t.equal(backoffLeft({ failures, lastFailureAt: NOW }, NOW), seconds * 1000, `after ${failures} failures`);
  t.equal(backoffLeft({ failures: 1, lastFailureAt: NOW - 60_000 }, NOW), 0);
  const once = nextBackoff(NO_BACKOFF, [], [podLike('a Failed')]);
  t.same(once, { failures: 1, lastFailureAt: NOW - 5000 });
  t.same(nextBackoff(once, [], [podLike('b Failed')]), { failures: 2, lastFailureAt: NOW - 5000 });
  t.same(nextBackoff(once, [podLike('c Succeeded')], []), NO_BACKOFF, 'a success begins anew');
  t.equal(nextBackoff(NO_BACKOFF, [], [podLike('d running going')]).failures, 1);
});
