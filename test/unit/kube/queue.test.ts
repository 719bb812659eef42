import t from 'tap';
import { backoffMs, createWorkQueue } from '../../../kube/index.js';
import type { WorkQueueOptions } from '../../../kube/index.js';
import { until } from '../../helpers/eventually.js';

const QUICK = { baseMs: 5, maxMs: 20 };
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A queue whose runs wait until the test lets each go. */
function held(options: Partial<WorkQueueOptions<string>> = {}) {
  const runs: {
    key: string;
    go: (result?: { requeueAfterMs: number }) => void;
    fail: (error: Error) => void;
  }[] = [];
  const queue = createWorkQueue<string>({
    reconcile: (key) => new Promise((resolve, reject) => runs.push({ key, go: resolve, fail: reject })),
    backoff: QUICK,
    ...options,
  });
  t.teardown(() => {
    runs.forEach(({ go }) => go());
    return queue.stop();
  });
  const keys = () => runs.map(({ key }) => key);
  return { queue, runs, keys };
}

t.test('a key waits once, and runs in the order of its coming', async (t) => {
  const { queue, runs, keys } = held();
  for (const key of ['a', 'b', 'a', 'c', 'b', 'b']) queue.add(key);
  t.strictSame(keys(), [], 'reconcile never runs inside add');
  t.equal(queue.size, 3);
  await turn();
  t.strictSame(keys(), ['a'], 'one at a time');
  for (let i = 0; i < 3; i++) {
    runs[i]!.go();
    await turn();
  }
  t.strictSame(keys(), ['a', 'b', 'c']);
  t.equal(queue.size, 0);
});

t.test('a key under work that is added runs once more, never beside itself', async (t) => {
  const { queue, runs, keys } = held({ concurrency: 5 });
  queue.add('a');
  await turn();
  for (let i = 0; i < 3; i++) queue.add('a');
  await turn();
  t.strictSame(keys(), ['a']);
  runs[0]!.go();
  await turn();
  t.strictSame(keys(), ['a', 'a']);
  runs[1]!.go();
  await turn();
  t.strictSame(keys(), ['a', 'a']);
  t.equal(queue.size, 0);
});

t.test('a reconcile that adds its own key runs again after itself', async (t) => {
  let [runs, beside, most] = [0, 0, 0];
  const queue = createWorkQueue<string>({
    concurrency: 4,
    reconcile: async (key) => {
      if (++runs < 3) queue.add(key);
      most = Math.max(most, ++beside);
      await turn();
      beside--;
    },
  });
  queue.add('a');
  await until(() => runs === 3 && queue.size === 0);
  t.equal(most, 1);
  queue.addAfter('a', Infinity);
  await turn();
  t.equal(runs, 3, 'an endless delay is not none');
  await queue.stop();
});

t.test('so many keys at once as concurrency says', async (t) => {
  const { queue, runs, keys } = held({ concurrency: 2 });
  for (const key of ['a', 'b', 'c', 'd']) queue.add(key);
  await turn();
  t.strictSame(keys(), ['a', 'b']);
  runs[1]!.go();
  await turn();
  t.strictSame(keys(), ['a', 'b', 'c']);
  t.equal(queue.size, 3);
});

t.test('whose owner has the fewest under work comes first', async (t) => {
  const { queue, runs, keys } = held({ concurrency: 2, ownerOf: (key) => key[0]! });
  for (const key of ['a1', 'a2', 'a3', 'a4', 'b1', 'b2']) queue.add(key);
  await turn();
  t.strictSame(keys(), ['a1', 'b1']);
  runs[0]!.go();
  await turn();
  t.strictSame(keys(), ['a1', 'b1', 'a2']);
  runs[2]!.go();
  await turn();
  t.strictSame(keys(), ['a1', 'b1', 'a2', 'a3'], 'b has one under work');
  t.equal(queue.size, 4);
});

t.test('a key that takes long holds up no other, up to a bound', async (t) => {
  const { queue, runs, keys } = held({ concurrency: 2, patienceMs: 10 });
  const all = Array.from({ length: 40 }, (_, i) => `${i}`);
  for (const key of all) queue.add(key);
  await until(() => runs.length === 32);
  await new Promise((resolve) => setTimeout(resolve, 30));
  t.strictSame(keys(), all.slice(0, 32), 'sixteen times as many');
  runs[5]!.go();
  await until(() => runs.length === 33);
  runs.forEach(({ go }) => go());
  await until(() => runs.length === 40);
  runs.forEach(({ go }) => go());
  await until(() => queue.size === 0);
});

