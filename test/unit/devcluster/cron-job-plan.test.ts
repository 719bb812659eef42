import t from 'tap';
import { planCronJob } from '../../../devcluster/controllers/cron-job/plan.js';
import type { Plan } from '../../../devcluster/controllers/cron-job/plan.js';
import { latestBetween, parseSchedule } from '../../../devcluster/controllers/cron-job/schedule.js';
import type { CronJob, Job } from '../../../kube/objects.js';

/** `2026-01-01 12:30` or with seconds, UTC. */
const at = (text: string): number => Date.parse(`${text.replace(' ', 'T')}${text.length > 16 ? '' : ':00'}Z`);
const iso = (time: number | undefined): string | undefined =>
  time === undefined ? undefined : new Date(time).toISOString().slice(0, 19).replace('T', ' ');

t.test('the next time', async (t) => {
  const rows: [schedule: string, after: string, next: string | undefined, zone?: string][] = [
    ['* * * * *', '2026-01-01 00:00', '2026-01-01 00:01:00'],
    ['*/15 * * * *', '2026-01-01 00:16', '2026-01-01 00:30:00'],
    ['5/20 * * * *', '2026-01-01 00:06', '2026-01-01 00:25:00'],
    ['0 9-17/4 * * *', '2026-01-01 10:00', '2026-01-01 13:00:00'],
    ['30 6 * * MON-FRI', '2026-01-02 07:00', '2026-01-05 06:30:00'],
    ['0 0 13 * fri', '2026-01-03 00:00', '2026-01-09 00:00:00'],
    ['0 0 */2 * fri', '2026-01-03 00:00', '2026-01-09 00:00:00'],
    ['0 0 1,15 feb *', '2026-01-03 00:00', '2026-02-01 00:00:00'],
    ['0 0 29 2 *', '2026-01-01 00:00', '2028-02-29 00:00:00'],
    ['0 0 31 2 *', '2026-01-01 00:00', undefined],
    ['@hourly', '2026-01-01 00:00', '2026-01-01 01:00:00'],
    ['@weekly', '2026-01-01 00:00', '2026-01-04 00:00:00'],
    ['@yearly', '2026-01-01 00:00', '2027-01-01 00:00:00'],
    ['@every 1h30m', '2026-01-01 00:00', '2026-01-01 01:30:00'],
    ['@every 2s', '2026-01-01 00:00:01', '2026-01-01 00:00:03'],
    ['0 9 * * *', '2026-01-01 00:00', '2026-01-01 14:00:00', 'America/New_York'],
    ['0 9 * * *', '2026-03-07 20:00', '2026-03-08 13:00:00', 'America/New_York'],
    ['0 9 * * *', '2026-10-31 20:00', '2026-11-01 14:00:00', 'America/New_York'],
    ['0 0 * * *', '2026-01-01 00:00', '2026-01-01 18:30:00', 'Asia/Kolkata'],
  ];
  for (const [schedule, after, next, zone] of rows)
    t.equal(iso(parseSchedule(schedule, zone)?.next(at(after))), next, `${schedule} after ${after}`);
});

t.test('a schedule always moves on, clocks set forward and back included', async (t) => {
  for (const [schedule, zone] of [
    ['30 * * * *', 'America/New_York'],
    ['30 2 * * *', 'America/New_York'],
    ['*/10 1-3 * * *', 'Europe/Berlin'],
    ['0 0 * * *', 'America/Sao_Paulo'],
  ] as const) {
    for (const from of ['2026-03-01 00:00', '2026-10-20 00:00']) {
      const parsed = parseSchedule(schedule, zone);
      let time = at(from);
      const end = time + 35 * 86_400_000;
      let isForward = true;
      while (time < end) {
        const next = parsed?.next(time) ?? NaN;
        isForward &&= next > time && next - time <= 49 * 3_600_000;
        time = next;
      }
      t.ok(isForward, `${schedule} ${zone} from ${from}`);
    }
  }
});

t.test('what is no schedule', async (t) => {
  for (const text of ['', '* * * *', '* * * * * *', '60 * * * *', '* 24 * * *', '* * 0 * *', '5-1 * * * *'])
    t.equal(parseSchedule(text), undefined, text);
  for (const text of ['*/0 * * * *', 'a * * * *', '1,,2 * * * *', '@sometimes', '@every day'])
    t.equal(parseSchedule(text), undefined, text);
  t.throws(() => parseSchedule('* * * * *', 'Nowhere/Land'), RangeError);
});

t.test('the latest time that passed', async (t) => {
  const rows: [schedule: string, after: string, until: string, latest: string | undefined][] = [
    ['* * * * *', '2026-01-01 00:00', '2026-01-01 00:00:59', undefined],
    ['* * * * *', '2026-01-01 00:00', '2026-01-01 00:01', '2026-01-01 00:01:00'],
    ['* * * * *', '2026-01-01 00:00', '2026-01-01 00:03:30', '2026-01-01 00:03:00'],
    ['* * * * *', '2020-01-01 00:00', '2026-01-01 00:03:30', '2026-01-01 00:03:00'],
    ['0 9 * * MON-FRI', '2025-12-01 00:00', '2026-01-04 00:00', '2026-01-02 09:00:00'],
  ];
  for (const [schedule, after, until, latest] of rows) {
    const parsed = parseSchedule(schedule);
    t.equal(
      parsed && iso(latestBetween(parsed, at(after), at(until))),
      latest,
      `${schedule} ${after} ${until}`,
    );
  }
});

type Spec = NonNullable<CronJob['spec']>;
const NOW = at('2026-01-01 00:10:30');
const cronJobOf = (spec: Partial<Spec> = {}, status: CronJob['status'] = {}): CronJob => ({
  metadata: {
    ...{ name: 'cron', namespace: 'default', uid: 'c' },
    creationTimestamp: new Date(NOW - 20_000).toISOString(),
  },
  spec: {
    schedule: '* * * * *',
    concurrencyPolicy: 'Allow',
    jobTemplate: { metadata: { labels: { x: 'y' } }, spec: { template: {} } },
    ...spec,
  },
  status,
});
const jobLike = (text: string): Job => {
  const [name = '', type] = text.split(' ');
  return {
    metadata: { name, uid: name },
    status: {
      startTime: new Date(NOW - 1000 * Number(name.slice(1))).toISOString(),
      ...(type === undefined ? {} : { conditions: [{ type, status: 'True' }] }),
      ...(type === 'Complete' ? { completionTime: '2026-01-01T00:09:00Z' } : {}),
    },
  };
};
const active = (...names: string[]): CronJob['status'] => ({
  lastScheduleTime: '2026-01-01T00:09:00Z',
  active: names.map((name) => ({ kind: 'Job', name, uid: name })),
});
const said = ({ create, remove, events }: Plan): string[] => [
  ...remove.map(({ metadata }) => `-${metadata?.name}`),
  ...(create === undefined ? [] : [`+${create.job.metadata?.name}`]),
  ...events.map(({ reason }) => reason),
];

t.test('what is done next', async (t) => {
  const minute = Math.floor(NOW / 60_000);
  const old = { lastScheduleTime: '2026-01-01T00:09:00Z' };
  const rows: [string, Partial<Spec>, CronJob['status'], string[], string[]][] = [
    ['waits for its time', {}, {}, [], []],
    ['makes a Job', {}, old, [], [`+cron-${minute}`]],
    ['makes it once', {}, { lastScheduleTime: '2026-01-01T00:10:00Z' }, [], []],
    ['not while suspended', { suspend: true }, old, [], []],
    ['beside others', {}, active('j1'), ['j1'], [`+cron-${minute}`]],
    ['not beside others', { concurrencyPolicy: 'Forbid' }, active('j1'), ['j1'], ['JobAlreadyActive']],
    ['instead of others', { concurrencyPolicy: 'Replace' }, active('j1'), ['j1'], ['-j1', `+cron-${minute}`]],
    ['not when it is too late', { startingDeadlineSeconds: 10 }, old, [], ['MissSchedule']],
    ['sees the end', { suspend: true }, active('j1'), ['j1 Failed'], ['SawCompletedJob']],
    ['sees what went missing', { suspend: true }, active('j1'), [], ['MissingJob']],
    ['sees what it did not make', { suspend: true }, {}, ['j1'], ['UnexpectedJob']],
    [
      'keeps a few',
      { suspend: true, successfulJobsHistoryLimit: 2, failedJobsHistoryLimit: 0 },
      {},
      ['j1 Complete', 'j3 Complete', 'j2 Complete', 'j4 Failed'],
      ['-j3', '-j4'],
    ],
    ['says what is wrong', { schedule: '61 * * * *' }, {}, [], ['UnparseableSchedule']],
    ['and where', { timeZone: 'Nowhere/Land' }, {}, [], ['UnknownTimeZone']],
  ];
  for (const [what, spec, status, jobs, wanted] of rows) {
    const plan = planCronJob({ cronJob: cronJobOf(spec, status), jobs: jobs.map(jobLike), now: NOW });
    t.same(said(plan), wanted, what);
  }
  const plan = planCronJob({ cronJob: cronJobOf({}, old), jobs: [jobLike('j9 Complete')], now: NOW });
  t.equal(plan.requeueAfterMs, 30_100, 'comes back for the next time');
  t.same(plan.status, { ...old, lastSuccessfulTime: '2026-01-01T00:09:00Z' });
  t.match(plan.create?.job, {
    metadata: {
      labels: { x: 'y' },
      annotations: { 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T00:10:00Z' },
      ownerReferences: [{ kind: 'CronJob', name: 'cron', uid: 'c', controller: true }],
    },
  });
});