t.test('failures: back-off by key, forgotten after success, terminal ones left', async (t) => {
  const failures = new Map([
    ['flaky', 3],
    ['hopeless', 9],
  ]);
  const errors: { key: string; retryInMs: number | undefined }[] = [];
  const done: string[] = [];
  const backoff = { baseMs: 8, maxMs: 20 };
  const queue = createWorkQueue<string>({
    concurrency: 3,
    backoff,
    reconcile: async (key) => {
      const left = failures.get(key) ?? 0;
      failures.set(key, left - 1);
      if (left > 0) throw new Error(key);
      done.push(key);
      await turn();
    },
    isTerminal: (error) => (error as Error).message === 'hopeless',
    onError: (key, error, retryInMs) => {
      errors.push({ key, retryInMs });
      throw error;
    },
  });
  t.teardown(() => queue.stop());
  for (const key of ['flaky', 'hopeless', 'fine']) queue.add(key);
  await until(() => done.includes('flaky'));
  t.strictSame(done, ['fine', 'flaky']);
  const delays = (key: string) => errors.filter((one) => one.key === key).map(({ retryInMs }) => retryInMs);
  const [first = 0, second = 0, third = 0] = delays('flaky');
  t.ok(first >= 4 && first <= 8, `${first}`);
  t.ok(second >= 8 && second <= 16, `${second}`);
  t.ok(third >= 10 && third <= 20, `${third} is bounded`);
  t.strictSame(delays('hopeless'), [undefined], 'a terminal error is not retried');

  failures.set('flaky', 1);
  queue.add('flaky');
  await until(() => done.length === 3);
  t.ok((delays('flaky')[3] ?? 99) <= 8, 'success forgets the failures');
  queue.add('hopeless');
  await until(() => delays('hopeless').length === 2);
  t.equal(queue.size, 0);
});

t.test('later', async (t) => {
  const { queue, runs, keys } = held();
  queue.addAfter('a', 60_000);
  queue.addAfter('a', 10);
  queue.addAfter('a', 60_000);
  t.equal(queue.size, 0);
  await until(() => runs.length === 1);
  runs[0]!.go({ requeueAfterMs: 5 });
  await until(() => runs.length === 2);
  t.strictSame(keys(), ['a', 'a'], 'what asks to be called again is');
});

t.test('an add overtakes a back-off', async (t) => {
  const { queue, runs } = held({ backoff: { baseMs: 60_000, maxMs: 60_000 } });
  queue.add('a');
  await turn();
  runs[0]!.fail(new Error('no'));
  await turn();
  queue.add('a');
  await turn();
  t.equal(runs.length, 2);
});

t.test('stop', async (t) => {
  const seen: string[] = [];
  const errors: unknown[] = [];
  const queue = createWorkQueue<string>({
    reconcile: (key, signal) =>
      new Promise((_, reject) => {
        seen.push(key);
        signal.addEventListener('abort', () => reject(new Error('stopped')));
      }),
    onError: (_, error) => errors.push(error),
  });
  queue.add('a');
  queue.add('b');
  queue.addAfter('c', 1);
  await turn();
  await Promise.all([queue.stop(), queue.stop()]);
  queue.add('d');
  queue.addAfter('e', 0);
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.strictSame(seen, ['a'], 'what waited is dropped, and nothing is taken any more');
  t.strictSame(errors, [], 'a run that its signal ended is no failure');
  t.equal(queue.size, 0);
});

t.test('back-off', (t) => {
  for (const [failures, full] of [
    [1, 10],
    [2, 20],
    [3, 40],
    [4, 50],
    [5000, 50],
  ] as const) {
    for (let i = 0; i < 50; i++) {
      const ms = backoffMs({ baseMs: 10, maxMs: 50 }, failures);
      if (ms < full / 2 || ms > full) t.fail(`${ms} after ${failures} failures`);
    }
    t.not(
      backoffMs({ baseMs: 10, maxMs: 50 }, failures),
      backoffMs({ baseMs: 10, maxMs: 50 }, failures),
      'jitter',
    );
  }
  t.end();
});
